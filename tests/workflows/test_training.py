"""Models are trained by schedule, in a process of its own, and what came of it is told."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import Worker

from engine.errors import Unavailable
from engine.ledger.clock import Clock
from engine.ledger.site import Site
from models.history import Happened, history
from models.registry import current, promote
from tests.support.journeys import a_lapsed_world
from tests.support.ledgers import a_site
from tests.support.models import a_churn_model
from workflows.skipping import time_skipping
from workflows.trainer import (
    AT_NIGHT,
    SHORTEST,
    Trainer,
    every,
    keep_schedule,
    schedule_id,
    train_model,
    trainer,
)
from workflows.training import TRAIN, Asked, Trained, Training
from workflows.worker import sandbox


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return replace(a_site(tmp_path), training_hours=24)


# -- the workflow


class Scripted:
    """The activity: says what it is told to, and keeps which models it was asked for."""

    def __init__(self, broken: str = "") -> None:
        self.asked: list[str] = []
        self._broken = broken

    @activity.defn(name=TRAIN)
    async def train(self, model: str) -> Trained:
        self.asked.append(model)
        if model == self._broken:
            raise ApplicationError("the disk is full", non_retryable=True)
        return Trained(model=model, promoted=True, artefact="sha256:0", because="better")


async def trained(scripted: Scripted) -> list[Trained]:
    async with time_skipping() as env:
        worker = Worker(
            env.client,
            task_queue="training",
            workflows=[Training],
            activities=[scripted.train],
            workflow_runner=sandbox(),
        )
        async with worker:
            return await env.client.execute_workflow(
                Training.run, Asked(), id="training", task_queue="training"
            )


async def test_each_model_is_trained_in_turn() -> None:
    scripted = Scripted()
    found = await trained(scripted)
    assert scripted.asked == ["churn", "acceptance"]
    assert [each.words() for each in found] == [
        "churn: promoted (better)",
        "acceptance: promoted (better)",
    ]


async def test_a_model_that_fails_keeps_no_other_from_being_trained() -> None:
    scripted = Scripted(broken="churn")
    churn, acceptance = await trained(scripted)
    assert not churn.promoted
    assert "the disk is full" in churn.because
    assert acceptance.promoted


# -- its process


def kind_work(site: Site, model: str) -> Trained:
    return Trained(model=model, promoted=True, artefact=str(os.getpid()), because=str(os.nice(0)))


def failing_work(site: Site, model: str) -> Trained:
    raise Unavailable("the journal can't be read")


def endless_work(site: Site, model: str) -> Trained:
    (site.data_dir / "pid").write_text(str(os.getpid()))
    time.sleep(600)
    raise AssertionError


def dying_work(site: Site, model: str) -> Trained:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


async def test_training_is_in_a_process_of_its_own_that_stands_back(site: Site) -> None:
    found = await ActivityEnvironment().run(Trainer(site, kind_work).train, "churn")
    assert int(found.artefact) != os.getpid()
    assert int(found.because) > os.nice(0)


@pytest.mark.long
@pytest.mark.parametrize(
    ("work", "reason"),
    [(failing_work, "journal can't be read"), (dying_work, "without an answer")],
)
async def test_a_process_that_fails_or_dies_is_told(site: Site, work: object, reason: str) -> None:
    with pytest.raises(ApplicationError, match=reason):
        await ActivityEnvironment().run(Trainer(site, work).train, "churn")


@pytest.mark.long
async def test_a_training_that_is_cancelled_leaves_no_process_behind(site: Site) -> None:
    running = asyncio.create_task(
        ActivityEnvironment().run(Trainer(site, endless_work).train, "churn")
    )
    pid = site.data_dir / "pid"
    await until(lambda: pid.exists() and pid.read_text() != "")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_too_little_to_learn_from_is_an_answer_on_record_and_the_champion_stays(
    site: Site,
) -> None:
    promote(site, a_churn_model())
    before = current(site)
    for model, reason in (("churn", "no churn labels"), ("acceptance", "0 answered offers")):
        found = train_model(site, model)
        assert not found.promoted
        assert reason in found.because
        assert [entry.what for entry in history(site, model)] == [Happened.FAILED]
    assert current(site) == before


# -- the schedule


@pytest.mark.parametrize(
    ("hours", "lapse", "wanted"),
    [
        (24, 1.0, timedelta(hours=24)),
        (6, 1.0, timedelta(hours=6)),
        (24, 24.0, timedelta(hours=1)),
        (24, 86_400.0, SHORTEST),
    ],
)
def test_a_day_of_the_stack_is_a_day_of_the_schedule(
    site: Site, hours: int, lapse: float, wanted: timedelta
) -> None:
    assert every(replace(site, training_hours=hours, clock=Clock(lapse=lapse))) == wanted


async def test_the_schedule_trains_and_can_be_changed_and_ended(site: Site) -> None:
    async with a_lapsed_world(lapse=1.0) as world:
        client = world.client
        await keep_schedule(client, site)
        await keep_schedule(client, replace(site, training_hours=6))
        handle = client.get_schedule_handle(schedule_id(site))
        spec = (await handle.describe()).schedule.spec
        assert [each.every for each in spec.intervals] == [timedelta(hours=6)]
        await keep_schedule(client, site)
        (interval,) = (await handle.describe()).schedule.spec.intervals
        assert (interval.every, interval.offset) == (timedelta(hours=24), AT_NIGHT)
        async with trainer(client, site, sandbox()):
            await handle.trigger()
            await until(lambda: history(site, "churn") and history(site, "acceptance"))
        await keep_schedule(client, replace(site, training_hours=0))
        await keep_schedule(client, replace(site, training_hours=0))
        with pytest.raises(Exception, match="not found"):
            await handle.describe()


async def until(true: Callable[[], object]) -> None:
    for _ in range(600):
        if true():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it did not happen within a minute")
