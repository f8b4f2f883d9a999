"""A decision in plain words: what it stood on, what is offered and why, what is not and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from engine.arbitration import UNKNOWN_VALUE
from engine.catalog import Bundle
from engine.reasons import drops_in_words, lever_in_words, moment, volume_in_words
from engine.types import (
    Arm,
    Candidate,
    Decision,
    Hold,
    Level,
    Offer,
    Request,
    Reservation,
    Scores,
    Stage,
    Status,
)

MOST_TOLD = 10
"""How many of the actions that are not offered are told of, unless they are asked about."""
_LEVELS = {
    Level.FULL: "Everything that should be known was known",
    Level.STALE: "Some of what is known was too old to be used",
    Level.PARTIAL: "Some of what should be known was missing",
    Level.CACHED: "What is known could not be read, so only an earlier answer could be given again",
    Level.STATIC: "The state of the customer was not known, so only what is always allowed was",
}
_ORDER = {stage: number for number, stage in enumerate(Stage)}


def explained(
    request: Request,
    decision: Decision,
    bundle: Bundle | None = None,
    *,
    customer: str = "",
    about: Sequence[str] = (),
) -> tuple[str, ...]:
    """The sentences, in order. `bundle` is the one it was decided under: titles come from there.

    `customer` is the name to call the customer by; `about` are actions to tell of in any case.
    """
    titles = {} if bundle is None else {n: one.title for n, one in bundle.actions.items()}
    teller = _Teller(decision, titles)
    return (
        *_question(request, customer or request.customer),
        *_ground(decision),
        *teller.offers(),
        *teller.others(about),
        *_consequences(decision, bundle),
        f"It was decided under the bundle {decision.bundle}.",
    )


def _question(request: Request, customer: str) -> Iterator[str]:
    places = ", ".join(
        f"{one.name} ({one.limit} {'offer' if one.limit == 1 else 'offers'} at most)"
        for one in request.placements
    )
    asked = f"On {moment(request.now)} it was decided what to say to customer {customer}"
    yield f"{asked} on the channel {request.channel}: {places}."
    if request.journey:
        yield f"The journey {request.journey} asked."
    if request.purposes:
        yield f"Only these purposes were considered: {', '.join(request.purposes)}."
    if request.tags:
        yield f"Only actions with one of these tags were considered: {', '.join(request.tags)}."


def _ground(decision: Decision) -> Iterator[str]:
    because = f": {'; '.join(decision.because)}" if decision.because else ""
    yield f"{_LEVELS[decision.level]} (level {decision.level}){because}."
    for hold in decision.holds:
        yield _held(hold)
    if decision.arm is Arm.CONTROL:
        yield (
            "The customer is in this month's control slice: what is allowed was put in random"
            " order, to learn how good our choices are."
        )


def _held(hold: Hold) -> str:
    covered = [f"purpose {one}" for one in hold.purposes] + [f"tag {one}" for one in hold.tags]
    until = f"until {moment(hold.until)} at the latest" if hold.until else "without an end so far"
    whose = ", and nobody looks after it any more" if hold.state == "orphaned" else ""
    return (
        f"The hold {hold.id} was in force since {moment(hold.since)}, {until}{whose}: nothing with"
        f" {' or '.join(covered)} may be said ({hold.because})."
    )


class _Teller:
    """What became of the actions of one decision, in sentences."""

    def __init__(self, decision: Decision, titles: Mapping[str, str]) -> None:
        self._decision = decision
        self._titles = titles
        self._candidates = {one.action: one for one in decision.candidates}

    def _named(self, action: str) -> str:
        title = self._titles.get(action, "")
        return f"{action} (“{title}”)" if title and title != action else action

    # -- what is offered

    def offers(self) -> Iterator[str]:
        """What each placement shows, and why."""
        for placement, offers in self._decision.placements.items():
            if not offers:
                yield f"Nothing is offered in {placement}."
            for offer in offers:
                yield from self._offered(placement, offer)

    def _offered(self, placement: str, offer: Offer) -> Iterator[str]:
        said = f"In {placement}, number {offer.rank} is {self._named(offer.action)}"
        yield f"{said}, for the purpose {offer.purpose}, said by {offer.treatment}."
        candidate = self._candidates.get(offer.action)
        if candidate is None or candidate.drops:
            yield f"{offer.action} is what is shown there when nothing else is left."
            return
        if offer.part_of is not None:
            yield f"{offer.action} came along as part of the package of {offer.part_of}."
        yield _why(candidate)
        yield from _percents(candidate.levers)
        yield _chance(candidate, self._decision.scores)
        if offer.selection < 1:
            share = f"{100 * offer.selection:.3g} %"
            yield f"Some of the choice was left to chance: it came first in {share} of all draws."

    # -- what is not

    def others(self, about: Sequence[str]) -> Iterator[str]:
        """How many were outranked and dropped, and the reasons of the most interesting ones."""
        yield self._counted()
        passed = self._with(Status.PASSED)
        ranked = sorted(passed, key=lambda one: -(one.priority or 0.0))
        dropped = sorted(self._with(Status.DROPPED), key=_came_far)
        asked = [one for one in self._decision.candidates if one.action in about]
        told = list(dict.fromkeys([*_names(asked), *_names(ranked[:3]), *_names(dropped)]))
        most = max(MOST_TOLD, len(asked))
        for action in told[:most]:
            candidate = self._candidates[action]
            if candidate.status is Status.PASSED:
                priority = f"priority {candidate.priority:.3f}"
                yield f"{self._named(action)} was allowed too, but outranked ({priority})."
            elif candidate.status is Status.DROPPED:
                yield f"{self._named(action)} was not offered: {drops_in_words(candidate.drops)}."
        for action in about:
            if action not in self._candidates:
                yield f"{self._named(action)} was not among the actions that were considered."

    def _with(self, status: Status) -> list[Candidate]:
        return [one for one in self._decision.candidates if one.status is status]

    def _counted(self) -> str:
        offered, outranked, dropped = (_were(len(self._with(status))) for status in Status)
        stages = ", ".join(
            f"{stage} {sum(rules.values())}" for stage, rules in self._decision.funnel.items()
        )
        at = f" (by stage: {stages})" if stages else ""
        return (
            f"Of {len(self._decision.candidates)} actions {offered} offered, {outranked} outranked,"
            f" and {dropped} dropped{at}."
        )


def _were(count: int) -> str:
    return f"{count} {'was' if count == 1 else 'were'}"


def _names(candidates: Sequence[Candidate]) -> list[str]:
    return [one.action for one in candidates]


def _came_far(candidate: Candidate) -> tuple[int, float, str]:
    """Those first that came closest to being offered."""
    stage = candidate.drops[0].stage if candidate.drops else Stage.AVAILABILITY
    return (-_ORDER[stage], -(candidate.priority or 0.0), candidate.action)


def _why(one: Candidate) -> str:
    parts = (
        ("propensity", one.propensity),
        ("context", one.context_weight),
        ("value", one.value),
        ("levers", one.lever),
    )
    product = " x ".join(f"{name} {_short(number)}" for name, number in parts if number is not None)
    return f"{one.action} won by its priority: {_short(one.priority or 0.0)} = {product}."


def _percents(levers: Mapping[str, float]) -> Iterator[str]:
    told = [
        f"{lever_in_words(name)} ({percent:+g} %)" for name, percent in levers.items() if percent
    ]
    if told:
        yield f"That includes {', '.join(told)}."
    if UNKNOWN_VALUE in levers:
        yield "Its value is not known, and counts as 1."


def _chance(one: Candidate, scores: Scores) -> str:
    if one.model is None:
        return _by_answers(one, scores)
    name = "acceptance"
    model = f"the model {name} ({scores.models[name][:19]})" if name in scores.models else "a model"
    said = f"The propensity of {one.action} comes from {model}, which said {_short(one.model)}"
    if one.smoothed is not None and one.smoothed != one.model:
        said += f"; smoothed by its prior that is {_short(one.smoothed)}"
    if one.propensity not in (None, one.smoothed):
        said += f"; drawn by chance from that: {_short(one.propensity or 0.0)}"
    return f"{said}."


def _by_answers(one: Candidate, scores: Scores) -> str:
    counted = dict(zip(scores.scored, scores.evidence, strict=False)).get(one.action, ())
    if not any(counted[:2]) or one.smoothed is None:
        return f"The propensity of {one.action} is its prior: no model could say."
    yes, no = counted[:2]
    said = f"The propensity of {one.action} comes from its prior and {yes + no} answers, {yes} of"
    said += f" them yes: {_short(one.smoothed)}"
    if one.propensity not in (None, one.smoothed):
        said += f"; drawn by chance from that: {_short(one.propensity or 0.0)}"
    return f"{said}. No model could say."


def _consequences(decision: Decision, bundle: Bundle | None) -> Iterator[str]:
    for exemption in decision.exemptions:
        action, _, rule = exemption.partition(": ")
        yield f"{action} passed {rule}, because its class is exempt from it."
    for one in decision.reserves:
        yield _reserved(one, bundle)


def _reserved(one: Reservation, bundle: Bundle | None) -> str:
    unit = f"One unit of the volume {volume_in_words(one.bucket, bundle)}"
    if one.until is None:
        return f"{unit} is used for {one.action}."
    return f"{unit} is kept for {one.action} until {moment(one.until)}."


def _short(number: float) -> str:
    return f"{number:.4g}"
