"""All that can be known of one kind of question before a customer asks it, as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from engine import arbitration, holds
from engine.arbitration import Percents, Weighed
from engine.catalog import Action, Bundle, ContextWeight
from engine.display import Display
from engine.propensity import DECIMALS
from engine.shelf import Place
from engine.sieve import Sieve, Sift, sieve
from engine.types import Drop, Hold, Level

_MOST = 256
Row = tuple[float, str, int, float, float, float, Mapping[str, float], float]
"""What an action is worth: what it promises (negative), its name and number, C, V, L, the levers
by name, and C x V x L. Rows in order are the most promising first.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The context weights that hold, in percent by target and name; and for each place that they
    touch its row, unless its value depends on the customer, and its own percents.
    """

    percents: Percents
    places: Mapping[int, tuple[Row | None, Mapping[str, float]]]


_Covered = dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Places go by their numbers, in the order of a display.

    `stops` are those with emergency stops. `consents` says for each key what holds by default, and
    whom it binds. `by_limit`, `by_policy`: whom a limit or policy covers; `keepers` have a limit
    that keeps places for better, `quiet` have quiet hours. `rows` are of those whose value does not
    depend on the customer; of `valued` the sieve gives it. `boosted` have a volume with a minimum.
    `priors` are rounded. `ranks` are the least propensity and priority, whether it is not
    mandatory, and who goes before whom at equal priority; `doubtful` may be held back as new.

    The last four are for records: `odd` names the treatments that are not called `action.channel`,
    as far as they don't depend on the customer; `asked` is how the names are written, `odd_said`
    those treatments, and `texts` by its id each drop that is the same in every decision.
    """

    display: Display
    numbers: Mapping[str, int]
    sift: Sift
    dated: tuple[int, ...]
    unsayable: tuple[int, ...]
    stops: tuple[int, ...]
    unsure: tuple[int, ...]
    consents: tuple[tuple[str, bool, tuple[int, ...]], ...]
    by_limit: Mapping[str, tuple[int, ...]]
    by_policy: Mapping[str, tuple[int, ...]]
    keepers: tuple[int, ...]
    quiet: tuple[int, ...]
    rows: tuple[Row | None, ...]
    valued: Mapping[int, int]
    boosted: tuple[int, ...]
    priors: tuple[float, ...]
    ranks: tuple[tuple[float, float, bool, int], ...]
    doubtful: frozenset[int]
    pairs: tuple[tuple[Action, str], ...]
    odd: Mapping[str, str]
    asked: orjson.Fragment
    odd_said: Mapping[str, orjson.Fragment]
    texts: Mapping[int, bytes]
    _covered: _Covered = field(init=False, default_factory=_Covered, compare=False, repr=False)
    weights: tuple[ContextWeight, ...]
    _contexts: dict[tuple[bool, ...], Context] = field(
        init=False, default_factory=dict[tuple[bool, ...], Context], compare=False, repr=False
    )
    _barred: dict[Level, frozenset[int]] = field(
        init=False, default_factory=dict[Level, frozenset[int]], compare=False, repr=False
    )

    def covered(self, hold: Hold) -> tuple[int, ...]:
        """Whom a hold silences."""
        key = (hold.purposes, hold.tags)
        found = self._covered.get(key)
        if found is None:
            if len(self._covered) >= _MOST:
                self._covered.clear()
            found = self._covered[key] = tuple(
                at
                for at, place in enumerate(self.display.places)
                if holds.covering((hold,), place.action)
            )
        return found

    def context(self, holds: tuple[bool, ...]) -> Context:
        """What each place is worth where these context weights hold, of those that they touch."""
        found = self._contexts.get(holds)
        if found is None:
            if len(self._contexts) >= _MOST:
                self._contexts.clear()
            found = self._contexts[holds] = self._in_context(holds)
        return found

    def _in_context(self, holds: tuple[bool, ...]) -> Context:
        context = arbitration.in_context(self.weights, holds)
        found: dict[int, tuple[Row | None, Mapping[str, float]]] = {}
        for at, place in enumerate(self.display.places):
            if not context.keys().isdisjoint(place.targets):
                one, percents = arbitration.always_in_context(place, context)
                found[at] = (_row(at, one), percents)
        return Context(percents=context, places=found)

    def barred(self, level: Level) -> frozenset[int]:
        """Who may not be offered at a level."""
        found = self._barred.get(level)
        if found is None:
            found = self._barred[level] = frozenset(
                at
                for at, place in enumerate(self.display.places)
                if level not in place.purpose.levels and level is not Level.STATIC
            )
        return found


_plans: dict[int, tuple[Display, Plan]] = {}


