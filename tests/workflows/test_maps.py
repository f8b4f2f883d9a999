"""A map shows what a journey's code does: every step, wait, deadline, branch, fallback and end."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from xml.etree import ElementTree

import pytest

from workflows.journey import Journey, Reroute, workflow
from workflows.maps.chart import Box, Chart, Shape
from workflows.maps.mermaid import mermaid
from workflows.maps.pages import drawn
from workflows.maps.reading import chart_of
from workflows.maps.scope import Scope
from workflows.maps.svg import svg
from workflows.maps.vocabulary import VERBS
from workflows.maps.wording import words
from workflows.steps import Ending, Opening
from workflows.worker import JOURNEYS

TEAM = "parcels desk"
PATIENCE = timedelta(hours=36)
CHANNELS = ("email", "whatsapp")
OFFICE = "wait for business hours desk"
PLAN = (("packed", timedelta(days=1)), ("shipped", timedelta(days=3)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Where a parcel is."""

    late: bool = False
    lost: bool = False


class Parcels(Journey):
    """A journey with one of everything that authors write."""

    hears = ("parcel.seen",)

    async def run(self, opening: Opening) -> Ending | None:
        """Plan, wait, tell, search, and end."""
        parcel = self.resumed(Parcel) or Parcel()
        for name, after in PLAN:
            self.milestone(name, owner=TEAM, due=opening.event.at + after)
        self.stage("on its way", owner=TEAM)
        while not parcel.lost:
            seen = await self.wait_for("parcel.seen", within=PATIENCE, what="a sign of life")
            if seen is None:
                break
            if await self.told(f"seen-{seen.text('place')}"):
                return await self.finish("arrived", because="the customer knows", unless=self.hears)
        for place in opening.event.text("places"):
            if place == "nowhere":
                continue
            await self.tell_others("search", place)
        try:
            await self.hand_off(TEAM, because="search for it")
        except LookupError:
            await self.sleep(timedelta(minutes=90), what="the desk to open")
        self.stage("found" if parcel.late else f"lost at {opening.event.text('place')}")
        return await (self.apologise() if parcel.late else self.refund(opening))

    async def told(self, action: str) -> bool:
        """Say it; False when nobody could."""
        sent = await self.reach(CHANNELS, step=action, action=action)
        if sent is None or not sent.out:
            return False
        self.say("told")
        return True

    async def apologise(self) -> Ending | None:
        """Say sorry, on the first channel."""
        view = await self.decide(CHANNELS[0])
        if view:
            return await self.finish("forgiven", because="we said sorry")
        raise ValueError("nothing to say")

    async def refund(self, opening: Opening) -> Ending:
        """Give the money back."""
        match opening.event.text("paid"):
            case "card" | "bank":
                await self.tell_others("refund", "money")
            case _:
                await self.hold("seal", because="it is paid back", maximum=PATIENCE)
        return Ending(ended="refunded", because="it is lost")


class Callback(Journey):
    """A journey in which people act."""

    hears = ("call.made",)
    ladder = (TEAM, "its lead")

    async def run(self, opening: Opening) -> Ending | None:
        """Hand over, ask, escalate, start another journey, ask how it was."""
        self.assign("night desk", because="it is late")
        taken = await self.hand_off(
            TEAM,
            because="call back",
            via=lambda: self.reach(("call",), step="call", action="call-back"),
            within=timedelta(hours=2),
            fallback=self.book,
        )
        if not taken:
            self.escalate(because="nobody calls")
        if await self.wait_for_business_hours("desk", unless=self.hears):
            await workflow.sleep(timedelta(minutes=5))
        await self.wait_for(
            *self.hears, what="a call", until=self.business_deadline(PATIENCE, hours="desk")
        )
        answer = await self.ask(
            "pay it back?", owner=TEAM, choices=("yes", "no"), default="no", within=PATIENCE
        )
        if answer.choice == "yes":
            await self.sub_journey("refund", "1", awaited=True)
        await self.reach(CHANNELS, step="x", action="sorry", on_hold=Reroute(action="tip"))
        if await self.survey("how-was-it", channels=CHANNELS, within=timedelta(days=7)):
            return await self.finish("told", because="we know now")
        return await self.finish("silent", because="nobody said anything")

    async def book(self, why: str) -> None:
        """Call later."""
        await self.sub_journey("callback", why)


@pytest.fixture(scope="module")
def callback() -> Chart:
    """The map of the journey above."""
    return chart_of(Callback)


def test_a_handoff_shows_how_they_are_told_and_what_catches_its_failure(callback: Chart) -> None:
    assert ways(callback, "callback") == {"": "assign to night desk"}
    told = titled(callback, "hand off to parcels desk").details
    assert told == ("within 2 hours", "fallback: book", "call back")
    assert ways(callback, "hand off to parcels desk") == {"": "say call-back"}
    assert ways(callback, "say call-back") == {
        "taken over": "taken over?",
        "fails": "journey callback why",
    }
    assert ways(callback, "taken over?") == {"yes": OFFICE, "no": "escalate"}
    assert titled(callback, "escalate").details[0] == "up the ladder: parcels desk, its lead"


