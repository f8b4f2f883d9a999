"""Feature rows on disk: one folder of Parquet files a view, appended to and read back."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from redis.asyncio import Redis

from engine.ledger.site import Site
from engine.types import Scalar
from feature_store.online import Row, write_rows
from feature_store.schema import ENTITY, VIEW, VIEWS, Kind, View
from feature_store.values import EPOCH

LABELS = "labels"
SMALL_ROWS = 20_000
MANY_FILES = 60
_BATCH = 5000
_TIME = pa.timestamp("us", tz="UTC")
_TYPES = {
    Kind.STRING: pa.string(),
    Kind.INTEGER: pa.int64(),
    Kind.NUMBER: pa.float64(),
    Kind.FLAG: pa.bool_(),
}


def folder(site: Site, view: str) -> Path:
    """Where the rows of a view are."""
    return site.data_dir / "offline" / view


def columns(view: View) -> pa.Schema:
    """The columns of a view's files: the customer, the features, when it was so and when stored."""
    features = [(feature.name, _TYPES[feature.kind]) for feature in view.features]
    return pa.schema(
        [(ENTITY, pa.string()), *features, ("event_timestamp", _TIME), ("created", _TIME)]
    )


def append_rows(site: Site, rows: Sequence[Row]) -> None:
    """Adds rows to the files of their views: one new file a view, there whole or not at all."""
    by_view: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_view[row.view].append(row)
    for name, of_view in by_view.items():
        write_part(site, name, of_view, f"part-{site.clock.now():%Y%m%dT%H%M%S}")


def write_part(site: Site, view: str, rows: Sequence[Row], name: str) -> None:
    """Adds one file to a view; `name` begins its name."""
    created = site.clock.now()
    records = [
        {ENTITY: row.customer, **row.values, "event_timestamp": row.at, "created": created}
        for row in rows
    ]
    _write(folder(site, view), pa.Table.from_pylist(records, schema=columns(VIEW[view])), name)


def merge_parts(site: Site, view: str) -> int:
    """Puts the small files of events together once there are many; how many became fewer.

    A kill in the middle leaves rows twice: point-in-time joins take one, and the next merge too.
    """
    place = folder(site, view)
    small = [
        path
        for path in sorted(place.glob("part-events-*.parquet"))
        if pq.read_metadata(path).num_rows < SMALL_ROWS
    ]
    if len(small) < MANY_FILES:
        return 0
    rows = {
        (row[ENTITY], row["event_timestamp"]): row
        for path in small
        for row in pq.read_table(path).to_pylist()
    }
    table = pa.Table.from_pylist([*rows.values()], schema=columns(VIEW[view]))
    _write(place, table, "-".join(small[-1].stem.split("-")[:3]))
    for path in small:
        path.unlink()
    return len(small) - 1


def append_labels(site: Site, name: str, labels: Mapping[str, bool], at: datetime) -> None:
    """Adds what is known to have happened (`churn`): a column of its own, never a feature."""
    schema = pa.schema(
        [(ENTITY, pa.string()), (name, pa.bool_()), ("event_timestamp", _TIME), ("created", _TIME)]
    )
    records = [
        {ENTITY: customer, name: label, "event_timestamp": at, "created": at}
        for customer, label in labels.items()
    ]
    if records:
        table = pa.Table.from_pylist(records, schema=schema)
        _write(folder(site, LABELS), table, f"part-{at:%Y%m%dT%H%M%S}")


def ensure_folders(site: Site) -> None:
    """Gives every view at least one file, empty if need be: Feast reads the columns from it."""
    for view in VIEWS:
        place = folder(site, view.name)
        if not any(place.glob("part-*.parquet")):
            _write(place, columns(view).empty_table(), f"part-{EPOCH:%Y%m%dT%H%M%S}")


def _write(place: Path, table: pa.Table, name: str) -> None:
    place.mkdir(parents=True, exist_ok=True)
    file = f"{name}-{secrets.token_hex(4)}.parquet"
    temporary = place / f".{file}"
    pq.write_table(table, temporary)
    temporary.rename(place / file)


def has_rows(site: Site, view: str) -> bool:
    """Whether anything was ever stored of a view; Feast's empty files don't count."""
    parts = folder(site, view).glob("part-*.parquet")
    return any(pq.read_metadata(part).num_rows for part in parts)


def latest_rows(site: Site, batch: int = _BATCH) -> Iterator[list[Row]]:
    """The latest row of every customer and view, in batches: what the online store should hold."""
    for view in VIEWS:
        if any(folder(site, view.name).glob("part-*.parquet")):
            yield from _latest(site, view, batch)


def _latest(site: Site, view: View, batch: int) -> Iterator[list[Row]]:
    names = [feature.name for feature in view.features]
    files = str(folder(site, view.name) / "part-*.parquet").replace("'", "''")
    chosen = ", ".join(f'"{name}"' for name in [ENTITY, "event_timestamp", *names])
    query = (
        f"select {chosen} from read_parquet('{files}', union_by_name=true) "
        f"qualify row_number() over (partition by {ENTITY} "
        "order by event_timestamp desc, created desc) = 1"
    )
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("set timezone = 'UTC'")
        pieces: Any = connection.sql(query).to_arrow_reader(batch)
        for piece in pieces:
            yield [_row(view, record) for record in piece.to_pylist()]


def _row(view: View, record: dict[str, Any]) -> Row:
    values: dict[str, Scalar] = {feature.name: record[feature.name] for feature in view.features}
    at = cast(datetime, record["event_timestamp"])
    return Row(customer=record[ENTITY], view=view.name, values=values, at=at)


async def restore_online(site: Site, redis: Redis) -> int:
    """Writes the latest offline rows to the online store, where no newer ones are; counts them."""
    written = 0
    for rows in latest_rows(site):
        written += await write_rows(redis, rows)
    return written
