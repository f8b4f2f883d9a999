"""What changes from one bundle to another, in words, the most important first. Pure."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from engine.business_hours import Span
from engine.catalog import Action, Bundle, Reach
from engine.rules import Expression
from engine.wording import field_words, in_words, kind_of, plural, what_of

_DERIVED = frozenset({"hash", "source"})
_FIRST = (
    *("actions", "exclusions", "holds", "limits", "policies", "quiet_hours", "session", "volumes"),
    *("purposes", "groups", "margin_floors", "context_weights", "influencers", "exploration"),
)
_FIRST_OF_ACTION = ("value", "rules", "treatments", "lever", "purpose", "group", "tags", "prior")
_ORDERED = frozenset({"requires", "brings", "week"})
"""Lists whose order means something; all others are sets of words."""
_NAMES = ("name", "id", "kind", "day")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference. `where` leads to it: `("actions", "upgrade-fiber", "value")`.

    `before` is None for what is added, `after` for what is removed; both are words.
    """

    where: tuple[str, ...]
    words: str
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """A difference below one subject: `what` says which part of it, ready to be read out."""

    path: tuple[str, ...]
    what: str
    before: str | None
    after: str | None

    def words(self) -> str:
        if self.before is None:
            return f"{self.what} is added{_quoted(self.after)}"
        if self.after is None:
            return f"{self.what} is removed{_quoted(self.before)}"
        return f"{self.what} {self.before} -> {self.after}"


def differences(before: Bundle, after: Bundle) -> tuple[Change, ...]:
    """All that changes; empty when only comments, or the order of keys, differ.

    The same change of many actions, such as that of a rule that they inherit, is told once.
    """
    fields = [one.name for one in dataclasses.fields(Bundle) if one.name not in _DERIVED]
    ordered = sorted(fields, key=lambda name: (_place(name, _FIRST), fields.index(name)))
    found = [
        change
        for name in ordered
        for change in _section(name, getattr(before, name), getattr(after, name))
    ]
    return tuple(_told_once(found, [*before.actions.values(), *after.actions.values()]))


def _section(name: str, before: Any, after: Any) -> Iterator[tuple[str, str, _Found]]:
    """The changes of one field of the bundle, each with its section and subject."""
    olds, news = _by_name(before), _by_name(after)
    if olds is None or news is None:
        for one in _between(name, before, after):
            yield name, "", one
        return
    for key in _keys(olds, news):
        for one in _of_subject(name, key, olds.get(key), news.get(key)):
            yield name, key, one


def _of_subject(section: str, key: str, old: Any, new: Any) -> Iterator[_Found]:
    subject = _subject(section, key)
    if old is None or new is None:
        yield _Found((), subject, _brief(old), _brief(new))
    elif not _is_object(old):
        if old != new:
            yield _Found((), subject + what_of(section), in_words(old), in_words(new))
    else:
        for one in _of_object(old, new):
            yield dataclasses.replace(one, what=f"{subject}: {one.what}")


def _of_object(old: Any, new: Any) -> Iterator[_Found]:
    """The differing fields of two objects of one kind."""
    first = _FIRST_OF_ACTION if isinstance(old, Action) else ()
    fields = [one.name for one in dataclasses.fields(old)]
    for name in sorted(fields, key=lambda name: (_place(name, first), fields.index(name))):
        mine, theirs = getattr(old, name), getattr(new, name)
        if mine != theirs:
            empty = "all" if isinstance(old, Reach) else "none"
            yield from _between(name, mine, theirs, empty, type(old).__name__)


def _between(
    name: str, old: Any, new: Any, empty: str = "none", owner: str = ""
) -> Iterator[_Found]:
    """The differences of one field: below it if it has parts, else the two values."""
    if old == new:
        return
    what = field_words(name, owner)
    named = _by_name(old), _by_name(new)
    if named[0] is not None and named[1] is not None:
        yield from _below(name, named[0], named[1])
    elif _is_object(old) and _is_object(new):
        for one in _of_object(old, new):
            yield dataclasses.replace(one, path=(name, *one.path), what=f"{what}: {one.what}")
    elif not (
        isinstance(old, tuple)
        and name not in _ORDERED
        and set(cast(tuple[Any, ...], old)) == set(new)
    ):
        yield _Found((name,), what, in_words(old, empty), in_words(new, empty))