def test_business_hours_are_waited_for_and_counted_in(callback: Chart) -> None:
    assert titled(callback, OFFICE).details == ("unless it hears call.made",)
    assert ways(callback, OFFICE) == {"heard": "wait 5 minutes", "open": "wait for a call"}
    assert titled(callback, "wait for a call").details[1] == "for 36 hours of business hours desk"


def test_a_question_to_a_person_shows_its_answers_and_what_silence_means(callback: Chart) -> None:
    assert set(titled(callback, "ask: pay it back?").details) == {
        "within 36 hours",
        "owner: parcels desk",
        "answers: yes, no",
        "without an answer: no",
    }
    assert ways(callback, "choice is yes?")["yes"] == "journey refund 1"
    assert titled(callback, "journey refund 1").details == ("waits for its end",)


def test_a_step_shows_what_it_does_under_a_hold(callback: Chart) -> None:
    assert "under a hold: reroute tip" in titled(callback, "say sorry").details


def test_every_step_that_authors_await_has_its_box() -> None:
    plumbing = {"checkpoint", "end_cancelled"}
    kit = {
        name
        for name, _ in inspect.getmembers(Journey, inspect.iscoroutinefunction)
        if not name.startswith("_")
    }
    assert kit - plumbing - set(VERBS) == set()


def test_a_survey_goes_on_with_and_without_an_answer(callback: Chart) -> None:
    assert ways(callback, "survey how-was-it") == {"answered": "told", "no answer": "silent"}


def titled(chart: Chart, title: str) -> Box:
    """The only box with this title."""
    (found,) = [box for box in chart.boxes if box.title == title]
    return found


def ways(chart: Chart, title: str) -> dict[str, str]:
    """Where one can go from a box, by the words of the lines."""
    names = {box.id: box.title for box in chart.boxes}
    start = titled(chart, title).id
    return {line.words: names[line.end] for line in chart.lines if line.start == start}


@pytest.fixture(scope="module")
def parcels() -> Chart:
    """The map of the journey above."""
    return chart_of(Parcels, ["parcel.sent", "parcel.booked"])


def test_it_starts_with_its_events(parcels: Chart) -> None:
    assert parcels.boxes[0].details == ("starts with parcel.sent or parcel.booked",)
    assert ways(parcels, "parcels") == {"": "milestones"}


def test_a_plan_that_is_written_out_is_shown_row_by_row(parcels: Chart) -> None:
    assert titled(parcels, "milestones").details == (
        "packed by 24 hours after event, parcels desk",
        "shipped by 3 days after event, parcels desk",
    )


def test_a_wait_shows_what_it_hears_its_deadline_and_both_ways_out(parcels: Chart) -> None:
    wait = titled(parcels, "wait for a sign of life")
    assert wait.shape is Shape.WAIT
    assert wait.details == ("hears parcel.seen", "within 36 hours")
    assert ways(parcels, wait.title) == {
        "heard": "say seen-[place]",
        "time is over": "one more of places?",
    }


def test_what_a_called_method_answers_decides_where_it_goes_on(parcels: Chart) -> None:
    assert titled(parcels, "say seen-[place]").details == ("by email, whatsapp",)
    assert ways(parcels, "say seen-[place]") == {"sent": "arrived", "not sent": "lost?"}


def test_an_end_that_news_can_undo_leads_back(parcels: Chart) -> None:
    assert ways(parcels, "arrived") == {"unless news came in meanwhile": "over"}
    assert titled(parcels, "arrived").details == ("the customer knows",)


def test_loops_lead_back_and_out(parcels: Chart) -> None:
    assert ways(parcels, "one more of places?") == {
        "yes": "place is nowhere?",
        "no": "hand off to parcels desk",
    }
    assert ways(parcels, "place is nowhere?") == {
        "yes": "one more of places?",
        "no": "tell other journeys: search",
    }
    assert ways(parcels, "tell other journeys: search") == {"": "one more of places?"}


def test_a_handoff_that_fails_shows_what_happens_instead(parcels: Chart) -> None:
    found = ways(parcels, "hand off to parcels desk")
    assert found["fails: LookupError"] == "wait 90 minutes: the desk to open"
    assert titled(parcels, "hand off to parcels desk").shape is Shape.PERSON


def test_a_stage_matches_all_names_it_can_have(parcels: Chart) -> None:
    (stage,) = [box for box in parcels.stages() if "found" in box.title]
    assert stage.title == "found or lost at [place]"
    assert re.fullmatch(stage.pattern, "found")
    assert re.fullmatch(stage.pattern, "lost at sea")
    assert not re.fullmatch(stage.pattern, "on its way")


