"""A stack in memory for tests of journeys, which keeps the promises of the real one."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio.client import Client

from engine.business_hours import BusinessHours
from engine.catalog import Bundle, HoldTerms
from engine.channels.delivery import Message
from engine.errors import TactfulError, Unavailable
from engine.holds import COMMERCIAL, SALES
from engine.live import Answer, Ask
from engine.types import Decision, Hold, JourneyState, Level, Offer
from workflows.starting import COMPLAINT

COMPLAINT_TERMS = HoldTerms(
    name=COMPLAINT,
    purposes=(SALES,),
    tags=(COMMERCIAL,),
    cool_down=timedelta(days=3),
    maximum=timedelta(days=90),
)


def a_bundle(holds: Sequence[HoldTerms] = (COMPLAINT_TERMS,)) -> Bundle:
    """A bundle without actions: fakes answer for them."""
    return Bundle(
        hash="sha256:test",
        name="test",
        currency="EUR",
        channels={},
        purposes={},
        groups={},
        actions={},
        limits=(),
        context_weights=(),
        holds={terms.name: terms for terms in holds},
        max_ages={},
        fallbacks={},
        business_hours={"care": BusinessHours(name="care", always=True)},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stocked:
    """An action that the fake engine can offer: of service, unless it says otherwise."""

    action: str
    purpose: str = "service"
    tags: tuple[str, ...] = ()
    channels: tuple[str, ...] = ("email", "whatsapp", "call")
    priority: float = 1.0


STOCK = (
    Stocked(action="acknowledge-complaint", purpose="service", tags=("complaint",)),
    Stocked(action="complaint-escalated", purpose="service", tags=("complaint",)),
    Stocked(action="complaint-resolution-check", purpose="service", tags=("complaint",)),
    Stocked(action="welcome-message", purpose="service", tags=("onboarding",)),
    Stocked(action="set-up-guide", purpose="service", tags=("onboarding",)),
    Stocked(action="first-bill-explainer", purpose="service", tags=("onboarding",)),
    Stocked(action="onboarding-check-in", purpose="service", tags=("onboarding", "outreach")),
    Stocked(action="renewal-reminder", purpose="service", tags=("renewal",)),
    Stocked(
        action="renewal-save-offer",
        purpose="retention",
        tags=("commercial", "renewal"),
        channels=("email",),
        priority=3.0,
    ),
    Stocked(
        action="renewal-call",
        purpose="retention",
        tags=("commercial", "renewal"),
        channels=("call",),
        priority=2.0,
    ),
    Stocked(action="callback-booked", tags=("callback",)),
    Stocked(action="callback-again", tags=("callback",)),
    Stocked(action="callback-missed", tags=("callback",)),
    Stocked(action="feedback-thanks", tags=("feedback",)),
    Stocked(action="feedback-received", tags=("feedback",)),
    Stocked(action="feedback-changed", tags=("feedback",)),
    Stocked(action="feedback-explained", tags=("feedback",)),
    Stocked(action="pulse-call", tags=("pulse",)),
    Stocked(action="pulse-status", tags=("pulse",)),
    Stocked(action="pulse-path", tags=("pulse",)),
    Stocked(action="pulse-next-step", tags=("pulse",)),
    Stocked(action="pulse-survey", purpose="survey", tags=("pulse", "survey")),
    Stocked(action="purchase-help", tags=("help",)),
    Stocked(action="inquiry-out-of-hours", tags=("inquiry",)),
    Stocked(action="inquiry-late", tags=("inquiry",)),
    Stocked(action="inquiry-survey", purpose="survey", tags=("inquiry", "survey")),
    Stocked(action="order-late", tags=("order-delay",)),
    Stocked(action="order-news", tags=("order-delay",)),
    Stocked(action="order-replacement", tags=("order-delay",)),
    Stocked(action="order-credit", tags=("order-delay",)),
    Stocked(action="order-follow-up", tags=("order-delay",)),
    *(
        Stocked(
            action=name,
            purpose="collections",
            tags=("failed-payment",),
            channels=("email", "whatsapp"),
        )
        for name in ("payment-failed-notice", "payment-retry-reminder", "payment-call-offer")
    ),
    Stocked(
        action="payment-call",
        purpose="collections",
        tags=("failed-payment",),
        channels=("call",),
    ),
)


class FakeBook:
    """The ledger's holds and running journeys, in memory."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, Hold]] = {}
        self.running: dict[str, dict[str, JourneyState]] = {}
        self.stages: dict[str, list[str]] = {}
        self.busy: dict[str, int] = {}
        """How many journeys each team owns: a Temporal that skips time can't be asked."""
        self.broken = 0

    async def owned_by(self, client: Client, team: str) -> int:
        return self.busy.get(team, 0)

    async def put_journey(self, customer: str, journey: JourneyState) -> None:
        self._fail_if_broken()
        self.running.setdefault(customer, {})[journey.id] = journey
        stages = self.stages.setdefault(journey.id, [])
        if journey.stage not in stages[-1:]:
            stages.append(journey.stage)

    async def drop_journey(self, customer: str, journey_id: str) -> None:
        self.running.get(customer, {}).pop(journey_id, None)

    async def journeys(self, customer: str) -> tuple[JourneyState, ...]:
        return tuple(self.running.get(customer, {}).values())

    async def holds(self, customer: str) -> tuple[Hold, ...]:
        return tuple(self.held.get(customer, {}).values())

    async def place_hold(self, customer: str, hold: Hold) -> None:
        self._fail_if_broken()
        held = self.held.setdefault(customer, {})
        before = held.get(hold.id)
        if before is None or before.seq <= hold.seq:
            held[hold.id] = hold

    async def release_hold(
        self, customer: str, hold_id: str, up_to: int, by: str, because: str
    ) -> bool:
        held = self.held.get(customer, {})
        if hold_id in held and held[hold_id].seq > up_to:
            return False
        held.pop(hold_id, None)
        return True

    async def external_id(self, customer: str) -> str:
        return f"outside-{customer}"

    def _fail_if_broken(self) -> None:
        if self.broken:
            self.broken -= 1
            raise Unavailable("the fake ledger is away")