def plan(bundle: Bundle, channel: str, display: Display) -> Plan:
    """The plan for a display, which remembers what its bundle and channel are.

    Kept for the displays in use: it is a function of its arguments, remembered.
    """
    kept = _plans.get(id(display))
    if kept is None or kept[0] is not display:
        if len(_plans) >= _MOST:
            _plans.clear()
        kept = _plans[id(display)] = (display, _plan(bundle, channel, display))
    return kept[1]


def _plan(bundle: Bundle, channel: str, display: Display) -> Plan:
    places = display.places
    numbers = {place.action.name: at for at, place in enumerate(places)}
    sifting = _sieve(bundle, channel, places)
    lasting = (*sifting.drops, *(drop for place in places for drop in place.lasting))
    said = ((name, said) for name, said in display.said.items())
    odd = {name: treatment for name, treatment in said if treatment != f"{name}.{channel}"}
    return Plan(
        display=display,
        numbers=numbers,
        sift=sifting.sift,
        dated=_of(display.dated, numbers),
        unsayable=_of(display.unsayable, numbers),
        stops=_of(display.stoppable, numbers),
        unsure=_of(display.unsure, numbers),
        consents=_consents(places),
        by_limit=_by_name([[one.name for one in place.limits] for place in places]),
        by_policy=_by_name([[one.name for one in place.policies] for place in places]),
        keepers=_where([any(o.keeps_for_better is not None for o in p.limits) for p in places]),
        quiet=_where([bool(place.quiet_hours) for place in places]),
        rows=tuple(_row(at, arbitration.always(place)) for at, place in enumerate(places)),
        valued={place: at for at, place in enumerate(sifting.valued)},
        boosted=_where([any(one.minimum and one.boost for one in p.volumes) for p in places]),
        priors=tuple(round(place.action.prior, DECIMALS) for place in places),
        ranks=_ranks(places),
        doubtful=frozenset(_where([place.action.new for place in places])),
        pairs=tuple((place.action, channel) for place in places),
        weights=bundle.context_weights,
        odd=odd,
        asked=orjson.Fragment(orjson.dumps([*numbers])),
        odd_said={"said": orjson.Fragment(orjson.dumps(odd))} if odd else {},
        texts={id(drop): drop_text(drop) for drop in lasting},
    )


def drop_text(drop: Drop) -> bytes:
    """A drop as it stands in a record: stage, rule, words, and until when if that is known."""
    until = () if drop.until is None else (drop.until,)
    return orjson.dumps((drop.stage, drop.rule, drop.detail, *until))


_sieves: dict[tuple[int, str, tuple[str, ...]], tuple[Bundle, Sieve]] = {}


def _sieve(bundle: Bundle, channel: str, places: Sequence[Place]) -> Sieve:
    """The same for all placements and tones: writing one takes a while. Kept, too."""
    key = (id(bundle), channel, tuple(place.action.name for place in places))
    kept = _sieves.get(key)
    if kept is None or kept[0] is not bundle:
        if len(_sieves) >= _MOST:
            _sieves.clear()
        kept = _sieves[key] = (bundle, sieve(bundle, places))
    return kept[1]


def row(at: int, one: Weighed) -> Row:
    """What is weighed, as a row."""
    action, worth = one.place.action, one.worth
    promise = -worth * action.prior
    return (
        promise,
        action.name,
        at,
        one.context_weight,
        one.value,
        one.lever,
        one.levers,
        worth,
    )


def _row(at: int, one: Weighed | None) -> Row | None:
    return None if one is None else row(at, one)


def _of(places: Sequence[Place], numbers: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(numbers[place.action.name] for place in places)


def _where(found: Sequence[bool]) -> tuple[int, ...]:
    return tuple(at for at, one in enumerate(found) if one)


def _by_name(found: Sequence[Sequence[str]]) -> Mapping[str, tuple[int, ...]]:
    by_name: dict[str, list[int]] = {}
    for at, names in enumerate(found):
        for name in dict.fromkeys(names):
            by_name.setdefault(name, []).append(at)
    return {name: tuple(numbers) for name, numbers in by_name.items()}


def _consents(places: Sequence[Place]) -> tuple[tuple[str, bool, tuple[int, ...]], ...]:
    found: dict[tuple[str, bool], list[int]] = {}
    for at, place in enumerate(places):
        found.setdefault((place.consent, place.consent_default), []).append(at)
    return tuple((*key, tuple(numbers)) for key, numbers in found.items())


def _ranks(places: Sequence[Place]) -> tuple[tuple[float, float, bool, int], ...]:
    def key(at: int) -> tuple[str, str, str]:
        action = places[at].action
        return action.purpose, action.group, action.name

    ties = {at: rank for rank, at in enumerate(sorted(range(len(places)), key=key))}
    return tuple(
        (one.minimum_propensity, one.minimum_priority, not one.mandatory, ties[at])
        for at, one in enumerate(place.action for place in places)
    )
