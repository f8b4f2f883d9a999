"""The auditor of the month finds what is planted, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.ledger.clock import Clock
from tests.support.audit import findings
from tests.support.evidence import (
    Answered,
    Decided,
    Delivery,
    Evidence,
    JournalEvent,
    JournalHold,
    JournalMessage,
    Kill,
    Run,
    Told,
)

CLOCK = Clock(anchor=0.0, lapse=86_400.0)
"""A day in a second, from the first of January 1970 on."""

COMPLAINT = "complaint:ann:1"
RENEWAL = "renewal:ann:1970-02-01"
ENOUGH = "the month was hard enough"


def day(count: float) -> datetime:
    """So many days after the beginning."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=count)


def an_event(seq: int, kind: str, at: float) -> JournalEvent:
    """An accepted event of a complaint."""
    return JournalEvent(
        seq=seq,
        id=f"e{seq}",
        type=f"complaint.{kind}",
        customer="ann",
        at=day(at),
        state="routed",
        case="1",
        journeys=(COMPLAINT,),
    )


def an_attempt(at: float, message: str, *, status: int = 200, commercial: bool = True) -> Delivery:
    """An attempt to deliver a step of the renewal."""
    return Delivery(
        at=at,
        message_id=message,
        journey=RENEWAL,
        step="approach.1@r",
        customer="ann",
        action="save-offer",
        commercial=commercial,
        status=status,
    )


def a_run(journey: str, status: str, **more: Any) -> Run:
    """A run of a journey."""
    return Run(
        journey=journey,
        kind=journey.partition(":")[0],
        run_id="r",
        status=status,
        started=day(1),
        **more,
    )


HOLD = JournalHold(
    customer="ann",
    id="complaint:1",
    owner=COMPLAINT,
    state="active",
    since=day(2),
    because="complaint 1 is open",
    in_force=False,
    ended_at=day(7.1),
    ended_by=COMPLAINT,
)

HONEST = Evidence(
    clock=CLOCK,
    began=0.0,
    looked=30.0 * 86_400,
    ended=33.0,
    told=(
        Told(id="e1", sent=2.0, acknowledged=2.01, duplicate=False),
        Told(id="e2", sent=5.0, acknowledged=5.01, duplicate=False),
        Told(id="e1", sent=6.0, acknowledged=6.01, duplicate=True),
    ),
    answered=(
        Answered(customer="ann", sent=2.0, commercial=("fiber",), level="full"),
        Answered(customer="ann", sent=2.5, commercial=(), level="full"),
    ),
    deliveries=(an_attempt(1.0, "m1", status=503), an_attempt(1.5, "m1")),
    kills=(Kill(at=9.0, who="worker-1"),),
    events=(an_event(1, "opened", 2.0), an_event(2, "resolved", 5.0)),
    messages=(
        JournalMessage(message_id="m1", journey=RENEWAL, step="approach.1@r", state="delivered"),
    ),
    holds=(HOLD,),
    decisions=(Decided(id="d1", customer="ann", at=day(1.0), commercial=("save-offer",)),),
    runs=(a_run(COMPLAINT, "completed"), a_run(RENEWAL, "running")),
    waiting={RENEWAL: "waits for the customer's answer until 1970-02-01"},
)


def found(evidence: Evidence) -> list[str]:
    """What the auditor says, apart from whether this was a hard month: it was not."""
    return [one for one in findings(evidence) if not one.startswith(ENOUGH)]


def test_nothing_is_found_where_all_is_well() -> None:
    assert found(HONEST) == []


