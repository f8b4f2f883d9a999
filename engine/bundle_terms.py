"""From entries to the other terms: volumes, exclusions, margins, weights, chance, journeys."""

from __future__ import annotations

from datetime import timedelta

from engine.bundle_business import MOST_PERCENT, MOST_VALUE, Business, outcomes
from engine.bundle_keys import ANSWERS, EVENTS, PERIODS
from engine.catalog import (
    ContextWeight,
    Exclusion,
    Exploration,
    Influencer,
    JourneyTerms,
    MarginFloor,
    Period,
    PlacementTerms,
    Volume,
)
from engine.entries import Entry
from engine.fields import WORD, Fields
from engine.rules import Kind

MOST_UNITS = 1_000_000_000
MOST_STARTS = 1_000
MOST_OFFERS = 100


def volume(entry: Entry, name: str, business: Business) -> Volume:
    """How much there is of something."""
    fields = business.entry(entry, "volume", name)
    per = fields.text("per") if "per" in fields else None
    if per:
        fields.uses("per", per)
    period = fields.one_of("in", PERIODS) if "in" in fields else None
    maximum = fields.whole("at_most", 1, MOST_UNITS)
    used = outcomes(fields, "used_by")
    freed = outcomes(fields, "freed_by") if "freed_by" in fields else frozenset({"reject"})
    if both := sorted(used & freed):
        why = f"both name {' and '.join(both)}; take it out of one"
        fields.note("used_by", f"used_by and freed_by of {fields.what} {why}")
    _check_minimum(fields, maximum)
    return Volume(
        name=name,
        maximum=maximum,
        because=fields.text("because"),
        period=Period(period) if period in PERIODS else None,
        per=per,
        kept_for=fields.duration("kept_for", timedelta(minutes=30)),
        used_by=used,
        freed_by=freed,
        minimum=fields.whole("at_least", 0, MOST_UNITS, 0),
        boost=fields.number("boost", 0, MOST_PERCENT, 0.0),
        reach=business.reach(fields),
    )


def _check_minimum(fields: Fields, maximum: int) -> None:
    if ("at_least" in fields) is not ("boost" in fields):
        given, missing = ("boost", "at_least") if "boost" in fields else ("at_least", "boost")
        fields.note(given, f"{given} of {fields.what} does nothing without {missing}; add it")
    if "at_least" in fields and "in" not in fields:
        why = "needs in: day, week or month, to know how much is due by now"
        fields.note("at_least", f"at_least of {fields.what} {why}")
    least = fields.whole("at_least", 0, MOST_UNITS, 0) if maximum else 0
    if least > maximum:
        why = f"is more than at_most, {maximum}; lower it"
        fields.note("at_least", f"at_least of {fields.what} {why}")


def exclusion(entry: Entry, name: str, business: Business) -> Exclusion:
    """The emergency stop; it must say what it stops."""
    fields = business.entry(entry, "exclusion", name)
    return Exclusion(
        name=name,
        because=fields.text("because"),
        reach=business.reach(fields),
        until=fields.moment("until"),
    )


def margin_floor(entry: Entry, name: str, business: Business) -> MarginFloor:
    """Below which margin nothing is offered, where a condition holds."""
    fields = business.entry(entry, "margin floor", name)
    return MarginFloor(
        name=name,
        condition=fields.expression("when", Kind.CONDITION),
        floor=fields.number("floor", -MOST_VALUE, MOST_VALUE),
        because=fields.text("because"),
    )


def context_weight(entry: Entry, name: str, business: Business) -> ContextWeight:
    """Its target is a purpose, group or action that exists."""
    fields = business.entry(entry, "context weight", name)
    return ContextWeight(
        name=name,
        target=business.target(fields, "for"),
        condition=fields.expression("when", Kind.CONDITION),
        percent=fields.number("percent", -100, MOST_PERCENT),
    )


