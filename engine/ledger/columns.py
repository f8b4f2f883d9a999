"""What the log keeps of a decision beside its record: columns, as docs/log.md explains them."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

import orjson

from engine.layout import decision_laid_out, drops_read, parts_read
from engine.record import read

_TEXT, _COUNT, _NUMBER, _TIME = "text", "count", "number", "time"
_DROP = {"stage": _TEXT, "rule": _TEXT, "detail": _TEXT, "until": _TIME}
_PARTS = ("model", "smoothed", "propensity", "context_weight", "value", "lever", "priority")
_PLACED = {"placement": _TEXT, "rank": _COUNT, "selection": _NUMBER}
_OFFER = ("action", "treatment", "purpose", "group", "part_of")
_NESTED: Mapping[str, Mapping[str, str]] = {
    "candidates": {
        **dict.fromkeys(("action", "treatment", "status"), _TEXT),
        **_DROP,
        **dict.fromkeys(_PARTS, _NUMBER),
        **dict.fromkeys(("positives", "negatives"), _COUNT),
        **_PLACED,
    },
    "offers": {
        **dict.fromkeys((*_OFFER, "tags"), _TEXT),
        **dict.fromkeys(("propensity", "priority"), _NUMBER),
        **_PLACED,
    },
    "features": {
        "feature": _TEXT,
        "value": _TEXT,
        "number": _NUMBER,
        "known_at": _TIME,
        "age_seconds": _NUMBER,
    },
    "drops": {"action": _TEXT, "treatment": _TEXT, **_DROP},
}
_PLAIN = (
    "customer",
    "channel",
    "decided_at",
    "level",
    "bundle",
    "journey",
    "arm",
    "because",
    "context",
)
_LAST = ("scored_by", "models", "scores")
_NO_DROP = (None, None, None)

Parts = Mapping[str, Sequence[Sequence[Any]]]
"""What a decision adds to each nested table: a list for each of its columns."""

_Read = tuple[Sequence[Any], Parts]

_UNREADABLE: Sequence[Any] = (None,) * len((*_PLAIN, *_LAST))
_NOTHING: Parts = {}


@cache
def schema() -> Any:
    """The columns of a file of decisions. Times are UTC."""
    import pyarrow as pa

    types: dict[str, Any] = {
        **dict.fromkeys((*_PLAIN, *_LAST), pa.string()),
        "decided_at": _type(_TIME),
    }
    types["because"] = pa.list_(pa.string())
    types["models"] = pa.map_(pa.string(), pa.string())
    types["scores"] = pa.map_(pa.string(), pa.float64())
    fields = {
        name: pa.list_(pa.struct([(each, _type(kind)) for each, kind in of.items()]))
        for name, of in _NESTED.items()
    }
    named = {"decision_id": pa.string(), **types, **fields, "record": pa.binary()}
    return pa.schema([*named.items()])


def _type(kind: str) -> Any:
    import pyarrow as pa

    if kind == _TIME:
        return pa.timestamp("us", tz="UTC")
    return {_TEXT: pa.string(), _COUNT: pa.int64(), _NUMBER: pa.float64()}[kind]


def table_of(records: Sequence[tuple[str, bytes]]) -> Any:
    """Decisions by id as a table. What can't be read is kept as it is, without the other columns,
    or nothing after it would be archived.
    """
    import pyarrow as pa

    try:
        return _table((name, record, _read(record)) for name, record in records)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # one of them says what no column takes
        return pa.concat_tables([_alone(name, record) for name, record in records])


def _alone(name: str, record: bytes) -> Any:
    import pyarrow as pa

    try:
        return _table([(name, record, _read(record))])
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return _table([(name, record, None)])


def _table(records: Iterable[tuple[str, bytes, _Read | None]]) -> Any:
    import pyarrow as pa

    names: list[str] = []
    kept: list[bytes] = []
    plain: list[list[Any]] = [[] for _ in (*_PLAIN, *_LAST)]
    nested = {name: _Lists(fields) for name, fields in _NESTED.items()}
    for name, record, found in records:
        about, parts = found or (_UNREADABLE, _NOTHING)
        names.append(name)
        kept.append(record)
        for column, value in zip(plain, about, strict=True):
            column.append(value)
        for part, lists in nested.items():
            lists.add(parts.get(part, ()))
    made = [pa.array(names, pa.string())]
    for name, column in zip((*_PLAIN, *_LAST), plain, strict=True):
        made.append(pa.array(column, schema().field(name).type))
    made += [lists.array() for lists in nested.values()]
    return pa.Table.from_arrays([*made, pa.array(kept, pa.binary())], schema=schema())


class _Lists:
    """Lists of structs, put together column by column: several times faster than row by row."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = fields
        self._flat: list[list[Any]] = [[] for _ in fields]
        self._offsets = [0]

    def add(self, columns: Iterable[Sequence[Any]]) -> None:
        """One more list, in columns."""
        for column, more in zip(self._flat, columns, strict=False):
            column.extend(more)
        self._offsets.append(len(self._flat[0]))

    def array(self) -> Any:
        """All of it for Arrow."""
        import pyarrow as pa

        kinds = self._fields.values()
        arrays = [_array(column, kind) for column, kind in zip(self._flat, kinds, strict=True)]
        struct = pa.StructArray.from_arrays(arrays, names=[*self._fields])
        return pa.ListArray.from_arrays(pa.array(self._offsets, pa.int32()), struct)


def _array(column: Sequence[Any], kind: str) -> Any:
    import pyarrow as pa

    if kind == _TIME:
        return pa.array(column, pa.int64()).cast(_type(_TIME))
    return pa.array(column, _type(kind))


