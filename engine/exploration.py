"""P of the priority: smoothing, sampling, the control slice, maturity, and the odds of a choice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from hashlib import sha512
from itertools import count
from struct import unpack

from engine import odds
from engine.catalog import Action, Exploration
from engine.frozen import maker
from engine.moment import Moment
from engine.odds import Contender
from engine.propensity import DECIMALS
from engine.shelf import Place
from engine.types import Answers, Arm, Drop, Request, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """P of one action: what the model said, that after smoothing, and that after sampling.

    `strength` is n of the Beta that `final` was drawn from; 0: it was not.
    """

    model: float | None
    smoothed: float
    final: float
    evidence: Answers | None = None
    strength: float = 0.0


chance_as = maker(Chance)


def arm_of(request: Request, exploration: Exploration) -> Arm:
    """The slice of the audience a customer is in, from the first to the last of a month in UTC."""
    if exploration.control_percent <= 0:
        return Arm.BEST
    share = _share("control", request.customer, f"{request.now.astimezone(UTC):%Y-%m}")
    return Arm.CONTROL if share * 100 < exploration.control_percent else Arm.BEST


def chance(
    action: Action,
    score: float | None,
    evidence: Answers | None,
    request: Request,
    exploration: Exploration,
    arm: Arm,
) -> Chance:
    """P of one action: in the control slice any number from 0 to 1, else what is known of it."""
    known = _known(action, score, evidence, exploration)
    strength = 0.0
    if arm is Arm.CONTROL:
        final = round(next(_dice("control", str(request.seed), action.name)), DECIMALS)
    elif exploration.thompson and _SURE < known < 1 - _SURE:
        counts = exploration.smoothing_evidence
        strength = strength_of(known, counts + answers_behind(score, counts, evidence or (0, 0)))
        final = round(_drawn(known, strength, request.seed, action.name), DECIMALS)
    else:
        final = known
    return chance_as(model=score, smoothed=known, final=final, evidence=evidence, strength=strength)


def as_given(propensity: float) -> Chance:
    """P of an action that is offered as it was before: nothing new is known, nothing is drawn."""
    return Chance(model=propensity, smoothed=propensity, final=propensity)


def by_prior(action: Action) -> Chance:
    """P of an action that was not scored: its prior."""
    prior = round(action.prior, DECIMALS)
    return Chance(model=None, smoothed=prior, final=prior)


def _known(
    action: Action,
    score: float | None,
    evidence: Answers | None,
    exploration: Exploration,
) -> float:
    """P before anything is drawn.

    What nobody counts can't be smoothed: there the model is taken at its word, and so is the prior.
    """
    prior, counts = action.prior, exploration.smoothing_evidence
    if evidence is None:
        return round(prior if score is None else score, DECIMALS)
    if score is None and exploration.thompson and not counts and _SURE < prior < 1 - _SURE:
        counts = strength_of(prior, 0)  # else it would be drawn ever nearer to what nobody learned
    return round(adapted(score, prior, counts, evidence), DECIMALS)


def adapted(score: float | None, prior: float, prior_counts: float, answers: Answers) -> float:
    """P by what is known: the answers at once, the model by how many of them it learned from.

    >>> adapted(None, 0.3, 50, (0, 0)), adapted(None, 0.3, 50, (30, 20))
    (0.3, 0.45)
    >>> [round(adapted(0.1, 0.3, 50, (30, 20, e)), 6) for e in (0, 50, 5_000)]
    [0.441176, 0.272277, 0.103445]
    """
    counted = posterior(prior, prior_counts, answers)
    if score is None:
        return counted
    learned = answers[2] if len(answers) > 2 else sum(answers)
    return smoothed(score, counted, prior_counts, learned)


def answers_behind(score: float | None, prior_counts: float, answers: Answers) -> float:
    """How many answers P rests on: the counted ones and those of the model, as P blends both.

    >>> [answers_behind(0.1, 49, (20, 180, learned)) for learned in (0, 50)]
    [200.0, 125.0]
    """
    yes, no, *learned = answers
    if score is None or not learned:
        return yes + no
    share = learned[0] / (prior_counts + learned[0] + 1)
    return share * learned[0] + (1 - share) * (yes + no)


def posterior(prior: float, prior_counts: float, answers: Answers) -> float:
    """(s p0 + yes) / (s + yes + no): the mean of a Beta that began with the prior as s answers.

    >>> posterior(0.3, 50, (0, 0)), posterior(0.3, 50, (30, 20)), posterior(0.3, 0, (30, 20))
    (0.3, 0.45, 0.3)
    """
    if not prior_counts:
        return prior
    yes, no, *_ = answers
    return (prior_counts * prior + yes) / (prior_counts + yes + no)


def smoothed(model: float, prior: float, prior_counts: float, evidence: float) -> float:
    """P' = s/(s+e+1) p0 + e/(s+e+1) p: the prior as s answers against the model's e.

    >>> [round(smoothed(0.1, 0.3, 50, e), 6) for e in (0, 50, 5_000)]
    [0.294118, 0.19802, 0.10196]
    >>> smoothed(0.1, 0.3, 0, 7)
    0.1
    """
    if not prior_counts:
        return model
    return (prior_counts * prior + evidence * model) / (prior_counts + evidence + 1)


def strength_of(mean: float, counted: float) -> float:
    """n of the Beta from which P is drawn: how many answers are known, and no fewer than a new
    action has.

    A new one is drawn as widely as can be without its mass at the ends: uniformly where its mean is
    one half, and always with that mean.

    >>> strength_of(0.5, 0), strength_of(0.1, 0), strength_of(0.1, 2_000)
    (2.0, 10.0, 2000)
    """
    return max(counted, 1 / min(mean, 1 - mean))


def immature(
    place: Place,
    evidence: Answers | None,
    request: Request,
    moment: Moment,
) -> Drop | None:
    """Why a new action does not reach this customer on a delivering channel yet.

    Only what is marked as new is held back. Answers that nobody counts are none.
    """
    terms, action = moment.bundle.exploration, place.action
    if not action.new or terms.mature_positives <= 0 or moment.in_page:
        return None
    positives = evidence[0] if evidence else 0
    reach = reach_percent(terms, positives)
    if reach >= 100 or _share("mature", request.customer, action.name) * 100 < reach:
        return None
    detail = (
        f"it is new: with {positives} of {terms.mature_positives} positive answers "
        f"it reaches {reach:.0f} % of customers, and this is none of them"
    )
    return Drop(stage=Stage.MATURITY, rule="immature", detail=detail)


def reach_percent(exploration: Exploration, positives: int) -> float:
    """The share of customers that an action reaches so far; who is in it stays in.

    >>> new = Exploration(mature_positives=200, immature_percent=2)
    >>> [reach_percent(new, n) for n in (0, 100, 200, 300)]
    [2.0, 51.0, 100.0, 100.0]
    """
    least = exploration.immature_percent
    return least + (100 - least) * min(1.0, positives / exploration.mature_positives)


_SURE = 1e-6
"""So near to never or always nothing is drawn."""
_LEAST_WORTH = 10.0**-DECIMALS
"""Below it every priority is rounded to 0, whatever is drawn."""


def selection(chosen: int, contenders: Sequence[tuple[Chance, float]], arm: Arm) -> float:
    """The probability that this one of the contenders comes first, over all draws.

    A contender is its P and what it is worth at P = 1, the ones that rank first named first.
    """
    if arm is Arm.CONTROL:
        return 1 / len(contenders)
    drawn = [
        Contender(
            mean=chance.smoothed,
            strength=chance.strength,
            worth=worth if worth >= _LEAST_WORTH else 0.0,
        )
        for chance, worth in contenders
    ]
    return round(odds.of_first(chosen, drawn), DECIMALS)


def _drawn(mean: float, strength: float, seed: int, name: str) -> float:
    """A draw from Beta(mean n, (1 - mean) n): the share of one gamma variate in two."""
    dice = _dice("sample", str(seed), name)
    first = _gamma(mean * strength, dice)
    return first / (first + _gamma((1 - mean) * strength, dice))


def _gamma(shape: float, dice: Iterator[float]) -> float:
    """A draw from the gamma distribution, for shapes from 1 on (Marsaglia and Tsang, 2000)."""
    d = max(shape, 1.0) - 1 / 3
    c = 1 / math.sqrt(9 * d)
    while True:
        normal = math.sqrt(-2 * math.log(next(dice))) * math.cos(2 * math.pi * next(dice))
        v = (1 + c * normal) ** 3
        if v > 0 and math.log(next(dice)) < normal * normal / 2 + d * (1 - v + math.log(v)):
            return d * v


def _share(*names: str) -> float:
    """Where these names fall between 0 and 1: always the same place."""
    return next(_dice(*names))


def _dice(*names: str) -> Iterator[float]:
    """Numbers between 0 and 1, neither included, that only the names decide."""
    label = "\x1f".join(names)
    for block in count():
        for word in unpack(">8Q", sha512(f"{label}\x1f{block}".encode()).digest()):
            yield ((word >> 11) + 0.5) * 2.0**-53
