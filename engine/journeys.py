"""Which journeys may start: caps, priorities, and what must not run at the same time."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from engine.catalog import Bundle, JourneyTerms
from engine.types import JourneyState


def stopped(
    kind: str,
    running: Collection[JourneyState],
    starts: Iterable[datetime],
    bundle: Bundle,
    now: datetime,
) -> str | None:
    """Why a journey of this kind may not start for a customer now, or None if it may.

    `starts` are when journeys of this kind began for this customer; a kind without terms always
    starts.
    """
    terms = bundle.journeys.get(kind)
    if terms is None:
        return None
    others = sorted({journey.kind for journey in running if journey.kind in terms.not_while})
    if others:
        return f"{kind} does not start while {', '.join(others)} runs"
    recent = sum(now - at < terms.starts_window for at in starts)
    if terms.starts_maximum is not None and recent >= terms.starts_maximum:
        window = terms.starts_window
        return f"{kind} starts at most {terms.starts_maximum} times in {window.days} days"
    above = [journey for journey in running if _priority(journey, bundle) >= terms.priority]
    if terms.running_maximum is not None and len(above) >= terms.running_maximum:
        return f"{len(above)} journeys that go before {kind} are running"
    return None


def _priority(journey: JourneyState, bundle: Bundle) -> float:
    terms: JourneyTerms | None = bundle.journeys.get(journey.kind)
    return terms.priority if terms else 0.0
