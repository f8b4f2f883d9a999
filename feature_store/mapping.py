"""How the columns of a table become features: read from YAML, checked once, applied to each row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from engine.errors import InvalidInput
from engine.types import Scalar
from feature_store.schema import FEATURES, Kind

TELCO = Path(__file__).parent / "telco.yaml"

Cells = Mapping[str, str]
_MISSING = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where one feature comes from. `values` translates cells; without it they are parsed."""

    feature: str
    kind: Kind
    columns: tuple[str, ...]
    values: Mapping[str, Scalar] | None = None
    counted: frozenset[str] | None = None
    minimum: float | None = None
    blank: object = _MISSING
    blank_if: Mapping[str, str] = field(default_factory=dict[str, str])

    def read(self, cells: Cells) -> Scalar:
        """The feature's value in a row. Raises ValueError saying what is wrong and allowed."""
        if self.counted is not None:
            return sum(cells[column] in self.counted for column in self.columns)
        cell = cells[self.columns[0]]
        if cell == "":
            return self._blank(cells)
        if self.values is not None:
            if cell not in self.values:
                allowed = ", ".join(repr(value) for value in self.values)
                raise ValueError(f"{self.columns[0]} is {cell!r}: allowed are {allowed}")
            return self.values[cell]
        return self._parse(cell)

    def _blank(self, cells: Cells) -> Scalar:
        if self.blank is not _MISSING:
            wrong = [name for name, wanted in self.blank_if.items() if cells[name] != wanted]
            if not wrong:
                return cast(Scalar, self.blank)
            wanted = " and ".join(f"{name} is {self.blank_if[name]}" for name in wrong)
            raise ValueError(f"{self.columns[0]} is empty: it may be only where {wanted}")
        raise ValueError(f"{self.columns[0]} is empty")

    def _parse(self, cell: str) -> Scalar:
        if self.kind is Kind.STRING:
            return cell
        if self.kind is Kind.FLAG:
            raise ValueError(f"{self.columns[0]} is {cell!r}: its mapping needs `values`")
        number = _number(cell, self.kind)
        if number is None:
            what = "a whole number" if self.kind is Kind.INTEGER else "a number"
            raise ValueError(f"{self.columns[0]} is {cell!r}: {what} is needed")
        if self.minimum is not None and number < self.minimum:
            raise ValueError(f"{self.columns[0]} is {cell}: at least {self.minimum:g} is needed")
        return number


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentColumn:
    """A column that grants or refuses purposes on a channel; other cells say nothing."""

    purposes: tuple[str, ...]
    channel: str
    column: str
    granted: frozenset[str]
    refused: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingFile:
    """A whole mapping: the id column, the features, and optionally label, aliases, memberships,
    consents.
    """

    id_column: str
    sources: tuple[Source, ...]
    label: tuple[str, str, Mapping[str, bool]] | None = None
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    memberships: Mapping[str, str] = field(default_factory=dict[str, str])
    consents: tuple[ConsentColumn, ...] = ()

    @property
    def columns(self) -> frozenset[str]:
        """The columns that the table must have; the label's may be absent."""
        names = {self.id_column, *self.aliases.values(), *self.memberships.values()}
        for source in self.sources:
            names.update(source.columns, source.blank_if)
        names.update(consent.column for consent in self.consents)
        return frozenset(names)

    @property
    def views(self) -> tuple[str, ...]:
        """The views that the mapping fills, in the order of its features."""
        return tuple(dict.fromkeys(source.feature.split(".")[0] for source in self.sources))


