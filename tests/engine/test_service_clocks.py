"""Service clocks: what is promised, when it is due, who is told, whatever the order of the news."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from engine.business_hours import BusinessHours, business_time
from engine.service_clocks import (
    ClockState,
    ServiceClock,
    Step,
    heard,
    next_due,
    reading,
    readings,
    replies,
    start,
    taken,
)
from engine.service_runs import Happening, Mark
from engine.service_terms import Case, Promise, Target, promised
from tests.support.hours import ALWAYS, lengths, office
from tests.support.promises import HOUR, Story, a_promise, clocks, steps_taken, stories, watched

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
OFFICE = office()
MONDAY = datetime(2026, 6, 1, 9, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
REPLIED, BOT, WAITING = Happening.HUMAN_REPLIED, Happening.BOT_REPLIED, Happening.WAITING
ANSWERED, RESOLVED, REOPENED = (
    Happening.CUSTOMER_ANSWERED,
    Happening.RESOLVED,
    Happening.REOPENED,
)

SOME = settings(max_examples=40)
"""Each example is a case of weeks."""


def a_clock(
    promise: Promise | None = None,
    hours: BusinessHours = OFFICE,
    at: datetime = MONDAY,
    **marks: Happening,
) -> ServiceClock:
    """A clock since Monday, 9 o'clock; `m30=REPLIED` happens 30 minutes later, `h2` 2 hours."""
    unit = {"m": MINUTE, "h": HOUR, "d": DAY}
    told = [Mark(at + int(when[1:]) * unit[when[0]], what) for when, what in marks.items()]
    return heard(start(promise or a_promise(), hours, at), *told)


def state(clock: ServiceClock, after: timedelta) -> ClockState:
    return reading(clock, clock.started + after).state


# -- first response


def test_a_first_response_in_time_keeps_the_promise() -> None:
    clock = a_clock(m60=REPLIED)
    assert state(clock, 45 * MINUTE - timedelta(seconds=1)) is ClockState.RUNNING
    assert state(clock, 45 * MINUTE) is ClockState.DUE_SOON
    assert state(clock, 60 * MINUTE) is ClockState.MET
    assert next_due(clock, MONDAY + 2 * HOUR) is None


def test_a_first_response_that_comes_late_breaks_it_for_good() -> None:
    clock = a_clock(m61=REPLIED)
    assert state(clock, 60 * MINUTE) is ClockState.BREACHED
    assert state(clock, 61 * MINUTE) is ClockState.MISSED
    assert reading(clock, MONDAY + DAY).deadline == MONDAY + HOUR
    assert reading(clock, MONDAY + DAY).due_at is None


