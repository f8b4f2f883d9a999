"""Customers from a table into the feature store, offline and online; bad rows are reported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path

from redis.asyncio import Redis

from engine.errors import InvalidInput
from engine.ledger.consents import Consent
from engine.ledger.references import reference
from engine.ledger.site import Site
from engine.types import Scalar
from feature_store.mapping import MappingFile, read_mapping, split_views
from feature_store.offline import append_labels, append_rows
from feature_store.online import Row, write_rows
from feature_store.tables import Line, Table, open_table

OPT_IN_PURPOSES = ("sales", "retention", "nurture", "survey")
OPT_IN_CHANNELS = ("email", "whatsapp")
OPT_IN_PERCENT = 70
SOURCE = "load"
_BATCH = 2000

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A customer's names: the reference inside, the id outside, and aliases such as email; and the
    account or household, by scope.
    """

    customer: str
    external_id: str
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    memberships: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A row that was not loaded: where, and why."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a load did: customers and consents for the caller to journal, and all problems."""

    loaded: int
    rejected: int
    problems: tuple[Problem, ...]
    customers: tuple[Known, ...]
    consents: tuple[Consent, ...]
    at: datetime

    def words(self, most: int = 20) -> list[str]:
        """The summary for people: at most so many problems, then how many more there are."""
        out = [str(problem) for problem in self.problems[:most]]
        if len(self.problems) > most:
            out.append(f"… and {len(self.problems) - most} more")
        return [*out, f"{self.loaded} loaded, {self.rejected} rejected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Customer:
    known: Known
    values: Mapping[str, Scalar]
    label: bool | None
    consents: tuple[Consent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """What each row is read by."""

    key: bytes
    rules: MappingFile
    at: datetime


async def load_customers(
    site: Site,
    redis: Redis | None,
    file: Path | Table,
    *,
    mapping: Path | None = None,
    separator: str = ",",
    progress: Progress | None = None,
) -> Summary:
    """Loads a table; without Redis only offline, for a rebuild to bring online.

    Raises InvalidInput when the file, its columns or the mapping are wrong as a whole.
    Loading again replaces. `progress` gets the number of customers loaded so far.
    """
    rules = read_mapping(mapping) if mapping else read_mapping()
    if isinstance(file, Table):
        return await _load(site, redis, file, rules, progress)
    with open_table(file, separator) as table:
        return await _load(site, redis, table, rules, progress)


async def _load(
    site: Site, redis: Redis | None, table: Table, rules: MappingFile, progress: Progress | None
) -> Summary:
    _check_columns(table, rules)
    at = site.clock.now()
    problems: list[Problem] = []
    known: list[Known] = []
    consents: list[Consent] = []
    customers = _customers(_Reading(key=site.key, rules=rules, at=at), table.lines, problems)
    while batch := list(islice(customers, _BATCH)):
        await _write(site, redis, batch, rules, at)
        known += [customer.known for customer in batch]
        consents += [consent for customer in batch for consent in customer.consents]
        if progress:
            progress(len(known))
    return Summary(
        loaded=len(known),
        rejected=len(problems),
        problems=tuple(problems),
        customers=tuple(known),
        consents=tuple(consents),
        at=at,
    )


def _check_columns(table: Table, rules: MappingFile) -> None:
    missing = sorted(rules.columns - set(table.columns))
    if not missing:
        return
    remedy = "a mapping (--mapping) says which column is which"
    if len(table.columns) == 1:
        remedy = "if that is several columns, say by --sep what separates them"
    raise InvalidInput(
        f"{table.name}, line 1: missing {', '.join(missing)};"
        f" it has {', '.join(table.columns)}: {remedy}"
    )


def _customers(
    reading: _Reading, lines: Iterable[Line], problems: list[Problem]
) -> Iterator[_Customer]:
    first_seen: dict[str, int] = {}
    for line in lines:
        customer, reasons = _customer(reading, line)
        if customer and (first := first_seen.get(customer.known.external_id)):
            name = customer.known.external_id
            reasons = [f"{reading.rules.id_column} {name!r} is on line {first} already"]
        if reasons or customer is None:
            problems.append(Problem(line=line.number, reason="; ".join(reasons)))
            continue
        first_seen[customer.known.external_id] = line.number
        yield customer


def _customer(reading: _Reading, line: Line) -> tuple[_Customer | None, list[str]]:
    if line.problem:
        return None, [line.problem]
    rules = reading.rules
    external_id = line.cells[rules.id_column]
    values, reasons = _values(line.cells, rules)
    label, wrong_label = _label(line.cells, rules)
    reasons += wrong_label
    if not external_id:
        reasons.insert(0, f"{rules.id_column} is empty")
    if reasons:
        return None, reasons
    customer = reference(reading.key, external_id)
    known = Known(
        customer=customer,
        external_id=external_id,
        aliases=_filled(line.cells, rules.aliases),
        memberships=_filled(line.cells, rules.memberships),
    )
    consents = tuple(
        Consent(
            customer=customer,
            purpose=purpose,
            channel=channel,
            granted=granted,
            source=SOURCE,
            at=reading.at,
        )
        for purpose, channel, granted in _said(external_id, line.cells, rules)
    )
    return _Customer(known=known, values=values, label=label, consents=consents), []


def _filled(cells: Mapping[str, str], columns: Mapping[str, str]) -> dict[str, str]:
    named = {name: cells[column] for name, column in columns.items()}
    return {name: cell for name, cell in named.items() if cell}


def _values(cells: Mapping[str, str], rules: MappingFile) -> tuple[dict[str, Scalar], list[str]]:
    values: dict[str, Scalar] = {}
    reasons: list[str] = []
    for source in rules.sources:
        try:
            values[source.feature] = source.read(cells)
        except ValueError as error:
            reasons.append(str(error))
    return values, reasons


def _label(cells: Mapping[str, str], rules: MappingFile) -> tuple[bool | None, list[str]]:
    if rules.label is None:
        return None, []
    _, column, values = rules.label
    cell = cells.get(column, "")
    if cell == "":
        return None, []
    if cell not in values:
        return None, [f"{column} is {cell!r}: allowed are {', '.join(map(repr, values))}"]
    return values[cell], []


def _said(
    external_id: str, cells: Mapping[str, str], rules: MappingFile
) -> Iterator[tuple[str, str, bool]]:
    """What the row says of consents, as (purpose, channel, granted)."""
    if not rules.consents:
        yield from _opt_in(external_id)
    for each in rules.consents:
        if cells[each.column] in each.granted | each.refused:
            for purpose in each.purposes:
                yield purpose, each.channel, cells[each.column] in each.granted


def _opt_in(external_id: str) -> Iterator[tuple[str, str, bool]]:
    """The example business's opt-in: about 70 % of its customers, the same ones at every load."""
    for channel in OPT_IN_CHANNELS:
        digest = sha256(f"opt-in\x00{channel}\x00{external_id}".encode()).digest()
        if int.from_bytes(digest[:4]) % 100 < OPT_IN_PERCENT:
            for purpose in OPT_IN_PURPOSES:
                yield purpose, channel, True


async def _write(
    site: Site, redis: Redis | None, batch: list[_Customer], rules: MappingFile, at: datetime
) -> None:
    rows = [
        Row(customer=customer.known.customer, view=view, values=values, at=at)
        for customer in batch
        for view, values in split_views(customer.values, rules.views).items()
    ]
    append_rows(site, rows)
    if rules.label:
        labels = {c.known.customer: c.label for c in batch if c.label is not None}
        append_labels(site, rules.label[0], labels, at)
    if redis is not None:
        await write_rows(redis, rows)