def _read(record: bytes) -> _Read | None:
    try:
        kept = orjson.loads(record)
        asked, made = kept["request"], kept["decision"]
        if not isinstance(made["candidates"], dict):
            made = decision_laid_out(read(record).decision, asked["channel"])
            made = orjson.loads(orjson.dumps(made))
        return _about(asked, made), _parts(asked["channel"], kept["snapshot"], made)
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def _about(asked: Mapping[str, Any], made: Mapping[str, Any]) -> Sequence[Any]:
    """The plain columns, in the order of their names."""
    scores = made["scores"]
    return (
        str(asked["customer"]),
        str(asked["channel"]),
        datetime.fromisoformat(made["at"]),
        str(made["level"]),
        str(made["bundle"]),
        str(asked.get("journey", "")),
        str(made.get("arm", "best")),
        [str(one) for one in made.get("because", ())],
        orjson.dumps(asked.get("context", {})).decode(),
        str(scores["backend"]),
        [(str(name), str(found)) for name, found in scores["models"].items()],
        [(str(name), float(found)) for name, found in scores["customer"].items()],
    )


def _parts(channel: str, snapshot: Mapping[str, Any], made: Mapping[str, Any]) -> Parts:
    """The nested columns, each in the order of its fields."""
    laid_out = made["candidates"]
    placed = [
        (placement, offer) for placement, found in made["placements"].items() for offer in found
    ]
    names, said = laid_out["asked"], laid_out.get("said", {})
    treatments = [said.get(name) or f"{name}.{channel}" for name in names]
    stopped = drops_read(laid_out)
    every = [
        (name, treatment, drop)
        for name, treatment, drops in zip(names, treatments, stopped, strict=True)
        for drop in drops
    ]
    return {
        "candidates": _candidates(made, treatments, stopped, placed),
        "offers": _offers(placed),
        "features": _features(snapshot, _microseconds(made["at"])),
        "drops": [
            [name for name, _, _ in every],
            [treatment for _, treatment, _ in every],
            *_dropped([drop for _, _, drop in every]),
        ],
    }


def _candidates(
    made: Mapping[str, Any],
    treatments: Sequence[str],
    stopped: Sequence[Sequence[Any]],
    placed: Sequence[tuple[str, Any]],
) -> Sequence[Sequence[Any]]:
    names, scores = made["candidates"]["asked"], made["scores"]
    shown = {offer["action"]: (place, offer["rank"], offer["selection"]) for place, offer in placed}
    ranked, columns = parts_read(made["candidates"], scores)
    evidence: Sequence[Any] = [*zip(*scores.get("evidence", ()), strict=True)] or ((), ())
    place = {name: at for at, name in enumerate(names)}
    told = [place[name] for name in ranked]
    where = [*zip(*shown.values(), strict=True)] or ((), (), ())
    offered = [place.get(name, -1) for name in shown]
    return [
        names,
        treatments,
        [
            "chosen" if name in shown else "dropped" if drops else "passed"
            for name, drops in zip(names, stopped, strict=True)
        ],
        *_dropped([drops[0] if drops else _NO_DROP for drops in stopped]),
        *(_spread(columns[name], told, len(names)) for name in _PARTS),
        *(_spread(column, told, len(names)) for column in evidence),
        *(_spread(column, offered, len(names)) for column in where),
    ]


def _spread(values: Iterable[Any], places: Iterable[int], length: int) -> Sequence[Any]:
    """Values at their places, nothing elsewhere; what has no place is left out."""
    found: list[Any] = [None] * length
    for value, place in zip(values, places, strict=False):
        if place >= 0:
            found[place] = value
    return found


def _dropped(drops: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
    return [
        [drop[0] for drop in drops],
        [drop[1] for drop in drops],
        [drop[2] for drop in drops],
        [_microseconds(drop[3]) if len(drop) > 3 and drop[3] else None for drop in drops],
    ]


def _offers(placed: Sequence[tuple[str, Mapping[str, Any]]]) -> Sequence[Sequence[Any]]:
    offers = [offer for _, offer in placed]
    return [
        *([offer.get(name) for offer in offers] for name in _OFFER),
        [" ".join(offer["tags"]) for offer in offers],
        *([offer[name] for offer in offers] for name in ("propensity", "priority")),
        [placement for placement, _ in placed],
        [offer["rank"] for offer in offers],
        [offer["selection"] for offer in offers],
    ]


def _features(snapshot: Mapping[str, Any], now: int) -> Sequence[Sequence[Any]]:
    found: Mapping[str, Any] = snapshot["features"]
    times = {view: _microseconds(at) for view, at in snapshot["feature_times"].items()}
    ages = {view: (now - at) / 1e6 for view, at in times.items()}
    views = _views(tuple(found))
    values = [*found.values()]
    return [
        [*found],
        [value if isinstance(value, str) else None for value in values],
        [None if value is None or isinstance(value, str) else float(value) for value in values],
        [times.get(view) for view in views],
        [ages.get(view) for view in views],
    ]


@lru_cache(64)
def _views(features: tuple[str, ...]) -> Sequence[str]:
    return [name.partition(".")[0] for name in features]


@lru_cache(4096)
def _microseconds(at: str) -> int:
    """A time of a record since 1970.

    >>> _microseconds("1970-01-02T01:00:00.5+01:00")
    86400500000
    """
    since = datetime.fromisoformat(at) - datetime.fromisoformat("1970-01-01T00:00:00Z")
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
