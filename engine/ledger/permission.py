"""Whether a message may leave now: the guards of a decision, asked again and held to."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson

from engine import contact, guards, names, volumes
from engine.catalog import Action, Bundle
from engine.channels.delivery import Message
from engine.errors import LiveStateUnavailable
from engine.holds import commercial
from engine.ledger import contacts, keys, live
from engine.ledger.circles import scopes
from engine.ledger.clock import milliseconds
from engine.ledger.facts import contact_of
from engine.ledger.ledger import Ledger
from engine.ledger.ports import FeatureReader
from engine.ledger.script import Script
from engine.ledger.state import LiveState
from engine.ledger.units import Taker
from engine.moment import Moment, moment
from engine.shelf import Place, place
from engine.types import (
    Contact,
    ContactKind,
    Drop,
    FeatureRow,
    Request,
    Reservation,
    Snapshot,
    Stage,
)
from engine.windows import MILLISECOND

AUTHORISE = Script("authorise", "contacts", "circles", "units")
FRESH_SECONDS = 0.5
"""A delivery starts within this time of its authorisation: shorter than an acknowledgement of a
hold waits for deliveries that were authorised before it (Ledger.let_land).
"""
NOT_RECONCILED = "not_reconciled"
_LATE_MOST = 3
_ATTEMPTS = 60
_STEP_ASIDE_SECONDS = 0.02
_LEASE_MILLISECONDS = 20_000
"""Longer than any adapter's time limit: after it, a delivery no longer counts as in flight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a message may leave: `reason` is empty, or the rule that stops it until `until`.

    `waits`: nothing but quiet hours, and they end. `exemptions` are the rules that only its class
    of exemption lets it pass, `reserves` what it takes out of volumes.
    """

    reason: str = ""
    until: datetime | None = None
    waits: bool = False
    exemptions: tuple[str, ...] = ()
    reserves: tuple[Reservation, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether nothing stops it."""
        return not self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a verdict stands on: one read of state and features; `used` is how much of each volume
    is.
    """

    bundle: Bundle
    state: LiveState
    row: FeatureRow
    used: Mapping[str, int] = field(default_factory=dict[str, int])


class Gate:
    """Lets messages out, one customer's state at a time."""

    def __init__(self, ledger: Ledger, reader: FeatureReader, bundle: Callable[[], Bundle]) -> None:
        self._ledger = ledger
        self._reader = reader
        self._bundle = bundle

    async def ask(self, message: Message) -> Verdict:
        """Judges a message on the state as it is; one that may leave has its contact reserved.

        Where something else was faster, or the permission took so long that a hold may have
        overtaken it, it is judged again. Raises LiveStateUnavailable.
        """
        late, intended = 0, ()
        for attempt in range(_ATTEMPTS):
            ground = await self._read(message, self._bundle())
            verdict = judge(message, ground)
            if not verdict.allowed:
                return verdict
            if verdict.reserves != intended:
                intended = verdict.reserves
                await self._intend(message, verdict, ground.bundle)
            asked = time.monotonic()
            if not await self._reserve(message, ground, verdict):
                await asyncio.sleep(random.uniform(0, _STEP_ASIDE_SECONDS * min(attempt, 5)))
            elif time.monotonic() - asked < FRESH_SECONDS:
                return verdict
            elif (late := late + 1) == _LATE_MOST:
                raise LiveStateUnavailable("Redis is too slow to authorise a delivery")
        raise LiveStateUnavailable(
            "this customer's state changes faster than a delivery can be authorised"
        )

    async def give_back(self, message: Message) -> None:
        """Gives back what a message that was not delivered took out of volumes."""
        if self._bundle().volumes:
            await self._ledger.volumes.give_back(message.message_id)

    async def confirm(self, message: Message) -> None:
        """What a delivered message took for good was taken."""
        if self._bundle().volumes:
            await self._ledger.volumes.confirm(message.message_id)

    async def _read(self, message: Message, bundle: Bundle) -> Ground:
        since = message.at - contact.horizon(bundle) - MILLISECOND  # a read rounds to the nearest
        state, row = await self._read_customer(message.customer, since)
        state = await live.with_circles(
            self._ledger.wire, state, scopes(bundle), milliseconds(since)
        )
        ground = Ground(bundle=bundle, state=state, row=row)
        if not bundle.volumes or not state.marker:
            return ground
        asked = volumes.buckets(request_of(message), snapshot_of(message, ground), bundle)
        return replace(ground, used=await self._ledger.volumes.counted(asked))

    async def _read_customer(self, customer: str, since: datetime) -> tuple[LiveState, FeatureRow]:
        wanted = self._reader.command(customer)
        state, row = await live.read(self._ledger.wire, customer, milliseconds(since), wanted)
        return state, self._features(row)

    def _features(self, row: Any) -> FeatureRow:
        """What can't be read is unknown: guards know what that means."""
        try:
            return FeatureRow() if isinstance(row, Exception) else self._reader.decode(row)
        except (LiveStateUnavailable, ValueError):
            return FeatureRow()

    async def _intend(self, message: Message, verdict: Verdict, bundle: Bundle) -> None:
        """What it takes out of volumes is journalled first, as the message itself is."""
        taker = Taker(
            customer=message.customer, by=message.message_id, decision_id=message.decision_id
        )
        await self._ledger.volumes.intend(taker, verdict.reserves, bundle, bounded=False)

    async def _reserve(self, message: Message, ground: Ground, verdict: Verdict) -> bool:
        state, action = ground.state, ground.bundle.actions[message.action]
        flight = {
            "purpose": message.purpose,
            "tags": _tags(message, action),
            "exempt": int(_exempt(message, action)),
            "expires": live.wall_milliseconds() + _LEASE_MILLISECONDS,
        }
        customer, kept = message.customer, self._ledger.volumes
        taken, units = kept.wanted(customer, verdict.reserves, ground.bundle)
        reply = await AUTHORISE(
            self._ledger.redis,
            [keys.MARKER, keys.live(customer), keys.contacts(customer), keys.WORDS, *taken],
            [
                state.seen,
                state.marker,
                message.message_id,
                contacts.encode(contact_of(message, ContactKind.DISPATCH)),
                orjson.dumps(flight),
                units,
            ],
        )
        if reply != 1 and verdict.reserves:
            kept.distrust()
        return reply == 1


