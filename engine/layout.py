"""How request, snapshot and candidates stand in a record: nothing twice, no defaults; and back.

`asked` are the names of all candidates, and `stopped` says for each which of the `drops` stopped
it: by number, none where it came through. What was ranked is in columns, in the order in which the
`scores` name what was scored: P as it ranked (`propensity`) is left out where it is what it was
before anything was drawn (`smoothed`), and that where it is what the model said. A treatment is
`action.channel` where `said` does not name another.
"""

from __future__ import annotations

import binascii
from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter
from typing import Any, cast

import orjson

from engine.later import source_of
from engine.outcome import Counts, Outcome, counts
from engine.packed import pack, told
from engine.plan import drop_text
from engine.types import Arm, Candidate, Contact, Decision, Request, Snapshot, Status

_MAYBE_ASKED = ("context", "purposes", "tags", "journey", "explain", "superseded")
_MAYBE_KNOWN = (
    "holds",
    "consents",
    "journeys",
    "session",
    "volumes",
    "reserved",
    "because",
)
_MAYBE_DECIDED = ("because", "holds", "exemptions", "reserves")
_DROP = ("stage", "rule", "detail", "until")
_NO_PARTS: Mapping[str, Any] = {
    "propensity": None,
    "context_weight": None,
    "value": None,
    "lever": None,
    "priority": None,
    "model": None,
    "smoothed": None,
    "levers": {},
}
_CONTACT = ("id", "kind", "at", "channel", "action", "group", "purpose", "outcome")
_NONE: tuple[tuple[Any, ...], ...] = ((),) * 8
_contact_row = attrgetter(*_CONTACT)


def request_laid_out(request: Request) -> dict[str, Any]:
    """A request."""
    found: dict[str, Any] = {
        "decision_id": request.decision_id,
        "customer": request.customer,
        "channel": request.channel,
        "now": request.now,
        "seed": request.seed,
        "placements": request.placements,
    }
    for name in _MAYBE_ASKED:
        if value := getattr(request, name):
            found[name] = value
    return found


