"""Before the first request: everything that is made once and kept has been made, by deciding."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from random import Random
from typing import Any

import orjson

from engine.catalog import Bundle
from engine.decide import decide
from engine.ledger.references import reference
from engine.live import Ask, request_of
from engine.propensity import Scorer
from engine.record import record
from engine.types import Placement, Scalar, Snapshot
from feature_store.schema import FEATURES, VIEWS, Kind
from workflows.parts import Parts

NOBODY = "nobody"
MADE_UP = 24
"""So many made-up customers are decided for on each channel that is a page."""
DEADLINE_MS = 10_000


async def warm_up(stack: Parts, answer: Callable[[bytes, float], Any]) -> None:
    """Decide where nobody sees it: on every channel over `answer`, for made-up customers in memory.

    The first opens connections and loads scripts, and makes whatever is made by request; the
    second goes through filters, models, order and record also where the live state is still being
    restored. Nothing is written.
    """
    bundle = stack.bundle()
    await asyncio.gather(
        *(
            answer(orjson.dumps(_dry_run(channel)), time.perf_counter())
            for channel in bundle.channels
        )
    )
    now = stack.ledger.clock.now()
    for channel in bundle.channels.values():
        if channel.in_page:
            practise(bundle, stack.scorer, channel.name, now, stack.site.seal_key)


def _dry_run(channel: str) -> Mapping[str, Any]:
    return {
        "customer": NOBODY,
        "channel": channel,
        "dry_run": True,
        "deadline_ms": DEADLINE_MS,
    }


def practise(bundle: Bundle, scorer: Scorer, channel: str, now: datetime, key: bytes) -> None:
    """Decide and write records for made-up customers, which are then forgotten.

    What is made once for a kind of question is made for the usual placements.
    """
    draws, usual = Random(0), usual_placements(bundle, channel)
    for number in range(MADE_UP):
        customer = reference(key, f"{NOBODY} {number}")
        placements = usual[number % len(usual)]
        ask = Ask(customer=customer, channel=channel, placements=placements)
        request = request_of(ask, now)
        snapshot = made_up(customer, now, draws)
        record(request, snapshot, decide(request, snapshot, bundle, scorer), key)


def usual_placements(bundle: Bundle, channel: str) -> Sequence[tuple[Placement, ...]]:
    """The placements that a question on this channel names as far as its bundle tells.

    The default one; each that has terms or treatments of its own; all of those together.
    """
    made_for = [
        treatment.placement
        for action in bundle.actions.values()
        for treatment in action.treatments
        if treatment.channel == channel and treatment.placement
    ]
    known = [Placement(name=name) for name in dict.fromkeys([*bundle.placements, *made_for])]
    return list(
        dict.fromkeys([(Placement(),), *((one,) for one in known), tuple(known) or (Placement(),)])
    )[:MADE_UP]


def made_up(customer: str, now: datetime, draws: Random) -> Snapshot:
    """A customer of whom everything is known, none of it true."""
    return Snapshot(
        customer=customer,
        reconciled=True,
        features={name: _value(kind, draws) for name, kind in FEATURES.items()},
        feature_times={view.name: now for view in VIEWS},
    )


def _value(kind: Kind, draws: Random) -> Scalar:
    match kind:
        case Kind.INTEGER:
            return draws.randrange(60)
        case Kind.NUMBER:
            return draws.uniform(0, 100)
        case Kind.FLAG:
            return draws.random() < 0.5
        case Kind.STRING:
            return draws.choice(("yes", "no", ""))
