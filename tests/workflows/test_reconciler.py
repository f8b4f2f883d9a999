"""Holds against their workflows: only the owner ends a hold, and only when it says so twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus as Status

from engine.ledger import Ledger, arrivals, facts
from engine.ledger.arrivals import Progress
from engine.types import Hold, HoldState, JourneyState
from tests.support.builders import NOW, a_bundle, a_customer, a_hold, an_event
from tests.support.ledgers import redis_says
from tests.support.temporal import FakeExecution, FakeTemporal
from workflows.parts import Parts
from workflows.rebuild import reconciled
from workflows.reconciler import HoldCheck, drop_closed, keep_reconciled

CUSTOMER = a_customer()
OWNER = a_hold().owner
LOST = [Status.CANCELED, Status.FAILED, Status.TERMINATED, Status.TIMED_OUT]


async def held(ledger: Ledger) -> list[Hold]:
    """The holds in Redis, which are the open ones of the journal."""
    kept = await ledger.journal.read(facts.open_holds)
    found = list(await ledger.holds(CUSTOMER))
    assert {hold.id: hold for _, hold in kept} == {hold.id: hold for hold in found}
    return found


async def compared(ledger: Ledger, temporal: FakeTemporal, times: int = 1) -> list[Hold]:
    """The holds after some comparisons by one reconciler."""
    check = HoldCheck(ledger, temporal.client)
    for _ in range(times):
        await check.compare()
    return await held(ledger)


async def placed(ledger: Ledger, seq: int = 1) -> Hold:
    """A complaint's hold."""
    await ledger.place_hold(CUSTOMER, a_hold(seq=seq))
    return a_hold(seq=seq)


async def test_a_hold_of_a_running_journey_stays(ledger: Ledger) -> None:
    hold = await placed(ledger)
    temporal = FakeTemporal(statuses={OWNER: Status.RUNNING})
    assert await compared(ledger, temporal, times=3) == [hold]


