"""An auditor: judges a month by what is on record, claim by claim. No finding means it was kept."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.support.evidence import Evidence, JournalEvent, JournalHold
from workflows.routing import KINDS

COOL_DOWN = timedelta(hours=48)
"""What the example business promises after a complaint."""

OPENING = ("complaint.opened", "complaint.reopened")
RESOLVED = "complaint.resolved"
ENDS_WELL = ("running", "completed", "continued_as_new")
LEAST_DAYS = 30.0
LEAST_OF_A_KIND = 10
LEAST_KILLS = 120
"""Four a day, so that workers die every few seconds."""
LEAST_OF_EACH = 20
"""Of what a claim is about: commercial messages, silences, duplicates, repeated deliveries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """From the acknowledgement of a complaint to the end of its cool-down nobody may sell."""

    customer: str
    case: str
    since: datetime
    until: datetime | None = None

    def covers(self, customer: str, at: datetime) -> bool:
        """Whether it forbids this customer to be sold something at that time."""
        if customer != self.customer:
            return False
        return self.since < at and (self.until is None or at < self.until)


def findings(evidence: Evidence) -> list[str]:
    """Everything that is wrong, each with the claim that it breaks."""
    return [
        f"{claim.__name__.replace('_', ' ')}: {found}"
        for claim in CLAIMS
        for found in claim(evidence)
    ]


def every_journey_has_ended_or_waits_for_a_named_thing(evidence: Evidence) -> Iterator[str]:
    """Open ones wait for something with a name, until a time to come."""
    for journey, how in evidence.restless.items():
        yield f"{journey} {how}"
    open_ones = {
        run.journey
        for run in evidence.runs
        if run.status == "running" and run.started.timestamp() < evidence.looked
    }
    for journey in open_ones - set(evidence.waiting) - set(evidence.restless):
        yield f"{journey} is open, and nobody looked at it"


def none_has_failed(evidence: Evidence) -> Iterator[str]:
    """Runs end well, or go on as new; their workflow tasks never fail; nothing is set aside."""
    for run in evidence.runs:
        on_purpose = run.status == "terminated" and run.journey in evidence.lost_on_purpose
        if run.status not in ENDS_WELL and not on_purpose:
            yield f"{run.journey} {run.status}"
        for failure in () if on_purpose else run.failures:
            yield f"a workflow task of {run.journey} failed: {failure}"
        if run.attention:
            yield f"{run.journey} asks for attention: {run.attention}"
    for line in evidence.complaints_of_workers:
        yield f"a worker said: {line}"


def no_step_has_two_message_ids(evidence: Evidence) -> Iterator[str]:
    """By what the provider saw and by what the ledger noted."""
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    steps: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for one in (*evidence.deliveries, *evidence.messages):
        ids[one.journey, one.step].add(one.message_id)
        steps[one.message_id].add((one.journey, one.step))
    yield from (f"{step} has {found}" for step, found in ids.items() if len(found) > 1)
    yield from (f"{one} is of {found}" for one, found in steps.items() if len(found) > 1)


def an_id_is_repeated_only_while_its_fate_is_unknown(evidence: Evidence) -> Iterator[str]:
    """After a yes of the provider it comes again only if a worker died who may have had it."""
    accepted: dict[str, float] = {}
    for one in sorted(evidence.deliveries, key=lambda one: one.at):
        before = accepted.get(one.message_id)
        if before is not None and not _killed_between(evidence, before, one.at):
            yield f"{one.message_id} of {one.journey} came again, although it had been taken"
        if one.status < 300:
            accepted[one.message_id] = one.at


def every_delivery_is_in_the_ledger(evidence: Evidence) -> Iterator[str]:
    """What the provider took was intended; what the ledger calls delivered was taken."""
    taken = {one.message_id for one in evidence.deliveries if one.status < 300}
    states = {one.message_id: one.state for one in evidence.messages}
    for message in {one.message_id for one in evidence.deliveries} - set(states):
        yield f"{message} was delivered, and the ledger does not know it"
    for message, state in states.items():
        if state == "delivered" and message not in taken:
            yield f"{message} is called delivered, and the provider never took it"


