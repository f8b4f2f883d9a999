"""Which offers go to which placement: no repeats, packages, diversity, and what volumes leave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from engine import exploration, treatments, volumes
from engine.arbitration import Ranked
from engine.catalog import PlacementTerms, Treatment
from engine.exploration import Contender
from engine.moment import Moment
from engine.types import Arm, Drop, Offer, Placement, Reservation, Stage

EMPATHETIC = "empathetic"
_ANY = PlacementTerms(name="*")
Fit = Callable[[Ranked, str], Treatment | None]
"""The treatment of an action for a placement."""


@dataclass(slots=True)
class Filled:
    """The offers by placement, what they take out of volumes, and why others found no place."""

    placements: dict[str, tuple[Offer, ...]] = field(default_factory=dict[str, tuple[Offer, ...]])
    reserves: tuple[Reservation, ...] = ()
    drops: dict[str, Drop] = field(default_factory=dict[str, Drop])

    @property
    def shown(self) -> set[str]:
        """The actions that are offered."""
        return {offer.action for offers in self.placements.values() for offer in offers}


def fill(
    ordered: Sequence[Ranked],
    placements: Sequence[Placement],
    moment: Moment,
    fit: Fit,
    arm: Arm = Arm.BEST,
) -> Filled:
    """The best offers for each placement in turn; no action is shown twice."""
    filled = Filled()
    for placement in placements:
        filled.placements[placement.name] = ()
        _Shelf(placement, moment, fit, filled, arm).fill(ordered)
    for name in filled.shown & filled.drops.keys():
        del filled.drops[name]
    return filled


class _Shelf:
    """One placement while it is filled."""

    def __init__(
        self, placement: Placement, moment: Moment, fit: Fit, filled: Filled, arm: Arm
    ) -> None:
        self._placement = placement
        self._moment = moment
        self._fit = fit
        self._filled = filled
        self._arm = arm
        terms: Mapping[str, PlacementTerms] = moment.bundle.placements
        self._terms = terms.get(placement.name) or terms.get("*") or _ANY
        self._groups: Counter[str] = Counter()
        self._purposes: Counter[str] = Counter()

    def fill(self, ordered: Sequence[Ranked]) -> None:
        by_name = {one.action.name: one for one in ordered}
        for at, one in enumerate(ordered):
            if self._room() == 0:
                break
            treatment = self._fit(one, self._placement.name)
            if treatment is None or one.action.name in self._filled.shown:
                continue
            members = self._members(one, by_name)
            drop = members if isinstance(members, Drop) else self._full_of_its_kind(one)
            if drop is None and not isinstance(members, Drop):
                drop = self._place(one, treatment, members, ordered[at:])
            if drop is not None:
                self._filled.drops.setdefault(one.action.name, drop)

    def _room(self) -> int:
        return self._placement.limit - len(self._filled.placements[self._placement.name])

    def _full_of_its_kind(self, one: Ranked) -> Drop | None:
        terms, action = self._terms, one.action
        kinds = (
            ("group", action.group, terms.most_per_group, self._groups),
            ("purpose", action.purpose, terms.most_per_purpose, self._purposes),
        )
        for kind, name, most, counted in kinds:
            if most is not None and counted[name] >= most:
                detail = f"{self._placement.name} takes {most} of {kind} {name}"
                return Drop(stage=Stage.PLACEMENT, rule=f"most_per_{kind}", detail=detail)
        return None

    def _members(self, one: Ranked, by_name: Mapping[str, Ranked]) -> list[Ranked] | Drop:
        """The members that come along with the leader of a package, or why it can't be led."""
        if one.action.only_as_member:
            return Drop(
                stage=Stage.PACKAGE, rule="only_as_member", detail="it is only part of a package"
            )
        members: list[Ranked] = []
        for name in one.action.requires:
            member = self._member(name, by_name)
            if member is None:
                detail = f"its package needs {name}, which can't be offered"
                return Drop(stage=Stage.PACKAGE, rule=f"requires:{name}", detail=detail)
            members.append(member)
        if len(members) >= self._room():
            detail = f"its package does not fit into {self._placement.name}"
            return Drop(stage=Stage.PACKAGE, rule="no_room", detail=detail)
        brought = [self._member(name, by_name) for name in one.action.brings]
        return [*members, *(member for member in brought if member)][: self._room() - 1]

    def _member(self, name: str, by_name: Mapping[str, Ranked]) -> Ranked | None:
        member = by_name.get(name)
        if member is None or name in self._filled.shown:
            return None
        return member if self._fit(member, self._placement.name) else None

    def _place(
        self,
        one: Ranked,
        treatment: Treatment,
        members: Sequence[Ranked],
        others: Sequence[Ranked],
    ) -> Drop | None:
        """Puts an action and its members in, if the volumes have enough for all that must be."""
        must = {one.action.name, *one.action.requires}
        taken, placed = self._filled.reserves, list[tuple[Ranked, Treatment]]()
        for each in (one, *members):
            found = volumes.taken(each.place, self._moment, taken)
            said = treatment if each is one else self._fit(each, self._placement.name)
            if isinstance(found, Drop) and each.action.name in must:
                return found
            if not isinstance(found, Drop) and said is not None:
                taken = (*taken, *found)
                placed.append((each, said))
        self._filled.reserves = taken
        selection = self._selection(others)
        for each, said in placed:
            self._add(each, said, one, selection)
        return None

    def _selection(self, others: Sequence[Ranked]) -> float:
        """How likely the first of these came first: of all that could have had this place."""
        terms = self._moment.bundle.exploration
        if self._arm is Arm.BEST and not terms.thompson:
            return 1.0
        others = [one for one in others if self._could(one, others[0])]
        contenders = [Contender(chance=one.chance, worth=one.weighed.worth) for one in others]
        return exploration.selection(0, contenders, terms, self._arm)

    def _could(self, one: Ranked, chosen: Ranked) -> bool:
        if one is chosen:
            return True
        return (
            one.action.mandatory == chosen.action.mandatory
            and not one.action.only_as_member
            and one.action.name not in self._filled.shown
            and self._fit(one, self._placement.name) is not None
            and self._full_of_its_kind(one) is None
        )

    def _add(self, one: Ranked, treatment: Treatment, leader: Ranked, selection: float) -> None:
        offers = self._filled.placements[self._placement.name]
        self._groups[one.action.group] += 1
        self._purposes[one.action.purpose] += 1
        made = offer(one, treatment, len(offers) + 1, self._moment)
        part_of = None if one is leader else leader.action.name
        self._filled.placements[self._placement.name] = (
            *offers,
            replace(made, part_of=part_of, selection=selection),
        )


def offer(one: Ranked, treatment: Treatment, place: int, moment: Moment) -> Offer:
    """An offer as the channel shows it."""
    return Offer(
        action=one.action.name,
        treatment=treatment.id,
        purpose=one.action.purpose,
        tags=one.action.tags,
        group=one.action.group,
        rank=place,
        propensity=one.chance.final,
        priority=one.priority,
        content=treatments.said(treatment, moment.lookup),
    )