async def test_a_hold_that_redis_lost_is_put_back_and_that_is_told(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    hold = await placed(ledger)
    await ledger.place_operator_hold(CUSTOMER, ["sales"], [], "moving", "ann", None)
    await redis_says(ledger, "FLUSHALL")
    temporal = FakeTemporal(statuses={OWNER: Status.RUNNING})
    assert hold in await compared(ledger, temporal)
    assert len(await held(ledger)) == 2
    assert f"put {hold.id} of {CUSTOMER} back in force" in caplog.text
    caplog.clear()
    await compared(ledger, temporal)
    assert "put" not in caplog.text, "what is there needs no repair"


async def test_a_hold_ends_when_its_journey_says_completed_twice(ledger: Ledger) -> None:
    hold = await placed(ledger)
    temporal = FakeTemporal(statuses={OWNER: Status.COMPLETED})
    assert await compared(ledger, temporal, times=1) == [hold]
    assert await compared(ledger, temporal, times=2) == []


async def test_completed_and_then_running_again_ends_nothing(ledger: Ledger) -> None:
    hold = await placed(ledger)
    temporal = FakeTemporal(statuses={OWNER: Status.COMPLETED})
    check = HoldCheck(ledger, temporal.client)
    for status in (Status.COMPLETED, Status.RUNNING, Status.COMPLETED):
        temporal.statuses[OWNER] = status
        await check.compare()
    assert await held(ledger) == [hold]


async def test_a_hold_placed_again_between_the_two_looks_is_a_new_hold(ledger: Ledger) -> None:
    await placed(ledger, seq=1)
    temporal = FakeTemporal(statuses={OWNER: Status.COMPLETED})
    check = HoldCheck(ledger, temporal.client)
    await check.compare()
    again = await placed(ledger, seq=2)
    await check.compare()
    assert await held(ledger) == [again]


async def test_a_reopened_case_on_its_way_to_its_journey_keeps_its_hold(ledger: Ledger) -> None:
    """The earlier run has completed, and Temporal or the relay has not heard of the reopening."""
    taken = await ledger.journal.write(
        lambda c: arrivals.take(c, an_event("complaint.reopened", "e1"))
    )
    hold = await placed(ledger, seq=taken.event.seq)
    temporal = FakeTemporal(statuses={OWNER: Status.COMPLETED})
    assert await compared(ledger, temporal, times=3) == [hold]
    await ledger.journal.write(lambda c: arrivals.advance(c, taken.event.seq, Progress.ROUTED))
    assert await compared(ledger, temporal, times=2) == []


@pytest.mark.parametrize("status", [None, *LOST])
async def test_a_hold_whose_owner_was_lost_stays_as_an_orphan(
    ledger: Ledger, status: Status | None
) -> None:
    await placed(ledger)
    temporal = FakeTemporal(statuses={OWNER: status} if status else {})
    [hold] = await compared(ledger, temporal, times=3)
    assert hold.state is HoldState.ORPHANED
    await ledger.end_hold_by_operator(CUSTOMER, hold.id, "ann", "called the customer")
    assert await compared(ledger, temporal) == []


async def test_a_later_run_that_never_placed_the_hold_does_not_end_an_orphan(
    ledger: Ledger,
) -> None:
    """A resolution comes after the accident: its run ends as never opened."""
    await placed(ledger)
    temporal = FakeTemporal(statuses={OWNER: Status.TERMINATED})
    check = HoldCheck(ledger, temporal.client)
    for status in (Status.TERMINATED, Status.RUNNING, *[Status.COMPLETED] * 3):
        temporal.statuses[OWNER] = status
        await check.compare()
    [hold] = await held(ledger)
    assert hold.state is HoldState.ORPHANED


async def test_a_later_run_that_places_the_hold_again_owns_it(ledger: Ledger) -> None:
    await placed(ledger)
    temporal = FakeTemporal(statuses={OWNER: Status.TERMINATED})
    await compared(ledger, temporal)
    await placed(ledger, seq=2)
    temporal.statuses[OWNER] = Status.COMPLETED
    assert await compared(ledger, temporal, times=2) == []


async def test_an_orphan_that_redis_lost_is_put_back_as_an_orphan(ledger: Ledger) -> None:
    await placed(ledger)
    await compared(ledger, FakeTemporal())
    await redis_says(ledger, "FLUSHALL")
    [hold] = await compared(ledger, FakeTemporal())
    assert hold.state is HoldState.ORPHANED


async def test_a_hold_whose_event_is_on_its_way_to_temporal_is_no_orphan(ledger: Ledger) -> None:
    taken = await ledger.journal.write(lambda c: arrivals.take(c, an_event()))
    hold = await placed(ledger, seq=taken.event.seq)
    assert await compared(ledger, FakeTemporal()) == [hold]


async def test_without_temporal_nothing_changes(ledger: Ledger) -> None:
    hold = await placed(ledger)
    temporal = FakeTemporal(away=True, statuses={OWNER: Status.COMPLETED})
    assert await compared(ledger, temporal, times=3) == [hold]


@pytest.mark.parametrize("status", [Status.RUNNING, None])
async def test_a_hold_that_ends_while_it_is_compared_is_not_put_back(
    ledger: Ledger, status: Status | None
) -> None:
    """Its journey lets it go just before it completes, while Temporal still calls it running."""
    await placed(ledger)
    temporal = FakeTemporal(statuses={OWNER: status} if status else {})

    async def let_go(_: str) -> None:
        await ledger.release_hold(CUSTOMER, "complaint:4711", 1, "journey", "resolved")

    temporal.on_describe = let_go
    assert await compared(ledger, temporal) == []


async def test_the_owners_that_a_list_calls_running_are_not_asked_one_by_one(
    ledger: Ledger,
) -> None:
    hold = await placed(ledger)
    temporal = FakeTemporal(listings=[[FakeExecution(id=OWNER)]], statuses={OWNER: Status.RUNNING})
    temporal.on_describe = must_not_be_asked
    assert await compared(ledger, temporal, times=3) == [hold]


async def test_an_operators_hold_asks_no_workflow(ledger: Ledger) -> None:
    await ledger.place_operator_hold(CUSTOMER, ["sales"], [], "moving", "ann", None)
    assert len(await compared(ledger, FakeTemporal(), times=3)) == 1


async def must_not_be_asked(workflow: str) -> None:
    raise AssertionError(f"{workflow} was asked, which costs Temporal a call each time")


# -- the other duties


class FewParts(Parts):
    """As much of the parts as a duty needs."""

    def __init__(self, ledger: Ledger, temporal: FakeTemporal) -> None:
        known: dict[str, Any] = {
            "ledger": ledger,
            "client": temporal.client,
            "bundle": a_bundle,
        }
        for name, part in known.items():
            object.__setattr__(self, name, part)


async def test_a_missing_marker_starts_a_rebuild(wiped_ledger: Ledger) -> None:
    parts = FewParts(wiped_ledger, FakeTemporal())
    await keep_reconciled(parts)
    assert await reconciled(wiped_ledger)
    await keep_reconciled(parts)
    assert await reconciled(wiped_ledger)


async def test_journeys_that_were_ended_from_outside_leave_the_snapshots(ledger: Ledger) -> None:
    for kind in ("renewal", "onboarding", "complaint"):
        journey = JourneyState(id=f"{kind}:x", kind=kind, stage="started", since=NOW)
        await ledger.put_journey(CUSTOMER, journey)
    closed = [FakeExecution(id="renewal:x"), FakeExecution(id="complaint:x")]
    statuses = {"renewal:x": Status.TERMINATED, "complaint:x": Status.RUNNING}
    temporal = FakeTemporal(listings=[closed], statuses=statuses)
    await drop_closed(FewParts(ledger, temporal), timedelta(seconds=30).total_seconds())
    assert [journey.kind for journey in await ledger.journeys(CUSTOMER)] == [
        "complaint",
        "onboarding",
    ]


async def test_a_journey_that_ended_by_itself_is_not_asked_again(ledger: Ledger) -> None:
    """It has left the snapshots already, and stays in Temporal's list for long."""
    temporal = FakeTemporal(listings=[[FakeExecution(id="renewal:x")]])
    temporal.on_describe = must_not_be_asked
    await drop_closed(FewParts(ledger, temporal), 30.0)
    assert await ledger.journeys(CUSTOMER) == ()


async def test_without_temporal_no_journey_leaves_the_snapshots(ledger: Ledger) -> None:
    await ledger.put_journey(
        CUSTOMER, JourneyState(id="renewal:x", kind="renewal", stage="started", since=NOW)
    )
    await drop_closed(FewParts(ledger, FakeTemporal(away=True)), 30.0)
    assert len(await ledger.journeys(CUSTOMER)) == 1