def test_two_minutes_are_promised_at_one_minute_to_six_before_a_holiday() -> None:
    friday = datetime(2026, 5, 22, 17, 59, tzinfo=ZoneInfo("Europe/Berlin"))
    promise = a_promise(within=2 * MINUTE, warn_before=MINUTE)
    clock = start(promise, office(holidays="DE"), friday)
    tuesday = datetime(2026, 5, 26, 9, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    assert reading(clock, friday).due_at == tuesday
    warning = next_due(clock, friday)
    assert warning is not None
    assert warning.at == datetime(2026, 5, 22, 18, tzinfo=ZoneInfo("Europe/Berlin"))


def test_the_reply_of_a_bot_is_counted_by_itself_and_answers_nothing() -> None:
    clock = a_clock(m1=BOT, m2=BOT, m50=REPLIED)
    assert state(clock, 30 * MINUTE) is ClockState.RUNNING
    found = replies(clock)
    assert (found.human, found.bot) == (1, 2)
    assert found.first_bot == MONDAY + MINUTE
    assert found.first_human == MONDAY + 50 * MINUTE
    assert state(a_clock(a_promise(bots_count=True), m1=BOT), MINUTE) is ClockState.MET


def test_what_is_resolved_without_a_word_owes_no_response() -> None:
    assert state(a_clock(m30=RESOLVED), DAY) is ClockState.MET


def test_what_happened_before_the_clock_started_does_not_count() -> None:
    early = Mark(MONDAY - MINUTE, REPLIED)
    assert state(heard(a_clock(), early), MINUTE) is ClockState.RUNNING


# -- next response


def test_each_exchange_with_the_customer_is_a_promise_of_its_own() -> None:
    promise = a_promise(Target.NEXT_RESPONSE)
    clock = a_clock(promise, m5=ANSWERED, m10=REPLIED, m20=ANSWERED, m25=ANSWERED)
    assert state(clock, 15 * MINUTE) is ClockState.IDLE
    assert reading(clock, MONDAY + 30 * MINUTE).due_at == MONDAY + 80 * MINUTE
    clock = heard(clock, Mark(MONDAY + 90 * MINUTE, REPLIED), Mark(MONDAY + 100 * MINUTE, ANSWERED))
    found = readings(clock, MONDAY + 101 * MINUTE)
    assert [each.state for each in found] == [ClockState.MISSED, ClockState.RUNNING]


def test_a_customer_who_reopens_is_owed_a_response() -> None:
    promise = a_promise(Target.NEXT_RESPONSE)
    clock = a_clock(promise, m10=REPLIED, m20=RESOLVED, m30=REOPENED)
    assert reading(clock, MONDAY + 40 * MINUTE).due_at == MONDAY + 90 * MINUTE


def test_each_exchange_has_its_own_warning() -> None:
    promise = a_promise(Target.NEXT_RESPONSE, escalation=())
    clock = a_clock(promise, m0=REPLIED, m5=ANSWERED, m55=REPLIED, h2=ANSWERED)
    story = Story(replace(clock, marks=()), clock.marks, MONDAY + 4 * HOUR)
    assert [(due.step, due.at - MONDAY) for due in steps_taken(story)] == [
        (Step.WARN, timedelta(minutes=50)),
        (Step.WARN, timedelta(minutes=165)),
        (Step.BREACH, timedelta(hours=3)),
    ]


# -- resolutions, pauses, reopening


def test_waiting_for_the_customer_moves_the_deadline_by_business_time() -> None:
    promise = a_promise(Target.FIRST_RESOLUTION, 4 * HOUR)
    clock = a_clock(promise, h8=WAITING, d1=ANSWERED)  # 17:00 to 9:00: one hour of the office's
    assert state(a_clock(promise, h2=WAITING), 5 * DAY) is ClockState.PAUSED
    assert reading(a_clock(promise, h2=WAITING), MONDAY + DAY).due_at is None
    waiting = a_clock(promise, h2=WAITING, h3=ANSWERED)
    assert reading(waiting, MONDAY + 3 * HOUR).due_at == MONDAY + 5 * HOUR
    assert state(clock, DAY) is ClockState.BREACHED, "the deadline was at 13:00, before the pause"


def test_who_waits_already_does_not_begin_to_wait_anew() -> None:
    promise = a_promise(Target.FIRST_RESOLUTION, 4 * HOUR)
    clock = a_clock(promise, h1=WAITING, h2=WAITING, h3=ANSWERED)
    assert reading(clock, MONDAY + 3 * HOUR).due_at == MONDAY + 6 * HOUR


def test_what_is_resolved_twice_was_resolved_the_first_time() -> None:
    promise = a_promise(Target.TOTAL_RESOLUTION)
    assert state(a_clock(promise, m30=RESOLVED, h3=RESOLVED), DAY) is ClockState.MET


def test_a_pause_before_a_message_of_the_customer_does_not_count_for_its_answer() -> None:
    promise = a_promise(Target.NEXT_RESPONSE)
    clock = a_clock(promise, m0=REPLIED, m5=WAITING, m20=ANSWERED, m25=REPLIED, h2=ANSWERED)
    assert reading(clock, MONDAY + 2 * HOUR).due_at == MONDAY + 3 * HOUR


def test_a_question_that_is_a_reply_leaves_the_deadline_as_it_was() -> None:
    clock = heard(a_clock(m10=REPLIED), Mark(MONDAY + 10 * MINUTE, WAITING))
    assert reading(clock, MONDAY + HOUR).deadline == MONDAY + HOUR


def test_a_promise_that_does_not_pause_goes_on_while_the_customer_is_awaited() -> None:
    clock = a_clock(a_promise(pauses=False), m1=WAITING)
    assert state(clock, HOUR) is ClockState.BREACHED


def test_nothing_is_asked_of_anybody_while_the_customer_is_awaited() -> None:
    promise = a_promise(Target.FIRST_RESOLUTION)
    clock = a_clock(promise, m30=WAITING)
    assert next_due(clock, MONDAY + DAY) is None
    late = a_clock(promise, m70=WAITING)
    assert state(late, DAY) is ClockState.BREACHED
    assert next_due(late, MONDAY + DAY) is None


def test_a_first_resolution_stays_reached_when_the_case_is_reopened() -> None:
    clock = a_clock(a_promise(Target.FIRST_RESOLUTION), m30=RESOLVED, h3=REOPENED)
    assert state(clock, DAY) is ClockState.MET


def test_reopening_goes_on_with_the_total_and_may_break_the_promise_at_once() -> None:
    """The customer's problem was never solved: the time in between counts."""
    promise = a_promise(Target.TOTAL_RESOLUTION)
    soon = a_clock(promise, m30=RESOLVED, m40=REOPENED)
    assert state(soon, 35 * MINUTE) is ClockState.MET
    assert reading(soon, MONDAY + 40 * MINUTE).due_at == MONDAY + HOUR
    late = a_clock(promise, m30=RESOLVED, h3=REOPENED)
    assert state(late, 3 * HOUR) is ClockState.BREACHED
    due = next_due(late, MONDAY + 3 * HOUR)
    assert due is not None
    assert (due.step, due.at) == (Step.BREACH, MONDAY + HOUR), "no warning that comes too late"


# -- warnings and escalation


def test_levels_of_escalation_come_in_order_at_their_times() -> None:
    story = Story(a_clock(), (), MONDAY + 8 * HOUR)
    assert [(due.step, due.level, due.at - MONDAY) for due in steps_taken(story)] == [
        (Step.WARN, "", timedelta(minutes=45)),
        (Step.BREACH, "", timedelta(hours=1)),
        (Step.ESCALATE, "first", timedelta(hours=1)),
        (Step.ESCALATE, "second", timedelta(minutes=90)),
    ]


def test_a_level_names_its_owner_and_is_not_reached_once_somebody_has_replied() -> None:
    clock = a_clock()
    for _ in range(2):
        due = next_due(clock, MONDAY + 70 * MINUTE)
        assert due is not None
        clock = taken(clock, due)
    second = next_due(clock, MONDAY + 70 * MINUTE)
    assert second is not None
    assert (second.level, second.owner) == ("second", "head-of-care")
    assert next_due(heard(clock, Mark(MONDAY + 80 * MINUTE, REPLIED)), second.at) is None


def test_a_worker_that_was_away_is_asked_for_what_it_has_missed_in_order() -> None:
    clock, now, found = a_clock(), MONDAY + DAY, list[Step]()
    while due := next_due(clock, now):
        assert due.at < now
        found.append(due.step)
        clock = taken(clock, due)
    assert found == [Step.BREACH, Step.ESCALATE, Step.ESCALATE]


# -- which promises hold


def test_the_most_specific_promise_of_each_target_holds_then_the_shortest() -> None:
    anybody = a_promise(name="anybody", within=8 * HOUR)
    gold = a_promise(name="gold", within=2 * HOUR, tiers=["gold"])
    low = a_promise(name="low", within=24 * HOUR, priorities=["low"])
    chat = a_promise(name="chat", within=HOUR, tiers=["gold"], channels=["chat", "whatsapp"])
    total = a_promise(Target.TOTAL_RESOLUTION, name="total", labels=["fault", "outage"])
    every = (anybody, gold, low, chat, total)
    names = {
        Case(): ["anybody"],
        Case(tier="gold"): ["gold"],
        Case(tier="gold", priority="low"): ["gold"],
        Case(tier="gold", channel="chat", priority="low"): ["chat"],
        Case(priority="low", labels=("outage", "billing")): ["low", "total"],
    }
    for case, expected in names.items():
        assert [one.name for one in promised(every, case)] == expected
        assert [one.name for one in promised(reversed(every), case)] == expected


# -- what never changes


def test_a_clock_keeps_the_terms_and_holidays_that_held_when_it_started() -> None:
    clock = start(a_promise(), office(holidays="DE"), MONDAY)
    assert clock.hours.holidays is None
    assert clock.promise == a_promise()
    whit_monday = datetime(2027, 5, 17, 9, tzinfo=ZoneInfo("Europe/Berlin"))
    assert business_time(clock.hours, whit_monday, whit_monday + DAY) == timedelta()


@SOME
@given(story=stories())
def test_a_clock_survives_being_written_down(story: Story) -> None:
    adapter = TypeAdapter(ServiceClock)
    assert adapter.validate_json(adapter.dump_json(story.told)) == story.told


# -- promises


@settings(max_examples=100)
@given(story=stories())
def test_a_clock_reads_what_watching_the_case_all_the_time_gives(story: Story) -> None:
    found, seen = reading(story.told, story.end), watched(story)
    assert found.state is seen.state()
    assert found.used == seen.used
    if found.state is ClockState.BREACHED:
        assert found.deadline == seen.deadline


@SOME
@given(story=stories(), data=st.data())
def test_the_order_of_the_news_and_news_that_come_twice_make_no_difference(
    story: Story, data: st.DataObject
) -> None:
    twice = [
        *story.marks,
        *data.draw(st.lists(st.sampled_from(story.marks or (None,)), max_size=4)),
    ]
    clock = story.clock
    for mark in data.draw(st.permutations(twice)):
        clock = heard(clock, mark) if mark else clock
    assert clock == story.told


@SOME
@given(story=stories(), looks=st.lists(st.integers(0, 30_000), max_size=8))
def test_looking_more_often_changes_nothing_that_is_done(story: Story, looks: list[int]) -> None:
    moments = [story.clock.started + minute * MINUTE for minute in looks]
    assert steps_taken(story, moments) == steps_taken(story)


@SOME
@given(story=stories())
def test_every_step_is_taken_once_in_order_and_only_while_something_is_owed(story: Story) -> None:
    found = steps_taken(story)
    assert len(set(found)) == len(found)
    assert [due.at for due in found] == sorted(due.at for due in found)
    order = [(due.began, list(Step).index(due.step), due.level) for due in found]
    assert order == sorted(order)
    for due in found:
        known = heard(story.clock, *(mark for mark in story.marks if mark.at <= due.at))
        late = reading(known, due.at).state is ClockState.BREACHED
        assert late is (due.step is not Step.WARN)


@SOME
@given(story=stories(), wait=lengths())
def test_used_time_never_runs_backwards(story: Story, wait: timedelta) -> None:
    before, after = reading(story.told, story.end), reading(story.told, story.end + wait)
    if before.began == after.began and before.state is not ClockState.IDLE:
        assert before.used <= after.used <= before.used + (story.end + wait - before.began)


@SOME
@given(story=stories(), at=st.integers(0, 400))
def test_waiting_for_the_customer_never_makes_a_deadline_earlier(story: Story, at: int) -> None:
    mark = Mark(story.clock.started + at * timedelta(minutes=15), WAITING, "more")
    before = reading(story.told, story.end)
    after = reading(heard(story.told, mark), story.end)
    assert after.began == before.began
    assert after.deadline is None or (
        before.deadline is not None and before.deadline <= after.deadline
    )


@SOME
@given(clock=clocks(), since=lengths(), lasts=lengths())
def test_a_pause_moves_the_deadline_by_the_business_time_in_it(
    clock: ServiceClock, since: timedelta, lasts: timedelta
) -> None:
    promise = replace(clock.promise, target=Target.FIRST_RESOLUTION, pauses=True)
    clock = replace(clock, promise=promise)
    begins = clock.started + since
    ends = begins + lasts + timedelta(seconds=1)
    paused = heard(clock, Mark(begins, WAITING), Mark(ends, ANSWERED))
    old, new = reading(clock, ends).deadline, reading(paused, ends).deadline
    assert old is not None
    assert new is not None
    moved = business_time(clock.hours, begins, ends) if begins < old else timedelta()
    assert business_time(clock.hours, old, new) == moved


@SOME
@given(clock=clocks(), wait=lengths())
def test_who_asks_later_is_not_due_earlier(clock: ServiceClock, wait: timedelta) -> None:
    clock = replace(clock, promise=replace(clock.promise, target=Target.FIRST_RESPONSE))
    later = start(clock.promise, clock.hours, clock.started + wait)
    first, second = (reading(each, later.started).deadline for each in (clock, later))
    assert first is not None
    assert second is not None
    assert first <= second


def test_around_the_clock_minutes_are_minutes() -> None:
    sunday = datetime(2026, 6, 7, 3, tzinfo=UTC)
    clock = start(a_promise(within=2 * MINUTE, warn_before=None), ALWAYS, sunday)
    assert reading(clock, sunday).due_at == sunday + 2 * MINUTE
