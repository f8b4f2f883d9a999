"""A month of many customers, from one seed: what happens to whom, and when; twice, late, in any
order.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

SEED = 30
DAYS = 30
TWICE_PERCENT = 8
LATE_PERCENT = 10
SWAPPED_PERCENT = 12

CHANNELS = ("web", "app", "call")
PAGES = ("plans", "billing", "help", "tv", "cancel")
TOPICS = ("billing", "technical", "order", "general")
LANGUAGES = ("en", "en", "en", "es")
MILESTONES = ("activated", "set-up-done", "first-bill", "checked-in")


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One event, `at` so long after the beginning; the same `id` again is a duplicate.

    `delay` is how long before that it happened, as its sender says.
    """

    at: timedelta
    type: str
    customer: str
    id: str = ""
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    delay: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A customer looks at a page, or speaks with an agent: a decision is asked for."""

    at: timedelta
    customer: str
    channel: str
    page: str


Step = Happening | Visit
Story = Callable[[random.Random, str, date], Iterator[Happening]]


def month(customers: Sequence[str], first_day: date, seed: int = SEED) -> list[Step]:
    """All that happens in the order in which it is sent. `first_day` is that of the stack."""
    told: list[Step] = []
    for number, customer in enumerate(customers):
        dice = random.Random(f"{seed}:{number}")
        events: list[Happening] = []
        for story, concerns in STORIES:
            if concerns(number):
                events += _muddled(dice, list(story(dice, customer, first_day)))
        events = [
            replace(one, id=one.id or f"{number}-{place}") for place, one in enumerate(events)
        ]
        told += [*events, *_again(dice, events), *_visits(dice, customer, events)]
    last = timedelta(days=DAYS)
    return sorted((one for one in told if one.at < last), key=lambda one: one.at)


def days(count: float) -> timedelta:
    """So many days."""
    return timedelta(days=count)


# The stories


def joins(dice: random.Random, customer: str, first_day: date) -> Iterator[Happening]:
    """A new customer, of whom some go through the milestones and some do not."""
    at = days(dice.uniform(0, 0.8) if dice.random() < 0.6 else dice.uniform(1, 20))
    yield Happening(at=at, type="customer.joined", customer=customer)
    for name, due in zip(MILESTONES, (3, 7, 14, 21), strict=True):
        if dice.random() < 0.65:
            reached = at + days(due * dice.uniform(0.3, 1.3))
            yield happening(reached, "milestone.reached", customer, name=name)


def complains(dice: random.Random, customer: str, first_day: date) -> Iterator[Happening]:
    """A complaint or two, solved in days, in vain, or never; some come back."""
    at = days(dice.uniform(0.5, 20))
    for case in ("1", "2") if dice.random() < 0.15 else ("1",):
        severity = dice.choice(("low", "high"))
        yield happening(at, "complaint.opened", customer, case=case, severity=severity)
        if dice.random() < 0.1:
            continue
        solved = at + days(dice.uniform(0.3, 4))
        yield happening(solved, "complaint.resolved", customer, case=case)
        comes_back = dice.choice((None, None, None, 0.5, 1.5, 5.0))
        if comes_back is not None:
            back = solved + days(comes_back)
            yield happening(back, "complaint.reopened", customer, case=case)
            yield happening(back + days(1.5), "complaint.resolved", customer, case=case)
        at += days(dice.uniform(0, 3))


def renews(dice: random.Random, customer: str, first_day: date) -> Iterator[Happening]:
    """A contract ends; the customer renews, leaves, or says nothing."""
    if dice.random() < 0.7:
        for channel in ("email", "whatsapp"):
            consent = {"purpose": "retention", "channel": channel, "granted": True}
            yield happening(days(0.1), "consent.changed", customer, **consent)
    at, left = days(dice.uniform(0.2, 12)), dice.randint(10, 35)
    due = (first_day + at + days(left)).isoformat()
    yield happening(at, "contract.renewal_due", customer, due=due)
    answers = at + days(dice.uniform(1, left + 2))
    match dice.randrange(4):
        case 0:
            yield happening(answers, "milestone.reached", customer, name="renewed")
        case 1:
            yield happening(answers, "purchase.made", customer, product="renewal", amount=240.0)
        case 2:
            yield happening(answers, "milestone.reached", customer, name="cancelled")
        case _:
            pass


def asks(dice: random.Random, customer: str, first_day: date) -> Iterator[Happening]:
    """A question; answered by a bot, a person, or nobody, and asked again."""
    at = days(dice.uniform(0.3, 24))
    channel = dice.choice(("whatsapp", "chat", "email"))
    topic, language = dice.choice(TOPICS), dice.choice(LANGUAGES)
    asked = {"channel": channel, "text": "How?", "topic": topic, "language": language}
    yield happening(at, "message.received", customer, **asked)
    if dice.random() < 0.3:
        yield happening(at + days(0.01), "agent.replied", customer, channel=channel, by="bot")
    if dice.random() < 0.75:
        replied = at + days(dice.uniform(0.01, 1.5))
        solves = {"by": "ana", "resolved": dice.random() < 0.5}
        yield happening(replied, "agent.replied", customer, channel=channel, **solves)
        if dice.random() < 0.4:
            yield happening(replied + days(0.4), "message.received", customer, **asked)
            yield happening(
                replied + days(0.6), "agent.replied", customer, channel=channel, by="ben"
            )
        if dice.random() < 0.4:
            yield happening(replied + days(2), "feedback.given", customer, score=8.0)


def waits_for_an_order(dice: random.Random, customer: str, first_day: date) -> Iterator[Happening]:
    """An order is late, later, in time after all, delivered, or lost."""
    at = days(dice.uniform(0.3, 22))
    hours = float(dice.choice((10, 30, 60, 80, 120)))
    yield happening(at, "order.delayed", customer, order="o-1", hours=hours)
    for _ in range(dice.randrange(3)):
        at += days(dice.uniform(0.2, 3))
        news = float(dice.choice((0, 55, 90, 150)))
        yield happening(at, "order.delayed", customer, order="o-1", hours=news)
    if dice.random() < 0.6:
        at += days(dice.uniform(0.5, 6))
        yield happening(at, "milestone.reached", customer, name="delivered", order="o-1")


def fails_to_pay(dice: random.Random, customer: str, first_day: date) -> Iterator[Happening]:
    """A payment fails, once or more, and is made, talked about, or written off."""
    at = days(dice.uniform(0.2, 14))
    yield happening(at, "payment.failed", customer, invoice="i-1")
    if dice.random() < 0.3:
        yield happening(at + days(2), "payment.failed", customer, invoice="i-1")
    ends = at + days(dice.uniform(0.5, 18))
    match dice.randrange(5):
        case 0:
            yield happening(ends, "milestone.reached", customer, name="paid", invoice="i-1")
        case 1:
            paid = {"product": "invoice", "amount": 80.0, "invoice": "i-1"}
            yield happening(ends, "purchase.made", customer, **paid)
        case 2:
            said = {"channel": "email", "text": "Please call me."}
            yield happening(at + days(dice.uniform(9, 13)), "message.received", customer, **said)
        case 3:
            gone = {"name": "written-off", "invoice": "i-1"}
            yield happening(ends, "milestone.reached", customer, **gone)
        case _:
            pass


def gives_feedback(dice: random.Random, customer: str, first_day: date) -> Iterator[Happening]:
    """Good words and bad ones, and more of them while the first wait for an answer."""
    at = days(dice.uniform(0.3, 22))
    yield happening(at, "feedback.given", customer, score=float(dice.randrange(11)))
    if dice.random() < 0.4:
        yield happening(at + days(0.5), "agent.replied", customer, channel="email", by="cora")
    if dice.random() < 0.3:
        yield happening(at + days(1.2), "feedback.given", customer, score=3.0)


def stalls(dice: random.Random, customer: str, first_day: date) -> Iterator[Happening]:
    """On the way to the till: some buy, some need help, some just go."""
    at = days(dice.uniform(0.3, 25))
    yield happening(at, "page.viewed", customer, page="checkout")
    if dice.random() < 0.4:
        bought = at + days(dice.uniform(0.02, 3))
        yield happening(bought, "purchase.made", customer, product="router", amount=60.0)


STORIES: tuple[tuple[Story, Callable[[int], bool]], ...] = (
    (joins, lambda number: number % 5 == 0),
    (complains, lambda number: number % 4 == 2),
    (renews, lambda number: number % 4 in (1, 2) and number % 5 != 0),
    (asks, lambda number: number % 5 == 1),
    (waits_for_an_order, lambda number: number % 8 == 3),
    (fails_to_pay, lambda number: number % 8 == 5),
    (gives_feedback, lambda number: number % 9 == 2),
    (stalls, lambda number: number % 6 in (0, 4)),
)
"""What happens to customers of which number; many have several of them at once."""


def happening(at: timedelta, kind: str, customer: str, **data: object) -> Happening:
    """An event with its data."""
    return Happening(at=at, type=kind, customer=customer, data=data)


# The muddle


def _muddled(dice: random.Random, story: list[Happening]) -> list[Happening]:
    """Some are sent late, and some neighbours in the wrong order."""
    sent = list(story)
    for place, (one, other) in enumerate(itertools.pairwise(story)):
        if dice.random() * 100 < SWAPPED_PERCENT:
            gap = other.at - one.at
            sent[place] = replace(one, at=other.at + days(0.05), delay=gap + days(0.05))
        elif dice.random() * 100 < LATE_PERCENT:
            late = days(dice.uniform(0.1, 1))
            sent[place] = replace(one, at=one.at + late, delay=late)
    return sent


def _again(dice: random.Random, events: Sequence[Happening]) -> Iterator[Happening]:
    """Some are sent twice or three times: at once, after hours, after days."""
    for one in events:
        while dice.random() * 100 < TWICE_PERCENT:
            yield replace(one, at=one.at + days(dice.choice((0.0, 0.2, 4.0))))


def _visits(dice: random.Random, customer: str, events: Sequence[Happening]) -> Iterator[Visit]:
    """Some at any time, and one in the moment of each complaint, in its middle and after it."""
    times = [days(dice.uniform(0, DAYS)) for _ in range(3)]
    for one in events:
        if one.type.startswith("complaint."):
            times += [one.at, one.at + days(0.02), one.at + days(1)]
    for at in times:
        channel, page = dice.choice(CHANNELS), dice.choice(PAGES)
        yield Visit(at=at, customer=customer, channel=channel, page=page)
