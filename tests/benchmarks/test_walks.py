"""Both walks of the benchmark do the same: the same waits, and the same activities."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import WorkflowHandle

from benchmarks.bare_walks import BareWalk, Path
from benchmarks.walk_parts import ACTION, BARE, KIT, Errand
from benchmarks.walks import Walk
from workflows import steps
from workflows.testing import a_world
from workflows.worker import JOURNEYS

ERRAND = Errand(laps=2, pause=timedelta(minutes=1), before=timedelta(hours=1))
LOCAL = (steps.DECIDE, steps.PLACE_HOLD, steps.RELEASE_HOLD, steps.TELL)
"""What only the kit does, `put_journey` and `drop_journey`, is not among them."""


async def took(handle: WorkflowHandle[object, object]) -> list[str]:
    """What a walk did that takes part in the world: activities by name, timers by length."""
    found: list[str] = []
    async for event in handle.fetch_history_events():
        if event.HasField("activity_task_scheduled_event_attributes"):
            found.append(event.activity_task_scheduled_event_attributes.activity_type.name)
        elif event.HasField("timer_started_event_attributes"):
            waits = event.timer_started_event_attributes.start_to_fire_timeout
            found.append(f"{round(waits.ToTimedelta().total_seconds())} s")
        elif event.HasField("marker_recorded_event_attributes"):
            text = str(event.marker_recorded_event_attributes)
            found += [name for name in LOCAL if f'\\"{name}\\"' in text]
    return found


async def test_with_and_without_the_kit_a_walk_does_the_same() -> None:
    async with a_world(journeys=(*JOURNEYS, Walk, BareWalk)) as world:
        ours, other = world.customer(), world.customer()
        await ours.starts(f"{KIT}:n1", "agent.replied", **ERRAND.told())
        path = Path(customer=other.reference, name="n1", errand=ERRAND)
        name = f"{BARE}:{other.reference}:n1"
        await world.client.start_workflow(  # pyright: ignore[reportUnknownMemberType]
            BARE, path, id=name, task_queue=world.site.task_queue
        )
        await ours.ending(f"{KIT}:n1")
        await other.ending(f"{BARE}:n1")
        with_kit = await took(ours.journey(f"{KIT}:n1"))
        without = await took(world.client.get_workflow_handle(name))
        assert with_kit == without
        assert ours.got == other.got == [ACTION, ACTION]
        day, rest = f"{24 * 3600} s", "60 s"
        talk, silence = (steps.DECIDE, steps.SEND), (steps.PLACE_HOLD, steps.TELL)
        lap = [*talk, day, day, *silence, rest, steps.RELEASE_HOLD, steps.TELL]
        assert without == ["3600 s", *lap, *lap]
