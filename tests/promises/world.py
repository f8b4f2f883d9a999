"""A small world over the real ledger, in which anything may happen; an auditor watches it.

The auditor believes only what it saw itself: which calls were acknowledged, what the provider got,
what replies said. It never asks the ledger.
"""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson

from engine.catalog import (
    Action,
    ContactPolicy,
    Period,
    QuietHours,
    Scope,
    SessionTerms,
    Volume,
    Window,
    Zone,
)
from engine.channels.delivery import Adapter, Delivery, DeliveryStatus, Message, Repeat
from engine.errors import TactfulError, Unavailable, UnknownDecision
from engine.ledger import Ledger
from engine.ledger.outcomes import Outcome
from engine.ledger.sends import Sender, SendResult, SendStatus
from engine.ledger.wire import Command
from engine.live import Ask, Decider
from engine.names import LOADED_VIEWS
from engine.types import ContactKind, FeatureRow, Level, Scalar, Scores
from tests.support.builders import (
    DAY,
    WEEK,
    a_bundle,
    a_customer,
    a_hold,
    a_limit,
    a_message,
    a_purpose,
    a_reach,
    an_action,
)
from tests.support.ledgers import opened, reconcile, redis_says, standing_at
from tests.support.temporal import FakeTemporal
from workflows import rebuild as rebuilding

HOUR = timedelta(hours=1)
ZONES = {"ana": "Europe/Berlin", "ben": "America/New_York", "cem": "Australia/Lord_Howe"}
CUSTOMERS = tuple(ZONES)
AUTUMN = datetime(2026, 10, 24, 6, tzinfo=UTC)
SPRING = datetime(2027, 3, 27, 6, tzinfo=UTC)
STOCK = 2
KEPT_FOR = 2 * HOUR
WEEKLY = 2
HOUSEHOLD = ("ana", "ben")
HOUSEHOLD_WEEKLY = 2
QUIET = (time(21), time(7, 30))

UPGRADE = an_action("upgrade", value=100)
ROUTER = an_action("router", value=300, group="devices")
TIPS = an_action("tips", purpose="nurture", value=5, channels=("web", "email", "whatsapp"))
STATUS = an_action("status", purpose="service", exempt="service", value=1)
ACTIONS = {action.name: action for action in (UPGRADE, ROUTER, TIPS, STATUS)}
COMMERCIAL = frozenset({"upgrade", "router"})
LIMITED = frozenset({"upgrade", "router", "tips"})

BUNDLE = a_bundle(
    *ACTIONS.values(),
    purposes=[a_purpose(name, levels=list(Level)) for name in ("sales", "nurture", "service")],
    limits=[
        a_limit("weekly", maximum=WEEKLY, window=WEEK, purposes=["sales", "nurture"]),
        a_limit(
            "household",
            maximum=HOUSEHOLD_WEEKLY,
            window=WEEK,
            purposes=["sales", "nurture"],
            scope=Scope.HOUSEHOLD,
        ),
        a_limit(
            "daily",
            maximum=1,
            window=Window(period=Period.DAY, zone=Zone.CUSTOMER),
            purposes=["sales"],
        ),
        a_limit(
            "screen",
            maximum=2,
            window=3 * DAY,
            kinds=[ContactKind.IMPRESSION],
            per="action",
            purposes=["sales"],
            channels=["web"],
        ),
    ],
    policies=(
        ContactPolicy(
            name="two-noes",
            outcomes=frozenset({"reject"}),
            times=2,
            window=Window(length=10 * DAY),
            silence=5 * DAY,
            because="twice no is no",
            reach=a_reach(["sales"]),
        ),
    ),
    quiet_hours=(
        QuietHours(
            name="night",
            starts=QUIET[0],
            ends=QUIET[1],
            waits=True,
            because="people sleep",
            reach=a_reach(["sales", "nurture"]),
        ),
    ),
    session=SessionTerms(silenced_by=frozenset({"reject"})),
    volumes=(
        Volume(
            name="routers",
            maximum=STOCK,
            because="there are no more",
            kept_for=KEPT_FOR,
            used_by=frozenset({"accept"}),
            reach=a_reach(actions=["router"]),
        ),
    ),
    max_ages={"behaviour": 2 * DAY},
    customer_zone="profile.zone",
)


class WorkerDied(Exception):
    """The process that sent was gone at this point."""


class Rows:
    """A feature store that keeps each row as JSON."""

    def command(self, customer: str) -> Command:
        return "GET", f"row:{customer}"

    def decode(self, reply: object) -> FeatureRow:
        if not isinstance(reply, bytes):
            return FeatureRow()
        kept = orjson.loads(reply)
        times = {view: datetime.fromisoformat(at) for view, at in kept["times"].items()}
        return FeatureRow(values=kept["values"], times=times)