def nothing_commercial_went_out_under_a_hold(evidence: Evidence) -> Iterator[str]:
    """Neither as a message, nor in a reply that was asked for after the acknowledgement."""
    by_customer: dict[str, list[Silence]] = defaultdict(list)
    for silence in (*silences(evidence), *ledger_silences(evidence)):
        by_customer[silence.customer].append(silence)
    sold = [
        *(
            (one.customer, evidence.at(one.at), one.action)
            for one in evidence.deliveries
            if one.commercial
        ),
        *(
            (one.customer, evidence.at(one.sent), ", ".join(one.commercial))
            for one in evidence.answered
            if one.commercial
        ),
    ]
    for customer, at, what in sold:
        for silence in by_customer[customer]:
            if silence.covers(customer, at):
                yield f"{what} to {customer} at {at}, in the silence of {silence}"


def no_decision_sells_under_a_hold(evidence: Evidence) -> Iterator[str]:
    """Not even one that nobody has heard of: the log has those of journeys as well."""
    by_customer: dict[str, list[Silence]] = defaultdict(list)
    for silence in silences(evidence):
        by_customer[silence.customer].append(silence)
    for decision in evidence.decisions:
        for silence in by_customer[decision.customer]:
            if decision.commercial and silence.covers(decision.customer, decision.at):
                yield f"{decision} in the silence of {silence}"


def every_hold_is_accounted_for(evidence: Evidence) -> Iterator[str]:
    """It ended no sooner than promised, by its journey; or its journey is open; or it is orphaned,
    which tells why.
    """
    held = {(hold.customer, hold.id): hold for hold in evidence.holds}
    for hold in evidence.holds:
        why = _unaccounted(evidence, hold)
        if why:
            yield f"{hold.id} of {hold.customer}: {why}"
    for silence in silences(evidence):
        hold = held.get((silence.customer, f"complaint:{silence.case}"))
        if hold is None:
            yield f"no hold was kept for {silence}"
        elif hold.ended_at is not None and (silence.until is None or hold.ended_at < silence.until):
            yield f"{hold.id} of {hold.customer} ended at {hold.ended_at}, too soon for {silence}"


def nothing_accepted_was_lost(evidence: Evidence) -> Iterator[str]:
    """Each event is in the journal once and has reached the journeys that it opened."""
    journal = {event.id: event for event in evidence.events}
    counts = Counter(one.id for one in evidence.told if not one.duplicate)
    for told, count in counts.items():
        if count != 1:
            yield f"{told} was taken {count} times for new"
    for told in {one.id for one in evidence.told}:
        event = journal.get(told)
        if event is None:
            yield f"{told} was accepted, and is not in the journal"
        elif event.state != "routed":
            yield f"{told} ({event.type}) is {event.state}"
    known = {run.journey for run in evidence.runs}
    for event in evidence.events:
        for journey in set(event.journeys) - known:
            yield f"{journey}, which {event.id} reached, is nowhere"


def the_month_was_hard_enough(evidence: Evidence) -> Iterator[str]:
    """A month in which little happened would prove little."""
    if evidence.days < LEAST_DAYS:
        yield f"only {evidence.days:.1f} days have passed"
    kinds = Counter(run.kind for run in evidence.runs)
    yield from (
        f"only {kinds[kind]} runs of {kind}" for kind in KINDS if kinds[kind] < LEAST_OF_A_KIND
    )
    if len(evidence.kills) < LEAST_KILLS:
        yield f"only {len(evidence.kills)} workers were killed, not {LEAST_KILLS}"
    for what, count in tallies(evidence).items():
        if count < LEAST_OF_EACH:
            yield f"only {count} {what}"


Claim = Callable[[Evidence], Iterator[str]]

