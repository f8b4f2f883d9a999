"""/v1/customers/{id}/status: what happens next, who sees to it and by when; as a page, too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from html import escape

import orjson
from fastapi import APIRouter, Response
from pydantic import BaseModel, RootModel

from api.contract import reply
from api.decision_reply import plain
from api.interventions import Desk
from api.journeys import Customers, JourneyRun, Visibility
from api.parsing import Segment
from engine.errors import TactfulError
from workflows.life import Milestone, Progress
from workflows.searches import Search
from workflows.status import TITLES, Status, status_of

SHOWN_MAXIMUM = 50

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem .3rem 0;
border-bottom:1px solid #ccc}"""


class StatusShown(BaseModel):
    """One thing that is done for the customer, in a line and in parts."""

    about: str
    stage: str
    next: str
    who: str
    when: datetime | None
    milestones: list[Milestone]
    line: str


class StatusReply(BaseModel):
    """All that is done for a customer at present, as they may read it."""

    customer: str
    at: datetime
    status: list[StatusShown]


class StatusPage(RootModel[str]):
    """The same in HTML, for the customer and for every team."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRoutes:
    """The same for the customer and for every team: the journeys themselves are the source."""

    visibility: Visibility
    desk: Desk
    customers: Customers
    now: Callable[[], datetime]

    async def read(self, customer: Segment) -> Response:
        """What happens next, who sees to it and by when, with the milestones of each journey."""
        found = await self._found(customer)
        told = [{**asdict(one), "line": one.line} for one in found]
        body = {"customer": customer, "at": self.now(), "status": told}
        return Response(orjson.dumps(body, default=plain), media_type="application/json")

    async def read_page(self, customer: Segment) -> Response:
        """The same as a page to share."""
        return Response(page(await self._found(customer), self.now()), media_type="text/html")

    async def _found(self, customer: str) -> list[Status]:
        """What runs for a customer. Raises JourneysUnavailable."""
        reference = await self.customers.resolve(customer)
        query = Search(customer=reference, open=True).query(self.now())
        runs, _ = await self.visibility.page(query, SHOWN_MAXIMUM, b"")
        mine = [run for run in runs if run.kind in TITLES]
        standing = await asyncio.gather(*(self._standing(run) for run in mine))
        found = [_status(run, progress) for run, progress in zip(mine, standing, strict=True)]
        return [one for one in found if one is not None]

    async def _standing(self, run: JourneyRun) -> Progress | None:
        """Where a journey stands; without a worker, what the list says has to do."""
        try:
            return (await self.desk.look(run.id))[1]
        except TactfulError:
            return None

    def router(self) -> APIRouter:
        """What the app includes."""
        router = APIRouter(prefix="/v1/customers/{customer}/status", tags=["customers"])
        add = router.add_api_route
        add("", self.read, response_class=Response, responses=reply(StatusReply))
        page_shown = reply(StatusPage, kind="text/html")
        add("/page", self.read_page, response_class=Response, responses=page_shown)
        return router


def _status(run: JourneyRun, progress: Progress | None) -> Status | None:
    if progress is None:
        parts = (run.stage or "", run.waiting_for or "", run.owner or "", run.due)
    else:
        parts = (progress.stage, progress.waiting_for, progress.owner, progress.due)
    stage, waiting_for, owner, due = parts
    return status_of(
        run.kind,
        stage=stage,
        waiting_for=waiting_for,
        owner=owner,
        due=due,
        milestones=progress.milestones if progress else (),
    )


def page(found: Sequence[Status], now: datetime) -> str:
    """What is done for a customer, as a page that needs nothing else to be read."""
    parts = [_section(one) for one in found] or ["<p>There is nothing open at the moment.</p>"]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Where things stand'
        f"</title><style>{STYLE}</style></head><body><h1>Where things stand</h1>"
        f"<p>{_minutes(now)}</p>{''.join(parts)}</body></html>"
    )


def _section(one: Status) -> str:
    head = f"<h2>{escape(one.about)}</h2><p>{escape(one.line)}</p>"
    if not one.milestones:
        return head
    rows = "".join(
        f"<tr><td>{escape(step.name)}</td><td>{escape(step.owner)}</td>"
        f"<td>{_minutes(step.due)}</td>"
        f"<td>{_minutes(step.reached) if step.reached else 'not yet'}</td></tr>"
        for step in one.milestones
    )
    columns = "".join(f"<th>{name}</th>" for name in ("step", "who", "by", "reached"))
    return f"{head}<table><tr>{columns}</tr>{rows}</table>"


def _minutes(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M %Z}"
