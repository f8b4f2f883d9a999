"""What a golden case expects against what was seen, in words that a marketer can read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.golden import Expected, Seen, on_clock
from engine.types import Drop

_NAMED_BY_STAGE = frozenset(
    {"consent", "exclusion", "hold", "level", "limit", "policy", "quiet_hours", "volume"}
)
"""What the name of a rule begins with where cases need not write it."""


def failures(seen: Seen) -> tuple[str, ...]:
    """What is not as expected: `file:line: case (customer on channel): what should be, and is`."""
    checks = (_level_and_arm, _start, _offers, _drops, _passes, _exemptions)
    found = [words for check in checks for words in check(seen, seen.case.expected)]
    case = seen.case
    where = f"{case.place}: {case.name} ({case.who} on {seen.channel})"
    return tuple(f"{where}: {words}" for words in found)


def _level_and_arm(seen: Seen, expected: Expected) -> Iterator[str]:
    if (decision := seen.decision) is None:
        return
    if expected.level not in (None, decision.level):
        why = f" ({'; '.join(decision.because)})" if decision.because else ""
        yield f"the level should be {expected.level}, it is {decision.level}{why}"
    if expected.arm is not None and expected.arm is not decision.arm:
        yield f"the arm should be {expected.arm}, it is {decision.arm}"


def _start(seen: Seen, expected: Expected) -> Iterator[str]:
    if expected.may_start is not seen.may_start and seen.case.starts:
        words = "may start" if seen.may_start else "may not start"
        yield f"{seen.case.starts} {words}"


def _offers(seen: Seen, expected: Expected) -> Iterator[str]:
    for placement, wanted in expected.offers.items():
        offers = seen.decision.placements.get(placement, ()) if seen.decision else ()
        shown = [
            offer.treatment if name == offer.treatment else offer.action
            for offer, name in zip(offers, (*wanted, *[""] * len(offers)), strict=False)
        ]
        if tuple(shown) != wanted:
            reasons = [f"; {_why_not(name, seen)}" for name in wanted if name not in shown]
            told = f"{placement} should show {_listed(wanted)}, it shows {_listed(shown)}"
            yield told + "".join(reasons)


def _listed(words: Sequence[str]) -> str:
    return ", then ".join(words) or "nothing"


def _why_not(name: str, seen: Seen) -> str:
    action = name.partition(".")[0]
    drops = seen.drops.get(action)
    if drops is None:
        return f"{action} was not asked for"
    if not drops:
        return f"{action} passed, but others came first"
    return f"{action} is stopped: {_told(drops[0], seen)}"


def _told(drop: Drop, seen: Seen) -> str:
    """As a case writes it: `quiet_hours nights until …`, on the clock of the case."""
    until = f" until {on_clock(drop.until, seen.case.clock)}" if drop.until else ""
    kind, _, name = drop.rule.partition(":")
    rule = name if kind in _NAMED_BY_STAGE else drop.rule
    return f"{drop.stage} {rule}{until} ({drop.detail})"


def _drops(seen: Seen, expected: Expected) -> Iterator[str]:
    for action, wanted in expected.drops.items():
        drops = seen.drops.get(action)
        should = f"{action} should be stopped at {wanted.words(seen.case.clock)}"
        if drops is None:
            yield f"{should}, it was not asked for"
        elif not drops:
            yield f"{should}, it passes"
        elif not wanted.is_met_by(drops[0]):
            yield f"{should}, it is at {_told(drops[0], seen)}"


def _passes(seen: Seen, expected: Expected) -> Iterator[str]:
    for action in expected.passes:
        if seen.drops.get(action) != ():
            yield f"{action} should pass; {_why_not(action, seen)}"


def _exemptions(seen: Seen, expected: Expected) -> Iterator[str]:
    found = seen.decision.exemptions if seen.decision else ()
    for action, rule in expected.exemptions.items():
        if not any(one.startswith(f"{action} (") and one.endswith(rule) for one in found):
            told = ", ".join(found) or "nothing"
            yield f"{action} should pass {rule} by its exemption; by exemption passes {told}"
