"""`tactful demo`: example customers, trained models and a story, told with real calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from api.client import call
from api.demo_words import heading, offers, say, show, show_journey, show_ways_in
from api.settings import Settings, site
from engine.errors import TactfulError

if TYPE_CHECKING:
    from models.learning import Report

REAL_CUSTOMERS = Path("../shared/data/telco_churn/Telco-Customer-Churn.csv.gz")
"""Used where it is there; otherwise customers of the same kind are made up."""

MADE_UP = 2_000
SEED = 7
SOURCE = "demo"
PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.25
CANDIDATES = 40
TEACHERS = 200


def run(settings: Settings, customers: Path | None = None) -> Story:
    """Loads customers, trains the models and tells the story.

    Raises TactfulError when a promise breaks.
    """
    names = load(settings, customers)
    teach(settings, names)
    story = Story(settings, names)
    story.tell()
    return story


# -- customers and models


def load(settings: Settings, customers: Path | None) -> list[str]:
    """Customers into the feature store; their external ids."""
    from api.loading import load_table
    from feature_store.generate import customers_table

    file = customers or (REAL_CUSTOMERS if REAL_CUSTOMERS.exists() else None)
    heading("Customers")
    say(f"reading {file.name}" if file else f"making up {MADE_UP} customers of a telecoms provider")
    table = file or customers_table(MADE_UP, SEED)
    loaded = load_table(site(settings), table, mapping=None, separator=",", progress=lambda _: None)
    summary = asyncio.run(loaded)
    for line in summary.words(most=5):
        say(line)
    return [known.external_id for known in summary.customers]


def teach(settings: Settings, names: Sequence[str]) -> None:
    """Trains churn on the customers' labels, and acceptance on decisions that were answered."""
    from api.demo_answers import answer
    from models.train import train_acceptance, train_churn

    heading("Models")
    place = site(settings)
    say(f"churn, learned from the customers' own labels: {numbers(train_churn(place))}")
    some = names[CANDIDATES : CANDIDATES + TEACHERS]
    answered = asyncio.run(answer(place, settings.api, some, SEED))
    say(
        f"{answered.decisions} real decisions; a response simulator answers "
        f"{answered.offers} offers, {answered.accepted} with yes"
    )
    wait_for_archive(settings)
    say(f"acceptance, learned from these answers: {numbers(train_acceptance(place))}")


def wait_for_archive(settings: Settings) -> None:
    """Waits until the decisions are in the archive, where training looks for them."""
    from engine.ledger.archive import unarchived

    end = time.monotonic() + PATIENCE_SECONDS
    while asyncio.run(unarchived(settings.redis)) and time.monotonic() < end:
        time.sleep(POLL_SECONDS)


def numbers(report: Report) -> str:
    """The main metrics of a training report."""
    metrics = report["metrics"]
    shown = ("auc", "log_loss", "calibration_error")
    return ", ".join(f"{name.replace('_', ' ')} {metrics[name]:.3f}" for name in shown)


# -- the story