@dataclass(frozen=True, slots=True)
class Watched:
    """A scorer that looks at what it is given: what is too old is never there (P7)."""

    world: World

    def customer_scores(self, features: Mapping[str, Scalar]) -> Scores:
        self._look_at(features)
        return Scores()

    def acceptance(
        self, features: Mapping[str, Scalar], pairs: Sequence[tuple[Action, str]]
    ) -> Scores:
        self._look_at(features)
        return Scores(acceptance=(0.5,) * len(pairs))

    def _look_at(self, features: Mapping[str, Scalar]) -> None:
        seen_at = features.get("behaviour.seen_at")
        if seen_at is not None:
            age = self.world.now - datetime.fromisoformat(str(seen_at))
            assert age <= 2 * DAY, f"P7: what is {age} old was scored"


@dataclass(slots=True)
class Auditor:
    """What happened, as seen from outside; a broken promise is an AssertionError."""

    held: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    refused: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    arrived: dict[str, tuple[str, str, datetime]] = field(
        default_factory=dict[str, tuple[str, str, datetime]]
    )
    """By message id: customer, action, and when it left last; what was rejected is not here."""
    attempts: dict[str, int] = field(default_factory=dict[str, int])
    settled: dict[str, SendStatus] = field(default_factory=dict[str, SendStatus])
    seen: dict[tuple[str, str], list[datetime]] = field(
        default_factory=dict[tuple[str, str], list[datetime]]
    )
    noes: dict[tuple[str, str], list[datetime]] = field(
        default_factory=dict[tuple[str, str], list[datetime]]
    )
    units: dict[str, datetime | None] = field(default_factory=dict[str, datetime | None])

    def left(
        self, message: Message, name: str, repeat: Repeat, now: datetime, *, settled: bool
    ) -> None:
        """The provider has a message in its hands; `settled`: it was so when this attempt began."""
        message_id, action = message.message_id, message.action
        self.attempts[message_id] = self.attempts.get(message_id, 0) + 1
        assert not settled, "P3: a settled message left again"
        if repeat is Repeat.AT_MOST_ONCE:
            assert self.attempts[message_id] == 1, "P3: at most once, and it left twice"
        if action in COMMERCIAL:
            assert not self.held.get(name), f"P1: {action} left under {self.held[name]}"
        self._may_be_said(name, action, message.channel, now)
        if action in LIMITED:
            local = now.astimezone(ZoneInfo(ZONES[name])).time()
            assert QUIET[1] <= local < QUIET[0], f"it left in quiet hours, at {local}"
        self.arrived[message_id] = (name, action, now)
        self._within_limits(name, now)

    def rejected(self, message_id: str) -> None:
        """The provider said that it will never deliver it."""
        self.arrived.pop(message_id, None)

    def answered(
        self, name: str, level: Level, actions: Sequence[str], now: datetime, reconciled: bool
    ) -> None:
        """A reply that a page shows."""
        for action in actions:
            if action in COMMERCIAL:
                assert not self.held.get(name), f"P1: {action} shown under {self.held[name]}"
                assert reconciled, f"P6: {action} was shown while nothing was reconciled"
                shown = [at for at in self.seen.get((name, action), []) if at > now - 3 * DAY]
                assert len(shown) < 2, f"P2: {action} was shown {len(shown)} times in three days"
            self._may_be_said(name, action, "web", now)
        if not reconciled:
            assert level is Level.STATIC, "P6: state that is not reconciled is level static"
        if "router" in actions:
            self._take(name, now)

    def _may_be_said(self, name: str, action: str, channel: str, now: datetime) -> None:
        purpose = ACTIONS[action].purpose
        assert (name, f"{purpose}:{channel}") not in self.refused, "consent was withdrawn"
        noes = self.noes.get((name, action), []) if action in COMMERCIAL else []
        for first, second in pairwise(noes):
            hit = second - first < 10 * DAY
            assert not (hit and second <= now < second + 5 * DAY), "P2: silence after two noes"

    def _within_limits(self, name: str, now: datetime) -> None:
        mine = [(action, at) for who, action, at in self.arrived.values() if who == name]
        week = [at for action, at in mine if action in LIMITED and at > now - WEEK]
        assert len(week) <= WEEKLY, f"P2: {len(week)} messages in a week"
        if name in HOUSEHOLD:
            at_home = [
                (action, at) for who, action, at in self.arrived.values() if who in HOUSEHOLD
            ]
            together = [at for action, at in at_home if action in LIMITED and at > now - WEEK]
            assert len(together) <= HOUSEHOLD_WEEKLY, f"P2: {len(together)} for one household"
        zone = ZoneInfo(ZONES[name])
        today = now.astimezone(zone).date()
        day = [a for a, at in mine if a in COMMERCIAL and at.astimezone(zone).date() == today]
        assert len(day) <= 1, f"P2: {len(day)} sales messages on {today}"

    def _take(self, name: str, now: datetime) -> None:
        if name in self.units and self.units[name] is None:
            return
        self.units[name] = now + KEPT_FOR
        taken = [who for who, until in self.units.items() if until is None or until > now]
        assert len(taken) <= STOCK, f"P2: routers are kept for {taken}"