def judge(message: Message, ground: Ground) -> Verdict:
    """What the guards of a decision say to a message."""
    bundle = ground.bundle
    action = bundle.actions.get(message.action)
    if action is None:
        return Verdict(reason=f"unknown_action:{message.action}")
    if message.channel not in bundle.channels:
        return Verdict(reason=f"unknown_channel:{message.channel}")
    if message.purpose not in bundle.purposes:
        return Verdict(reason=f"unknown_purpose:{message.purpose}")
    said = place(bundle, as_said(message, action), message.channel)
    now = moment_of(message, ground)
    drops = [*guards.silences(said, now), *guards.contact_obstacles(said, now)]
    if drops:
        return _refusal(drops, said)
    reserves = volumes.taken(said, now, ())
    if isinstance(reserves, Drop):
        return Verdict(reason=reserves.rule, until=reserves.until)
    return Verdict(exemptions=guards.exemptions(said, now), reserves=reserves)


def as_said(message: Message, action: Action) -> Action:
    """The action as the message says it: the bundle may say more of it than it did then.

    Exempt only where both say so and it does not sell.
    """
    return replace(
        action,
        purpose=message.purpose,
        tags=_tags(message, action),
        exempt=action.exempt if _exempt(message, action) else None,
    )


def _tags(message: Message, action: Action) -> tuple[str, ...]:
    return tuple(sorted({*message.tags, *action.tags}))


def _exempt(message: Message, action: Action) -> bool:
    free = message.exempt is not None and action.exempt is not None
    return free and not commercial(message.purpose, _tags(message, action))


def moment_of(message: Message, ground: Ground) -> Moment:
    """The moment at which a message leaves."""
    bundle, snapshot = ground.bundle, snapshot_of(message, ground)
    features = names.known_features(snapshot, bundle, message.at).features
    return moment(
        bundle,
        message.channel,
        message.at,
        snapshot,
        names.names(request_of(message), snapshot, bundle, features, {}),
        journey=message.journey,
        sending=True,
    )


def request_of(message: Message) -> Request:
    """The question that a message is the answer to, as far as guards look at it."""
    return Request(
        decision_id=message.decision_id,
        customer=message.customer,
        channel=message.channel,
        now=message.at,
        seed=0,
        journey=message.journey,
    )


def snapshot_of(message: Message, ground: Ground) -> Snapshot:
    """What is known; the message's own earlier reservation never counts against it."""

    mine = contacts.known_as(message.message_id)

    def others(found: Sequence[Contact]) -> tuple[Contact, ...]:
        return tuple(one for one in found if one.id != mine)

    known = _known(ground.state, message.customer)
    return replace(
        known,
        features=ground.row.values,
        feature_times=ground.row.times,
        contacts=others(known.contacts),
        circles={scope: others(found) for scope, found in known.circles.items()},
        volumes=ground.used,
        reserved=volumes.current(known.reserved, ground.bundle, message.at),
    )


def _known(state: LiveState, customer: str) -> Snapshot:
    """While nothing is reconciled, what is there may only forbid: holds and refused consents."""
    snapshot = state.snapshot(customer)
    if snapshot.reconciled:
        return snapshot
    refused = {name: False for name, granted in state.consents.items() if not granted}
    return replace(snapshot, holds=state.holds, consents=refused)


def _refusal(drops: list[Drop], said: Place) -> Verdict:
    """What waits for a rebuild waits, then what stops it for good, then quiet hours that pass."""
    if any(drop.rule == NOT_RECONCILED for drop in drops):
        return Verdict(reason=NOT_RECONCILED)
    final = next((drop for drop in drops if not _passes(drop, said)), None)
    drop = final or drops[0]
    waits = final is None and drop.until is not None
    return Verdict(reason=drop.rule, until=drop.until, waits=waits)


def _passes(drop: Drop, said: Place) -> bool:
    waiting: Iterator[str] = (f"quiet_hours:{one.name}" for one in said.quiet_hours if one.waits)
    return drop.stage is Stage.QUIET_HOURS and drop.rule in waiting
