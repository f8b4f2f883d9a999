"""Fields that are worked out when somebody asks for them, of dataclasses that are frozen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Later:
    """Stands in a field until it is asked for; then what `work` gives takes its place.

    `source` is what it will be made of, for those who can use that itself.
    """

    __slots__ = ("source", "work")

    def __init__(self, source: object, work: Callable[[], object]) -> None:
        self.source = source
        self.work = work


class _Field:
    """The field itself, over the slot that it is kept in."""

    def __init__(self, slot: Any) -> None:
        self._slot = slot

    def __get__(self, one: object, kind: type) -> Any:
        if one is None:
            return self
        found = self._slot.__get__(one, kind)
        if found.__class__ is Later:
            found = found.work()
            self._slot.__set__(one, found)
        return found

    def __set__(self, one: object, value: object) -> None:
        self._slot.__set__(one, value)

    def source(self, one: object) -> object:
        """What the field will be made of; None once somebody has asked for it."""
        found = self._slot.__get__(one, type(one))
        return found.source if found.__class__ is Later else None


def allow_later(kind: type, *names: str) -> None:
    """Lets these fields of a slotted dataclass hold a `Later`; nobody else sees any of it."""
    for name in names:
        setattr(kind, name, _Field(vars(kind)[name]))


def source_of(one: object, name: str) -> object:
    """What a field will be made of; None where it is there already."""
    return vars(type(one))[name].source(one)
