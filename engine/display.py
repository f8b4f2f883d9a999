"""What one kind of question may be answered with on a channel, worked out once for a bundle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from engine.catalog import Action, Bundle, Treatment
from engine.exclusions import may_miss_floors
from engine.shelf import Place, shelf
from engine.types import Candidate, Drop, Request, Status

_MOST = 256


@dataclass(frozen=True, slots=True)
class Display:
    """The places that are asked for, and those of them that a stage has to look at.

    `dated` have dates, `unsayable` no treatment for any of the placements, `stoppable` an emergency
    stop, `ruled` rules, `margined` a margin that may miss a floor. Of `unsure` it depends on the
    customer which treatment is the first that fits; `said` names it for all others, and is empty
    for the unsayable.
    """

    places: tuple[Place, ...]
    dated: tuple[Place, ...]
    unsayable: tuple[Place, ...]
    stoppable: tuple[Place, ...]
    ruled: tuple[Place, ...]
    margined: tuple[Place, ...]
    unsure: tuple[Place, ...]
    spared: tuple[Place, ...]
    said: Mapping[str, str]
    fixed: Mapping[tuple[str, str], Treatment | None]
    """By action and placement, the treatments that don't depend on the customer."""
    lasting: frozenset[int]
    """The ids of all drops that are the same object in every decision."""
    _dropped: dict[int, Candidate] = field(
        init=False, default_factory=dict[int, Candidate], compare=False, repr=False
    )

    def dropped(self, place: Place, drop: Drop) -> Candidate | None:
        """The candidate that nothing but a lasting drop stopped, which lasts too; or None."""
        kept = self._dropped.get(id(drop))
        if kept is None and id(drop) in self.lasting:
            name = place.action.name
            said = self.said.get(name)
            if said is not None:
                kept = self._dropped[id(drop)] = Candidate(
                    action=name, treatment=said, status=Status.DROPPED, drops=(drop,)
                )
        return kept


_Kind = tuple[int, str, tuple[str, ...], tuple[str, ...], tuple[str, ...], str | None]
_displays: dict[_Kind, tuple[Bundle, Display]] = {}


def display(bundle: Bundle, request: Request, tone: str | None) -> Display:
    """What may be the answer to questions of this kind, said in a tone where that is possible.

    Kept for the bundles and the kinds in use: it is a function of its arguments, remembered.
    """
    names = tuple([placement.name for placement in request.placements])
    kind = (id(bundle), request.channel, request.purposes, request.tags, names, tone)
    kept = _displays.get(kind)
    if kept is None or kept[0] is not bundle:
        if len(_displays) >= _MOST:
            _displays.clear()
        kept = _displays[kind] = (bundle, _display(bundle, request, names, tone))
    return kept[1]


def _display(bundle: Bundle, request: Request, names: Sequence[str], tone: str | None) -> Display:
    on_channel = shelf(bundle, request.channel).values()
    places = tuple(place for place in on_channel if _asked_for(place.action, request))
    first = {place.action.name: _first(place, names, tone) for place in places}
    sure = {name: one for name, one in first.items() if one is None or _always_fits(one)}
    return Display(
        places=places,
        dated=tuple(one for one in places if one.action.starts or one.action.ends),
        unsayable=tuple(one for one in places if first[one.action.name] is None),
        stoppable=tuple(one for one in places if one.exclusions),
        ruled=tuple(one for one in places if one.hurdles),
        margined=tuple(one for one in places if may_miss_floors(one.action, bundle.margin_floors)),
        unsure=tuple(one for one in places if one.action.name not in sure),
        spared=tuple(one for one in places if one.spared is not None),
        said={name: one.id if one else "" for name, one in sure.items()},
        fixed=dict(_fixed(places, names, tone)),
        lasting=frozenset(id(drop) for place in places for drop in place.lasting),
    )


def _first(place: Place, names: Sequence[str], tone: str | None) -> Treatment | None:
    """The first way to say it at the first placement that has one, whether it fits or not."""
    ways = (way for name in names for way in place.treatments(name, tone))
    return next(ways, None)


def _fixed(
    places: Sequence[Place], names: Sequence[str], tone: str | None
) -> Iterator[tuple[tuple[str, str], Treatment | None]]:
    for place in places:
        for name in names:
            first = next(iter(place.treatments(name, tone)), None)
            if first is None or _always_fits(first):
                yield (place.action.name, name), first


def _always_fits(treatment: Treatment) -> bool:
    return not treatment.needs and not treatment.rules


def _asked_for(action: Action, request: Request) -> bool:
    if request.purposes and action.purpose not in request.purposes:
        return False
    if request.tags:
        return any(tag in request.tags for tag in action.tags)
    return not action.only_for_journeys