def influencer(entry: Entry, name: str, business: Business) -> Influencer:
    """Either outcomes of something, or a stage of a journey, change levers for a while."""
    fields = business.entry(entry, "influencer", name)
    ramp, lasts = fields.duration("ramp", timedelta(days=1)), fields.duration("lasts")
    found = Influencer(
        name=name,
        target=business.target(fields, "for"),
        after=_cause(fields, business),
        outcomes=outcomes(fields, "after", (*EVENTS, *ANSWERS)),
        stage=fields.text("stage") if "stage" in fields else None,
        start=fields.number("from", -100, MOST_PERCENT, 0.0),
        end=fields.number("to", -100, MOST_PERCENT),
        ramp=ramp,
        step=fields.duration("step") if "step" in fields else None,
        lasts=lasts,
    )
    _check_course(found, fields)
    return found


def _cause(fields: Fields, business: Business) -> str:
    """What changes the levers: something that happened, or a journey that came to a stage."""
    happened, came = "of" in fields or "after" in fields, "journey" in fields or "stage" in fields
    if happened is came:
        fields.note("", f"{fields.what} needs of and after, or journey and stage")
    elif came and ("journey" in fields) is not ("stage" in fields):
        fields.note("", f"{fields.what} needs journey and stage together, or neither")
    elif happened and not fields.words("after", WORD):
        fields.note("after", f"{fields.what} needs after, such as [later]")
    if "journey" in fields:
        journey = fields.text("journey")
        fields.uses("journey", f"journey.{journey}")
        return journey
    return business.target(fields, "of", "*") if "of" in fields else "*"


def _check_course(influencer: Influencer, fields: Fields) -> None:
    if not fields.sound:
        return
    if influencer.start == influencer.end == 0:
        fields.note("to", f"{fields.what} changes nothing: it goes from 0 to 0 percent")
    if influencer.lasts < influencer.ramp:
        fields.note("lasts", f"{fields.what} is gone before its ramp is over; let it last longer")
    if influencer.step is not None and influencer.step > influencer.ramp:
        fields.note("step", f"step of {fields.what} is longer than its ramp; shorten it")


def exploration(fields: Fields) -> Exploration:
    """How much is left to chance."""
    usual = Exploration()
    if "immature_percent" in fields and "mature_positives" not in fields:
        why = "does nothing without mature_positives; add it"
        fields.note("immature_percent", f"immature_percent of {fields.what} {why}")
    return Exploration(
        smoothing_evidence=fields.number("smoothing_evidence", 0, MOST_VALUE, 0.0),
        thompson=fields.flag("thompson"),
        control_percent=fields.number("control_percent", 0, 50, 0.0),
        mature_positives=fields.whole("mature_positives", 0, MOST_UNITS, 0),
        immature_percent=fields.number("immature_percent", 0, 100, usual.immature_percent),
    )


def placement(entry: Entry, name: str, business: Business) -> PlacementTerms:
    """How many offers of a kind a placement takes."""
    fields = business.entry(entry, "placement", name)
    most = {
        key: fields.whole(key, 1, MOST_OFFERS) if key in fields else None
        for key in ("most_per_group", "most_per_purpose")
    }
    return PlacementTerms(name=name, **most)


def journey(entry: Entry, name: str, business: Business) -> JourneyTerms:
    """Which journey goes first, and when one may start."""
    fields = business.entry(entry, "journey", name)
    others = fields.words("not_while")
    fields.uses("not_while", *(f"journey.{other}" for other in others))
    starts, running = (
        fields.whole(key, 1, MOST_STARTS) if key in fields else None
        for key in ("starts_at_most", "running_at_most")
    )
    if "starts_within" in fields and starts is None:
        why = "does nothing without starts_at_most; add it"
        fields.note("starts_within", f"starts_within of {fields.what} {why}")
    return JourneyTerms(
        kind=name,
        priority=fields.number("priority", -MOST_VALUE, MOST_VALUE, 0.0),
        starts_maximum=starts,
        starts_window=fields.duration("starts_within", timedelta(days=30)),
        not_while=others,
        running_maximum=running,
    )
