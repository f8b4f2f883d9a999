"""YAML and JSON as entries that remember file and line, so that a problem can say where it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, cast

import yaml

from engine.types import Scalar

_YAML: Any = yaml
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DEEPEST_NESTING = 10
_WHOLE = re.compile(r"[-+]?\d{1,15}")
_DECIMAL = re.compile(r"[-+]?\d{1,15}\.\d+")
_CONSTANTS: Mapping[str, Scalar] = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(frozen=True, slots=True)
class Entry:
    """A value and where it was written. Lists hold entries, mappings hold entries by key."""

    value: Scalar | tuple[Entry, ...] | Mapping[str, Entry]
    file: str
    line: int

    def plain(self) -> Any:
        """The value without places, as JSON would have it."""
        if isinstance(self.value, tuple):
            return [entry.plain() for entry in self.value]
        if isinstance(self.value, Mapping):
            return {key: entry.plain() for key, entry in self.value.items()}
        return self.value


@dataclass(slots=True)
class Problems:
    """All that is wrong with a bundle, gathered while it is read."""

    found: list[tuple[str, int, str]] = field(default_factory=list[tuple[str, int, str]])

    def note(self, place: Entry, text: str) -> None:
        """Remember that `text` is wrong at `place`."""
        self.found.append((place.file, place.line, text))

    def lines(self) -> list[str]:
        """`file:line: text`, in the order of files and lines."""
        return [f"{file}:{line}: {text}" for file, line, text in sorted(set(self.found))]


def nearest(word: str, choices: Iterable[str]) -> str:
    """`, did you mean x?` for the choice that looks most like `word`, else what may be written."""
    known = sorted(choices)
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f", did you mean {close[0]}?"
    return f"; write one of {', '.join(known)}" if 0 < len(known) <= 12 else ""


def from_yaml(text: str, file: str, problems: Problems) -> Entry:
    """The entries of one YAML file. Only true and false are conditions, and dates stay text."""
    empty = Entry({}, file, 1)
    try:
        if not _is_plain(text, file, problems):
            return empty
        node: Any = _YAML.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or str(error)
        problems.note(
            Entry(None, file, mark.line + 1 if mark else 1),
            f"this is not YAML: {what}; check the indents, colons and quotes",
        )
        return empty
    return _YamlFile(file, problems).entry(node, 1) if node else empty


def _is_plain(text: str, file: str, problems: Problems) -> bool:
    """No aliases and no deep nesting: both could make a short file huge."""
    depth = 0
    for event in _YAML.parse(text, Loader=_LOADER):
        place = Entry(None, file, event.start_mark.line + 1)
        if isinstance(event, yaml.AliasEvent):
            problems.note(place, "anchors and aliases (& and *) are not allowed; write it out")
            return False
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST_NESTING:
            problems.note(place, f"nested deeper than {DEEPEST_NESTING} levels")
            return False
    return True


def from_plain(value: Any, path: str = "source") -> Entry:
    """The entries of loaded JSON; each place is its path."""
    if isinstance(value, dict):
        mapping = cast(dict[str, Any], value)
        entries = {key: from_plain(child, f"{path}/{key}") for key, child in mapping.items()}
        return Entry(entries, path, 0)
    if isinstance(value, list):
        return Entry(tuple(from_plain(child, path) for child in cast(list[Any], value)), path, 0)
    return Entry(value, path, 0)


class _YamlFile:
    """Turns the nodes of one file into entries."""

    def __init__(self, file: str, problems: Problems) -> None:
        self._file = file
        self._problems = problems

    def entry(self, node: yaml.Node, line: int) -> Entry:
        if isinstance(node, yaml.ScalarNode):
            return Entry(_scalar(node), self._file, line)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, line)
        items = [self.entry(item, _line(item)) for item in node.value]
        return Entry(tuple(items), self._file, line)

    def _mapping(self, node: yaml.MappingNode, line: int) -> Entry:
        entries: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            key, at = str(key_node.value), _line(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self._note(at, "a key must be a plain word")
            elif key in entries:
                first = entries[key].line
                self._note(at, f"{key} is here twice, first in line {first}; keep one of them")
            else:
                entries[key] = self.entry(value_node, at)
        return Entry(entries, self._file, line)

    def _note(self, line: int, text: str) -> None:
        self._problems.note(Entry(None, self._file, line), text)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _scalar(node: yaml.ScalarNode) -> Scalar:
    text = str(node.value)
    if node.style:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text
