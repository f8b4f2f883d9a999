"""Holds, journeys, sessions and units kept, as they stand in Redis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from engine.ledger.clock import from_milliseconds, milliseconds
from engine.types import Hold, HoldState, JourneyState, Planned, Reservation, Session

KEPT = "r:"
"""Before the bucket and action of a unit that is kept for the customer."""


def encode_hold(hold: Hold) -> bytes:
    """A hold as it is kept in Redis and in a workflow's memo (without its id)."""
    return orjson.dumps(
        {
            "purposes": hold.purposes,
            "tags": hold.tags,
            "since": milliseconds(hold.since),
            "until": milliseconds(hold.until) if hold.until else None,
            "because": hold.because,
            "owner": hold.owner,
            "seq": hold.seq,
            "state": hold.state,
        }
    )


def decode_hold(hold_id: str, value: bytes) -> Hold:
    """The inverse of `encode_hold`."""
    kept = orjson.loads(value)
    return Hold(
        id=hold_id,
        purposes=tuple(kept["purposes"]),
        tags=tuple(kept["tags"]),
        since=from_milliseconds(kept["since"]),
        until=from_milliseconds(kept["until"]) if kept["until"] is not None else None,
        because=kept["because"],
        owner=kept["owner"],
        seq=kept["seq"],
        state=HoldState(kept["state"]),
    )


def encode_journey(journey: JourneyState) -> bytes:
    """A journey's state as it is kept in Redis (without its id)."""
    kept = {"k": journey.kind, "s": journey.stage, "t": milliseconds(journey.since)}
    before, plan = journey.before, journey.planned
    planned = plan and (milliseconds(plan.at), plan.channel, plan.purpose, plan.value)
    return orjson.dumps({**kept, "b": before, "p": planned})


def decode_journey(journey_id: str, value: bytes) -> JourneyState:
    """The inverse of `encode_journey`."""
    kept = orjson.loads(value)
    return JourneyState(
        id=journey_id,
        kind=kept["k"],
        stage=kept["s"],
        since=from_milliseconds(kept["t"]),
        before=kept.get("b", ""),  # older entries have neither
        planned=_decode_planned(plan) if (plan := kept.get("p")) else None,
    )


def _decode_planned(kept: Sequence[Any]) -> Planned:
    at, channel, purpose, value = kept
    return Planned(at=from_milliseconds(at), channel=channel, purpose=purpose, value=value)


def encode_session(session: Session) -> bytes:
    """A session as it is kept in Redis."""
    times = {"t": milliseconds(session.started), "l": milliseconds(session.last)}
    return orjson.dumps({**times, "c": session.channel, "x": dict(session.context)})


def decode_session(value: bytes) -> Session:
    """The inverse of `encode_session`."""
    kept = orjson.loads(value)
    return Session(
        started=from_milliseconds(kept["t"]),
        last=from_milliseconds(kept["l"]),
        channel=kept["c"],
        context=kept["x"],
    )


def decode_reservation(name: str, value: bytes) -> Reservation:
    """A unit kept for a customer, and until when."""
    bucket, _, action = name.rpartition("|")
    until = None if value == b"inf" else from_milliseconds(float(value))
    return Reservation(bucket=bucket, action=action, until=until)
