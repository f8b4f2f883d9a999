"""What is made quickly is what is made slowly, and as frozen."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, field, fields, is_dataclass, replace
from typing import Any

import orjson
import pytest

from engine import arbitration, catalog, exploration, types
from engine.frozen import maker
from engine.moment import Moment
from tests.support.builders import NOW, a_contact, a_hold, a_request, a_snapshot

KINDS = [
    kind
    for module in (types, catalog, arbitration, exploration)
    for kind in vars(module).values()
    if isinstance(kind, type) and is_dataclass(kind) and kind.__module__ == module.__name__
]
SAMPLES = [a_contact(), a_hold(), a_request(), a_snapshot(contacts=(a_contact(),))]


@dataclass(frozen=True, slots=True)
class Odd:
    """Fields of every sort."""

    first: int
    second: int = 2
    last: tuple[int, ...] = field(kw_only=True)
    many: list[int] = field(default_factory=list[int])
    hidden: dict[str, int] = field(init=False, default_factory=dict[str, int], compare=False)
    constant: int = field(init=False, default=7)


def arguments(made: Any) -> dict[str, Any]:
    """What a dataclass was made of."""
    return {one.name: getattr(made, one.name) for one in fields(made) if one.init}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_field_of_every_kind_is_set(kind: type[Any]) -> None:
    given = {one.name: object() for one in fields(kind) if one.init}
    made = maker(kind)(**given)
    assert type(made) is kind
    assert arguments(made) == given == arguments(kind(**given))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)
def test_it_is_equal_and_reads_and_writes_the_same(sample: Any) -> None:
    kind: type[Any] = sample.__class__
    made = maker(kind)(**arguments(sample))
    assert made == sample
    assert repr(made) == repr(sample)
    assert orjson.dumps(made) == orjson.dumps(sample)
    assert replace(made) == sample


def test_it_is_frozen() -> None:
    made = maker(types.Placement)(name="hero")
    with pytest.raises(FrozenInstanceError):
        made.name = "main"  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises((AttributeError, TypeError)):
        object.__setattr__(made, "other", 1)


def test_what_is_left_out_has_its_default_and_lists_are_not_shared() -> None:
    make = maker(Odd)
    one, other = make(1, last=()), make(1, 3, last=(4,), many=[5])
    assert one == Odd(1, last=())
    assert other == Odd(1, 3, last=(4,), many=[5])
    assert (one.hidden, one.constant) == ({}, 7)
    assert make(1, last=()).many is not one.many
    assert make(1, last=()).hidden is not one.hidden


def test_private_fields_are_made_too() -> None:
    make: Any = maker(Moment)
    made = make(**{one.name: None for one in fields(Moment) if one.init})
    hidden = [getattr(made, one.name) for one in fields(Moment) if not one.init]
    assert hidden == [{}]


@pytest.mark.parametrize(
    "wrong", [{}, {"name": "x", "limit": 1, "more": 2}, {"nothing": 1}], ids=["none", "more", "no"]
)
def test_wrong_arguments_are_refused(wrong: dict[str, Any]) -> None:
    make: Any = maker(types.Planned)
    with pytest.raises(TypeError):
        make(**wrong)


def test_arguments_by_keyword_only_stay_so() -> None:
    make: Any = maker(types.Drop)
    with pytest.raises(TypeError):
        make(types.Stage.HOLD, "hold:x", "because", NOW)
