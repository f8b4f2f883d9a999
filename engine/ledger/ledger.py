"""The ledger: what happened and what is in force, in the journal first, then in Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import orjson
import redis.asyncio as redis
from sqlalchemy import Connection, select

from engine import contact
from engine.errors import UnknownDecision
from engine.holds import in_force
from engine.ledger import archive, contacts, evidence, facts, ids, keys, live, tables
from engine.ledger.clock import Clock, milliseconds
from engine.ledger.consents import Consent, Recorded, keep_consents, keep_first_consents
from engine.ledger.customers import Customers
from engine.ledger.encoded import encode_hold, encode_journey
from engine.ledger.journal import Journal
from engine.ledger.memberships import Memberships
from engine.ledger.operators import OPERATOR, placed_by, to_be_ended
from engine.ledger.outcomes import Outcome, Told, keep_outcome
from engine.ledger.site import Site
from engine.ledger.state import LiveState
from engine.ledger.timeline import Moment, timeline
from engine.ledger.volumes import Volumes
from engine.ledger.wire import Wire
from engine.types import Contact, Hold, HoldState, JourneyState

_BATCH = 1_000
_POLL_SECONDS = 0.02
_FLIGHT_SECONDS = 0.7
"""How long an acknowledgement waits for messages that were on their way before the hold."""


@asynccontextmanager
async def open_ledger(site: Site) -> AsyncGenerator[Ledger]:
    """Opens the ledger of a stack and closes it again. Raises JournalUnavailable."""
    journal = Journal(site.journal)
    client, wire = live.connect(site.redis_url), live.wired(site.redis_url)
    try:
        yield Ledger(site, journal, client, wire)
    finally:
        await wire.close()
        await live.close(client)
        journal.close()


class Ledger:
    """Every change goes to the journal, then into force in Redis; repeating any of them is safe."""

    def __init__(self, site: Site, journal: Journal, client: redis.Redis, wire: Wire) -> None:
        self.site = site
        self.journal = journal
        self.redis = client
        self.wire = wire
        self.customers = Customers(journal, site.key)
        self.memberships = Memberships(self)
        self.volumes = Volumes(journal, client, wire, lambda: self.clock)

    @property
    def clock(self) -> Clock:
        """The stack's clock."""
        return self.site.clock

    async def state(self, customer: str) -> LiveState:
        """The live state of one customer. Raises LiveStateUnavailable."""
        since = milliseconds(self.clock.now() - contact.LONGEST_WINDOW)
        (state,) = await live.read(self.wire, customer, since)
        return state

    async def journeys(self, customer: str) -> tuple[JourneyState, ...]:
        """The running journeys of one customer. Raises LiveStateUnavailable."""
        return (await self.state(customer)).journeys

    async def holds(self, customer: str) -> tuple[Hold, ...]:
        """The holds in force for one customer. Raises LiveStateUnavailable."""
        return in_force((await self.state(customer)).holds, self.clock.now())

    async def external_id(self, customer: str) -> str:
        """The external id of one customer, or its reference where none is known."""
        return (await self.customers.external([customer]))[customer]

    # -- holds

    async def place_hold(self, customer: str, hold: Hold) -> tuple[str, ...]:
        """Puts a hold in force; answers with the ids of messages on their way that it covers."""
        await self.journal.write(lambda connection: facts.keep_hold(connection, customer, hold))
        covered = await self.enforce_hold(customer, hold)
        await self._undo_unless_open([(customer, hold)])  # a late repetition opens nothing again
        return covered

    async def enforce_hold(self, customer: str, hold: Hold) -> tuple[str, ...]:
        """Puts a hold that is journalled already in force in Redis."""
        arguments = (hold.id, encode_hold(hold), hold.seq, live.wall_milliseconds())
        covered = await live.PLACE_HOLD(self.redis, [keys.live(customer)], arguments)
        return tuple(message.decode() for message in covered)

    async def let_land(self, customer: str, hold: Hold, covered: Sequence[str]) -> None:
        """Waits for messages on their way, so that none arrives after the acknowledgement."""
        end = time.monotonic() + _FLIGHT_SECONDS
        while covered and time.monotonic() < end:
            await asyncio.sleep(_POLL_SECONDS)
            covered = await self.enforce_hold(customer, hold)
        await self._undo_unless_open([(customer, hold)])

    async def enforce_again(self, held: Sequence[tuple[str, Hold]]) -> list[tuple[str, Hold]]:
        """Puts holds in force that the journal had open a while ago, but none that ended since.

        Answers those that Redis did not know. A release is journalled first, so one that is not
        seen here comes after the hold is set.
        """
        lost: list[tuple[str, Hold]] = []
        for start in range(0, len(held), _BATCH):
            batch = held[start : start + _BATCH]
            lost += await live.holds_lost(self.redis, batch)
            for customer, hold in batch:
                await self.enforce_hold(customer, hold)
            await self._undo_unless_open(batch)
        return lost

    async def _undo_unless_open(self, held: Sequence[tuple[str, Hold]]) -> None:
        customers = sorted({customer for customer, _ in held})
        found = await self.journal.read(lambda connection: facts.open_holds(connection, customers))
        still = {(customer, hold.id) for customer, hold in found}
        for customer, hold in held:
            if (customer, hold.id) not in still:
                arguments = (hold.id, hold.seq)
                await live.RELEASE_HOLD(self.redis, [keys.live(customer)], arguments)

    async def release_hold(
        self, customer: str, hold_id: str, up_to: int, by: str, because: str
    ) -> bool:
        """Ends a hold; False, and it stays, if it was placed again after position `up_to`."""
        ended = {
            "ended_at": milliseconds(self.clock.now()),
            "ended_by": by,
            "ended_because": because,
        }
        over = await self.journal.write(
            lambda connection: facts.end_hold(connection, customer, hold_id, up_to, ended)
        )
        if not over:
            return False
        released = await live.RELEASE_HOLD(self.redis, [keys.live(customer)], (hold_id, up_to))
        return bool(released)

    async def orphan_hold(self, customer: str, hold: Hold) -> None:
        """Marks a hold whose owner is lost: still in force, and a task for operators."""
        await self.journal.write(
            lambda connection: facts.mark_hold(connection, customer, hold.id, HoldState.ORPHANED)
        )
        await self.enforce_again([(customer, live.orphan(hold))])

    async def open_holds(self) -> list[tuple[str, Hold]]:
        """All holds that were not ended, with the customers they silence, the oldest first."""
        return await self.journal.read(facts.open_holds)

    async def place_operator_hold(
        self,
        customer: str,
        purposes: Sequence[str],
        tags: Sequence[str],
        because: str,
        author: str,
        until: datetime | None,
    ) -> str:
        """Places a hold in an operator's name and returns its id."""
        hold = placed_by(author, self.clock.now(), until, purposes, tags, because)
        covered = await self.place_hold(customer, hold)
        await self.let_land(customer, hold, covered)
        return hold.id

    async def end_hold_by_operator(
        self, customer: str, hold_id: str, author: str, because: str
    ) -> None:
        """Ends an operator's hold, or one whose owner is lost.

        Raises UnknownHold, and HoldOwnedByJourney while the owning journey runs.
        """
        held = await self.journal.read(lambda connection: facts.open_holds(connection, [customer]))
        hold = to_be_ended(hold_id, held)
        await self.release_hold(customer, hold_id, hold.seq, OPERATOR + author, because)

    # -- consents

    async def set_consent(
        self, customer: str, purpose: str, channel: str, granted: bool, source: str, at: datetime
    ) -> None:
        """Records a consent and puts it in force."""
        consent = Consent(
            customer=customer,
            purpose=purpose,
            channel=channel,
            granted=granted,
            source=source,
            at=at,
        )
        await self.set_consents([consent])

    async def set_consents(self, given: Sequence[Consent]) -> None:
        """Records many consents and puts them in force."""
        await self._record_consents(given, keep_consents)

    async def set_first_consents(self, given: Sequence[Consent]) -> int:
        """Records those for which nothing is recorded yet and puts them in force; how many.

        A customer who withdrew since a table was made keeps that. Raises JournalUnavailable and
        LiveStateUnavailable: repeating is safe then, and a rebuild brings in what is missing.
        """
        return await self._record_consents(given, keep_first_consents)

    async def _record_consents(
        self,
        given: Sequence[Consent],
        keep: Callable[[Connection, Sequence[Consent]], list[Recorded]],
    ) -> int:
        new = 0
        for start in range(0, len(given), _BATCH):
            batch = given[start : start + _BATCH]
            recorded = await self.journal.write(
                lambda connection, batch=batch: keep(connection, batch)
            )
            await self.enforce_consents(recorded)
            new += len(recorded)
        return new

    async def enforce_consents(self, recorded: Sequence[Recorded]) -> None:
        """Puts journalled consents in force in Redis; an older one changes nothing."""
        calls = [
            ([keys.live(one.customer)], [f"{one.purpose}:{one.channel}", int(one.granted), one.seq])
            for one in recorded
        ]
        await live.SET_CONSENT.many(self.redis, calls)

    # -- contacts and outcomes

    async def add_contacts(self, found: Sequence[tuple[str, Contact]]) -> None:
        """Counts journalled contacts of customers, each once, for them and for their circles."""
        oldest = milliseconds(self.clock.now() - contact.LONGEST_WINDOW)
        calls = [
            (
                [keys.live(customer), keys.contacts(customer), keys.WORDS],
                [contacts.encode(one), oldest],
            )
            for customer, one in found
        ]
        await live.ADD_CONTACT.many(self.redis, calls)

    async def record_outcome(self, outcome: Outcome) -> Told:
        """Records what became of an offer, once. Raises UnknownDecision and UnknownTreatment."""
        record = await self.decision_record(outcome.decision_id)
        now = self.clock.now()
        kept = await self.journal.write(
            lambda connection: keep_outcome(connection, outcome, record, now)
        )
        if kept.evidence:
            await evidence.count(
                self.redis, kept.contact.action, kept.contact.channel, kept.evidence
            )
        # a known one as well: the call before may have got no further than the journal
        await self.add_contacts([(record["request"]["customer"], kept.contact)])
        buckets = await self.volumes.answered(kept.units, outcome.at)
        names = {bucket.partition("|")[0] for bucket in buckets}
        return Told(new=kept.new, exhausted=tuple(sorted(names)))

    async def decision_record(self, decision_id: str) -> dict[str, Any]:
        """The record of a decision, wherever it is by now. Raises UnknownDecision."""
        record = await self.raw_record(decision_id)
        try:
            parsed: dict[str, Any] = orjson.loads(record)
            _ = parsed["request"]["customer"], parsed["decision"]["placements"]
        except (ValueError, LookupError, TypeError):
            raise UnknownDecision(
                f"the record of decision {decision_id!r} can't be read: it was tampered with"
            ) from None
        return parsed

    async def raw_record(self, decision_id: str) -> bytes:
        """The bytes of a decision's record, wherever it is by now. Raises UnknownDecision."""
        if ids.is_decision_id(decision_id):
            found = await archive.find(self, decision_id)
            if found is not None:
                return found
        raise UnknownDecision(f"there is no decision {decision_id!r}")

    # -- journeys

    async def put_journey(
        self, customer: str, journey: JourneyState, *, only_new: bool = False
    ) -> None:
        """Makes a journey's stage part of every snapshot; `only_new`: unless it is there."""
        arguments = (f"j:{journey.id}", encode_journey(journey), int(only_new))
        await live.SET_FIELD(self.redis, [keys.live(customer)], arguments)

    async def drop_journey(self, customer: str, journey_id: str) -> None:
        """Takes a journey that has ended out of the snapshots."""
        await live.SET_FIELD(self.redis, [keys.live(customer)], (f"j:{journey_id}", ""))

    # -- messages

    async def timeline(
        self, customer: str, since: datetime, limit: int
    ) -> tuple[list[Moment], bool]:
        """The latest things that happened since then, the oldest first; whether there are more."""
        start = milliseconds(since)
        return await self.journal.read(
            lambda connection: timeline(connection, customer, start, limit)
        )

    async def inbox(self, customer: str, limit: int = 100) -> list[dict[str, Any]]:
        """The messages kept for in-app display, latest first."""
        kept = tables.inbox.c
        query = select(kept.message).where(kept.customer == customer).limit(limit)
        query = query.order_by(kept.at.desc(), kept.message_id.desc())
        rows = await self.journal.read(lambda connection: connection.execute(query).scalars().all())
        return [orjson.loads(row) for row in rows]
