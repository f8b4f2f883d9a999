"""Reads what a golden case expects: offers by placement, drops, level, arm, exemptions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from engine.entries import Entry, nearest
from engine.golden import Expected, ExpectedDrop
from engine.situations import Reader
from engine.types import Arm, Level, Stage

KEYS = ("expect", "drops", "passes", "level", "arm", "exemptions")
NOTHING = "nothing"
_STARTS: Mapping[str, bool] = {"starts": True, "refused": False}
_LEVELS = {str(level): level for level in Level}
_ARMS = {str(arm): arm for arm in Arm}
_STAGES = {str(stage): stage for stage in Stage}


def expected(reader: Reader, placements: Sequence[str]) -> Expected:
    """What is right, where these placements are asked for."""
    fields = reader.fields
    if not any(key in fields for key in KEYS):
        fields.note(
            "expect", f"{fields.what} does not say what is right; write expect, drops or passes"
        )
    start = fields.one_of("expect", _STARTS) if "starts" in fields else None
    return Expected(
        offers={} if start else _offers(reader, placements),
        drops={name: _drop(entry, reader) for name, entry in _by_action("drops", reader)},
        passes=fields.some_of("passes", reader.bundle.actions),
        level=_LEVELS.get(fields.one_of("level", _LEVELS)) if "level" in fields else None,
        arm=_ARMS.get(fields.one_of("arm", _ARMS)) if "arm" in fields else None,
        exemptions={name: str(entry.value) for name, entry in _by_action("exemptions", reader)},
        may_start=_STARTS.get(start) if start else None,
    )


def _by_action(key: str, reader: Reader) -> Iterator[tuple[str, Entry]]:
    for name, entry in reader.fields.children(key):
        if name in reader.bundle.actions:
            yield name, entry
        else:
            hint = nearest(name, reader.bundle.actions)
            reader.problems.note(entry, f"{key}: {name!r} is no action{hint}")


def _offers(reader: Reader, placements: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """By placement; a single list is that of the first placement."""
    if "expect" not in reader.fields:
        return {}
    place = reader.fields.place("expect")
    wanted = place.value if isinstance(place.value, Mapping) else {placements[0]: place}
    for name, entry in wanted.items():
        if name not in placements:
            what = f"placement {name!r} is not asked for; placements are {', '.join(placements)}"
            reader.problems.note(entry, what)
    return {name: _names(entry, reader) for name, entry in wanted.items()}


def _names(entry: Entry, reader: Reader) -> tuple[str, ...]:
    """Actions or treatments, in order; `nothing` for none."""
    if entry.value == NOTHING:
        return ()
    each = entry.value if isinstance(entry.value, tuple) else (entry,)
    names = tuple(str(one.value) for one in each)
    actions = reader.bundle.actions
    said = {treatment.id for action in actions.values() for treatment in action.treatments}
    for name in names:
        if name not in said and name not in actions:
            hint = nearest(name, actions) or f"; for no offer write expect: {NOTHING}"
            reader.problems.note(entry, f"{name!r} is neither an action nor a treatment{hint}")
    return names


def _drop(entry: Entry, reader: Reader) -> ExpectedDrop:
    """`stage`, `stage rule`, or `stage rule until 2026-03-09 00:00`."""
    told, _, until = str(entry.value).partition(" until ")
    stage, _, rule = told.partition(" ")
    if stage not in _STAGES:
        hint = nearest(stage, _STAGES) or f"; write one of {', '.join(_STAGES)}"
        reader.problems.note(entry, f"{stage!r} is no stage{hint}")
    end = reader.time(Entry(until, entry.file, entry.line)) if until else None
    return ExpectedDrop(stage=_STAGES.get(stage, Stage.AVAILABILITY), rule=rule or None, until=end)
