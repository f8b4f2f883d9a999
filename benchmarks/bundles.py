"""Bundles to measure with: the example business, and the same terms with any number of actions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import orjson
import yaml

from engine.catalog import Action, Bundle
from engine.ledger.site import BUNDLES

CHANNEL = "web"
KINDS = 24
"""How many actions of the example business the others are made from."""
EXPLORATION: Mapping[str, Any] = {
    "smoothing_evidence": 50,
    "control_percent": 2,
    "mature_positives": 200,
    "immature_percent": 5,
}
"""A random slice, smoothing, new actions held back. Not Thompson sampling: the exact odds of each
choice, which are logged with it, cost about as much again as the rest of the decision.
"""

_TIED = frozenset(("requires", "brings", "only_as_member", "journeys_only", "starts", "ends"))

Plain = dict[str, Any]


def write_example(folder: Path) -> Path:
    """The example business as it is, with all exploration on."""
    return _write(folder, {**_business(), "exploration": EXPLORATION}, _actions())


def write_generated(folder: Path, actions: int) -> Path:
    """Its terms with so many actions, all candidates on the web, copies with a rule of their own.

    Every bundle is made from the same 24 actions in turn, so that the same share of the candidates
    gets as far as scoring and ranking, however many there are.
    """
    made = dict(_generated(actions))
    business = {**_business(), "exploration": EXPLORATION}
    for section in ("volumes", "exclusions", "limits"):
        business[section] = {
            name: term
            for name, term in business[section].items()
            if set(term.get("actions", ())) <= made.keys()
        }
    del business["quiet_hours"]  # they bind messages alone, some of which are not made
    return _write(folder, business, made)


def candidates(bundle: Bundle) -> tuple[Action, ...]:
    """The actions that the web may show without being asked for."""
    return tuple(
        action
        for action in bundle.actions.values()
        if not action.only_for_journeys
        and any(treatment.channel == CHANNEL for treatment in action.treatments)
    )


def _generated(count: int) -> Iterator[tuple[str, Plain]]:
    every = _actions()
    kinds = [name for name in sorted(every) if not _TIED & every[name].keys()][:KINDS]
    for number, kind in enumerate(islice(cycle(kinds), count)):
        name = kind if number < KINDS else f"{kind}-{number // KINDS + 1}"
        yield name, _copy(every[kind], number)


def _copy(action: Plain, number: int) -> Plain:
    """The action with a rule of its own that nearly everybody fits."""
    own = {
        "stage": "suitability",
        "when": f"billing.monthly_charges <= {100 + number % 97}.5",
        "unknown": "pass",
        "because": "It does not suit a bill of this size.",
    }
    return {**action, "rules": {**action.get("rules", {}), "fits-the-bill": own}}


def _business() -> Plain:
    return yaml.safe_load((BUNDLES / "telco" / "business.yaml").read_text())


def _actions() -> dict[str, Plain]:
    files = sorted((BUNDLES / "telco" / "actions").glob("*.yaml"))
    parts = [yaml.safe_load(file.read_text())["actions"] for file in files]
    return {name: action for part in parts for name, action in part.items()}


def _write(folder: Path, business: Mapping[str, Any], actions: Mapping[str, Plain]) -> Path:
    """Writes JSON, which is YAML too, and much faster to write."""
    folder.mkdir(parents=True)
    for name, plain in (("business", business), ("actions", {"actions": actions})):
        text = orjson.dumps(plain, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
        (folder / f"{name}.yaml").write_bytes(text)
    return folder