def read_mapping(path: Path = TELCO) -> MappingFile:
    """A mapping from a YAML file. Raises InvalidInput with the file and what would be right."""
    try:
        raw = yaml.safe_load(path.read_text())
    except OSError as error:
        raise InvalidInput(f"{path}: can't be read: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidInput(f"{path}: can't be read as YAML: {error}") from error
    try:
        return _mapping(_table(raw, "the file"))
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidInput(f"{path}: {error}") from error


def _mapping(raw: Mapping[str, Any]) -> MappingFile:
    keys = {"id", "label", "features", "aliases", "memberships", "consents"}
    _only(raw, keys, "the file")
    if not isinstance(raw.get("id"), str):
        raise ValueError("`id` must name the column that holds the customer's id")
    features = _table(raw.get("features"), "`features`")
    label = raw.get("label")
    memberships = _texts(raw.get("memberships") or {}, "`memberships`")
    _only(memberships, {"account", "household"}, "`memberships`")
    return MappingFile(
        id_column=raw["id"],
        sources=tuple(_source(name, _table(each, name)) for name, each in features.items()),
        label=None if label is None else _label(_table(label, "`label`")),
        aliases=_texts(raw.get("aliases") or {}, "`aliases`"),
        memberships=memberships,
        consents=tuple(_consent(each) for each in raw.get("consents") or ()),
    )


def _source(feature: str, raw: Mapping[str, Any]) -> Source:
    keys = {"column", "columns", "count", "values", "minimum", "blank", "blank_if"}
    _only(raw, keys, feature)
    if feature not in FEATURES:
        raise ValueError(f"no feature is called {feature}: there are {', '.join(FEATURES)}")
    kind = FEATURES[feature]
    columns = cast(list[str], raw.get("columns") or [raw.get("column")])
    if not all(type(column) is str for column in columns):
        raise ValueError(f"{feature}: `column` must name a column")
    values = raw.get("values")
    if "blank" in raw:
        _check_kind(feature, kind, raw["blank"])
    return Source(
        feature=feature,
        kind=kind,
        columns=tuple(columns),
        values=None if values is None else _translation(feature, kind, _table(values, feature)),
        counted=_cells(raw["count"], f"{feature}: `count`") if "count" in raw else None,
        minimum=raw.get("minimum"),
        blank=raw.get("blank", _MISSING),
        blank_if=_texts(raw.get("blank_if") or {}, feature),
    )


def _translation(feature: str, kind: Kind, raw: Mapping[str, Any]) -> Mapping[str, Scalar]:
    for value in raw.values():
        _check_kind(feature, kind, value)
    return {_cell(cell): value for cell, value in raw.items()}


def _cell(raw: object) -> str:
    """A cell's text as a mapping names it: YAML takes a bare Yes or No for something else."""
    if raw is None or isinstance(raw, bool):
        raise ValueError(f"{raw!r} as the text of a cell must be in quotes")
    return str(raw)


def _cells(raw: object, where: str) -> frozenset[str]:
    if not isinstance(raw, list):
        raise ValueError(f"{where} must be a list")
    return frozenset(_cell(each) for each in cast(list[object], raw))


def _check_kind(feature: str, kind: Kind, value: object) -> None:
    fits = {
        Kind.STRING: isinstance(value, str),
        Kind.FLAG: isinstance(value, bool),
        Kind.INTEGER: isinstance(value, int) and not isinstance(value, bool),
        Kind.NUMBER: isinstance(value, int | float) and not isinstance(value, bool),
    }
    if value is not None and not fits[kind]:
        raise ValueError(f"{feature}: {value!r} is not of its type, {kind.value}")


def _label(raw: Mapping[str, Any]) -> tuple[str, str, Mapping[str, bool]]:
    _only(raw, {"name", "column", "values"}, "`label`")
    values = _table(raw["values"], "`label`: `values`")
    if not all(isinstance(value, bool) for value in values.values()):
        raise ValueError("`label`: `values` must map cells to true or false")
    return str(raw["name"]), str(raw["column"]), {_cell(cell): v for cell, v in values.items()}


def _consent(raw: Any) -> ConsentColumn:
    entry = _table(raw, "`consents`")
    _only(entry, {"purposes", "channel", "column", "granted", "refused"}, "`consents`")
    return ConsentColumn(
        purposes=tuple(sorted(_cells(entry["purposes"], "`consents`: `purposes`"))),
        channel=str(entry["channel"]),
        column=str(entry["column"]),
        granted=_cells(entry.get("granted", []), "`consents`: `granted`"),
        refused=_cells(entry.get("refused", []), "`consents`: `refused`"),
    )


def _table(raw: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(raw, dict):
        raise ValueError(f"{where} must be a table of names and values")
    return cast(Mapping[str, Any], raw)


def _texts(raw: Any, where: str) -> Mapping[str, str]:
    return {str(name): str(value) for name, value in _table(raw, where).items()}


def _only(raw: Mapping[str, Any], allowed: set[str], where: str) -> None:
    if unknown := set(map(str, raw)) - allowed:
        known = ", ".join(sorted(allowed))
        raise ValueError(f"{where}: unknown {', '.join(sorted(unknown))}; allowed are {known}")


def _number(cell: str, kind: Kind) -> int | float | None:
    try:
        if kind is Kind.INTEGER:
            number = int(cell)
            return number if -(1 << 63) <= number < 1 << 63 else None
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def split_views(values: Mapping[str, Scalar], views: Sequence[str]) -> dict[str, dict[str, Scalar]]:
    """Values by `view.feature` as values by view and feature."""
    out: dict[str, dict[str, Scalar]] = {view: {} for view in views}
    for key, value in values.items():
        view, name = key.split(".", 1)
        out[view][name] = value
    return out