PLANTED: Sequence[tuple[str, Evidence, str]] = (
    (
        "a hold that is released early",
        replace(HONEST, holds=(replace(HOLD, ended_at=day(5.5)),)),
        "too soon",
    ),
    (
        "a hold that nobody ever placed",
        replace(HONEST, holds=()),
        "no hold was kept",
    ),
    (
        "a hold that stays after its journey",
        replace(HONEST, holds=(replace(HOLD, ended_at=None, in_force=True),)),
        "nobody ends it",
    ),
    (
        "a hold that the live state forgot",
        replace(HONEST, holds=(replace(HOLD, ended_at=None),)),
        "disagree",
    ),
    (
        "a hold that somebody else ended",
        replace(HONEST, holds=(replace(HOLD, ended_by="reconciler"),)),
        "ended by reconciler",
    ),
    (
        "a lost owner whose hold is not orphaned",
        replace(
            HONEST,
            holds=(replace(HOLD, ended_at=None, in_force=True),),
            runs=(a_run(COMPLAINT, "terminated"), a_run(RENEWAL, "running")),
            lost_on_purpose=frozenset({COMPLAINT}),
        ),
        "is active and in force, and nobody ends it",
    ),
    (
        "a commercial message in a complaint",
        replace(HONEST, deliveries=(*HONEST.deliveries, an_attempt(2.1, "m1"))),
        "save-offer to ann",
    ),
    (
        "a reply that sells in the cool-down",
        replace(
            HONEST,
            answered=(Answered(customer="ann", sent=6.9, commercial=("fiber",), level="full"),),
        ),
        "fiber to ann",
    ),
    (
        "a decision that sells in a complaint",
        replace(
            HONEST, decisions=(Decided(id="d2", customer="ann", at=day(3), commercial=("tv",)),)
        ),
        "no decision sells",
    ),
    (
        "a step without an idempotency key",
        replace(HONEST, deliveries=(an_attempt(1.0, "m1"), an_attempt(1.5, "m2"))),
        "no step has two message ids",
    ),
    (
        "an id that two steps share",
        replace(
            HONEST,
            messages=(
                *HONEST.messages,
                JournalMessage(message_id="m1", journey=COMPLAINT, step="ack.1@r", state="intent"),
            ),
        ),
        "no step has two message ids",
    ),
    (
        "a message that comes again after a yes",
        replace(HONEST, deliveries=(an_attempt(1.0, "m1"), an_attempt(1.5, "m1"))),
        "although it had been taken",
    ),
    (
        "a message that the ledger made up",
        replace(HONEST, deliveries=()),
        "the provider never took it",
    ),
    (
        "a journey that failed",
        replace(HONEST, runs=(a_run(COMPLAINT, "failed"), a_run(RENEWAL, "running"))),
        "none has failed",
    ),
    (
        "a workflow task that failed",
        replace(
            HONEST,
            runs=(
                a_run(COMPLAINT, "completed", failures=("NON_DETERMINISTIC_ERROR",)),
                a_run(RENEWAL, "running"),
            ),
        ),
        "NON_DETERMINISTIC_ERROR",
    ),
    (
        "a journey that waits for nothing",
        replace(HONEST, waiting={}, restless={RENEWAL: "waits for nothing"}),
        "waits for nothing",
    ),
    (
        "a journey that nobody looked at",
        replace(HONEST, waiting={}),
        "nobody looked at it",
    ),
    (
        "a journey that was lost",
        replace(HONEST, runs=(a_run(RENEWAL, "running"),)),
        "is nowhere",
    ),
    (
        "an event that was lost",
        replace(HONEST, events=(an_event(1, "opened", 2.0),)),
        "not in the journal",
    ),
    (
        "an event that never reached its journey",
        replace(
            HONEST,
            events=(HONEST.events[0], replace(HONEST.events[1], state="in_force")),
        ),
        "is in_force",
    ),
    (
        "an event that counted twice",
        replace(HONEST, told=(*HONEST.told, replace(HONEST.told[0], sent=8.0))),
        "taken 2 times",
    ),
)


@pytest.mark.parametrize(
    ("evidence", "said"),
    [(one, said) for _, one, said in PLANTED],
    ids=[one for one, *_ in PLANTED],
)
def test_what_is_planted_is_found(evidence: Evidence, said: str) -> None:
    assert any(said in one for one in found(evidence)), found(evidence)


def test_a_message_may_come_again_if_a_worker_died_meanwhile() -> None:
    twice = (an_attempt(1.0, "m1"), an_attempt(1.5, "m1"))
    assert found(replace(HONEST, deliveries=twice, kills=(Kill(at=1.2, who="worker-1"),))) == []


def test_a_case_that_comes_back_after_its_cool_down_is_a_silence_of_its_own() -> None:
    told = (*HONEST.told, Told(id="e3", sent=9.0, acknowledged=9.01, duplicate=False))
    again = replace(
        HONEST,
        told=told,
        events=(*HONEST.events, an_event(3, "reopened", 9.0)),
        holds=(replace(HOLD, ended_at=None, in_force=True),),
        runs=(a_run(COMPLAINT, "running"), a_run(RENEWAL, "running")),
        waiting={**HONEST.waiting, COMPLAINT: "waits for its resolution until 1970-01-11"},
        deliveries=(*HONEST.deliveries, replace(an_attempt(8.0, "m2"), step="approach.2@r")),
        messages=(
            *HONEST.messages,
            JournalMessage(
                message_id="m2", journey=RENEWAL, step="approach.2@r", state="delivered"
            ),
        ),
    )
    assert found(again) == []
    late = replace(an_attempt(9.5, "m2"), step="approach.2@r")
    assert any("save-offer" in one for one in found(replace(again, deliveries=(late,))))


def test_a_month_in_which_little_happened_proves_nothing() -> None:
    said = [one for one in findings(HONEST) if one.startswith(ENOUGH)]
    for little in ("0 runs of pulse", "1 workers were killed", "1 messages", "1 silences"):
        assert f"{ENOUGH}: only {little}" in [one.partition(", not")[0] for one in said]
