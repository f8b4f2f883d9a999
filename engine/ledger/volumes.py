"""Volumes in force: counted in Redis, taken by the scripts that commit; in the journal before."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import redis.asyncio as redis
from redis.exceptions import RedisError

from engine.catalog import Bundle
from engine.contact import LONGEST_WINDOW
from engine.errors import LiveStateUnavailable
from engine.ledger import keys, units
from engine.ledger.clock import Clock, milliseconds
from engine.ledger.counts import NEVER, Counts
from engine.ledger.encoded import KEPT
from engine.ledger.journal import Journal
from engine.ledger.script import Script, unavailable
from engine.ledger.units import Answered, Freed, Taker, Unit
from engine.ledger.wire import Command, Wire
from engine.types import Reservation
from engine.volumes import EVER, volume_of

USE_UNIT = Script("use_unit", "units")
FREE_UNIT = Script("free_unit")
PUT_BACK_UNIT = Script("put_back_unit", "units")
_FRESH_SECONDS = 1.0
"""How old a count may be: the script that takes a unit counts again."""
_UNDER_WAY_SECONDS = 0.05
"""For how long a count that a read renews is left to that read."""
_MOST_COUNTED = 10_000
_LONGEST_SECONDS = LONGEST_WINDOW.total_seconds()
_BATCH = 1_000
_UNKNOWN = -1


class Volumes:
    """What is used of each volume, for one process of a stack."""

    def __init__(
        self, journal: Journal, client: redis.Redis, wire: Wire, clock: Callable[[], Clock]
    ) -> None:
        self._journal = journal
        self._redis = client
        self._wire = wire
        self._clock = clock
        self._counts: dict[str, tuple[int, float]] = {}
        self._under_way: dict[str, float] = {}
        self._sure: set[tuple[str, str, str]] = set()

    # -- before a decision

    def due(self, buckets: Sequence[str]) -> list[str]:
        """Those of some buckets whose count is old; nobody else is told so for a moment."""
        now = time.monotonic()
        old = [one for one in self._old(buckets, now) if self._under_way.get(one, 0.0) <= now]
        if old:
            self._under_way = dict.fromkeys(old, now + _UNDER_WAY_SECONDS)
        return old

    def _old(self, buckets: Iterable[str], now: float) -> list[str]:
        return [one for one in buckets if self._counts.get(one, NEVER)[1] <= now]

    def commands(self, buckets: Iterable[str]) -> list[Command]:
        """What counts them in Redis."""
        after = f"({milliseconds(self._clock().now())}"
        return [("ZCOUNT", keys.volume(one), after, "+inf") for one in buckets]

    def learn(self, buckets: Sequence[str], counts: Sequence[Any]) -> None:
        """Remembers what Redis counted; a bucket that could not be counted stays as it was."""
        until = time.monotonic() + _FRESH_SECONDS
        if len(self._counts) + len(buckets) > _MOST_COUNTED:
            self._counts.clear()
        for one, count in zip(buckets, counts, strict=True):
            if isinstance(count, int):
                self._counts[one] = (count, until)

    def known(self, buckets: Iterable[str]) -> Counts:
        """What this process knows of some buckets by now, and of all others when asked."""
        counts = Counts(self._counts, time.monotonic())
        for one in buckets:
            counts.get(one)
        return counts

    async def counted(
        self, buckets: Collection[str], seconds: float | None = None
    ) -> dict[str, int]:
        """How many units of each bucket are used, those that are unused left out.

        It may be a second old: too few cost a refusal by the script that takes, too many an offer
        that could have been made. Raises LiveStateUnavailable.
        """
        if old := self._old(buckets, time.monotonic()):
            found = await self._wire.call(*self.commands(old), seconds=seconds)
            for one in found:
                if isinstance(one, RedisError):
                    raise unavailable(one)
            self.learn(old, found)
        counts = {one: self._counts.get(one, NEVER)[0] for one in buckets}
        return {one: count for one, count in counts.items() if count}

    def distrust(self) -> None:
        """Counts again before the next decision: a script refused by what it counted itself."""
        self._counts = {one: (n, 0.0) for one, (n, _) in self._counts.items()}

    # -- around a commit

    async def intend(
        self, taker: Taker, reserves: Iterable[Reservation], bundle: Bundle, *, bounded: bool
    ) -> None:
        """Journals what a decision or message is about to take. Raises JournalUnavailable.

        `bounded`: until `confirm`, nothing is used for good.
        """
        now = self._clock().now()
        await self._journal.write(
            lambda c: units.keep(c, taker, reserves, bundle, now, bounded=bounded)
        )

    def wanted(
        self,
        customer: str,
        reserves: Sequence[Reservation],
        bundle: Bundle,
        forget: Sequence[Reservation] = (),
    ) -> tuple[list[str], bytes]:
        """What the script that takes them is given: the last of its keys, and an argument.

        `forget` is what the customer's live state need not show any more.
        """
        if not reserves and not forget:
            return [], b""
        found = (self._unit(customer, one, _maximum(one, bundle)) for one in reserves)
        argument = self._argument(found, [[_field(one), _score(one)] for one in forget])
        return [keys.volume(one.bucket) for one in reserves], argument

    async def confirm(self, by: str) -> None:
        """Journals that what a decision took for good was taken."""
        await self._journal.write(lambda connection: units.confirm(connection, by))

    def sure_of(self, customer: str, one: Reservation) -> bool:
        """Whether this process knows a unit to be in the journal as used for good."""
        return (customer, one.bucket, one.action) in self._sure

    def be_sure(self, customer: str, confirmed: Iterable[Reservation]) -> None:
        """Remembers what was confirmed: showing it again costs no journal write then."""
        if len(self._sure) > _MOST_COUNTED:
            self._sure.clear()
        self._sure |= {(customer, one.bucket, one.action) for one in confirmed if one.until is None}

    async def give_back(self, by: str) -> None:
        """Frees what was to be taken by a decision or message and was not."""
        self.distrust()
        now = self._clock().now()
        freed = await self._journal.write(lambda c: units.give_back(c, by, now))
        await self._free(freed)

    # -- after an outcome

    async def answered(self, answered: Answered, at: datetime) -> tuple[str, ...]:
        """Puts in force what an outcome made of units; the buckets of which nothing was left.

        Raises LiveStateUnavailable: repeating is safe.
        """
        for one in answered.used:
            await self._use(one)
        await self._free(answered.freed)
        exhausted: list[str] = []
        for one in answered.late:
            reply = await self._use(one)
            if reply == _UNKNOWN:
                raise LiveStateUnavailable(f"how much of {one.bucket} is left is not known now")
            if reply:
                await self._journal.write(lambda c, one=one: units.use(c, one, at))
            else:
                exhausted.append(one.bucket)
        return tuple(exhausted)

    async def _use(self, unit: Unit) -> int:
        names = [keys.MARKER, keys.live(unit.customer), keys.volume(unit.bucket)]
        return await USE_UNIT(self._redis, names, [self._only(unit)])

    async def _free(self, freed: Sequence[Freed]) -> None:
        calls = [
            (
                [keys.live(one.unit.customer), keys.volume(one.unit.bucket)],
                [
                    _member(one.unit.customer, one.unit.action),
                    _field(one.unit),
                    _score(one.unit),
                    _score(one.remains) if one.remains else "",
                ],
            )
            for one in freed
        ]
        if calls:
            await FREE_UNIT.many(self._redis, calls)

    # -- in a rebuild

    async def names(self) -> list[str]:
        """The keys of all volumes, for a rebuild that clears them."""
        return [keys.volume(one) for one in await self._journal.read(units.buckets)]

    async def put_back(self) -> None:
        """Puts the journal's units in force: first what is used, then what is reserved.

        Of what is reserved no more than there is: a decision that crashed before its commit took
        nothing, and holds nothing back for longer than it would have been kept.
        """
        now = self._clock().now()
        for state in (units.USED, units.RESERVED):
            place = 0
            while found := await self._journal.read(
                lambda connection, state=state, place=place: units.in_force(
                    connection, state, now, now - LONGEST_WINDOW, place, _BATCH
                )
            ):
                place = found[-1][0]
                calls = [
                    (
                        [keys.live(one.customer), keys.volume(one.bucket)],
                        [self._only(one)],
                    )
                    for _, one in found
                ]
                await PUT_BACK_UNIT.many(self._redis, calls)

    # -- what scripts are given

    def _only(self, unit: Unit) -> bytes:
        return self._argument([self._unit(unit.customer, unit, unit.maximum)])

    def _unit(
        self, customer: str, unit: Unit | Reservation, maximum: int | None
    ) -> Mapping[str, Any]:
        said: dict[str, str | int] = {
            "member": _member(customer, unit.action),
            "field": _field(unit),
            "score": _score(unit),
        }
        if maximum is not None:
            said["most"] = maximum
        if not _is_for_ever(unit.bucket):
            seconds = min(self._clock().wall_seconds(LONGEST_WINDOW), _LONGEST_SECONDS)
            said["lasts"] = round(seconds * 1000)
        return said

    def _argument(
        self, found: Iterable[Mapping[str, Any]], forget: Sequence[Sequence[str]] = ()
    ) -> bytes:
        now = milliseconds(self._clock().now())
        return orjson.dumps({"now": now, "units": list(found), "forget": forget})


def _maximum(reservation: Reservation, bundle: Bundle) -> int:
    volume = volume_of(reservation.bucket, bundle)
    return 0 if volume is None else volume.maximum


def _is_for_ever(bucket: str) -> bool:
    return bucket.split("|")[1] == EVER


def _member(customer: str, action: str) -> str:
    return f"{customer}|{action}"


def _field(unit: Unit | Reservation) -> str:
    return f"{KEPT}{unit.bucket}|{unit.action}"


def _score(unit: Unit | Reservation) -> str:
    return "inf" if unit.until is None else str(milliseconds(unit.until))