def snapshot_laid_out(snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot, its contacts packed."""
    found: dict[str, Any] = {
        "customer": snapshot.customer,
        "reconciled": snapshot.reconciled,
        "version": snapshot.version,
        "features": snapshot.features,
        "feature_times": snapshot.feature_times,
    }
    for name in _MAYBE_KNOWN:
        if value := getattr(snapshot, name):
            found[name] = value
    if snapshot.contacts:
        found["contacts"] = _contacts_laid_out(snapshot.contacts)
    if snapshot.circles:
        found["circles"] = {
            scope: _contacts_laid_out(contacts) for scope, contacts in snapshot.circles.items()
        }
    if snapshot.remembered is not None:
        found["remembered"] = snapshot.remembered
    return found


def snapshot_read(kept: dict[str, Any]) -> dict[str, Any]:
    """A snapshot as its type has it."""
    found = {**kept, "contacts": _contacts(kept.get("contacts", ()))}
    circles = kept.get("circles", {})
    return {**found, "circles": {scope: _contacts(rows) for scope, rows in circles.items()}}


def _contacts_laid_out(contacts: Sequence[Contact]) -> Any:
    """Contacts packed, with what they were; as rows where they can't be packed."""
    packed = pack(contacts)
    if packed is None:
        return [_contact_row(one) for one in contacts]
    kept = binascii.b2a_base64(packed.kept, newline=False)
    words = b",".join(packed.words)
    return orjson.Fragment(b'{"packed":"%s","words":[%s]}' % (kept, words))


def _contacts(kept: Any) -> Any:
    """Contacts by the names of their fields; as records of before have them."""
    if isinstance(kept, dict):
        laid_out = cast("dict[str, Any]", kept)
        return told(binascii.a2b_base64(laid_out["packed"]), laid_out["words"])
    named: list[Any] = []
    for row in cast("Sequence[Any]", kept):
        named.append(row if isinstance(row, dict) else dict(zip(_CONTACT, row, strict=True)))
    return tuple(named)


# -- candidates


def outcome_laid_out(outcome: Outcome, channel: str) -> dict[str, Any]:
    """The candidates of the kernel, of whom none has been made."""
    plan, table = outcome.plan, dict[bytes, int]()
    texts, stopped = plan.texts, list[int | None]()
    for drop in outcome.drops:
        if drop is None:
            stopped.append(None)
            continue
        text = texts.get(id(drop)) or drop_text(drop)
        stopped.append(table.setdefault(text, len(table)))
    rows = outcome.rows
    _, names, _, weights, values, factors, levers, _ = zip(*rows, strict=True) if rows else _NONE
    return {
        "asked": plan.asked,
        **_odd(outcome, channel),
        "drops": orjson.Fragment(b"[%s]" % b",".join(table)),
        "stopped": stopped,
        **_columns(
            models=None,
            smoothed=None if outcome.smoothed == outcome.models else outcome.smoothed,
            propensity=None if outcome.final == outcome.smoothed else outcome.final,
            priority=outcome.priorities,
            value=values,
            context_weight=weights,
            lever=factors,
            levers={name: said for name, said in zip(names, levers, strict=True) if said},
        ),
    }


def _odd(outcome: Outcome, channel: str) -> Mapping[str, Any]:
    """The treatments that are not called as most are."""
    plan = outcome.plan
    changed = {
        name: said
        for name, said in outcome.chosen.items()
        if plan.odd.get(name, f"{name}.{channel}") != said
    }
    for at in plan.unsure:
        place = plan.display.places[at]
        name = place.action.name
        if name not in outcome.chosen and (said := outcome.said(place)) != f"{name}.{channel}":
            changed[name] = said
    if not changed:
        return plan.odd_said
    every = {**plan.odd, **changed}
    said = {n: every[n] for n in plan.numbers if n in every and every[n] != f"{n}.{channel}"}
    return {"said": said} if said else {}


def candidates_laid_out(decision: Decision, channel: str) -> Any:
    """Candidates as the plain funnel makes them, or as they were read; as they are if need be."""
    table, every = dict[bytes, int](), decision.candidates
    stopped = [_stopped(one, table) for one in every]
    by_name = {one.action: one for one in every}
    ranked = [by_name[name] for name in decision.scores.scored if name in by_name]
    said = {o.action: o.treatment for o in every if o.treatment != f"{o.action}.{channel}"}
    models = [one.model for one in ranked]
    smoothed, final = [one.smoothed for one in ranked], [one.propensity for one in ranked]
    found: dict[str, Any] = {
        "asked": [one.action for one in every],
        **({"said": said} if said else {}),
        "drops": [orjson.loads(text) for text in table],
        "stopped": stopped,
        **_columns(
            models=None if models == _models(decision, len(ranked)) else models,
            smoothed=None if smoothed == models else smoothed,
            propensity=None if final == smoothed else final,
            priority=[one.priority for one in ranked],
            value=[one.value for one in ranked],
            context_weight=[one.context_weight for one in ranked],
            lever=[one.lever for one in ranked],
            levers={one.action: one.levers for one in ranked if one.levers},
        ),
    }
    return found if _tells_all(found, decision, channel) else every


def _columns(
    *,
    models: Sequence[float | None] | None,
    smoothed: Sequence[float | None] | None,
    propensity: Sequence[float | None] | None,
    priority: Sequence[float | None],
    value: Sequence[float | None],
    context_weight: Sequence[float | None],
    lever: Sequence[float | None],
    levers: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
    found: dict[str, Any] = {"priority": priority, "value": value}
    for name, column in (("model", models), ("smoothed", smoothed), ("propensity", propensity)):
        if column is not None:
            found[name] = column
    for name, column in (("context_weight", context_weight), ("lever", lever)):
        if column.count(1.0) != len(column):
            found[name] = column
    if levers:
        found["levers"] = levers
    return found


def _stopped(one: Candidate, table: dict[bytes, int]) -> int | list[int] | None:
    """The numbers of what stopped it: one, several where all reasons were asked for, or none."""
    numbers = [table.setdefault(drop_text(drop), len(table)) for drop in one.drops]
    if not numbers:
        return None
    return numbers[0] if len(numbers) == 1 else numbers


def _tells_all(found: dict[str, Any], decision: Decision, channel: str) -> bool:
    """Whether what is laid out can be read, and gives what it was made of."""
    scores = {"scored": decision.scores.scored, "acceptance": decision.scores.acceptance}
    kept: dict[str, Any] = orjson.loads(orjson.dumps(found))
    read = _read(kept, scores, {one.action for one in decision.offers}, channel)
    return read == orjson.loads(orjson.dumps(decision.candidates))


def _models(decision: Decision, count: int) -> list[float | None]:
    said = [*decision.scores.acceptance[:count]]
    return [*said, *(None for _ in range(count - len(said)))]


# -- decisions


def decision_laid_out(decision: Decision, channel: str) -> dict[str, Any]:
    """A decision. Its counts are left out where they follow from its candidates."""
    found: dict[str, Any] = {
        "decision_id": decision.decision_id,
        "at": decision.at,
        "level": decision.level,
        "placements": decision.placements,
        "bundle": decision.bundle,
        "scores": decision.scores,
    }
    outcome = source_of(decision, "candidates")
    if isinstance(outcome, Outcome):
        found["candidates"] = outcome_laid_out(outcome, channel)
    else:
        found["candidates"] = candidates_laid_out(decision, channel)
        if orjson.dumps(decision.funnel) != orjson.dumps(_counted(decision.candidates)):
            found["funnel"] = decision.funnel
    if decision.arm is not Arm.BEST:
        found["arm"] = decision.arm
    for name in _MAYBE_DECIDED:
        if value := getattr(decision, name):
            found[name] = value
    return found


def decision_read(kept: Mapping[str, Any], channel: str) -> dict[str, Any]:
    """A decision as its type has it."""
    found, laid_out = {"because": (), "holds": (), **kept}, kept["candidates"]
    if isinstance(laid_out, dict):
        offers = (offer for offers in kept["placements"].values() for offer in offers)
        shown = {offer["action"] for offer in offers}
        every = _read(cast("dict[str, Any]", laid_out), kept["scores"], shown, channel)
        found["candidates"] = every
    if "funnel" not in found:
        dropped = [one for one in found["candidates"] if one["status"] == Status.DROPPED]
        first = (one["drops"][0] for one in dropped if one["drops"])
        found["funnel"] = counts((one["stage"], one["rule"]) for one in first)
    return found


def _counted(candidates: Sequence[Candidate]) -> Counts:
    dropped = (one.drops[0] for one in candidates if one.status is Status.DROPPED and one.drops)
    return counts((one.stage.value, one.rule) for one in dropped)


def _read(
    kept: Mapping[str, Any], scores: Mapping[str, Any], shown: Collection[str], channel: str
) -> list[dict[str, Any]]:
    """Candidates as their type has them."""
    drops = [dict(zip(_DROP, (*one, None)[:4], strict=True)) for one in kept["drops"]]
    parts = _parts(kept, scores)
    found: list[dict[str, Any]] = []
    for name, numbers in zip(kept["asked"], kept["stopped"], strict=True):
        stopped = [] if numbers is None else [numbers] if isinstance(numbers, int) else numbers
        status = Status.DROPPED if stopped else Status.PASSED
        one: dict[str, Any] = {
            "action": name,
            "treatment": kept.get("said", {}).get(name, f"{name}.{channel}"),
            "status": (Status.CHOSEN if name in shown else status).value,
            "drops": [drops[number] for number in stopped],
        }
        found.append({**one, **parts.get(name, _NO_PARTS)})
    return found


def _parts(kept: Mapping[str, Any], scores: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The parts of each priority, by action."""
    ranked, columns = parts_read(kept, scores)
    rows = zip(*columns.values(), strict=True)
    return {
        name: dict(zip(columns, row, strict=True)) for name, row in zip(ranked, rows, strict=True)
    }


def parts_read(
    kept: Mapping[str, Any], scores: Mapping[str, Any]
) -> tuple[Sequence[str], Mapping[str, Sequence[Any]]]:
    """The actions that were ranked, and the parts of their priorities in columns."""
    asked = frozenset(kept["asked"])
    ranked = [name for name in scores["scored"] if name in asked]
    said = scores["acceptance"]
    models = kept.get("model") or [*said[: len(ranked)], *(None for _ in ranked[len(said) :])]
    smoothed = kept.get("smoothed") or models
    ones = [1.0] * len(ranked)
    return ranked, {
        "propensity": kept.get("propensity") or smoothed,
        "context_weight": kept.get("context_weight") or ones,
        "value": kept["value"],
        "lever": kept.get("lever") or ones,
        "priority": kept["priority"],
        "model": models,
        "smoothed": smoothed,
        "levers": [kept.get("levers", {}).get(name, {}) for name in ranked],
    }


def drops_read(kept: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
    """What stopped each of `asked`: rows of stage, rule, detail and, where it is known, until."""
    table = kept["drops"]
    numbers = ([one] if isinstance(one, int) else one or () for one in kept["stopped"])
    return [[table[number] for number in some] for some in numbers]