def test_a_failure_ends_the_way_and_an_ending_is_an_end(parcels: Chart) -> None:
    assert ways(parcels, "decide on email") == {"": "forgiven"}
    assert [box.title for box in parcels.ends()] == ["arrived", "forgiven", "refunded", "over"]


def test_a_match_goes_one_way_for_each_case(parcels: Chart) -> None:
    assert ways(parcels, "paid?") == {
        "card or bank": "tell other journeys: refund",
        "else": "hold seal",
    }


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("10 * DAY", "10 days"),
        ("self.now + 2 * DAY", "in 48 hours"),
        ("case.ends - DAY", "24 hours before ends"),
        ("not heard or heard.type == 'x'", "not heard or type is x"),
        ("heard is None or case.open", "heard is not set or open"),
        ("self.now >= case.ends", "ends reached"),
        ("case.ends > self.now", "before ends"),
        ("len(case.said) >= 3", "number of said at least 3"),
        ("f'call about {case.name}'", "call about [name]"),
        ("('email', *MORE)", "email, whatsapp, call"),
        ("case.ends if case.ends else None", "ends"),
        ("min(case.due, case.ends)", "the earlier of case due and ends"),
        ("[one.name for one in self.open_milestones]", "open milestones"),
        ("Reroute(action='tip')", "reroute tip"),
    ],
)
def test_code_reads_as_people_say_it(code: str, told: str) -> None:
    names = {"DAY": timedelta(days=1), "MORE": ("whatsapp", "call"), "Reroute": Reroute}
    scope = Scope(module=names, journey=Parcels)
    assert words(ast.parse(code, mode="eval").body, scope) == told


def reached(chart: Chart) -> set[str]:
    """The boxes that lines lead to from the start."""
    found, waiting = set[str](), [chart.boxes[0].id]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += [line.end for line in chart.lines if line.start == one]
    return found


each_journey = pytest.mark.parametrize("journey", JOURNEYS, ids=lambda one: one.__name__)


@each_journey
def test_every_box_of_a_journey_can_be_reached_and_it_can_end(journey: type) -> None:
    chart = drawn(journey)
    assert reached(chart) == {box.id for box in chart.boxes}
    assert list(chart.ends())
    assert chart.boxes[0].details, "no event starts it"
    open_ends = {box.id for box in chart.boxes} - {line.start for line in chart.lines}
    assert open_ends <= {box.id for box in chart.ends()}


@each_journey
def test_a_map_is_the_same_each_time(journey: type) -> None:
    assert mermaid(drawn(journey)) == mermaid(drawn(journey))
    assert svg(drawn(journey)) == svg(drawn(journey))


def texts(picture: str) -> Sequence[str]:
    """All that is written in an SVG."""
    root = ElementTree.fromstring(picture)
    return [node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}text")]


@each_journey
def test_the_picture_says_what_the_chart_says(journey: type) -> None:
    chart = drawn(journey)
    written = " ".join(texts(svg(chart)))
    for box in chart.boxes:
        for word in " ".join((box.title, *box.details)).split():
            assert word in written or "-" in word


def frames(picture: str) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of every box in an SVG."""
    root = ElementTree.fromstring(picture)
    found: list[tuple[float, float, float, float]] = []
    for node in root.iter():
        if node.tag.endswith("rect") and node.get("x"):
            x, y, width, height = (float(node.get(k) or 0) for k in ("x", "y", "width", "height"))
            found.append((x, y, x + width, y + height))
        if node.tag.endswith("polygon"):
            corners = [pair.split(",") for pair in (node.get("points") or "").split()]
            across, down = [float(x) for x, _ in corners], [float(y) for _, y in corners]
            found.append((min(across), min(down), max(across), max(down)))
    return found


@pytest.mark.parametrize("journey", [*JOURNEYS, Parcels, Callback], ids=lambda one: one.__name__)
def test_no_two_boxes_of_a_picture_overlap(journey: type) -> None:
    chart = chart_of(journey)
    boxes = frames(svg(chart))
    assert len(boxes) == len(chart.boxes)
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            beside = one[2] <= other[0] or other[2] <= one[0]
            assert beside or one[3] <= other[1] or other[3] <= one[1]


def test_mermaid_finds_nothing_of_its_own_in_the_words() -> None:
    box = Box(id="n1", shape=Shape.END, title='say "yes" & <go>', details=("#1",))
    drawing = mermaid(Chart(kind="odd", boxes=(box,), lines=()))
    label = '"<b>say #quot;yes#quot; #amp; #lt;go#gt;</b><br/>#35;1"'
    assert f"    n1([{label}]):::is_end\n" in drawing
