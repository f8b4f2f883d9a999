"""Trains in a process of its own, which ends with its worker, and keeps the schedule of it."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import threading
import time
from contextlib import suppress
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any

from temporalio import activity
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from engine.errors import TactfulError
from engine.ledger.site import Site
from workflows.training import TRAIN, Asked, Trained, Training

_log = logging.getLogger(__name__)

AT_NIGHT = timedelta(hours=3)
"""By which a daily training is later than midnight, in UTC."""
SHORTEST = timedelta(minutes=10)
"""Of wall time: in time-lapse a day may be shorter than a training."""
LOOK_SECONDS = 0.5
KINDNESS = 10
"""How much training stands back for decisions and journeys where the processor is short."""


def task_queue(site: Site) -> str:
    """Trainings wait on a queue of their own: no build of a journey's worker must be there."""
    return f"{site.task_queue}-training"


def trainer(client: Client, site: Site, runner: SandboxedWorkflowRunner) -> Worker:
    """The worker that trains, one model at a time."""
    return Worker(
        client,
        task_queue=task_queue(site),
        workflows=[Training],
        activities=[Trainer(site).train],
        workflow_runner=runner,
        max_concurrent_activities=1,
        max_cached_workflows=0,
        max_concurrent_workflow_task_polls=1,
        max_concurrent_activity_task_polls=1,
        graceful_shutdown_timeout=timedelta(0),
    )


class Trainer:
    """The activity. `work` is what the process does; tests give it something shorter."""

    def __init__(self, site: Site, work: Any = None) -> None:
        self._site = site
        self._work = work or train_model

    @activity.defn(name=TRAIN)
    async def train(self, model: str) -> Trained:
        """Trains one model; what can't be learned yet is no failure but an answer."""
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe(duplex=False)
        process = spawn.Process(
            target=_in_process, args=(self._work, self._site, model, theirs, os.getpid())
        )
        process.start()
        theirs.close()
        try:
            return await _answer(ours, process.is_alive)
        finally:
            process.kill()
            await asyncio.to_thread(process.join)
            ours.close()


async def _answer(ours: Connection, alive: Any) -> Trained:
    while not ours.poll():
        activity.heartbeat()
        if not alive() and not ours.poll():
            raise ApplicationError("the training's process ended without an answer")
        await asyncio.sleep(LOOK_SECONDS)
    with suppress(EOFError):
        found: Trained | str = ours.recv()
        if isinstance(found, Trained):
            return found
        raise ApplicationError(found)
    raise ApplicationError("the training's process ended without an answer")


def _in_process(work: Any, site: Site, model: str, theirs: Connection, parent: int) -> None:
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    with suppress(OSError):
        os.nice(KINDNESS)
    try:
        theirs.send(work(site, model))
    except Exception as error:
        theirs.send(f"{type(error).__name__}: {error}")


def _end_with(parent: int) -> None:
    """A worker that was killed leaves nothing behind."""
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os._exit(1)


def train_model(site: Site, model: str) -> Trained:
    """Trains one model as `tactful train` does."""
    from models.train import train

    try:
        report = train(site, model)
    except TactfulError as error:
        return Trained(model=model, promoted=False, artefact="", because=str(error))
    return Trained(
        model=model,
        promoted=report["promoted"],
        artefact=report["artefact"],
        because=report["because"],
        rows=report["rows"],
        judged=report["held_out_rows"],
    )


# -- the schedule


def schedule_id(site: Site) -> str:
    """The name of the schedule in Temporal."""
    return task_queue(site)


def every(site: Site) -> timedelta:
    """How long, on the wall, from one training to the next."""
    wait = timedelta(seconds=site.clock.wall_seconds(timedelta(hours=site.training_hours)))
    return max(wait, SHORTEST)


async def keep_schedule(client: Client, site: Site) -> None:
    """Makes the schedule as the settings want it; without one (0 hours) there is none.

    Where Temporal has no schedules, or does not let us, that is a warning, no error.
    """
    try:
        if not site.training_hours:
            await _without(client, site)
            return
        wanted = _schedule(site)
        try:
            await client.create_schedule(schedule_id(site), wanted)
        except ScheduleAlreadyRunningError:
            handle = client.get_schedule_handle(schedule_id(site))
            await handle.update(lambda _: ScheduleUpdate(schedule=wanted))
    except RPCError as error:
        _log.warning("models are not trained by schedule: %s", error)


async def _without(client: Client, site: Site) -> None:
    try:
        await client.get_schedule_handle(schedule_id(site)).delete()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


def _schedule(site: Site) -> Schedule:
    wait = every(site)
    by_night = site.training_hours == 24 and site.clock.lapse == 1.0
    return Schedule(
        action=ScheduleActionStartWorkflow(
            Training.run,
            Asked(),
            id=schedule_id(site),
            task_queue=task_queue(site),
            static_summary="training of the models",
        ),
        spec=ScheduleSpec(
            intervals=[ScheduleIntervalSpec(every=wait, offset=AT_NIGHT if by_night else None)]
        ),
        policy=SchedulePolicy(
            overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(hours=1)
        ),
    )
