"""Typed reading of one mapping of a bundle: each method reads a key and notes what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TypeVar

from engine.entries import Entry, Problems, nearest
from engine.errors import RuleError
from engine.rules import Expression, Kind, compile_expression
from engine.types import Scalar
from engine.written_times import day_of, duration_of, moment_of, time_of

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
FIELD = re.compile(r"[a-z]+(_[a-z]+)*")
WORD = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
LONGEST_NAME = 64
LONGEST_TEXT = 5_000
NEVER = compile_expression("False")
"""Stands in for an expression that can't be read."""
_WHOLE_DAY = timedelta(days=1)
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Names that something written at `place` looks up; `where` says what that is."""

    place: Entry
    where: str
    names: frozenset[str]
    expression: Expression | None = None


class Fields:
    """One mapping. What is missing or wrong is noted, and a harmless value stands in for it.

    What it looks up goes to `uses`, to be checked when all names are known.
    """

    def __init__(
        self,
        entry: Entry,
        what: str,
        keys: Collection[str],
        problems: Problems,
        uses: list[Use] | None = None,
    ) -> None:
        self.entry = entry
        self.what = what
        self.problems = problems
        self.sound = isinstance(entry.value, Mapping)
        self._uses: list[Use] = [] if uses is None else uses
        self._entries: Mapping[str, Entry] = {}
        if isinstance(entry.value, Mapping):
            self._entries = entry.value
        else:
            problems.note(entry, f"{what} must have keys and values: {', '.join(keys)}")
        for key in self._entries.keys() - set(keys):
            self.note(key, f"{what} has no key {key!r}{nearest(key, keys)}")

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def place(self, key: str) -> Entry:
        """Where `key` is written, or the whole mapping if it is not."""
        return self._entries.get(key, self.entry)

    def note(self, key: str, text: str) -> None:
        """Remember that `text` is wrong with `key`: what was read is not `sound`."""
        self.sound = False
        self.problems.note(self.place(key), text)

    def uses(self, key: str, *names: str) -> None:
        """Remember that `key` looks up `names`."""
        where = f"{key} of {self.what}"
        self._uses.append(Use(place=self.place(key), where=where, names=frozenset(names)))

    def _value(self, key: str, wanted: str) -> Scalar:
        """The scalar under `key`; None is noted as missing."""
        value = self.place(key).value if key in self else None
        if isinstance(value, tuple | Mapping):
            self.note(key, f"{key} of {self.what} must be {wanted}")
            return None
        if value is None:
            self.note(key, f"{self.what} needs {key}: {wanted}")
        return value

    def _parsed(self, key: str, wanted: str, parse: Callable[[str], Found | None]) -> Found | None:
        """What `parse` makes of the text under `key`; None is noted."""
        value = self._value(key, wanted)
        found = None if value is None else parse(str(value))
        if value is not None and found is None:
            self.note(key, f"{key} of {self.what} must be {wanted}, not {value!r}")
        return found

    def text(self, key: str, default: str | None = None) -> str:
        """Some text, not empty."""
        if key not in self and default is not None:
            return default
        value = self._value(key, "a text")
        if value is None:
            return ""
        text = str(value).strip()
        if not isinstance(value, str) or not text:
            self.note(key, f"{key} of {self.what} must be a text, put {value!r} in quotes")
        elif len(text) > LONGEST_TEXT:
            self.note(key, f"{key} has {len(text)} characters, at most {LONGEST_TEXT} are allowed")
        return text

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        """A number from `low` to `high`."""
        if key not in self and default is not None:
            return default
        wanted = f"a number from {low:g} to {high:g}"
        value = self._value(key, wanted)
        if value is None:
            return low
        if isinstance(value, str | bool) or not low <= value <= high:
            self.note(key, f"{key} of {self.what} must be {wanted}, not {value!r}")
            return low
        return float(value)

    def whole(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number from `low` to `high`."""
        value = self.number(key, low, high, default)
        if value != int(value):
            self.note(key, f"{key} of {self.what} must be a whole number, not {value:g}")
        return int(value)

    def flag(self, key: str, default: bool = False) -> bool:
        """true or false."""
        if key not in self:
            return default
        value = self._value(key, "true or false")
        if value is not None and not isinstance(value, bool):
            self.note(key, f"{key} of {self.what} must be true or false, not {value!r}")
        return value is True

    def duration(self, key: str, default: timedelta | None = None) -> timedelta:
        """A length of time such as `7 days`."""
        if key not in self and default is not None:
            return default
        value = self._value(key, "a time such as 7 days, 48 hours or 30 minutes")
        found = None if value is None else duration_of(str(value))
        if value is not None and found is None:
            why = f"{value!r} is no time; write 7 days, 48 hours or 30 minutes"
            self.note(key, f"{key} of {self.what}: {why}")
        return found or _WHOLE_DAY

    def day(self, key: str) -> date | None:
        """A date such as 2026-12-31, or None if it is not given."""
        if key not in self:
            return None
        return self._parsed(key, "a date such as 2026-12-31", day_of)

    def moment(self, key: str) -> datetime | None:
        """A moment such as 2026-12-31T18:00:00Z, or None if it is not given."""
        if key not in self:
            return None
        return self._parsed(key, "a moment such as 2026-12-31T18:00:00Z", moment_of)

    def clock(self, key: str) -> time:
        """A time of the day such as 20:00."""
        return self._parsed(key, "a time of the day such as 20:00", time_of) or time()

    def one_of(self, key: str, choices: Collection[str], default: str | None = None) -> str:
        """One of the words in `choices`."""
        word = self.text(key, default)
        if word and word not in choices and word != default:
            self.note(key, f"{key} of {self.what}: {word!r} is not known{nearest(word, choices)}")
        return word

    def some_of(self, key: str, choices: Collection[str]) -> tuple[str, ...]:
        """A list of words in `choices`; empty if it is not given."""
        words = self.words(key)
        for word in words:
            if word not in choices:
                self.note(
                    key, f"{key} of {self.what}: {word!r} is not known{nearest(word, choices)}"
                )
        return words

    def words(self, key: str, pattern: re.Pattern[str] = NAME) -> tuple[str, ...]:
        """A list of names, each written as `pattern` says; empty if it is not given."""
        if key not in self:
            return ()
        value = self.place(key).value
        if not isinstance(value, tuple):
            self.note(key, f"{key} of {self.what} must be a list, such as [{value}]")
            return ()
        words = tuple(str(item.value) for item in value)
        for word in words:
            if not is_name(word, pattern):
                self.note(key, f"{key} of {self.what}: {word!r} is no name; use a-z, 0-9 and -")
        if len(set(words)) < len(words):
            self.note(key, f"{key} of {self.what} has a word twice")
        return words

    def expression(self, key: str, kind: Kind) -> Expression:
        """An expression over everything that is known, that gives `kind`."""
        value = self._value(key, f"an expression that gives {kind}")
        if value is None:
            return NEVER
        where = f"{key} of {self.what}"
        try:
            expression = compile_expression(str(value), kind)
        except RuleError as error:
            self.note(key, f"{where}: {error}")
            return NEVER
        use = Use(place=self.place(key), where=where, names=expression.names, expression=expression)
        self._uses.append(use)
        return expression

    def children(self, key: str) -> Iterator[tuple[str, Entry]]:
        """The named entries of a mapping, by name, so that their order does not depend on files."""
        if key not in self:
            return
        value = self.place(key).value
        if not isinstance(value, Mapping):
            self.note(
                key, f"{key} of {self.what} must be a list of names, each with its keys below"
            )
            return
        yield from sorted(value.items())

    def named(self, key: str, pattern: re.Pattern[str] = NAME) -> Iterator[tuple[str, Entry]]:
        """As `children`, where each key must be a name."""
        for name, entry in self.children(key):
            if not is_name(name, pattern):
                mark = "-" if pattern is NAME else "_"
                self.problems.note(entry, f"{name!r} is no name; use a-z, 0-9 and {mark}")
            yield name, entry


def is_name(word: str, pattern: re.Pattern[str] = NAME) -> bool:
    """Whether `word` can name an action, a group and so on."""
    return len(word) <= LONGEST_NAME and pattern.fullmatch(word) is not None
