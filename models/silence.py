"""The price of silence: what each rule cost by what it alone kept back, week by week.

A log can't tell what those would have answered who were never asked. It can tell how those answered
who were: the estimate is V x P of what was kept back, P put right by how often that treatment was
accepted where it was shown, less what came of what was shown instead. So it holds as far as those
whom a rule silences answer like others of the same P. Where the log has nobody like them, there is
no estimate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from zlib import crc32

import numpy as np

from engine.catalog import Bundle
from engine.forgone import Rule, kept_back
from engine.propensity import Scorer
from engine.record import Record
from models.intervals import Interval, jackknife
from models.support import Reason
from models.what_if import Answered

FOLDS = 20
FEWEST_SHOWN = 30
FEWEST_PLACES = 30
FEWEST_CUSTOMERS = 20
_PRIOR = 1.0
"""What is known of a treatment before it was shown: its P is right, as if by one acceptance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A first place that was filled: how likely that was to be accepted, and whether it was."""

    treatment: str
    customer: str
    propensity: float
    accepted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Silenced:
    """A first place that a rule took from something, and what came of what is there instead."""

    treatment: str
    customer: str
    propensity: float
    value: float
    earned: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a rule cost in a week, in the bundle's currency: `forgone`, or why nobody can say.

    `decisions` and `customers` are those in which it alone kept something back, `places` the first
    places that would have shown something else, `alike` those of them that the log can judge.
    """

    week: date
    rule: Rule
    decisions: int
    customers: int
    places: int
    alike: int
    forgone: Interval | None
    reason: Reason | None = None
    words: str = ""


@dataclass(slots=True, kw_only=True)
class _Week:
    decisions: int = 0
    customers: set[str] = field(default_factory=set[str])
    silenced: list[Silenced] = field(default_factory=list[Silenced])


def prices(
    records: Iterable[Record],
    bundle_of: Callable[[str], Bundle],
    scorer: Scorer,
    accepted: Answered,
) -> list[Price]:
    """What each rule cost in each week (from Monday, UTC), the dearest of a week first."""
    weeks: dict[tuple[date, Rule], _Week] = defaultdict(_Week)
    shown: list[Shown] = []
    for kept in records:
        shown += _shown(kept, accepted)
        for one in kept_back(kept, bundle_of(kept.decision.bundle), scorer):
            found = weeks[_monday(kept), one.rule]
            found.decisions += 1
            found.customers.add(kept.request.customer)
            if not one.wins:
                continue
            earned = 0.0
            if one.instead is not None:
                earned = _earned(kept, one.instead.treatment, accepted)
            found.silenced.append(
                Silenced(
                    treatment=one.treatment,
                    customer=kept.request.customer,
                    propensity=one.propensity,
                    value=one.value,
                    earned=earned,
                )
            )
    told = [_price(week, rule, found, shown) for (week, rule), found in weeks.items()]
    return sorted(told, key=lambda one: (one.week, -(one.forgone.value if one.forgone else 0.0)))


def _monday(kept: Record) -> date:
    day = kept.decision.at.date()
    return day - timedelta(days=day.weekday())


def _shown(kept: Record, accepted: Answered) -> Iterator[Shown]:
    decision = kept.decision
    known = {one.treatment: one.smoothed for one in decision.candidates}
    for offers in decision.placements.values():
        for offer in offers[:1]:
            propensity = known.get(offer.treatment)
            if propensity is not None:
                yield Shown(
                    treatment=offer.treatment,
                    customer=kept.request.customer,
                    propensity=propensity,
                    accepted=(decision.decision_id, offer.treatment) in accepted,
                )


def _earned(kept: Record, treatment: str, accepted: Answered) -> float:
    if (kept.decision.decision_id, treatment) not in accepted:
        return 0.0
    known = (one.value for one in kept.decision.candidates if one.treatment == treatment)
    return next((value for value in known if value is not None), 1.0)


def _price(week: date, rule: Rule, found: _Week, shown: Sequence[Shown]) -> Price:
    ranges = _ranges(shown)
    alike = [
        one
        for one in found.silenced
        if one.treatment in ranges
        and ranges[one.treatment][0] <= one.propensity <= ranges[one.treatment][1]
    ]
    reason, words = _refusal(found.silenced, alike)
    interval = None
    if not found.silenced:
        interval = Interval(value=0.0, low=0.0, high=0.0, error=0.0)
    elif reason is None:
        interval = forgone(alike, shown)
    return Price(
        week=week,
        rule=rule,
        decisions=found.decisions,
        customers=len(found.customers),
        places=len(found.silenced),
        alike=len(alike),
        forgone=interval,
        reason=reason,
        words=words,
    )


def _ranges(shown: Iterable[Shown]) -> Mapping[str, tuple[float, float]]:
    """The least and the largest P with which each treatment was shown, if it was often enough."""
    every: dict[str, list[float]] = defaultdict(list)
    for one in shown:
        every[one.treatment].append(one.propensity)
    return {
        name: (min(found), max(found))
        for name, found in every.items()
        if len(found) >= FEWEST_SHOWN
    }


def _refusal(silenced: Sequence[Silenced], alike: Sequence[Silenced]) -> tuple[Reason | None, str]:
    if not silenced:
        return None, "it kept back only what others outrank"
    if 2 * len(alike) < len(silenced):
        unlike = len(silenced) - len(alike)
        return (
            Reason.NO_SUPPORT,
            f"{unlike} of {len(silenced)} places are unlike all that was shown",
        )
    customers = len({one.customer for one in alike})
    if len(alike) < FEWEST_PLACES or customers < FEWEST_CUSTOMERS:
        return Reason.TOO_FEW, (
            f"{len(alike)} places of {customers} customers; at least {FEWEST_PLACES} of "
            f"{FEWEST_CUSTOMERS} are needed"
        )
    return None, ""


def forgone(silenced: Sequence[Silenced], shown: Sequence[Shown]) -> Interval:
    """What was forgone in all these places, with the jackknife's interval over customers.

    Customers are left out with all that they were shown, so that both the answers it learns from
    and the places it judges vary.
    """
    names = {name: at for at, name in enumerate(sorted({one.treatment for one in silenced}))}
    places = np.array([names[one.treatment] for one in silenced])
    worth = np.array([one.propensity * one.value for one in silenced])
    earned = np.array([one.earned for one in silenced])
    fold = np.array([_fold(one.customer) for one in silenced])
    told = [one for one in shown if one.treatment in names]
    of, expected = np.zeros((FOLDS, len(names))), np.zeros((FOLDS, len(names)))
    for one in told:
        at = _fold(one.customer), names[one.treatment]
        of[at] += one.accepted
        expected[at] += one.propensity
    everything = (of.sum(axis=0) + _PRIOR) / (expected.sum(axis=0) + _PRIOR)
    value = float((worth * everything[places] - earned).sum())
    without = np.zeros(FOLDS)
    for each in range(FOLDS):
        rest = fold != each
        right = (of.sum(axis=0) - of[each] + _PRIOR) / (
            expected.sum(axis=0) - expected[each] + _PRIOR
        )
        without[each] = float((worth * right[places] - earned)[rest].sum()) * FOLDS / (FOLDS - 1)
    return jackknife(value, without)


def _fold(customer: str) -> int:
    return crc32(customer.encode()) % FOLDS
