"""/v1/journeys/{id}: where a journey stands, and what operators do about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any, Protocol

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, StringConstraints
from temporalio.client import Client

from api.contract import body_schema, reply
from api.errors import InvalidField, MissingField
from api.journeys import Customers, JourneyRun, JourneyShown, run_of, shown
from api.parsing import Contract, Key, Name, Segment, Sentence, Time, read_model
from workflows import interventions
from workflows.life import Progress, key_of
from workflows.orders import MEANINGS, NEEDS, TAKES, Act, Intervention

Person = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\S")]


class InterventionRequest(Contract):
    """What somebody wants done, and why.

    `to` goes with reassign and escalate, `until` with extend, `choice` with answer and override.
    What has the same `request_id`, and says the same, happens once.
    """

    author: Name
    because: Sentence
    to: Person | None = None
    until: Time | None = None
    choice: Key | None = None
    request_id: Key | None = None


class TaskShown(BaseModel):
    """A question that the journey asks a person; `default` counts if nobody answers in time."""

    question: str
    owner: str
    choices: list[str]
    default: str


class MilestoneShown(BaseModel):
    """Something that should be reached by `due`; null in `reached`: it is not, so far."""

    name: str
    owner: str
    due: datetime
    reached: datetime | None
    metric: str


class StandingReply(BaseModel):
    """Where a journey stands. `paused` says by whom and why, `words` what happened last."""

    id: str
    stage: str
    owner: str | None
    waiting_for: str | None
    due: datetime | None
    paused: str | None
    task: TaskShown | None
    words: list[str]


class JourneyReply(JourneyShown):
    """A journey, running or ended; `aside` are the events that it could not handle, and why."""

    paused: str | None
    task: TaskShown | None
    words: list[str]
    milestones: list[MilestoneShown]
    aside: list[str]


class Desk(Protocol):
    """Looks at journeys and intervenes in them.

    Raises UnknownJourney, InterventionRefused with the reason, JourneysUnavailable.
    """

    async def look(self, journey: str) -> tuple[JourneyRun, Progress]: ...

    async def intervene(self, journey: str, order: Intervention, key: str | None) -> Progress: ...


@dataclass(frozen=True, slots=True)
class TemporalDesk:
    """The desk of a Temporal namespace."""

    client: Client

    async def look(self, journey: str) -> tuple[JourneyRun, Progress]:
        """A journey, and where it stands."""
        described, progress = await interventions.look(self.client, journey)
        return run_of(described), progress

    async def intervene(self, journey: str, order: Intervention, key: str | None) -> Progress:
        """Does what an operator wants; with the same key once."""
        return await interventions.intervene(self.client, journey, order, key=key)


def order_of(act: Act, asked: InterventionRequest) -> Intervention:
    """What is wanted of a journey. Raises MissingField, InvalidField for what `act` can't use."""
    takes = TAKES.get(act)
    given = {name: getattr(asked, name) for name in ("to", "until", "choice")}
    for name, value in given.items():
        if value is not None and name != takes:
            users = " and ".join(each for each, use in TAKES.items() if use == name)
            raise InvalidField(f"{name} says nothing to {act}; it goes with {users}.")
    if takes and act in NEEDS and given[takes] is None:
        raise MissingField(f"{takes} is missing in an intervention: {MEANINGS[act]}")
    return Intervention(
        author=asked.author,
        because=asked.because,
        act=act,
        to=asked.to or "",
        until=asked.until,
        choice=asked.choice or "",
    )


def key_for(asked: InterventionRequest, order: Intervention) -> str | None:
    """Under which an intervention happens once; None where the caller named no request."""
    if asked.request_id is None:
        return None
    said = (order.act, order.author, order.because, order.to, order.until, order.choice)
    return key_of(asked.request_id, *said)


def standing_of(journey: str, progress: Progress) -> dict[str, Any]:
    """Where a journey stands, as the outside sees it: what is empty is null."""
    return {
        "id": journey,
        "stage": progress.stage,
        "owner": progress.owner or None,
        "waiting_for": progress.waiting_for or None,
        "due": progress.due,
        "paused": progress.paused or None,
        "task": asdict(progress.task) if progress.task else None,
        "words": progress.words,
    }


def journey_of(
    run: JourneyRun, progress: Progress, names: Mapping[str, str], ui: str
) -> dict[str, Any]:
    """All that is to be seen of one journey."""
    return {
        **shown(run, names, ui),
        **standing_of(run.id, progress),
        "milestones": [asdict(milestone) for milestone in progress.milestones],
        "aside": progress.aside,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class InterventionRoutes:
    """The routes of one journey. `ui` is the address of the Temporal UI with its namespace."""

    desk: Desk
    customers: Customers
    ui: str

    async def read(self, journey: Segment) -> Response:
        """Where a journey stands: stage, owner, what is awaited, milestones, what went wrong."""
        run, progress = await self.desk.look(journey)
        names = await self.customers.external([run.customer])
        return _json(journey_of(run, progress, names, self.ui))

    async def intervene(self, journey: str, act: Act, request: Request) -> Response:
        """Do what an operator wants; answers where the journey stands then."""
        asked = await read_model(request, InterventionRequest, "an intervention")
        order = order_of(act, asked)
        progress = await self.desk.intervene(journey, order, key_for(asked, order))
        return _json(standing_of(journey, progress))

    def router(self) -> APIRouter:
        """What the app includes."""
        router = APIRouter(prefix="/v1/journeys/{journey}", tags=["journeys"])
        add = router.add_api_route
        add("", self.read, response_class=Response, responses=reply(JourneyReply))
        for act in Act:
            add(
                f"/{act}",
                self._doing(act),
                methods=["POST"],
                name=f"{act} journey",
                description=MEANINGS[act],
                response_class=Response,
                responses=reply(StandingReply),
                openapi_extra=body_schema(InterventionRequest),
            )
        return router

    def _doing(self, act: Act) -> Callable[[str, Request], Awaitable[Response]]:
        async def intervene(journey: Segment, request: Request) -> Response:
            return await self.intervene(journey, act, request)

        return intervene


def _json(told: object) -> Response:
    return Response(orjson.dumps(told), media_type="application/json")