CLAIMS: tuple[Claim, ...] = (
    every_journey_has_ended_or_waits_for_a_named_thing,
    none_has_failed,
    no_step_has_two_message_ids,
    an_id_is_repeated_only_while_its_fate_is_unknown,
    every_delivery_is_in_the_ledger,
    nothing_commercial_went_out_under_a_hold,
    no_decision_sells_under_a_hold,
    every_hold_is_accounted_for,
    nothing_accepted_was_lost,
    the_month_was_hard_enough,
)


def silences(evidence: Evidence) -> list[Silence]:
    """What the events of complaints demand, by the order in which they were accepted."""
    acknowledged: dict[str, float] = {}
    for one in evidence.told:
        acknowledged[one.id] = min(one.acknowledged, acknowledged.get(one.id, one.acknowledged))
    cases: dict[tuple[str, str], list[JournalEvent]] = defaultdict(list)
    for event in sorted(evidence.events, key=lambda event: event.seq):
        if event.case:
            cases[event.customer, event.case].append(event)
    return [
        Silence(
            customer=customer, case=case, since=evidence.at(acknowledged[first.id]), until=until
        )
        for (customer, case), events in cases.items()
        for first, until in _spells(events)
    ]


def ledger_silences(evidence: Evidence) -> list[Silence]:
    """What the ledger itself says of the latest spell of each hold, once it was acknowledged."""
    latest: dict[tuple[str, str], datetime] = {}
    for silence in silences(evidence):
        latest[silence.customer, silence.case] = silence.since
    return [
        Silence(
            customer=hold.customer,
            case=case,
            since=latest[hold.customer, case],
            until=hold.ended_at,
        )
        for hold in evidence.holds
        if (case := hold.id.removeprefix("complaint:")) and (hold.customer, case) in latest
    ]


def tallies(evidence: Evidence) -> dict[str, int]:
    """How much there was of what the claims are about."""
    attempts = Counter(one.message_id for one in evidence.deliveries)
    demanded = silences(evidence)
    return {
        "messages": len(attempts),
        "commercial messages": sum(one.commercial for one in evidence.deliveries),
        "deliveries repeated under one id": sum(count > 1 for count in attempts.values()),
        "replies that sold": sum(bool(one.commercial) for one in evidence.answered),
        "replies in a silence": sum(
            any(silence.covers(one.customer, evidence.at(one.sent)) for silence in demanded)
            for one in evidence.answered
        ),
        "silences": len(demanded),
        "holds that ended": sum(hold.ended_at is not None for hold in evidence.holds),
        "duplicate events": sum(one.duplicate for one in evidence.told),
    }


def _spells(events: list[JournalEvent]) -> Iterator[tuple[JournalEvent, datetime | None]]:
    """Each event that began a silence, and when that may end at the earliest."""
    began: JournalEvent | None = None
    resolved: datetime | None = None
    for event in events:
        over = resolved is not None and event.at >= resolved + COOL_DOWN
        if event.type in OPENING:
            if began is not None and resolved is not None and over:
                yield began, resolved + COOL_DOWN
                began = None
            began, resolved = began or event, None
        elif began is not None and resolved is None:
            resolved = event.at
    if began is not None:
        yield began, None if resolved is None else resolved + COOL_DOWN


def _unaccounted(evidence: Evidence, hold: JournalHold) -> str:
    """Why nobody can say what a hold is there for, or who ended it; empty if all is well."""
    if hold.in_force == (hold.ended_at is not None):
        return f"journal and live state disagree: {hold}"
    if hold.ended_at is not None:
        return "" if hold.ended_by == hold.owner else f"was ended by {hold.ended_by}"
    orphaned = hold.state == "orphaned" and hold.owner in evidence.lost_on_purpose
    if orphaned or any(
        run.status == "running" for run in evidence.runs if run.journey == hold.owner
    ):
        return ""
    return f"is {hold.state} and in force, and nobody ends it: {hold.owner} is over"


def _killed_between(evidence: Evidence, since: float, until: float) -> bool:
    return any(since <= kill.at <= until for kill in evidence.kills)