def _below(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[_Found]:
    """The differences of named parts; what happens alike to several of them is told once."""
    alike: dict[tuple[object, ...], list[str]] = {}
    for key in _keys(old, new):
        for one in _of_subject(name, key, old.get(key), new.get(key)):
            rest = one.what.removeprefix(_subject(name, key))
            alike.setdefault((one.path, rest, one.before, one.after), []).append(key)
    for (path, rest, before, after), keys in alike.items():
        where = (name, *keys[: len(keys) == 1], *cast(tuple[str, ...], path))
        what = f"{_subject(name, *keys)}{rest}"
        yield _Found(where, what, cast(str | None, before), cast(str | None, after))


def _subject(section: str, *keys: str) -> str:
    return f"{plural(section) if keys[1:] else kind_of(section)} {', '.join(keys)}".strip()


def _is_object(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, Expression | Span)


def _by_name(value: Any) -> Mapping[str, Any] | None:
    """A collection of named things, by name; None for anything else."""
    if isinstance(value, Mapping):
        return cast(Mapping[str, Any], value)
    if isinstance(value, tuple):
        parts = cast(tuple[Any, ...], value)
        if all(_is_object(part) for part in parts):
            return {_name(part): part for part in parts}
    return None


def _name(part: Any) -> str:
    return next(str(getattr(part, key)) for key in _NAMES if hasattr(part, key))


def _keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Added first, then removed, then the others; by name."""
    both = old.keys() | new.keys()
    return sorted(both, key=lambda key: (key in old, key in new, key))


def _brief(value: Any) -> str | None:
    """What a thing is that is added or removed: its title, the value itself, or what it says."""
    if value is None:
        return None
    if not _is_object(value):
        return in_words(value)
    return str(getattr(value, "title", "")) or "; ".join(_said(value))


def _said(value: Any, within: str = "") -> Iterator[str]:
    """The fields of an object that are not as usual, in words."""
    owner = type(value).__name__
    for one in dataclasses.fields(value):
        said = getattr(value, one.name)
        if one.name not in _NAMES and said != one.default and said not in ((), {}):
            what = within if one.name == "length" else field_words(one.name, owner)
            if _is_object(said):
                yield from _said(said, what)
            elif isinstance(said, Mapping):
                parts = cast(Mapping[str, Any], said)
                yield from (f"{key} {in_words(part)}" for key, part in parts.items())
            else:
                yield f"{what} {_listed(said)}"


def _listed(said: Any) -> str:
    """A value, or the names of the parts that it has."""
    parts = _by_name(said)
    return in_words(said) if parts is None else ", ".join(parts)


def _quoted(brief: str | None) -> str:
    return f": {brief}" if brief else ""


def _place(name: str, first: Collection[str]) -> int:
    return list(first).index(name) if name in first else len(first)


def _told_once(
    found: list[tuple[str, str, _Found]], actions: Collection[Action]
) -> Iterator[Change]:
    """The changes, where what happens alike to several actions is one."""
    counted = Counter(action.name for action in actions)
    both = [action for action in actions if counted[action.name] == 2]
    alike: dict[tuple[object, ...], list[str]] = {}
    for section, name, one in found:
        if section == "actions" and one.path:
            alike.setdefault(_likeness(name, one), []).append(name)
    for section, name, one in found:
        where = tuple(part for part in (section, name, *one.path) if part)
        words = one.words()
        if section == "actions" and one.path:
            names = alike[_likeness(name, one)]
            if names[0] != name:
                continue
            if len(names) > 1:
                where = (section, *one.path)
                words = words.replace(f"action {name}", _actions(names, both), 1)
        yield Change(where=where, words=words, before=one.before, after=one.after)


def _likeness(name: str, one: _Found) -> tuple[object, ...]:
    return one.path, one.what.removeprefix(f"action {name}"), one.before, one.after


def _actions(names: Collection[str], actions: Collection[Action]) -> str:
    """`all actions`, `all sales actions`, `all actions of group x`, or their names."""
    if set(names) == {action.name for action in actions}:
        return "all actions"
    for kind in ("purpose", "group"):
        of_kind = {getattr(a, kind) for a in actions if a.name in names}
        if len(of_kind) == 1:
            word = of_kind.pop()
            if set(names) == {a.name for a in actions if getattr(a, kind) == word}:
                return f"all actions of {kind} {word}"
    return f"actions {', '.join(names)}"
