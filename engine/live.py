"""Gather, decide, commit: the one way API, worker and batch reach a decision."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from redis.exceptions import RedisError

from engine import contact, visits, volumes
from engine.catalog import Bundle
from engine.decide import decide
from engine.errors import (
    LiveStateUnavailable,
    RequestIdReused,
    UnknownChannel,
)
from engine.ledger import Ledger, earlier, ids, keys, live, tables
from engine.ledger.circles import scopes
from engine.ledger.clock import milliseconds
from engine.ledger.in_time import InTime
from engine.ledger.journal import insert_new
from engine.ledger.patience import Breaker, within
from engine.ledger.ports import FeatureReader
from engine.ledger.units import Taker
from engine.propensity import Scorer
from engine.record import record
from engine.timings import Timings
from engine.types import (
    Decision,
    FeatureRow,
    Placement,
    Request,
    Snapshot,
)

_ATTEMPTS = 20
_CLAIM_MILLISECONDS = 2_000
_POLL_SECONDS = 0.005
_KEPT = timedelta(hours=24)
_PATIENCE_SECONDS = 1.0
"""How long Redis may take for one call, whatever the deadline, before an answer goes without it."""
_LEAST_SECONDS = 0.005
"""How long it may take, however close the deadline is."""
_STORE_SHARE = 0.4
"""The part of a deadline that reading may take; scoring goes on until `_SCORE_SHARE` of it."""
_SCORE_SHARE = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A question as a door puts it.

    `deadline_ms` is how long the answer may take: reading that takes more than its share is given
    up (an answer without live state), scoring stops in time (level `partial`). `digest` names the
    body that came with `request_id`; `at` overrides the clock; `journey` is the id of the journey
    that asks.
    """

    customer: str
    channel: str
    placements: tuple[Placement, ...] = (Placement(),)
    context: Mapping[str, Any] = field(default_factory=dict[str, Any])
    purposes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    deadline_ms: int = 1_000
    explain: bool = False
    dry_run: bool = False
    request_id: str | None = None
    digest: str = ""
    at: datetime | None = None
    journey: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A decision, and the milliseconds of wall time it took."""

    decision: Decision
    took_ms: float
    timings: Timings = field(default_factory=Timings)


class Decider:
    """Answers questions from live state, features, models and the bundle in force."""

    def __init__(
        self, ledger: Ledger, reader: FeatureReader, scorer: Scorer, bundle: Callable[[], Bundle]
    ) -> None:
        self._ledger = ledger
        self._reader = reader
        self._scorer = scorer
        self._bundle = bundle
        self._breaker = Breaker()

    async def decide(self, ask: Ask) -> Answer:
        """Decides and commits; where Redis is away, answers at a lower level and says why.

        Raises UnknownChannel, RequestIdReused, and JournalUnavailable when nothing can record the
        answer.
        """
        started = time.perf_counter()
        bundle = self._bundle()
        _check_channel(ask, bundle)
        timings = Timings()
        try:
            decision = await self._decide_live(ask, bundle, started, timings)
        except LiveStateUnavailable as error:
            decision = await self._decide_blind(ask, bundle, error)
        took_ms = (time.perf_counter() - started) * 1000
        return Answer(decision=decision, took_ms=took_ms, timings=timings)

    async def ask_about(self, ask: Ask) -> tuple[Request, Snapshot]:
        """What `decide` would be given for a question now; nothing is decided or recorded.

        Raises UnknownChannel and LiveStateUnavailable.
        """
        bundle = self._bundle()
        _check_channel(ask, bundle)
        attempt = _Attempt(
            self._ledger,
            self._reader,
            self._scorer,
            bundle,
            ask,
            end=time.perf_counter() + ask.deadline_ms / 1000,
            breaker=self._breaker,
        )
        return await attempt.gather()

    async def _decide_live(
        self, ask: Ask, bundle: Bundle, started: float, timings: Timings
    ) -> Decision:
        end = started + ask.deadline_ms / 1000
        scorer = InTime(self._scorer, started + _SCORE_SHARE * ask.deadline_ms / 1000, timings)
        attempt = _Attempt(
            self._ledger,
            self._reader,
            scorer,
            bundle,
            ask,
            end=end,
            breaker=self._breaker,
            timings=timings,
        )
        if ask.request_id is None or ask.dry_run:
            return await attempt.compute()
        await attempt.guard()
        return await attempt.compute_once()

    async def _decide_blind(
        self, ask: Ask, bundle: Bundle, error: LiveStateUnavailable
    ) -> Decision:
        """An answer without live state, in the journal: nothing commercial, nothing limited."""
        now = ask.at or self._ledger.clock.now()
        because = (f"the live state could not be read: {error}",)
        snapshot = Snapshot(customer=ask.customer, reconciled=False, because=because)
        request = request_of(ask, now)
        decision = decide(request, snapshot, bundle, self._scorer)
        if not ask.dry_run:
            row = {
                "decision_id": decision.decision_id,
                "record": record(request, snapshot, decision, self._ledger.site.seal_key),
            }
            await self._ledger.journal.write(
                lambda connection: insert_new(connection, tables.spool, row)
            )
        return decision


def _check_channel(ask: Ask, bundle: Bundle) -> None:
    if ask.channel not in bundle.channels:
        names = ", ".join(bundle.channels)
        raise UnknownChannel(
            f"{ask.channel!r} is not a channel of this bundle; the channels are {names}"
        )


def request_of(ask: Ask, now: datetime, superseded: bool = False) -> Request:
    """The engine's request for a question, with a new id and seed."""
    return Request(
        decision_id=ids.decision_id(now, ask.customer),
        customer=ask.customer,
        channel=ask.channel,
        now=now,
        seed=secrets.randbits(53),
        placements=ask.placements,
        context=ask.context,
        purposes=ask.purposes,
        tags=ask.tags,
        journey=ask.journey,
        explain=ask.explain,
        superseded=superseded,
    )