@dataclass(slots=True, kw_only=True)
class World:
    """The ledger, the engine, a provider, and three customers."""

    ledger: Ledger
    auditor: Auditor = field(default_factory=Auditor)
    mood: str = "delivered"
    """What the provider does with the next message."""
    reconciled: bool = True
    now: datetime = AUTUMN
    numbers: int = 0
    offers: list[tuple[str, str, str, str]] = field(default_factory=list[tuple[str, str, str, str]])
    """Customer, decision, treatment and action of what was shown."""
    messages: list[tuple[str, Message]] = field(default_factory=list[tuple[str, Message]])
    holds: dict[str, int] = field(default_factory=dict[str, int])
    known: dict[str, str] = field(default_factory=dict[str, str])
    behaved: dict[str, datetime] = field(default_factory=dict[str, datetime])
    grants: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    """How often a consent was given."""
    granting: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    """How many are just giving it."""
    taken: dict[str, bool] = field(default_factory=dict[str, bool])
    """Whether the provider took a message, or rejected it, when it first had it."""

    def customer(self, name: str) -> str:
        """Their reference."""
        reference = a_customer(name)
        self.known[reference] = name
        return reference

    def number(self) -> int:
        """One that was not used yet."""
        self.numbers += 1
        return self.numbers

    # -- what may happen

    async def pass_time(self, wait: timedelta) -> None:
        """The stack's clock moves on."""
        self.now += wait
        standing_at(self.ledger, self.now)

    async def complain(self, name: str, case: str) -> None:
        """A complaint is opened; from the acknowledgement on it holds."""
        customer = self.customer(name)
        seq = self.holds[f"{name}:{case}"] = self.number()
        hold = a_hold(case, seq=seq, since=self.now)
        covered = await self.ledger.place_hold(customer, hold)
        await self.ledger.let_land(customer, hold, covered)
        if self.holds.get(f"{name}:{case}") == seq:
            self.auditor.held.setdefault(name, set()).add(case)

    async def resolve(self, name: str, case: str) -> None:
        """The complaint is over."""
        seq = self.holds.pop(f"{name}:{case}", None)
        if seq is not None:
            self.auditor.held.get(name, set()).discard(case)
            hold_id = f"complaint:{case}"
            await self.ledger.release_hold(self.customer(name), hold_id, seq, "test", "resolved")

    async def consent(self, name: str, purpose: str, channel: str, granted: bool) -> None:
        """A consent is given or withdrawn; of what is said at the same time, either may count."""
        key = (name, f"{purpose}:{channel}")
        if granted:
            self.auditor.refused.discard(key)
            self.grants[key] = self.grants.get(key, 0) + 1
        before, alone = self.grants.get(key, 0), not self.granting.get(key)
        self.granting[key] = self.granting.get(key, 0) + granted
        await self.ledger.set_consent(
            self.customer(name), purpose, channel, granted, "test", self.now
        )
        self.granting[key] -= granted
        if not granted and alone and self.grants.get(key, 0) == before:
            self.auditor.refused.add(key)

    async def behave(self, name: str) -> None:
        """Something fresh is learned of the customer."""
        self.behaved[name] = self.now
        await self.write_row(name)

    async def write_row(self, name: str) -> None:
        """What the feature store knows of a customer."""
        times = {str(view): AUTUMN.isoformat() for view in LOADED_VIEWS}
        values: dict[str, Scalar] = {"profile.zone": ZONES[name]}
        if name in self.behaved:
            times["behaviour"] = self.behaved[name].isoformat()
            values["behaviour.seen_at"] = self.behaved[name].isoformat()
        row = orjson.dumps({"values": values, "times": times})
        await redis_says(self.ledger, "SET", f"row:{self.customer(name)}", row)

    async def ask(self, name: str) -> None:
        """A page asks what to show, and shows it."""
        decider = Decider(self.ledger, Rows(), Watched(self), lambda: BUNDLE)
        ask = Ask(customer=self.customer(name), channel="web", deadline_ms=5_000)
        reconciled = self.reconciled
        decision = (await decider.decide(ask)).decision
        actions = [offer.action for offer in decision.offers]
        self.auditor.answered(
            name, decision.level, actions, self.now, reconciled or self.reconciled
        )
        for offer in decision.offers:
            self.offers.append((name, decision.decision_id, offer.treatment, offer.action))

    async def respond(self, outcome: str, which: int) -> None:
        """The customer answers something that was shown."""
        if not self.offers:
            return
        name, decision_id, treatment, action = self.offers[which % len(self.offers)]
        until = self.auditor.units.get(name)
        if outcome == "accept" and action == "router" and (until is None or until <= self.now):
            return  # too late, or done before: what becomes of that is tested with the stock
        said = Outcome(
            decision_id=decision_id,
            treatment=treatment,
            outcome=outcome,
            id=str(self.number()),
            at=self.now,
        )
        try:
            await self.ledger.record_outcome(said)
        except UnknownDecision:  # a wipe at the same time took it
            return
        if outcome == "accept" and action == "router":
            self.auditor.units[name] = None
        if outcome == "reject":
            self.auditor.noes.setdefault((name, action), []).append(self.now)
            if action == "router":  # the last word counts: what was accepted is given back, too
                self.auditor.units.pop(name, None)
        if outcome == "impression":
            self.auditor.seen.setdefault((name, action), []).append(self.now)

    async def turn_down(self, name: str) -> None:
        """The customer says no to what sells, of what was shown last."""
        for which in reversed(range(len(self.offers))):
            who, _, _, action = self.offers[which]
            if who == name and action in COMMERCIAL:
                return await self.respond("reject", which)

    async def send(self, name: str, action: str, channel: str, mood: str) -> None:
        """A step of a journey sends something new."""
        said = ACTIONS[action]
        message = a_message(
            f"m{self.number()}",
            said,
            channel=channel,
            customer=self.customer(name),
            at=self.now,
        )
        self.messages.append((name, message))
        await self._send(message, mood)

    async def send_again(self, which: int, mood: str) -> None:
        """A step is repeated, as after a crash."""
        if self.messages:
            _, message = self.messages[which % len(self.messages)]
            await self._send(message, mood)

    async def _send(self, message: Message, mood: str) -> None:
        settled = message.message_id in self.auditor.settled
        adapters: dict[str, Adapter] = {
            "email": Provider(self, Repeat.AT_MOST_ONCE, mood, settled),
            "whatsapp": Provider(self, Repeat.IDEMPOTENT, mood, settled),
        }
        sender = Sender(self.ledger, adapters, lambda: BUNDLE, Rows())
        try:
            result = await sender.send(message)
        except (Unavailable, WorkerDied):
            return
        self._settle(message, result)

    def _settle(self, message: Message, result: SendResult) -> None:
        if result.status is not SendStatus.WAITS:
            before = self.auditor.settled.setdefault(message.message_id, result.status)
            assert before is result.status, "P3: one message, two results"

    async def wipe(self) -> None:
        """Redis loses everything."""
        self.reconciled = False
        self.offers.clear()  # what was not archived yet is gone, and nobody can answer it
        await redis_says(self.ledger, "FLUSHALL")

    async def rebuild(self) -> None:
        """Redis is recreated, as the reconciler does by itself."""
        try:
            await rebuilding.rebuild(self.ledger, FakeTemporal().client, BUNDLE)
        except TactfulError:
            return
        for name in CUSTOMERS:
            await self.write_row(name)
        self.reconciled = True


