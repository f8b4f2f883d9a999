"""Lives through a month on a running stack: senders, visitors, and people who answer journeys."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx

from engine.ledger.clock import Clock
from tests.support.evidence import Answered, Told, is_commercial
from tests.support.month import Happening, Step, Visit
from tests.support.outside import Outside, offers

SENDERS = 8
AGAIN_SECONDS = 0.5
LOOK_SECONDS = 1.0
FLAKY_PERCENT = 4
ANSWERED_PERCENT = 70
ASKED_IN = (
    ("callback", "calling"),
    ("order-delay", "to be repaired"),
    ("feedback", "to be answered"),
    ("feedback", "to be acted on"),
    ("failed-payment", "to be called"),
    ("pulse", "calling"),
)
"""The stages in which journeys ask a person."""


class FlakyProvider:
    """A provider that fails some messages once, after it has noted them."""

    def __init__(self) -> None:
        self._failed: set[str] = set()

    def __call__(self, body: Mapping[str, Any]) -> int:
        message = str(body["message_id"])
        if message in self._failed or random.Random(message).random() * 100 >= FLAKY_PERCENT:
            return 200
        self._failed.add(message)
        return 503


class Life:
    """What was sent and asked, with what came back, in wall time."""

    def __init__(self, stack: Outside, clock: Clock) -> None:
        self._stack = stack
        self._clock = clock
        self.began = time.time()
        self.told: list[Told] = []
        self.answered: list[Answered] = []
        self.people = 0
        self.refused: list[str] = []

    def live(self, steps: Sequence[Step]) -> None:
        """Do all of it, each step when its time has come."""
        with ThreadPoolExecutor(SENDERS) as senders:
            waiting = [senders.submit(self._take, step) for step in self._in_time(steps)]
        for done in waiting:
            done.result()

    def wait_until(self, day: float) -> None:
        """Until so many days of the stack have passed."""
        left = self._wall(timedelta(days=day)) - time.time()
        time.sleep(max(0.0, left))

    def answer_journeys(self, calm: threading.Event) -> None:
        """Some of what journeys ask is answered by somebody, in time or not."""
        seen: set[tuple[str, str]] = set()
        while not calm.wait(LOOK_SECONDS):
            for kind, stage in ASKED_IN:
                path = f"/v1/journeys?open=true&kind={kind}&stage={quote(stage)}&limit=1000"
                for one in self._look(path).get("journeys", ()):
                    asked = (one["id"], one["waiting_for"] or "")
                    if asked not in seen and "/" in asked[1]:
                        seen.add(asked)
                        self._answer(one["id"], random.Random(":".join(asked)))

    # Inside

    def _in_time(self, steps: Sequence[Step]) -> Any:
        for step in steps:
            time.sleep(max(0.0, self._wall(step.at) - time.time()))
            yield step

    def _wall(self, at: timedelta) -> float:
        return self.began + self._clock.wall_seconds(at)

    def _take(self, step: Step) -> None:
        if isinstance(step, Happening):
            self._send(step)
        else:
            self._visit(step)

    def _send(self, event: Happening) -> None:
        body = {
            "specversion": "1.0",
            "id": event.id,
            "source": "tests",
            "type": event.type,
            "subject": event.customer,
            "time": (self._now() - event.delay).isoformat(),
            "data": dict(event.data),
        }
        sent = time.time()
        while (reply := self._stack.post_event(body)).status_code == 503:
            time.sleep(AGAIN_SECONDS)
        if reply.status_code != 202:
            self.refused.append(f"{event}: {reply.text}")
            return
        self.told.append(
            Told(
                id=event.id,
                sent=sent,
                acknowledged=time.time(),
                duplicate=bool(reply.json()["duplicates"]),
            )
        )

    def _visit(self, visit: Visit) -> None:
        sent = time.time()
        answer = self._stack.decide(visit.customer, visit.channel, context={"page": visit.page})
        sold = tuple(one["action"] for one in offers(answer) if is_commercial(one))
        self.answered.append(
            Answered(customer=visit.customer, sent=sent, commercial=sold, level=answer["level"])
        )

    def _answer(self, journey: str, dice: random.Random) -> None:
        if dice.random() * 100 >= ANSWERED_PERCENT:
            return
        task = self._look(f"/v1/journeys/{quote(journey)}").get("task")
        if task is None:
            return
        order = {
            "author": "paula",
            "because": "it is her turn",
            "choice": dice.choice(task["choices"]),
            "request_id": f"{journey}-{dice.random()}",
        }
        try:
            reply = self._stack.http.post(f"/v1/journeys/{quote(journey)}/answer", json=order)
        except httpx.HTTPError:
            return
        self.people += reply.status_code == 200

    def _look(self, path: str) -> dict[str, Any]:
        try:
            reply = self._stack.http.get(path)
        except httpx.HTTPError:
            return {}
        return reply.json() if reply.status_code == 200 else {}

    def _now(self) -> datetime:
        return self._clock.now()
