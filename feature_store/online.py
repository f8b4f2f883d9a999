"""The fast reader and writer of Feast's Redis layout: one hash a customer, decoded without Feast.

The layout is Feast 0.67's (entity key version 3); differential tests keep both equal.
"""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from operator import itemgetter
from typing import Any, cast

import mmh3
from redis.asyncio import Redis
from redis.exceptions import RedisError

from engine.errors import LiveStateUnavailable
from engine.ledger.keys import row_key
from engine.ledger.wire import Command
from engine.types import FeatureRow, Scalar
from feature_store.remembered import RememberedTimes, RememberedValues
from feature_store.schema import VIEW, VIEWS, View
from feature_store.values import encode_time, encode_value, split_time

_BATCH_ROWS = 1000

# Replaces the view's fields and its time in one step, unless what is stored is newer.
# A stored time that is damaged, or before 1970 (ten bytes), counts as older than anything.
_REPLACE = """
local function stored_time(raw)
    local seconds, nanos, at = 0, 0, 1
    while at <= #raw do
        local tag, number, scale, byte = raw:byte(at), 0, 1, 128
        while byte >= 128 do
            at = at + 1
            byte = raw:byte(at)
            if byte == nil or scale > 2^56 then return -1, 0 end
            number = number + (byte % 128) * scale
            scale = scale * 128
        end
        at = at + 1
        if tag == 8 then seconds = number elseif tag == 16 then nanos = number else return -1, 0 end
    end
    return seconds, nanos
end
local raw = redis.call('HGET', KEYS[1], ARGV[1])
if raw then
    local seconds, nanos = stored_time(raw)
    local new_seconds, new_nanos = tonumber(ARGV[2]), tonumber(ARGV[3])
    if seconds > new_seconds or (seconds == new_seconds and nanos > new_nanos) then return 0 end
end
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
return 1
"""

_MOST_ORDERS = 512
"""In so many orders the fields of rows may come before the orders are learned anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One view of one customer at one event time. A feature that is left out becomes unknown."""

    customer: str
    view: str
    values: Mapping[str, Scalar]
    at: datetime


def field_hash(view: str, feature: str) -> bytes:
    """The four bytes that name a feature in the hash: murmur3 of `view:feature`."""
    return struct.pack("<I", mmh3.hash(f"{view}:{feature}", signed=False))


def time_field(view: str) -> bytes:
    """The field with the event time of a view: the only truth about whether it is there."""
    return f"_ts:{view}".encode()


def check_collisions(
    views: Sequence[View] = VIEWS, hashed: Callable[[str, str], bytes] = field_hash
) -> None:
    """Raises ValueError when two features share a field, as may happen with 32 bits.

    A view's time has a field too, which a hash of four bytes may meet.
    """
    seen: dict[bytes, str] = {}
    for view in views:
        named = [(hashed(view.name, each.name), each.key) for each in view.features]
        for name, what in [*named, (time_field(view.name), f"the time of {view.name}")]:
            if name in seen:
                raise ValueError(
                    f"{what} and {seen[name]} share the field {name.hex()} in Feast's hash:"
                    " rename one of them"
                )
            seen[name] = what


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """Where the fields are in a reply that names them in one order; the last place is past it."""

    keys: tuple[str, ...]
    values: Callable[[list[bytes]], Iterable[bytes]]
    times: tuple[tuple[str, int], ...]


class OnlineReader:
    """Reads a customer's whole row with one HGETALL, cheaper than naming 39 fields.

    Redis keeps the fields of most rows in the same order: where they are is worked out once.
    """

    def __init__(self, views: Sequence[View] = VIEWS) -> None:
        check_collisions(views)
        self._layout = tuple(
            (
                view.name,
                time_field(view.name),
                tuple((f.key, field_hash(view.name, f.name)) for f in view.features),
            )
            for view in views
        )
        self._orders: dict[tuple[bytes, ...], _Order] = {}
        self._value = RememberedValues().__getitem__
        self._time = RememberedTimes().__getitem__

    def command(self, customer: str) -> Command:
        """The one command that reads a customer's row."""
        return "HGETALL", row_key(customer)

    def decode(self, reply: object) -> FeatureRow:
        """The row in a reply, a hash or its flat list of names and values.

        A view without a time is absent; a damaged value is unknown.

        Raises LiveStateUnavailable for an error or no hash: nothing can be said then.
        """
        if isinstance(reply, dict):
            fields = cast(dict[bytes, bytes], reply)
            reply = list(chain.from_iterable(fields.items()))
        elif not isinstance(reply, list):
            raise LiveStateUnavailable(f"the feature store answered {reply!r} instead of a row")
        flat = cast(list[bytes], reply)
        names = tuple(flat[::2])
        order = self._orders.get(names) or self._learn(names)
        times = {view: self._time(flat[place]) for view, place in order.times}
        found = order.values([*flat, b""])
        row = FeatureRow(values=dict(zip(order.keys, map(self._value, found), strict=True)))
        if None in times.values():
            return _without_damaged(row.values, times)
        row.times.update(cast(dict[str, datetime], times))
        return row

    def _learn(self, names: tuple[bytes, ...]) -> _Order:
        places = {name: 2 * number + 1 for number, name in enumerate(names)}
        there = [each for each in self._layout if each[1] in places]
        fields = [field for _, _, every in there for field in every]
        if len(self._orders) >= _MOST_ORDERS:
            self._orders.clear()
        order = self._orders[names] = _Order(
            keys=tuple(key for key, _ in fields),
            values=_picker([places.get(name, -1) for _, name in fields]),
            times=tuple((view, places[time]) for view, time, _ in there),
        )
        return order


def _picker(places: Sequence[int]) -> Callable[[list[bytes]], Iterable[bytes]]:
    if len(places) > 1:
        return cast(Any, itemgetter(*places))
    return lambda flat: [flat[place] for place in places]


def _without_damaged(
    values: Mapping[str, Scalar], times: Mapping[str, datetime | None]
) -> FeatureRow:
    """A view whose time is damaged is as good as absent."""
    whole = {view: at for view, at in times.items() if at is not None}
    kept = {key: value for key, value in values.items() if key.partition(".")[0] in whole}
    return FeatureRow(values=kept, times=whole)


def _arguments(row: Row) -> list[bytes | int]:
    view = VIEW[row.view]
    unknown = row.values.keys() - {feature.name for feature in view.features}
    if unknown:
        raise ValueError(f"view {row.view} has no {', '.join(sorted(unknown))}")
    seconds, nanos = split_time(row.at)
    out: list[bytes | int] = [time_field(row.view), seconds, nanos]
    out += [time_field(row.view), encode_time(row.at)]
    for feature in view.features:
        encoded = encode_value(row.values.get(feature.name), feature.kind)
        out += [field_hash(row.view, feature.name), encoded]
    return out


async def write_rows(redis: Redis, rows: Iterable[Row]) -> int:
    """Writes rows in batches, each unless a newer one is stored; returns how many were.

    Raises LiveStateUnavailable when Redis can't be used.
    """
    script = redis.register_script(_REPLACE)
    pending = iter(rows)
    written = 0
    while batch := list(islice(pending, _BATCH_ROWS)):
        try:
            async with redis.pipeline(transaction=False) as pipe:
                for row in batch:
                    await script([row_key(row.customer)], _arguments(row), client=pipe)
                replies = await pipe.execute()
        except (RedisError, OSError) as error:
            raise LiveStateUnavailable(f"Redis can't be used: {error}") from error
        written += sum(int(reply) for reply in replies)
    return written