class FakeEngine:
    """Offers what is in stock and not held. The same request id, the same answer."""

    def __init__(self, book: FakeBook) -> None:
        self.book = book
        self.stock: tuple[Stocked, ...] = STOCK
        self.errors: list[TactfulError] = []
        self.asked: list[Ask] = []
        self._answers: dict[str, Answer] = {}

    async def decide(self, ask: Ask) -> Answer:
        if self.errors:
            raise self.errors.pop()
        name = str(ask.request_id)
        if name not in self._answers:
            self.asked.append(ask)
            self._answers[name] = Answer(decision=await self._decision(ask), took_ms=0.1)
        return self._answers[name]

    async def _decision(self, ask: Ask) -> Decision:
        holds = await self.book.holds(ask.customer)
        fitting = [
            one
            for one in self.stock
            if ask.channel in one.channels
            and (not ask.tags or set(one.tags) & set(ask.tags))
            and (not ask.purposes or one.purpose in ask.purposes)
            and not _held(one, holds)
        ]
        fitting.sort(key=lambda one: -one.priority)
        offers = [_offer(one, rank) for rank, one in enumerate(fitting, 1)]
        return Decision(
            decision_id=f"d-{ask.request_id}",
            at=ask.at or datetime.now(UTC),
            level=Level.FULL,
            because=(),
            placements={"main": tuple(offers[: ask.placements[0].limit])},
            holds=holds,
            candidates=(),
            funnel={},
            bundle="sha256:0",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeOutcome:
    """What the fake sender answers."""

    status: str
    reason: str = ""
    until: datetime | None = None


class FakePost:
    """Delivers into a list, once for each message id; nothing commercial under a hold."""

    def __init__(self, book: FakeBook) -> None:
        self.book = book
        self.delivered: list[Message] = []
        self.attempts: list[str] = []
        self.errors: list[TactfulError] = []
        self.refusals: dict[str, FakeOutcome] = {}
        """What each channel answers instead of delivering, by its name."""

    async def send(self, message: Message) -> FakeOutcome:
        self.attempts.append(message.message_id)
        if self.errors:
            raise self.errors.pop()
        holds = await self.book.holds(message.customer)
        covering = [hold for hold in holds if _covered(message.purpose, message.tags, [hold])]
        if covering:
            return FakeOutcome(status="refused", reason=f"hold:{covering[0].id}")
        if message.channel in self.refusals:
            return self.refusals[message.channel]
        if message.message_id not in [sent.message_id for sent in self.delivered]:
            self.delivered.append(message)
        return FakeOutcome(status="delivered")

    @contextmanager
    def answering(self, outcome: FakeOutcome, *channels: str) -> Generator[None]:
        """Lets these channels answer this for a while, instead of delivering."""
        self.refusals = dict.fromkeys(channels, outcome)
        try:
            yield
        finally:
            self.refusals = {}

    def sent_to(self, customer: str) -> list[str]:
        """The actions that reached a customer, in order."""
        return [message.action for message in self.delivered if message.customer == customer]


def _held(one: Stocked, holds: Sequence[Hold]) -> bool:
    return _covered(one.purpose, one.tags, holds)


def _covered(purpose: str, tags: Sequence[str], holds: Sequence[Hold]) -> bool:
    return any(purpose in hold.purposes or set(tags) & set(hold.tags) for hold in holds)


def _offer(one: Stocked, rank: int) -> Offer:
    return Offer(
        action=one.action,
        treatment=f"{one.action}.any",
        purpose=one.purpose,
        tags=one.tags,
        group="",
        rank=rank,
        propensity=0.5,
        priority=one.priority,
        content={"title": one.action},
    )