class Story:
    """One customer's complaint, seen by the website, the call centre and a renewal journey."""

    def __init__(self, settings: Settings, names: list[str]) -> None:
        self._settings = settings
        self._names = names
        self._run = f"{time.time():.0f}"
        self._case = self._run[-5:]
        self._customer = names[0]

    def tell(self) -> None:
        """The whole story. Raises TactfulError when something turns out otherwise than promised."""
        self._wait(
            "the API picks up the new models",
            lambda: self._decide(self._names[0], "web", dry_run=True),
            lambda answer: answer["level"] == "full",
        )
        customer = self._customer = self._someone_we_would_sell_to()
        newcomer = next(name for name in self._names if name != customer)
        heading(f"1. A page load: what do we say to {customer}?")
        show(self._decide(customer, "web"))
        heading("2. Somebody new joins, and an onboarding begins")
        self._event("customer.joined", newcomer, {})
        show_journey(self._journey(newcomer, "onboarding", goes_on))
        self._complain(customer)
        self._stay_silent(customer)
        self._resolve(customer)

    def invite(self) -> None:
        """Say what to look at while the stack is up."""
        show_ways_in(self._settings, self._customer)

    def _complain(self, customer: str) -> None:
        heading(f"3. {customer} complains (case {self._case})")
        accepted = self._event(
            "complaint.opened", customer, {"case": self._case, "severity": "high"}
        )
        say(f"accepted: journeys {', '.join(accepted['journeys'])}, routing {accepted['routing']}")
        heading("4. The same page load again")
        answer = self._decide(customer, "web", explain=True)
        show(answer)
        self._no_sales(answer)
        for hold in answer["holds"]:
            say(f"hold {hold['id']}: {hold['because']}")
        stopped = [
            one["action"]
            for one in answer["candidates"]
            if any(drop["stage"] == "hold" for drop in one["drops"])
        ]
        say(f"{len(stopped)} actions stopped by it, such as {', '.join(stopped[:3])}")

    def _stay_silent(self, customer: str) -> None:
        heading("5. The contract ends soon: the renewal wants to make an offer, and waits")
        due = self._at(self._decide(customer, "web", dry_run=True), days=25)
        self._event("contract.renewal_due", customer, {"due": due})
        waiting = self._journey(customer, "renewal", waits)
        show_journey(waiting)
        heading("6. The call centre picks up: no sales, but kind words")
        answer = self._decide(customer, "call", context={"reason": "complaint"})
        show(answer)
        self._no_sales(answer)
        show_journey(self._journey(customer, "complaint", goes_on))

    def _resolve(self, customer: str) -> None:
        heading("7. The complaint is resolved; the cool-down begins")
        self._event("complaint.resolved", customer, {"case": self._case})
        answer = self._decide(customer, "web")
        self._no_sales(answer)
        say("still no sales: the hold stays until the cool-down is over")
        show_journey(
            self._journey(customer, "complaint", lambda one: "cool" in one["stage"].lower())
        )
        heading("8. After the cool-down")
        answer = self._wait("sales return", lambda: self._decide(customer, "web"), sells)
        show(answer)
        show_journey(self._journey(customer, "renewal", goes_on))
        inbox = self._get(f"/v1/customers/{quote(customer, safe='')}/inbox")["messages"]
        for sent in reversed([one for one in inbox if one["journey"].endswith(f":{self._case}")]):
            say(f"sent by {sent['channel']}: {sent['treatment']} ({sent['journey'].split(':')[0]})")

    # -- calls

    def _someone_we_would_sell_to(self) -> str:
        for name in self._names[:CANDIDATES]:
            if sells(self._decide(name, "web", dry_run=True)):
                return name
        raise TactfulError(
            f"none of the first {CANDIDATES} customers gets a sales offer on the web"
        )

    def _decide(self, customer: str, channel: str, **more: object) -> Any:
        body = {"customer": customer, "channel": channel, "deadline_ms": 1000, **more}
        return call(self._settings, "POST", "/v1/decisions", json=body)

    def _event(self, kind: str, customer: str, data: Mapping[str, object]) -> Any:
        event = {
            "specversion": "1.0",
            "id": f"{self._run}-{kind}-{customer}",
            "source": SOURCE,
            "type": kind,
            "subject": customer,
            "data": data,
        }
        return call(
            self._settings,
            "POST",
            "/v1/events",
            json=event,
            media_type="application/cloudevents+json",
        )

    def _get(self, path: str) -> Any:
        return call(self._settings, "GET", path)

    def _journey(
        self,
        customer: str,
        kind: str,
        until: Callable[[Any], bool] = lambda one: one["stage"] != "started",
    ) -> Any:
        path = f"/v1/journeys?customer={quote(customer, safe='')}&kind={kind}&open=true"
        found = self._wait(
            f"the {kind} journey gets there",
            lambda: self._get(path)["journeys"],
            lambda journeys: any(until(one) for one in journeys),
        )
        return next(one for one in found if until(one))

    def _wait(self, what: str, look: Callable[[], Any], done: Callable[[Any], bool]) -> Any:
        end = time.monotonic() + PATIENCE_SECONDS
        while not done(seen := look()):
            if time.monotonic() > end:
                raise TactfulError(f"waited {PATIENCE_SECONDS:.0f} seconds in vain: {what}")
            time.sleep(POLL_SECONDS)
        return seen

    @staticmethod
    def _at(answer: Mapping[str, Any], days: int) -> str:
        from datetime import datetime, timedelta

        return (datetime.fromisoformat(answer["at"]) + timedelta(days=days)).isoformat()

    def _no_sales(self, answer: Mapping[str, Any]) -> None:
        sold = [
            o["action"]
            for o in offers(answer)
            if o["purpose"] == "sales" or "commercial" in o["tags"]
        ]
        if sold or not answer["holds"]:
            raise TactfulError(
                f"a complaint is open, and yet: offers {sold}, holds {answer['holds']}"
            )


def sells(answer: Mapping[str, Any]) -> bool:
    """Whether an answer has a sales offer."""
    return any(offer["purpose"] == "sales" for offer in offers(answer))


def waits(journey: Mapping[str, Any]) -> bool:
    """Whether a journey waits for the end of a hold."""
    return "hold" in (journey["waiting_for"] or "")


def goes_on(journey: Mapping[str, Any]) -> bool:
    """Whether a journey waits for something else than a hold."""
    return bool(journey["waiting_for"]) and not waits(journey)
