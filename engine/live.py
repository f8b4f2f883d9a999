"""Gather, decide, commit: the one way API, worker and batch reach a decision."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from engine.ask import Ask, request_of
from engine.attempt import Attempt
from engine.catalog import Bundle
from engine.decide import decide
from engine.errors import LiveStateUnavailable, UnknownChannel
from engine.ledger import Ledger, tables
from engine.ledger.in_step import InStep
from engine.ledger.in_time import InTime
from engine.ledger.journal import insert_new
from engine.ledger.patience import Breaker
from engine.ledger.ports import FeatureReader
from engine.ledger.sources import Sources
from engine.propensity import Foresighted, Scorer
from engine.record import record
from engine.timings import Timings
from engine.types import Decision, Request, Scalar, Snapshot

_SCORE_SHARE = 0.7
"""The part of a deadline after which scoring stops."""


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
        self._in_step = InStep()
        self._expect = scorer.expect if isinstance(scorer, Foresighted) else _expect_nothing
        self._sources: Sources | None = None

    async def decide(self, ask: Ask) -> Answer:
        """Decides and commits; where Redis is away, answers at a lower level and says why.

        Raises UnknownChannel, RequestIdReused, and JournalUnavailable when nothing can record the
        answer.
        """
        started = time.perf_counter()
        bundle = self._bundle()
        _check_channel(ask, bundle)
        timings = Timings()
        with self._in_step.one_more():
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
        end = time.perf_counter() + ask.deadline_ms / 1000
        return await self._attempt(ask, bundle, self._scorer, end, Timings()).gather()

    async def _decide_live(
        self, ask: Ask, bundle: Bundle, started: float, timings: Timings
    ) -> Decision:
        end = started + ask.deadline_ms / 1000
        scorer = InTime(self._scorer, started + _SCORE_SHARE * ask.deadline_ms / 1000, timings)
        attempt = self._attempt(ask, bundle, scorer, end, timings)
        if ask.request_id is None or ask.dry_run:
            return await attempt.compute()
        await attempt.guard()
        return await attempt.compute_once()

    def _attempt(
        self, ask: Ask, bundle: Bundle, scorer: Scorer, end: float, timings: Timings
    ) -> Attempt:
        if self._sources is None or self._sources.bundle is not bundle:
            self._sources = Sources(self._ledger, self._reader, bundle, self._breaker)
        return Attempt(
            self._sources,
            scorer,
            ask,
            end=end,
            in_step=self._in_step,
            expect=self._expect,
            timings=timings,
        )

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


def _expect_nothing(_features: Mapping[str, Scalar]) -> None:
    """For scorers that take one customer after the other anyway."""


def _check_channel(ask: Ask, bundle: Bundle) -> None:
    if ask.channel not in bundle.channels:
        names = ", ".join(bundle.channels)
        raise UnknownChannel(
            f"{ask.channel!r} is not a channel of this bundle; the channels are {names}"
        )
