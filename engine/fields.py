"""Typed reading of one mapping of a bundle: each method reads a key and notes what is wrong."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import date, timedelta

from engine.entries import Entry, Problems, nearest
from engine.errors import RuleError
from engine.rules import Expression, Kind, compile_expression
from engine.types import Scalar

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
FIELD = re.compile(r"[a-z]+(_[a-z]+)*")
LONGEST_NAME = 64
LONGEST_TEXT = 5_000
_DURATION = re.compile(r"(\d{1,5}) (second|minute|hour|day|week)s?")
_NEVER = compile_expression("False")
_ROOTS = ("context", "journey", "model")


class Fields:
    """One mapping. What is missing or wrong is noted, and a harmless value stands in for it.

    `features`: the names that expressions may use besides context, journey and model; None: any.
    """

    def __init__(
        self,
        entry: Entry,
        what: str,
        keys: Collection[str],
        problems: Problems,
        features: Collection[str] | None = None,
    ) -> None:
        self.entry = entry
        self.what = what
        self.problems = problems
        self._features = features
        self._entries: Mapping[str, Entry] = {}
        if isinstance(entry.value, Mapping):
            self._entries = entry.value
        else:
            problems.note(entry, f"{what} must have keys and values: {', '.join(keys)}")
        for key in self._entries.keys() - set(keys):
            problems.note(self._entries[key], f"{what} has no key {key!r}{nearest(key, keys)}")

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def place(self, key: str) -> Entry:
        """Where `key` is written, or the whole mapping if it is not."""
        return self._entries.get(key, self.entry)

    def note(self, key: str, text: str) -> None:
        """Remember that `text` is wrong with `key`."""
        self.problems.note(self.place(key), text)

    def _value(self, key: str, wanted: str) -> Scalar:
        """The scalar under `key`; None is noted as missing."""
        value = self.place(key).value if key in self else None
        if isinstance(value, tuple | Mapping):
            self.note(key, f"{key} of {self.what} must be {wanted}")
            return None
        if value is None:
            self.note(key, f"{self.what} needs {key}: {wanted}")
        return value

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

    def whole(self, key: str, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        value = self.number(key, low, high)
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

    def duration(self, key: str) -> timedelta:
        """A length of time such as `7 days`."""
        value = self._value(key, "a time such as 7 days, 48 hours or 30 minutes")
        match = _DURATION.fullmatch(str(value))
        if value is None or match is None or int(match[1]) == 0:
            if value is not None:
                self.note(
                    key, f"{key} of {self.what}: {value!r} is no time; write 7 days, 48 hours"
                )
            return timedelta(days=1)
        return timedelta(**{f"{match[2]}s": int(match[1])})

    def day(self, key: str) -> date | None:
        """A date such as 2026-12-31, or None if it is not given."""
        if key not in self:
            return None
        value = self._value(key, "a date such as 2026-12-31")
        try:
            return date.fromisoformat(str(value)) if value is not None else None
        except ValueError:
            self.note(key, f"{key} of {self.what} must be a date such as 2026-12-31, not {value!r}")
            return None

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
        """An expression over features, context, models and journeys that gives `kind`."""
        value = self._value(key, f"an expression that gives {kind}")
        if value is None:
            return _NEVER
        try:
            expression = compile_expression(str(value), kind)
        except RuleError as error:
            self.note(key, f"{key} of {self.what}: {error}")
            return _NEVER
        for name in sorted(expression.names):
            self._check_name(key, name)
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

    def named(self, key: str) -> Iterator[tuple[str, Entry]]:
        """As `children`, where each key must be a name."""
        for name, entry in self.children(key):
            if not is_name(name):
                self.problems.note(entry, f"{name!r} is no name; use a-z, 0-9 and -")
            yield name, entry

    def _check_name(self, key: str, name: str) -> None:
        root, *rest = name.split(".")
        if root == "journey" and (len(rest) > 2 or rest[1:] not in ([], ["stage"])):
            self.note(key, f"{name}: write journey.<kind> or journey.<kind>.stage")
        elif root in ("context", "model") and len(rest) != 1:
            self.note(key, f"{name}: write {root}.<name>")
        elif root not in _ROOTS and len(rest) != 1:
            self.note(key, f"{name}: a feature has a view and a name, such as contract.type")
        elif root not in _ROOTS and self._features is not None and name not in self._features:
            hint = (
                nearest(name, self._features)
                or f"; the known ones start with {_views(self._features)}"
            )
            self.note(key, f"{key} of {self.what} uses an unknown feature {name!r}{hint}")


def _views(features: Collection[str]) -> str:
    return ", ".join(sorted({name.split(".")[0] for name in features} | set(_ROOTS)))


def is_name(word: str, pattern: re.Pattern[str] = NAME) -> bool:
    """Whether `word` can name an action, a group and so on."""
    return len(word) <= LONGEST_NAME and pattern.fullmatch(word) is not None
