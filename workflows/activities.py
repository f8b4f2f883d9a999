"""The activities of journeys: what a step asks for becomes a decision, a message or a hold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import (
    ApplicationError,
    ApplicationErrorCategory,
    WorkflowAlreadyStartedError,
)

from engine.catalog import Bundle
from engine.channels.delivery import Message
from engine.errors import (
    Conflict,
    InvalidBundle,
    InvalidInput,
    InvalidModel,
    NotFound,
    StackError,
    TactfulError,
    Unavailable,
)
from engine.live import Answer, Ask
from engine.types import Hold, JourneyState
from workflows import routing, steps
from workflows.connection import ending_of, tell
from workflows.desks import Count, busy, complaint_owner, owned_by
from workflows.naming import safe_name
from workflows.starting import start
from workflows.steps import DecisionView, Ending, Heard, HeldBy, Proposal, Sent, SentStatus
from workflows.translation import ask_of, held_by, message_of, view_of

RETRIED: Mapping[type[TactfulError], bool] = {
    InvalidInput: False,
    NotFound: False,
    Conflict: False,
    Unavailable: True,
    InvalidBundle: False,
    InvalidModel: True,
    StackError: True,
}
"""Whether a step that meets this error, or one derived from it, is tried again."""

RPC_TIMEOUT = timedelta(seconds=5)


class Deciding(Protocol):
    """The engine: engine/live.py's Decider."""

    async def decide(self, ask: Ask) -> Answer: ...


