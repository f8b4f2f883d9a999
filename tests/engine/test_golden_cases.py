"""The golden cases of the example business: all as expected, and nothing without a case."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.bundle import load_bundle
from engine.case_files import load_cases
from engine.cases import play, run
from engine.catalog import Bundle
from engine.coverage import coverage
from engine.golden import Case
from engine.ledger.site import BUNDLES
from feature_store.schema import FEATURES

DOCUMENT = Path(__file__).parents[2] / "docs" / "bundle-tools.md"
FOLDER = BUNDLES / "telco"
BUNDLE = load_bundle(FOLDER, features=FEATURES)
CASES = load_cases(FOLDER, BUNDLE, features=FEATURES)
TERMS = ("limits", "policies", "quiet_hours", "volumes", "exclusions", "margin_floors")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_customer_is_told_what_is_right(case: Case) -> None:
    assert run(case, BUNDLE) == ()


def test_every_part_of_the_example_business_has_a_case() -> None:
    seen = [each for case in CASES for each in play(case, BUNDLE)]
    items = coverage(BUNDLE, seen)
    assert [item for item in items if item.missing] == []
    assert len(items) > 300


def test_cases_do_not_change_what_a_bundle_is() -> None:
    assert (FOLDER / "cases").is_dir()
    assert b"who-said-no" not in BUNDLE.source


def removals() -> Iterator[tuple[str, Bundle]]:
    """The bundle without each of the things in it that can stop an action."""
    for section in TERMS:
        terms: Sequence[Any] = getattr(BUNDLE, section)
        for term in terms:
            others = tuple(one for one in terms if one is not term)
            yield f"{section} {term.name}", replace(BUNDLE, **{section: others})
    for name in sorted({rule.name for a in BUNDLE.actions.values() for rule in a.rules}):
        yield f"rule {name}", without_rule(name)


def without_rule(name: str) -> Bundle:
    actions = {
        key: replace(action, rules=tuple(rule for rule in action.rules if rule.name != name))
        for key, action in BUNDLE.actions.items()
    }
    return replace(BUNDLE, actions=actions)


REMOVALS = dict(removals())


@pytest.mark.parametrize("removed", REMOVALS)
def test_a_case_notices_when_something_is_removed(removed: str) -> None:
    _, name = removed.split(" ")
    concerned = [case for case in CASES if mentions(case, name)]
    assert concerned, "no case is about it"
    assert any(run(without(case, removed), REMOVALS[removed]) for case in concerned)


def mentions(case: Case, name: str) -> bool:
    rules = (drop.rule or "" for drop in case.expected.drops.values())
    return any(name in rule.split(":") for rule in rules)


def without(case: Case, removed: str) -> Case:
    """A case that says nothing of a volume that is gone."""
    _, name = removed.split(" ")
    used = {volume: count for volume, count in case.used.items() if volume != name}
    kept = {volume: action for volume, action in case.kept.items() if volume != name}
    return replace(case, used=used, kept=kept)


def opposite(bundle: Bundle) -> Iterator[tuple[str, Callable[[], Bundle]]]:
    """The bundle with everything opened or closed that a purpose or hold says."""
    for purpose in bundle.purposes.values():
        consent = {channel: not given for channel, given in purpose.default_consent.items()}
        changed = replace(purpose, default_consent=consent)
        yield (
            purpose.name,
            lambda p=changed: replace(bundle, purposes={**bundle.purposes, p.name: p}),
        )


@pytest.mark.parametrize(
    "changed", [change for _, change in opposite(BUNDLE)], ids=[n for n, _ in opposite(BUNDLE)]
)
def test_a_case_notices_when_a_default_consent_is_turned_round(
    changed: Callable[[], Bundle],
) -> None:
    bundle = changed()
    assert any(run(case, bundle) for case in CASES)


def test_the_cases_of_the_document_are_as_it_says(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    (written,) = [block for block in blocks if block.startswith("customers:")]
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "document.yaml").write_text(written)
    cases = load_cases(tmp_path, BUNDLE, features=FEATURES)
    assert len(cases) == 2
    assert [failure for case in cases for failure in run(case, BUNDLE)] == []