@dataclass(slots=True)
class Provider:
    """A channel that does as its mood says, and tells the auditor."""

    world: World
    repeat: Repeat
    mood: str
    settled: bool
    """Whether the message was settled when this attempt began."""

    async def deliver(self, message: Message) -> Delivery:
        """`dies before` and `dies after`: the worker that calls is gone at that point.

        Where a message may be repeated, all its attempts have one fate: that of the first.
        """
        if self.mood == "dies before":
            raise WorkerDied
        name = self.world.known[message.customer]
        self.world.auditor.left(message, name, self.repeat, self.world.now, settled=self.settled)
        taken = self.world.taken.setdefault(message.message_id, self.mood != "rejected")
        await asyncio.sleep(0)
        if not taken:
            self.world.auditor.rejected(message.message_id)
        if self.mood == "dies after":
            raise WorkerDied
        if self.mood == "unknown":
            return Delivery(status=DeliveryStatus.UNKNOWN, detail=self.mood)
        status = DeliveryStatus.DELIVERED if taken else DeliveryStatus.REJECTED
        return Delivery(status=status, detail=self.mood)


@asynccontextmanager
async def a_world(folder: Path, redis_url: str, start: datetime) -> AsyncGenerator[World]:
    """A world in which nothing has happened yet."""
    async with opened(folder, redis_url) as ledger:
        await redis_says(ledger, "FLUSHALL")
        await reconcile(ledger)
        world = World(ledger=ledger, now=start)
        standing_at(ledger, start)
        for name in CUSTOMERS:
            await world.write_row(name)
        for name in HOUSEHOLD:
            await ledger.memberships.join(world.customer(name), Scope.HOUSEHOLD, "12 Elm Street")
        yield world