class SendOutcome(Protocol):
    """What became of a message: delivered, refused, failed or unknown."""

    @property
    def status(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def until(self) -> datetime | None: ...


class Sending(Protocol):
    """The ledger's sender: authorises, delivers, confirms."""

    async def send(self, message: Message) -> SendOutcome: ...


class Book(Protocol):
    """The part of the ledger that journeys read and write."""

    async def put_journey(self, customer: str, journey: JourneyState) -> None: ...
    async def drop_journey(self, customer: str, journey_id: str) -> None: ...
    async def journeys(self, customer: str) -> tuple[JourneyState, ...]: ...
    async def holds(self, customer: str) -> tuple[Hold, ...]: ...
    async def place_hold(self, customer: str, hold: Hold) -> object: ...
    async def release_hold(
        self, customer: str, hold_id: str, up_to: int, by: str, because: str
    ) -> bool: ...
    async def external_id(self, customer: str) -> str: ...


class JourneyActivities:
    """What journeys do to the world. The ports are opened in workflows/worker.py."""

    def __init__(
        self,
        *,
        decider: Deciding,
        sender: Sending,
        book: Book,
        client: Client,
        bundle: Callable[[], Bundle],
        count: Count = owned_by,
    ) -> None:
        self._decider = decider
        self._sender = sender
        self._book = book
        self._client = client
        self._bundle = bundle
        self._count = count

    def all(self) -> list[Callable[..., Any]]:
        """The activities, for a worker."""
        return [
            self.decide,
            self.send,
            self.holds,
            self.place_hold,
            self.release_hold,
            self.put_journey,
            self.drop_journey,
            self.tell,
            self.start_journey,
            self.desks,
        ]

    @activity.defn(name=steps.DECIDE)
    async def decide(self, question: steps.Question) -> DecisionView:
        """One decision for one step, whose key is the request id: repeated, it gets its answer."""
        with errors_for_temporal():
            if question.standing is not None:
                await self._book.put_journey(question.customer, question.standing)
            answer = await self._decider.decide(ask_of(question))
        return view_of(answer, question.channel)

    @activity.defn(name=steps.SEND)
    async def send(self, dispatch: steps.Dispatch) -> Sent:
        """Send a message. A refusal is an answer; what must be tried again is an error."""
        with errors_for_temporal():
            external = await self._book.external_id(dispatch.customer)
            message = message_of(dispatch, external, self._exemption(dispatch.proposal))
            result = await self._sender.send(message)
        return Sent(
            status=SentStatus(str(result.status)),
            message_id=dispatch.message_id,
            reason=result.reason,
            until=result.until,
        )

    @activity.defn(name=steps.HOLDS)
    async def holds(self, customer: str) -> tuple[HeldBy, ...]:
        """The holds in force for a customer."""
        with errors_for_temporal():
            found = await self._book.holds(customer)
        return tuple(held_by(hold) for hold in found)

    @activity.defn(name=steps.PLACE_HOLD)
    async def place_hold(self, placed: steps.PlacedHold) -> None:
        """Put a hold in force; the same twice is the same once."""
        with errors_for_temporal():
            await self._book.place_hold(placed.customer, placed.hold)

    @activity.defn(name=steps.RELEASE_HOLD)
    async def release_hold(self, release: steps.HoldRelease) -> bool:
        """End a hold; False if a later event placed it again."""
        with errors_for_temporal():
            return await self._book.release_hold(
                release.customer, release.hold_id, release.up_to, release.by, release.because
            )

    @activity.defn(name=steps.PUT_JOURNEY)
    async def put_journey(self, entry: steps.JourneyEntry) -> None:
        """Make the stage of a journey part of the customer's snapshot."""
        with errors_for_temporal():
            await self._book.put_journey(entry.customer, entry.state)

    @activity.defn(name=steps.DROP_JOURNEY)
    async def drop_journey(self, left: steps.JourneyExit) -> None:
        """Take a journey that ends out of the customer's snapshot."""
        with errors_for_temporal():
            await self._book.drop_journey(left.customer, left.journey)

    @activity.defn(name=steps.TELL)
    async def tell(self, told: steps.News) -> tuple[str, ...]:
        """Tell the customer's other journeys; answers those that still ran to hear it."""
        with errors_for_temporal():
            running = await self._book.journeys(told.customer)
        others = [journey.id for journey in running if journey.id != told.teller]
        heard = await asyncio.gather(
            *(tell(self._client, journey, told.news, RPC_TIMEOUT) for journey in others)
        )
        return tuple(journey for journey, done in zip(others, heard, strict=True) if done)

    @activity.defn(name=steps.DESKS)
    async def desks(self, wanted: steps.DesksWanted) -> steps.Desks:
        """Who could take a case: what Temporal doesn't tell now is left out."""
        with errors_for_temporal():
            running = await self._book.journeys(wanted.customer)
        return steps.Desks(
            busy=await busy(self._client, wanted.teams, self._count),
            complaint=await complaint_owner(self._client, running),
        )

    @activity.defn(name=steps.START_JOURNEY)
    async def start_journey(self, wanted: steps.SubJourney) -> Ending | None:
        """Start a journey or join the one that runs; answers the ending of one that is over."""
        kind, name = wanted.kind, safe_name(wanted.name) if wanted.name else ""
        key = routing.KINDS.get(kind, "")
        named = {key: name} if key else {}
        data = {**wanted.data, **named, "by": wanted.by}
        event = Heard(key=wanted.key, type=steps.ASKED_FOR, at=wanted.at, data=data)
        opening = routing.new_opening(
            kind=kind,
            customer=wanted.customer,
            name=name,
            clock=wanted.clock,
            event=event,
            bundle=self._bundle(),
        )
        told = steps.AWAITED if wanted.awaited else steps.ASKED_FOR
        first = replace(event, key=f"{wanted.key}.{told}", type=told, data={"by": wanted.by})
        queue = activity.info().task_queue
        try:
            await start(
                self._client,
                queue,
                opening,
                first=first,
                memo={},
                again=False,
                patience=RPC_TIMEOUT,
            )
        except WorkflowAlreadyStartedError:
            return await ending_of(self._client, opening.journey, RPC_TIMEOUT)
        return None

    def _exemption(self, proposal: Proposal) -> str | None:
        action = self._bundle().actions.get(proposal.offer.action)
        return action.exempt if action else None


def retried(error: TactfulError) -> bool:
    """Whether the step that met this error is tried again."""
    return next(RETRIED[kind] for kind in type(error).__mro__ if kind in RETRIED)


@contextmanager
def errors_for_temporal() -> Generator[None]:
    """Turn the errors of the tree into failures that Temporal can treat, under their codes."""
    try:
        yield
    except TactfulError as error:
        again = retried(error)
        category = (
            ApplicationErrorCategory.BENIGN if again else ApplicationErrorCategory.UNSPECIFIED
        )
        raise ApplicationError(
            str(error), type=error.code, non_retryable=not again, category=category
        ) from error
