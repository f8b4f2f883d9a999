"""Why an action is not offered: what stops it, what would let it win, when it becomes possible."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from engine.catalog import Bundle
from engine.earliest import Earliest, When, earliest
from engine.propensity import Scorer
from engine.reasons import drop_in_words, moment
from engine.supposing import Outcome, World
from engine.types import Arm, Drop, Offer, Request, Snapshot
from engine.winning import Changes, ways_to_win

OFFERED, OUTRANKED, STOPPED, NOT_ASKED = "offered", "outranked", "stopped", "not_considered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """The offer that a placement shows instead, and how much more it is worth.

    `percent`: by how much the priority of the action would have to grow to match it.
    """

    placement: str
    action: str
    priority: float
    percent: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyNot:
    """The answer. `status` is `offered`, `outranked`, `stopped` or `not_considered`.

    `journeys_only`: it is never offered unless a journey asks, so it is looked at as if one did.
    `by_chance`: the customer is in the control slice, where the order is random.
    `smallest` is None where no change was found, and empty where none is needed.
    """

    action: str
    channel: str
    status: str
    journeys_only: bool
    by_chance: bool
    stopped_by: tuple[Drop, ...]
    outranked_by: tuple[Rival, ...]
    priority: float | None
    smallest: Changes | None
    alternatives: tuple[Changes, ...]
    earliest: Earliest
    words: tuple[str, ...]


def why_not(
    request: Request, snapshot: Snapshot, bundle: Bundle, scorer: Scorer, action: str
) -> WhyNot:
    """Why an action of the bundle is not offered to this question, and what would change that.

    What is drawn by chance is left out: each propensity is the one that draws are made around.
    """
    terms = replace(bundle.exploration, thompson=False)
    world = World(
        request=request,
        snapshot=snapshot,
        bundle=replace(bundle, exploration=terms) if bundle.exploration.thompson else bundle,
        scorer=scorer,
    )
    journeys_only = bundle.actions[action].only_for_journeys and not request.tags
    if journeys_only:
        world = replace(world, request=replace(request, tags=bundle.actions[action].tags))
    outcome = world.of(action)
    wins = ways_to_win(world, action, outcome)
    answer = WhyNot(
        action=action,
        channel=request.channel,
        status=_status(outcome),
        journeys_only=journeys_only,
        by_chance=outcome.decision.arm is Arm.CONTROL,
        stopped_by=outcome.drops,
        outranked_by=() if outcome.wins or outcome.drops else tuple(_rivals(outcome)),
        priority=outcome.priority,
        smallest=wins.smallest,
        alternatives=wins.alternatives,
        earliest=earliest(world, action),
        words=(),
    )
    return replace(answer, words=tuple(_sentences(answer)))


def _status(outcome: Outcome) -> str:
    if outcome.candidate is None:
        return NOT_ASKED
    if outcome.wins:
        return OFFERED
    return OUTRANKED if outcome.possible else STOPPED


def _rivals(outcome: Outcome) -> Iterator[Rival]:
    """The last offer of each placement: the one to beat."""
    for placement, offers in outcome.decision.placements.items():
        if offers:
            weakest: Offer = min(offers, key=lambda offer: offer.priority)
            own = outcome.priority
            percent = round(100 * (weakest.priority / own - 1), 1) if own else None
            yield Rival(
                placement=placement,
                action=weakest.action,
                priority=weakest.priority,
                percent=percent,
            )


# -- in words


def _sentences(answer: WhyNot) -> Iterator[str]:
    if answer.journeys_only:
        yield f"{answer.action} is said by journeys only; this is about a journey that asks."
    if answer.by_chance:
        yield "The customer is in this month's control slice: what is allowed comes in any order."
    yield from _now(answer)
    yield from _ways(answer)
    yield _time(answer)


def _now(answer: WhyNot) -> Iterator[str]:
    if answer.status == OFFERED:
        yield f"{answer.action} is offered on {answer.channel} now."
    elif answer.status == NOT_ASKED:
        yield f"{answer.action} is not considered on {answer.channel} for such a question."
    elif answer.status == STOPPED:
        reasons = "; and: ".join(drop_in_words(drop) for drop in answer.stopped_by)
        yield f"{answer.action} can't be offered on {answer.channel} now: {reasons}."
    else:
        yield f"{answer.action} may be offered on {answer.channel} now, but is outranked."
        for rival in answer.outranked_by:
            more = "" if rival.percent is None else f"; {rival.percent:g} % more would match that"
            priorities = f"priority {rival.priority:.4g} against {answer.priority or 0:.4g}{more}"
            yield f"In {rival.placement} {rival.action} comes first: {priorities}."


def _ways(answer: WhyNot) -> Iterator[str]:
    if answer.status == OFFERED:
        return
    if answer.smallest is None:
        yield "No change was found that would let it win."
        return
    yield f"It would win if {_together(answer.smallest)}."
    for changes in answer.alternatives:
        yield f"It would also win if {_together(changes)}."


def _together(changes: Changes) -> str:
    return ", and ".join(change.words for change in changes)


def _time(answer: WhyNot) -> str:
    found = answer.earliest
    because = f": {'; '.join(found.because)}" if found.because else ""
    if found.when is When.NOW:
        return "It is possible now."
    if found.when is When.LATER and found.at is not None:
        return f"It becomes possible on {moment(found.at)}, all else unchanged{because}."
    if found.when is When.NEVER:
        return f"Waiting alone does not make it possible{because}."
    return f"Nobody can say yet when it becomes possible{because}."
