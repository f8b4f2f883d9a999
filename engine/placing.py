"""Which offers go to which placement: no repeats, packages, diversity, and what volumes leave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engine import contact, exploration, treatments, volumes
from engine.arbitration import Ranked
from engine.catalog import PlacementTerms, Treatment
from engine.frozen import maker
from engine.moment import Moment
from engine.shelf import Place
from engine.types import Arm, Drop, Offer, Placement, Reservation, Stage

EMPATHETIC = "empathetic"
_ANY = PlacementTerms(name="*")
Fit = Callable[[Ranked, str], Treatment | None]
"""The treatment of an action for a placement."""


@dataclass(slots=True)
class Filled:
    """The offers by placement, what they take out of volumes, and why others found no place.

    `shown` are the actions that are offered.
    """

    placements: dict[str, tuple[Offer, ...]] = field(default_factory=dict[str, tuple[Offer, ...]])
    reserves: tuple[Reservation, ...] = ()
    drops: dict[str, Drop] = field(default_factory=dict[str, Drop])
    shown: set[str] = field(default_factory=set[str])

    def add(
        self, placement: str, offers: Sequence[Offer], reserves: tuple[Reservation, ...]
    ) -> None:
        """Offers more; `reserves` is what all of the decision takes with them."""
        self.placements[placement] = (*self.placements[placement], *offers)
        self.shown.update([offer.action for offer in offers])
        self.reserves = reserves


@dataclass(frozen=True, slots=True)
class _Package:
    """An action and what comes along with it, and what all offers take out of volumes with them."""

    said: tuple[tuple[Ranked, Treatment], ...]
    reserves: tuple[Reservation, ...]

    def has(self, name: str) -> bool:
        return any(one.action.name == name for one, _ in self.said)


class Ordered:
    """What is ranked, the best first, and by its name."""

    def __init__(self, ranked: Sequence[Ranked]) -> None:
        self._ranked = ranked
        self._by_name = {one.action.name: one for one in ranked}

    def __len__(self) -> int:
        return len(self._ranked)

    def __getitem__(self, at: int) -> Ranked:
        return self._ranked[at]

    def named(self, name: str) -> Ranked | None:
        """What is ranked under a name."""
        return self._by_name.get(name)


def fill(
    ordered: Ordered,
    placements: Sequence[Placement],
    moment: Moment,
    fit: Fit,
    arm: Arm = Arm.BEST,
) -> Filled:
    """The best offers for each placement in turn; no action is shown twice."""
    filled = Filled()
    for placement in placements:
        filled.placements[placement.name] = ()
        _Shelf(placement, moment, fit, filled, ordered, arm).fill()
    for name in filled.shown & filled.drops.keys():
        del filled.drops[name]
    return filled


class _Shelf:
    """One placement while it is filled."""

    def __init__(
        self,
        placement: Placement,
        moment: Moment,
        fit: Fit,
        filled: Filled,
        ordered: Ordered,
        arm: Arm,
    ) -> None:
        self._placement = placement
        self._moment = moment
        self._fit = fit
        self._filled = filled
        self._ordered = ordered
        self._arm = arm
        terms = moment.bundle.placements
        self._terms = terms.get(placement.name) or terms.get("*") or _ANY

    def fill(self) -> None:
        filled, name, limit = self._filled, self._placement.name, self._placement.limit
        for at in range(len(self._ordered)):
            if len(filled.placements[name]) >= limit:
                break
            one = self._ordered[at]
            package = self._package(one)
            if isinstance(package, Drop):
                filled.drops.setdefault(one.action.name, package)
            elif package is not None:
                self._put(package, self._selection(at))

    @property
    def _offers(self) -> tuple[Offer, ...]:
        return self._filled.placements[self._placement.name]

    def _package(self, one: Ranked) -> _Package | Drop | None:
        """What would be offered if this action came next, or why it can't; None: not here."""
        if one.action.name in self._filled.shown:
            return None
        said = self._fit(one, self._placement.name)
        if said is None:
            return None
        if self._terms is _ANY and one.place.once("alone", _alone):
            return _package_as(((one, said),), self._filled.reserves)
        if one.action.only_as_member:
            detail = "it is only offered as part of a package"
            return Drop(stage=Stage.PACKAGE, rule="only_as_member", detail=detail)
        package = self._with(_package_as((), self._filled.reserves), one, said)
        if isinstance(package, Drop):
            return package
        for brought in one.action.brings:
            more = self._joined(package, brought)
            package = package if isinstance(more, Drop) else more
        return package

    def _joined(self, package: _Package, name: str) -> _Package | Drop:
        """The package with this action, and with all that it requires in turn; or what stops it."""
        if name in self._filled.shown or package.has(name):
            return package
        one = self._ordered.named(name)
        said = None if one is None else self._fit(one, self._placement.name)
        if one is None or said is None:
            return Drop(stage=Stage.PACKAGE, rule="no_member", detail=f"{name} can't be offered")
        return self._with(package, one, said)

    def _with(self, package: _Package, one: Ranked, said: Treatment) -> _Package | Drop:
        if (full := self._full(one, package)) is not None:
            return full
        if contact.shared(one.place):
            crowded = contact.crowded_out(one.place, self._moment, self._before(package))
            if crowded is not None:
                return crowded
        taken = ()
        if one.place.volumes:
            taken = volumes.taken(one.place, self._moment, package.reserves)
            if isinstance(taken, Drop):
                return taken
        package = _package_as((*package.said, (one, said)), (*package.reserves, *taken))
        for required in one.action.requires:
            joined = self._joined(package, required)
            if isinstance(joined, Drop):
                detail = f"its package needs {required}: {joined.detail}"
                rule = f"requires:{required}"
                return Drop(stage=Stage.PACKAGE, rule=rule, detail=detail, until=joined.until)
            package = joined
        return package

    def _before(self, package: _Package) -> tuple[Place, ...]:
        """What is offered already, in all placements, and with this one."""
        shown = (self._ordered.named(name) for name in self._filled.shown)
        said = (one.place for one, _ in package.said)
        return (*(one.place for one in shown if one is not None), *said)

    def _full(self, one: Ranked, package: _Package) -> Drop | None:
        """Why the placement takes no more, or no more of this kind."""
        name, terms = self._placement.name, self._terms
        if len(self._offers) + len(package.said) >= self._placement.limit:
            detail = f"{name} takes {self._placement.limit} in all"
            return Drop(stage=Stage.PLACEMENT, rule="limit", detail=detail)
        if terms is _ANY:
            return None
        together = (*self._offers, *(each.action for each, _ in package.said))
        for kind, most, mine, others in (
            ("group", terms.most_per_group, one.action.group, [o.group for o in together]),
            ("purpose", terms.most_per_purpose, one.action.purpose, [o.purpose for o in together]),
        ):
            if most is not None and others.count(mine) >= most:
                detail = f"{name} takes {most} of {kind} {mine}"
                return Drop(stage=Stage.PLACEMENT, rule=f"most_per_{kind}", detail=detail)
        return None

    def _selection(self, at: int) -> float:
        """How likely this came next: of all that could have, as if they were drawn anew."""
        if self._arm is Arm.BEST and not self._moment.bundle.exploration.thompson:
            return 1.0
        one = self._ordered[at]
        rivals = [
            other
            for other in (self._ordered[later] for later in range(at + 1, len(self._ordered)))
            if other.action.mandatory == one.action.mandatory and self._could_come(other)
        ]
        contenders = [(each.chance, each.weighed.worth) for each in (one, *rivals)]
        return exploration.selection(0, contenders, self._arm)

    def _could_come(self, one: Ranked) -> bool:
        action = one.action
        if action.requires or one.place.volumes or self._terms is not _ANY:
            return isinstance(self._package(one), _Package)
        free = not action.only_as_member and action.name not in self._filled.shown
        return free and self._fit(one, self._placement.name) is not None

    def _put(self, package: _Package, selection: float) -> None:
        if len(package.said) == 1:
            one, said = package.said[0]
            rank = len(self._offers) + 1
            only = offer(one, said, rank, self._moment, selection=selection)
            self._filled.add(self._placement.name, (only,), package.reserves)
            return
        leader = package.said[0][0].action.name
        first = len(self._offers) + 1
        offers = [
            offer(
                one,
                said,
                first + at,
                self._moment,
                part_of=leader if at else None,
                selection=selection,
            )
            for at, (one, said) in enumerate(package.said)
        ]
        self._filled.add(self._placement.name, offers, package.reserves)


def _alone(place: Place) -> bool:
    """Whether an action needs nothing but a free place: no package, volume or shared limit."""
    action = place.action
    together = action.requires or action.brings or action.only_as_member
    return not (together or place.volumes or contact.shared(place))


_offer_as, _package_as = maker(Offer), maker(_Package)


def offer(
    one: Ranked,
    treatment: Treatment,
    place: int,
    moment: Moment,
    *,
    part_of: str | None = None,
    selection: float = 1.0,
) -> Offer:
    """An offer as the channel shows it."""
    return _offer_as(
        action=one.action.name,
        treatment=treatment.id,
        purpose=one.action.purpose,
        tags=one.action.tags,
        group=one.action.group,
        rank=place,
        propensity=one.chance.final,
        priority=one.priority,
        content=treatments.said(treatment, moment.lookup),
        part_of=part_of,
        selection=selection,
    )
