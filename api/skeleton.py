"""What `tactful journeys new` writes: a journey that runs, and a test that passes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from engine.errors import InvalidInput

KIND = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

JOURNEY = Template('''"""$Words: what it is for, in one line.

Owner: who acts when it slips.
Promises: what the customer can rely on, and by when.
Fallbacks: what happens instead when a step fails.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from workflows.journey import Ending, Journey, Opening, workflow

DESK = "$words desk"
LEAD = "$words lead"

ANSWER = "agent.replied"
NOTICE = "$kind-notice"
CHANNELS = ("email", "whatsapp")

PATIENCE = timedelta(days=2)
NOTICES_MAXIMUM = 2
TAKEN_WITHIN = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How far it has come: all that it needs to go on."""

    notices: int = 0


@workflow.defn(name="$kind")
class $Name(Journey):
    """One $words of one customer."""

    hears = (ANSWER,)
    ladder = (LEAD,)

    @workflow.run
    async def run(self, opening: Opening) -> Ending | None:
        """Tell the customer, and again; in the end a person takes over."""
        course = self.resumed(Course) or Course()
        while course.notices < NOTICES_MAXIMUM:
            self.stage("waiting for an answer", owner=DESK)
            await self.reach(CHANNELS, step="notice", action=NOTICE)
            heard = await self.wait_for(ANSWER, within=PATIENCE, what="an answer")
            if heard:
                return await self.finish("answered", because=f"after {course.notices + 1} notices")
            course = replace(course, notices=course.notices + 1)
            await self.checkpoint(course)
        self.stage("handing over")
        taken = await self.hand_off(
            DESK, because="nobody answered", within=TAKEN_WITHIN, fallback=self.escalated
        )
        return await self.finish("handed over" if taken else "escalated", because="no answer")

    async def escalated(self, why: str) -> None:
        """Nobody took it: the lead owns it now."""
        self.escalate(because=why)
''')

TEST = Template('''"""$Words walks to each of its ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest
import pytest_asyncio

from $module import ANSWER, LEAD, NOTICE, $Name
from workflows.testing import Act, Customer, Stocked, World, a_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

JOURNEY = "$kind"
DAY = timedelta(days=1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncGenerator[World]:
    async with a_world(journeys=($Name,)) as one:
        one.offers(Stocked(action=NOTICE, tags=(JOURNEY,)))
        yield one


async def begun(world: World) -> Customer:
    """A customer who was told once."""
    customer = world.customer()
    await customer.starts(JOURNEY)
    await customer.in_stage(JOURNEY, "waiting for an answer")
    return customer


async def test_an_answer_ends_it(world: World) -> None:
    customer = await begun(world)
    assert customer.got == [NOTICE]
    await customer.tells(JOURNEY, ANSWER)
    assert (await customer.ending(JOURNEY)).ended == "answered"


async def test_without_an_answer_the_customer_is_told_again_and_a_person_takes_over(
    world: World,
) -> None:
    customer = await begun(world)
    await world.pass_time(4 * DAY)
    await customer.in_stage(JOURNEY, "handing over")
    assert customer.got == [NOTICE, NOTICE]
    await customer.operator(JOURNEY, Act.ANSWER, choice="taken")
    assert (await customer.ending(JOURNEY)).ended == "handed over"


async def test_what_nobody_takes_is_escalated(world: World) -> None:
    customer = await begun(world)
    assert (await customer.ending(JOURNEY)).ended == "escalated"
    assert (await customer.progress(JOURNEY)).owner == LEAD


async def test_paused_it_waits_and_nothing_is_lost(world: World) -> None:
    customer = await begun(world)
    await customer.operator(JOURNEY, Act.PAUSE)
    await world.pass_time(30 * DAY)
    await customer.tells(JOURNEY, ANSWER)
    await customer.operator(JOURNEY, Act.RESUME)
    assert (await customer.ending(JOURNEY)).ended == "answered"
''')


def add_to(app: typer.Typer) -> None:
    """Add the command to `tactful journeys`."""
    app.command(
        short_help="Write a new journey with its test.",
        epilog="Example: tactful journeys new missed-call",
    )(new)


def new(
    kind: Annotated[str, typer.Argument(metavar="NAME", help="Such as missed-call.")],
    folder: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the journey is written.")
    ] = Path("workflows"),
    tests: Annotated[Path, typer.Option(metavar="DIR", help="Where its test is written.")] = Path(
        "tests/workflows"
    ),
) -> None:
    """Write a journey that runs and a test that passes, and say what to do next."""
    from workflows.routing import KINDS

    if kind in KINDS:
        raise InvalidInput(f"there is a journey {kind!r} already: choose another name")
    for line in next_steps(kind, write(kind, folder, tests)):
        typer.echo(line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """Two files that were not there before."""

    journey: Path
    test: Path


def write(kind: str, folder: Path, tests: Path) -> Skeleton:
    """Writes a journey and its test. Raises InvalidInput; overwrites nothing."""
    if not KIND.fullmatch(kind):
        raise InvalidInput(
            f"{kind!r} is no name for a journey: lower case, with hyphens, such as missed-call"
        )
    snake = kind.replace("-", "_")
    files = Skeleton(journey=folder / f"{snake}.py", test=tests / f"test_{snake}.py")
    for path in (files.journey, files.test):
        if path.exists():
            raise InvalidInput(f"{path} is there already: choose another name or folder")
    words = kind.replace("-", " ")
    names = {
        "kind": kind,
        "words": words,
        "Words": words.capitalize(),
        "Name": "".join(part.capitalize() for part in kind.split("-")),
        "module": module_of(files.journey),
    }
    for path, template in ((files.journey, JOURNEY), (files.test, TEST)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(template.substitute(names))
    return files


def module_of(path: Path) -> str:
    """The name by which a file is imported from the folder that it is in, or from its root.

    >>> module_of(Path("shop/journeys/missed_call.py"))
    'shop.journeys.missed_call'
    """
    return ".".join(path.with_suffix("").parts).lstrip(".")


def next_steps(kind: str, files: Skeleton) -> tuple[str, ...]:
    """What its author does next, in words."""
    return (
        f"written: {files.journey}, {files.test}",
        f"1. run its test:  .venv/bin/python -m pytest {files.test}",
        "2. write your steps: docs/authoring.md has them all",
        "3. in workflows/routing.py",
        f'   KINDS      "{kind}": "",    so that workers run it',
        f'   TABLE      ("your.event", "{kind}", STARTS),    which event opens it',
        '   PASSED_ON  "your.event": ("field",),    what it may see of the event',
        f"4. in the bundle, the actions that it says, such as {kind}-notice, with the tag {kind}",
        f"5. look at it:  tactful journeys map {kind}",
        "6. a story in tests/histories/record.py, so that no update breaks what runs",
    )
