"""One question on its way: read, compute, commit, again where something arrived in between."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from redis.exceptions import RedisError

from engine import visits, volumes
from engine.ask import Ask, request_of
from engine.decide import deciding
from engine.errors import LiveStateUnavailable, RequestIdReused
from engine.ledger import earlier, keys, live
from engine.ledger.clock import milliseconds
from engine.ledger.counts import Counts
from engine.ledger.encoded import encode_session
from engine.ledger.in_step import InStep
from engine.ledger.script import run, unavailable
from engine.ledger.sources import Sources
from engine.ledger.state import LiveState
from engine.ledger.units import Taker
from engine.propensity import Scorer
from engine.record import record
from engine.timings import Timings
from engine.types import Decision, FeatureRow, Request, Scalar, Snapshot

Expect = Callable[[Mapping[str, Scalar]], None]
"""Tells a scorer of features that it will be asked about before long."""
Binding = tuple[Sequence[str], Sequence[Any]]
"""The keys and the arguments of a script."""

_ATTEMPTS = 20
_CLAIM_MILLISECONDS = 2_000
_POLL_SECONDS = 0.005
_KEPT = timedelta(hours=24)
_PATIENCE_SECONDS = 1.0
"""How long Redis may take for one call, whatever the deadline, before an answer goes without it."""
_LEAST_SECONDS = 0.005
"""How long it may take, however close the deadline is."""
_STORE_SHARE = 0.4
"""The part of a deadline that reading may take."""


class Attempt:
    """One question on its way: read, compute, commit, again where something arrived in between."""

    def __init__(
        self,
        sources: Sources,
        scorer: Scorer,
        ask: Ask,
        *,
        end: float,
        in_step: InStep,
        expect: Expect,
        timings: Timings,
    ) -> None:
        self.ledger = sources.ledger
        self.scorer = scorer
        self.bundle = sources.bundle
        self.ask = ask
        self._sources = sources
        self._end = end
        self._in_step = in_step
        self._expect = expect
        self._timings = timings
        share = max(_STORE_SHARE * ask.deadline_ms / 1000, _LEAST_SECONDS)
        self._deadline_seconds = min(share, _PATIENCE_SECONDS)
        self._oldest = milliseconds(self.ledger.clock.now()) - sources.horizon_milliseconds
        self._claim = ""

    # -- request ids

    async def guard(self) -> None:
        """Raises RequestIdReused when the id came with another body before."""
        name = keys.guard(str(self.ask.request_id))
        command = ("SET", name, self.ask.digest, "NX", "GET", "PX", self._keep())
        (kept,) = await self._sources.call(command, self._deadline_seconds)
        if isinstance(kept, RedisError):
            raise unavailable(kept)
        if kept is not None and kept.decode() != self.ask.digest:
            raise RequestIdReused(
                f"request_id {self.ask.request_id!r} was used with another body: repeat that body,"
                " or use a new id"
            )

    def _keep(self) -> int:
        return max(60_000, round(self.ledger.clock.wall_seconds(_KEPT) * 1000))

    async def compute_once(self) -> Decision:
        """The answer of this request id: the stored one while it is legal, else a new one."""
        self._claim = secrets.token_hex(8)
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

    async def _stored_or_new(self, state: LiveState, row: FeatureRow) -> Decision:
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
        self, state: LiveState, row: FeatureRow, instead_of: bytes | None = None
    ) -> Decision:
        for _ in range(_ATTEMPTS):
            if state.circles and self._sources.scopes:
                state = await self._sources.with_circles(
                    state, self._oldest, self._deadline_seconds
                )
            if self._in_step.with_others:
                self._expect(row.values)
            async with self._in_step:
                request = self._request(superseded=instead_of is not None)
                snapshot, decision = await self._decided(request, state, row)
                if self.ask.dry_run:
                    return decision
                await self._in_step.next_stage()
                started = time.perf_counter()
                binding = self._binding(state, request, snapshot, decision, instead_of)
            refused = await self._take(snapshot, decision, binding)
            self._timings.commit += time.perf_counter() - started
            if refused is None:
                return decision
            if refused.stored is not None:
                return await self._stored_or_new(refused, row)
            state = refused
        raise LiveStateUnavailable(
            "this customer's state changes faster than a decision can be made"
        )

    async def _decided(
        self, request: Request, state: LiveState, row: FeatureRow
    ) -> tuple[Snapshot, Decision]:
        """A decision, and again where it looked at a volume whose count was old and is another."""
        snapshot = self._sources.snapshot(request, state, row)
        decision = await self._decide(request, snapshot)
        counts = snapshot.volumes
        if not isinstance(counts, Counts) or not counts.unsure:
            return snapshot, decision
        if not counts.differs(await self._sources.counted(counts.unsure, self._deadline_seconds)):
            return snapshot, decision
        snapshot = self._sources.snapshot(request, state, row)
        return snapshot, await self._decide(request, snapshot)

    async def _decide(self, request: Request, snapshot: Snapshot) -> Decision:
        """The decision; those under way at the same time take each stage of it together."""
        timings, stages = self._timings, deciding(request, snapshot, self.bundle, self.scorer)
        while True:
            started, scored = time.perf_counter(), timings.score
            try:
                next(stages)
            except StopIteration as end:
                return end.value
            finally:
                timings.decide += time.perf_counter() - started - (timings.score - scored)
            await self._in_step.next_stage()

    async def gather(self) -> tuple[Request, Snapshot]:
        """What a decision would be made from now, with all that it may look at."""
        state, row = await self._read(claim=False)
        state = await self._sources.with_circles(state, self._oldest, self._deadline_seconds)
        request = self._request()
        snapshot = self._sources.snapshot(request, state, row)
        if self.bundle.volumes and snapshot.reconciled:
            asked = volumes.buckets(request, snapshot, self.bundle)
            snapshot = replace(
                snapshot, volumes=await self._sources.counted(asked, self._deadline_seconds)
            )
        return request, snapshot

    def _request(self, superseded: bool = False) -> Request:
        return request_of(self.ask, self.ask.at or self.ledger.clock.now(), superseded)

    async def _read(self, claim: bool) -> tuple[LiveState, FeatureRow]:
        started = time.perf_counter()
        held = (str(self.ask.request_id), self._claim, _CLAIM_MILLISECONDS) if claim else None
        try:
            return await self._sources.read(self.ask, self._oldest, self._deadline_seconds, held)
        finally:
            self._timings.read += time.perf_counter() - started

    def _binding(
        self,
        state: LiveState,
        request: Request,
        snapshot: Snapshot,
        decision: Decision,
        instead_of: bytes | None,
    ) -> Binding:
        """What the script that makes the decision binding is given: its record above all."""
        taken, units = self._units(state, snapshot, decision)
        customer, made = request.customer, decision.decision_id
        names = [keys.MARKER, keys.live(customer), keys.contacts(customer)]
        names += (keys.DECISIONS, keys.decision(made))
        arguments: list[Any] = [
            state.seen,
            state.marker,
            made,
            record(request, snapshot, decision, self.ledger.site.seal_key),
            live.LATEST_DECISIONS,
            self._session(request, snapshot),
            units,
        ]
        if self.ask.request_id is not None:
            names.append(keys.answer(customer, self.ask.request_id))
            arguments += [self._claim, self._keep(), instead_of or b""]
        return [*names, *taken], arguments

    async def _take(
        self, snapshot: Snapshot, decision: Decision, binding: Binding
    ) -> LiveState | None:
        """Commits; what it takes out of volumes is journalled before, and given back if refused."""
        kept, by = self.ledger.volumes, decision.decision_id
        mine = snapshot.customer
        anew = [
            one
            for one in decision.reserves
            # what is used for good but was never confirmed here may be so by a call that crashed
            if one not in snapshot.reserved or (one.until is None and not kept.sure_of(mine, one))
        ]
        if anew:
            taker = Taker(customer=mine, by=by, decision_id=by)
            await kept.intend(taker, anew, self.bundle, bounded=True)
        refused = await self._commit(*binding)
        if refused is not None and decision.reserves:
            await kept.give_back(by)
        elif refused is None and any(one.until is None for one in anew):
            await kept.confirm(by)
            kept.be_sure(mine, anew)
        return refused

    async def _commit(self, names: Sequence[str], arguments: Sequence[Any]) -> LiveState | None:
        """Nothing once the decision is binding, or the state as it is by now."""
        left = max(self._end - time.perf_counter(), 10 * _LEAST_SECONDS)
        seconds = self._sources.breaker.patience(min(left, _PATIENCE_SECONDS))
        call = run(self.ledger.wire, live.COMMIT, names, arguments, seconds=seconds)
        (reply,) = await self._sources.watched(call)
        return None if reply == 1 else await live.state_of(self.ledger.wire, reply, self._oldest)

    def _units(
        self, state: LiveState, snapshot: Snapshot, decision: Decision
    ) -> tuple[Sequence[str], bytes]:
        """What the decision takes, and what the live state need not show any more."""
        over = [one for one in state.reserved if one not in snapshot.reserved]
        if not decision.reserves and not over:
            return (), b""
        forget = over if snapshot.reconciled else ()
        reserves = decision.reserves
        return self.ledger.volumes.wanted(snapshot.customer, reserves, self.bundle, forget)

    def _session(self, request: Request, snapshot: Snapshot) -> bytes:
        """The session as it goes on; journeys are no visits."""
        if not self._sources.sessions or not snapshot.reconciled or request.journey:
            return b""
        if not self.bundle.channels[request.channel].in_page:
            return b""
        return encode_session(visits.after(request, snapshot.session, self.bundle))