class _Attempt:
    """One question on its way: read, compute, commit, again where something arrived in between."""

    def __init__(
        self,
        ledger: Ledger,
        reader: FeatureReader,
        scorer: Scorer,
        bundle: Bundle,
        ask: Ask,
        *,
        end: float,
        breaker: Breaker,
        timings: Timings | None = None,
    ) -> None:
        self.ledger = ledger
        self.reader = reader
        self.scorer = scorer
        self.bundle = bundle
        self.ask = ask
        self.claim = secrets.token_hex(8)
        self._end = end
        self._breaker = breaker
        self._timings = timings or Timings()
        wanted = max(_STORE_SHARE * ask.deadline_ms / 1000, _LEAST_SECONDS)
        self._deadline_seconds = min(wanted, _PATIENCE_SECONDS)
        self._oldest = ledger.clock.now() - contact.horizon(bundle)
        self._names = (keys.MARKER, keys.live(ask.customer), keys.contacts(ask.customer))
        self._scopes = scopes(bundle)

    # -- request ids

    async def guard(self) -> None:
        """Raises RequestIdReused when the id came with another body before."""
        name = keys.guard(str(self.ask.request_id))
        command = ("SET", name, self.ask.digest, "NX", "GET", "PX", self._keep())
        (kept,) = await self._call(self.ledger.wire.call(command), self._deadline_seconds)
        if isinstance(kept, RedisError):
            raise live.unavailable(kept)
        if kept is not None and kept.decode() != self.ask.digest:
            raise RequestIdReused(
                f"request_id {self.ask.request_id!r} was used with another body: repeat that body,"
                " or use a new id"
            )

    def _keep(self) -> int:
        return max(60_000, round(self.ledger.clock.wall_seconds(_KEPT) * 1000))

    async def compute_once(self) -> Decision:
        """The answer of this request id: the stored one while it is legal, else a new one."""
        end = time.monotonic() + 2 * _CLAIM_MILLISECONDS / 1000
        while True:
            state, row = await self._read(claim=True)
            if state.stored is None:
                return await self._compute(state, row)
            if state.stored[:1] == b"d":
                return await self._stored_or_new(state, row)
            if time.monotonic() > end:
                raise LiveStateUnavailable("another call with this request_id does not finish")
            await asyncio.sleep(_POLL_SECONDS)

    async def _stored_or_new(self, state: live.LiveState, row: FeatureRow) -> Decision:
        decision_id = (state.stored or b"")[1:].decode()
        kept = await earlier.stored_decision(self.ledger, decision_id)
        if kept is not None and earlier.still_legal(
            kept, state, self.bundle, self.ask.channel, self.ledger.clock.now()
        ):
            if any(one.until is None for one in kept.reserves):  # the call before may have crashed
                await self.ledger.volumes.confirm(decision_id)
            return kept
        return await self._compute(state, row, instead_of=state.stored)

    # -- read, compute, commit

    async def compute(self) -> Decision:
        """A new decision on the state as it is."""
        return await self._compute(*await self._read(claim=False))

    async def _compute(
        self, state: live.LiveState, row: FeatureRow, instead_of: bytes | None = None
    ) -> Decision:
        for _ in range(_ATTEMPTS):
            state = await self._with_circles(state)
            request, snapshot = await self._question(state, row, instead_of is not None)
            decision = self._decide(request, snapshot)
            if self.ask.dry_run:
                return decision
            started = time.perf_counter()
            refused = await self._take(state, request, snapshot, decision, instead_of)
            self._timings.commit += time.perf_counter() - started
            if refused is None:
                return decision
            if refused.stored is not None:
                return await self._stored_or_new(refused, row)
            state = refused
        raise LiveStateUnavailable(
            "this customer's state changes faster than a decision can be made"
        )

    def _decide(self, request: Request, snapshot: Snapshot) -> Decision:
        timings = self._timings
        started, scored = time.perf_counter(), timings.score
        decision = decide(request, snapshot, self.bundle, self.scorer)
        timings.decide += time.perf_counter() - started - (timings.score - scored)
        return decision

    async def gather(self) -> tuple[Request, Snapshot]:
        """What a decision would be made from now."""
        state, row = await self._read(claim=False)
        return await self._question(await self._with_circles(state), row)

    async def _question(
        self, state: live.LiveState, row: FeatureRow, superseded: bool = False
    ) -> tuple[Request, Snapshot]:
        now = self.ask.at or self.ledger.clock.now()
        request = request_of(self.ask, now, superseded)
        snapshot = replace(
            state.snapshot(self.ask.customer), features=row.values, feature_times=row.times
        )
        if self.bundle.volumes and snapshot.reconciled:
            snapshot = await self._with_volumes(request, snapshot)
        return request, snapshot

    async def _with_circles(self, state: live.LiveState) -> live.LiveState:
        """The state with the contacts of account and household, where the bundle counts those."""
        if not self._scopes or not state.circles:
            return state
        reading = live.with_circles(self.ledger.redis, state, self._scopes, self._oldest)
        return await self._call(reading, self._deadline_seconds)

    async def _with_volumes(self, request: Request, snapshot: Snapshot) -> Snapshot:
        """The snapshot with how much is used of what the decision may take."""
        asked = volumes.buckets(request, snapshot, self.bundle)
        counts = self.ledger.volumes.counted(asked)
        return replace(
            snapshot,
            volumes=await self._call(counts, self._deadline_seconds),
            reserved=volumes.current(snapshot.reserved, self.bundle, request.now),
        )

    async def _read(self, claim: bool) -> tuple[live.LiveState, FeatureRow]:
        started = time.perf_counter()
        try:
            return await self._read_once(claim)
        finally:
            self._timings.read += time.perf_counter() - started

    async def _read_once(self, claim: bool) -> tuple[live.LiveState, FeatureRow]:
        names, arguments = list(self._names), [milliseconds(self._oldest)]
        if claim:
            names.append(keys.answer(self.ask.customer, str(self.ask.request_id)))
            arguments += [self.claim, _CLAIM_MILLISECONDS]  # pyright: ignore[reportArgumentType]
        row = self.reader.command(self.ask.customer)
        call = live.run(self.ledger.wire, live.READ, names, arguments, row)
        reply, row = await self._call(call, self._deadline_seconds)
        state = live.decode_state(reply)
        try:
            return state, self._features(row)
        except (RedisError, ValueError) as error:
            return await self._without_features(state, error), FeatureRow()

    def _features(self, row: object) -> FeatureRow:
        if isinstance(row, RedisError):
            raise row
        return self.reader.decode(row)

    async def _without_features(self, state: live.LiveState, error: Exception) -> live.LiveState:
        """The state with what was offered last: all that can be said without features."""
        unread = f"the features could not be read: {error}"
        placements = frozenset(one.name for one in self.ask.placements)
        remembered, said = await earlier.remembered(
            self.ledger, state, self.bundle, self.ask.channel, placements
        )
        return replace(state, remembered=remembered, because=(unread, *said))

    async def _take(
        self,
        state: live.LiveState,
        request: Request,
        snapshot: Snapshot,
        decision: Decision,
        instead_of: bytes | None,
    ) -> live.LiveState | None:
        """Commits; what it takes out of volumes is journalled before, and given back if refused."""
        kept, by = self.ledger.volumes, decision.decision_id
        mine = request.customer
        anew = [
            one
            for one in decision.reserves
            # what is used for good but was never confirmed here may be so by a call that crashed
            if one not in snapshot.reserved or (one.until is None and not kept.sure_of(mine, one))
        ]
        if anew:
            taker = Taker(customer=mine, by=by, decision_id=by)
            await kept.intend(taker, anew, self.bundle, bounded=True)
        refused = await self._commit(state, request, snapshot, decision, instead_of)
        if refused is not None and decision.reserves:
            await kept.give_back(by)
        elif refused is None and any(one.until is None for one in anew):
            await kept.confirm(by)
            kept.be_sure(mine, anew)
        return refused

    async def _commit(
        self,
        state: live.LiveState,
        request: Request,
        snapshot: Snapshot,
        decision: Decision,
        instead_of: bytes | None,
    ) -> live.LiveState | None:
        over = [one for one in state.reserved if one not in snapshot.reserved]
        taken, units = self.ledger.volumes.wanted(
            request.customer, decision.reserves, self.bundle, over if snapshot.reconciled else ()
        )
        names = [*self._names, keys.DECISIONS, keys.decision(decision.decision_id)]
        arguments: list[Any] = [
            state.seen,
            state.marker,
            decision.decision_id,
            record(request, snapshot, decision, self.ledger.site.seal_key),
            milliseconds(self._oldest),
            live.LATEST_DECISIONS,
            self._session(request, snapshot),
            units,
        ]
        if self.ask.request_id is not None:
            names.append(keys.answer(self.ask.customer, self.ask.request_id))
            arguments += [self.claim, self._keep(), instead_of or b""]
        left = max(self._end - time.perf_counter(), 10 * _LEAST_SECONDS)
        call = live.run(self.ledger.wire, live.COMMIT, [*names, *taken], arguments)
        (reply,) = await self._call(call, min(left, _PATIENCE_SECONDS))
        return None if reply == 1 else live.decode_state(reply)

    def _session(self, request: Request, snapshot: Snapshot) -> bytes:
        """The session as it goes on; journeys are no visits."""
        in_page = self.bundle.channels[request.channel].in_page and not request.journey
        if not in_page or not snapshot.reconciled or not visits.remembered(self.bundle):
            return b""
        return live.encode_session(visits.after(request, snapshot.session, self.bundle))

    async def _call(self, call: Awaitable[Any], seconds: float) -> Any:
        seconds = self._breaker.patience(seconds)
        try:
            reply = await within(seconds, call)
        except TimeoutError as error:
            self._breaker.failed()
            reason = f"Redis did not answer within {seconds * 1000:.3g} ms"
            raise LiveStateUnavailable(reason) from error
        except LiveStateUnavailable:
            self._breaker.failed()
            raise
        except (RedisError, OSError) as error:
            self._breaker.failed()
            raise live.unavailable(error) from error
        self._breaker.worked()
        return reply
