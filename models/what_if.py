"""What a changed bundle would have done to logged decisions: acceptance, value, contact volume.

A row is the first place of a placement of a recorded decision: a treatment, or nothing. It is made
again under the other bundle, from what was recorded; where that bundle draws, DRAWS times with
other dice, for the chances of what it would show. What happened by it is estimated by
`models.off_policy` from the recorded selection probabilities. Each decision is taken by itself:
that an offer more today is a contact more tomorrow is not played on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from typing import Any, cast
from zlib import crc32

import numpy as np

from engine.catalog import Bundle
from engine.record import Record
from engine.replay import again
from engine.types import Arm, Decision, Offer, Status
from models.encoding import Matrix, Vector
from models.impact import Chances, Rival, choices, with_eligibility_only
from models.intervals import Interval, mean_interval
from models.off_policy import Estimate, Method, Predicted, contributions, estimate
from models.rewards import CellMeans, cross_fit
from models.support import Demands, Log, Refusal, refused

DRAWS = 10
RIVAL_DRAWS = 3
"""So many of them tell what rivals would show: to list what was allowed takes time."""
NOTHING = "nothing"

Answered = frozenset[tuple[str, str]]
"""Decision and treatment of every offer that was accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One first place: what was shown and how likely that was, and how often what would be."""

    customer: str
    channel: str
    shown: str
    selection: float
    possible: frozenset[str]
    would: Mapping[str, float]
    accepted: float
    value: float
    rivals: Mapping[Rival, Chances] = field(default_factory=dict[Rival, Chances])


def of_control(records: Iterable[Record], bundle: Bundle) -> tuple[Sequence[Record], Bundle]:
    """The decisions of the control slice, and the bundle as it treats all others.

    There every allowed action was as likely: their log tells of any bundle, if it is long enough.
    """
    kept = [record for record in records if record.decision.arm is Arm.CONTROL]
    return kept, replace(bundle, exploration=replace(bundle.exploration, control_percent=0.0))


def rows_of(records: Iterable[Record], bundle: Bundle, accepted: Answered) -> Iterator[Row]:
    """The first places of recorded decisions, made again under a bundle."""
    loose = with_eligibility_only(bundle)
    for kept in records:
        made = _made_again(kept, bundle, DRAWS)
        freely = made if loose is bundle else _made_again(kept, loose, RIVAL_DRAWS)
        for place in kept.request.placements:
            row = _row(kept, place.name, made, accepted)
            rivals = {
                **dict.fromkeys(Rival, row.would),
                **choices(made[:RIVAL_DRAWS], place.name, bundle),
                Rival.ELIGIBILITY_ONLY: _would(freely, place.name),
            }
            yield replace(row, rivals=rivals)


def simulated(rows: Sequence[Row], demands: Demands | None = None) -> dict[str, Any]:
    """What happened, what would have, and how sure that is; or why nobody can say."""
    place = {name: at for at, name in enumerate(_names(rows))}
    target = _matrix([row.would for row in rows], place)
    rivals = {rival: _matrix([row.rivals[rival] for row in rows], place) for rival in _rivals(rows)}
    found: dict[str, Any] = {
        "places": len(rows),
        "customers": len({row.customer for row in rows}),
        "changed": 1 - float(np.mean([row.would.get(row.shown, 0.0) for row in rows])),
        "contacts": _contacts(rows),
    }
    for name in ("accepted", "value"):
        reward = np.array([getattr(row, name) for row in rows], dtype=np.float64)
        log = _log(rows, place, reward)
        found[name] = _judged(rows, log, target, demands or Demands())
        found[name]["impact"] = _impact(rows, log, target, rivals, demands or Demands())
    return found


def _names(rows: Sequence[Row]) -> list[str]:
    named = ((row.shown, *row.possible, *row.would, *chain(*row.rivals.values())) for row in rows)
    return sorted(set(chain.from_iterable(named)))


def _rivals(rows: Sequence[Row]) -> list[Rival]:
    return [rival for rival in Rival if all(rival in row.rivals for row in rows)]


def _matrix(chances: Sequence[Chances], place: Mapping[str, int]) -> Matrix:
    found = np.zeros((len(chances), len(place)))
    for at, row in enumerate(chances):
        for name, chance in row.items():
            found[at, place[name]] = chance
    return found


def _made_again(kept: Record, bundle: Bundle, draws: int) -> Sequence[Decision]:
    terms = bundle.exploration
    if not (terms.thompson or terms.control_percent):
        return (again(kept, bundle),)
    seeds = (crc32(f"{kept.request.seed}:{draw}".encode()) for draw in range(draws))
    asked = (replace(kept.request, seed=seed) for seed in seeds)
    return [again(replace(kept, request=request), bundle) for request in asked]


def _row(kept: Record, place: str, made: Sequence[Decision], accepted: Answered) -> Row:
    offer = _first(kept.decision, place)
    shown = _name(offer)
    worth = (kept.decision.decision_id, shown) in accepted
    return Row(
        customer=kept.request.customer,
        channel=kept.request.channel,
        shown=shown,
        selection=offer.selection if offer else 1.0,
        possible=_possible(kept.decision, offer),
        would=_would(made, place),
        accepted=float(worth),
        value=_value(kept.decision, shown) if worth else 0.0,
    )


def _would(made: Sequence[Decision], place: str) -> Chances:
    counts = Counter(_name(_first(decision, place)) for decision in made)
    return {name: count / len(made) for name, count in counts.items()}


def _first(decision: Decision, place: str) -> Offer | None:
    return next(iter(decision.placements.get(place, ())), None)


def _name(offer: Offer | None) -> str:
    return offer.treatment if offer else NOTHING


def _possible(decision: Decision, offer: Offer | None) -> frozenset[str]:
    """What could have been shown: what was, and where that was left to chance all that passed."""
    if offer is None or offer.selection >= 1:
        return frozenset({_name(offer)})
    passed = (one.treatment for one in decision.candidates if one.status is not Status.DROPPED)
    return frozenset({offer.treatment, *passed})


def _value(decision: Decision, treatment: str) -> float:
    """V as it was recorded: 1 where it was not known, as it ranked."""
    known = (one.value for one in decision.candidates if one.treatment == treatment)
    return next((value for value in known if value is not None), 1.0)


def _contacts(rows: Sequence[Row]) -> Mapping[str, Mapping[str, float]]:
    """Offers by channel, as they happened and as they would: known, not estimated."""
    channels = sorted({row.channel for row in rows})
    return {
        channel: {
            "happened": float(sum(row.shown != NOTHING for row in rows if row.channel == channel)),
            "would": sum(1 - row.would.get(NOTHING, 0.0) for row in rows if row.channel == channel),
        }
        for channel in channels
    }


def _log(rows: Sequence[Row], place: Mapping[str, int], reward: Vector) -> Log:
    possible = np.zeros((len(rows), len(place)), dtype=np.bool_)
    for at, row in enumerate(rows):
        possible[at, [place[name] for name in row.possible]] = True
    _, unit = np.unique([row.customer for row in rows], return_inverse=True)
    return Log(
        taken=np.array([place[row.shown] for row in rows], dtype=np.int64),
        reward=reward,
        propensity=np.array([row.selection for row in rows], dtype=np.float64),
        unit=unit.astype(np.int64),
        possible=possible,
    )


def _judged(rows: Sequence[Row], log: Log, target: Any, demands: Demands) -> dict[str, Any]:
    happened = {"happened": _told(mean_interval(log.reward, log.unit))}
    if refusal := refused(log, target, demands):
        return happened | {"refused": asdict(refusal)}
    predicted = _predicted(rows, log, target)
    made = {each.value: estimate(each, log, target, predicted) for each in Method}
    gain = contributions(Method.DOUBLY_ROBUST, log, target, predicted) - log.reward
    return happened | {
        "change": _told(mean_interval(gain, log.unit)),
        "estimates": {name: _estimate(found) for name, found in made.items()},
    }


def _impact(
    rows: Sequence[Row],
    log: Log,
    target: Matrix,
    rivals: Mapping[Rival, Matrix],
    demands: Demands,
) -> dict[str, Any]:
    """What the bundle gains over each rival, row by row, and as a share of what the rival gets."""
    ours = _shares(rows, log, target, demands)
    found: dict[str, Any] = {}
    for rival, other in rivals.items():
        theirs = _shares(rows, log, other, demands)
        if isinstance(ours, Refusal) or isinstance(theirs, Refusal):
            refusal = ours if isinstance(ours, Refusal) else theirs
            found[rival.value] = {"refused": asdict(cast(Refusal, refusal))}
            continue
        usual, gain = mean_interval(theirs, log.unit), mean_interval(ours - theirs, log.unit)
        lift = gain.value / usual.value if usual.value > 0 else None
        found[rival.value] = {"rival": _told(usual), "gain": _told(gain), "lift": lift}
    return found


def _shares(rows: Sequence[Row], log: Log, target: Matrix, demands: Demands) -> Vector | Refusal:
    """What each row adds to the doubly robust estimate of a policy, or why there is none."""
    if refusal := refused(log, target, demands):
        return refusal
    predicted = _predicted(rows, log, target)
    return contributions(Method.DOUBLY_ROBUST, log, target, predicted)


def _predicted(rows: Sequence[Row], log: Log, target: Matrix) -> Predicted:
    _, cell = np.unique([row.channel for row in rows], return_inverse=True)
    learn = CellMeans(cells=int(cell.max()) + 1, actions=target.shape[1])
    return cross_fit(learn, cell, log, target)


def _estimate(found: Estimate | Refusal) -> dict[str, Any]:
    if isinstance(found, Refusal):
        return {"refused": asdict(found)}
    return {**_told(found.interval), "support": asdict(found.support)}


def _told(found: Interval) -> dict[str, Any]:
    return {"value": found.value, "low": found.low, "high": found.high}
