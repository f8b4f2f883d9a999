"""The funnel over columns: what `funnel.py` says of each place in turn, said of all at once.

Same answers, several times faster; a property test compares both. It knows neither explanations,
nor answers without live state or features: the plain funnel gives those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine import arbitration, contact, eligibility, exploration, guards, policies, session
from engine.arbitration import Percents, Ranked, ranked_as, weighed_as
from engine.catalog import Action
from engine.exploration import Chance, chance_as
from engine.funnel import Funnel
from engine.influence import influences
from engine.later import Later
from engine.names import Names
from engine.outcome import Outcome
from engine.placing import Filled, Ordered
from engine.plan import Plan, Row, plan, row
from engine.propensity import DECIMALS
from engine.types import Answers, Arm, Level, Scores
from engine.volumes import boosts

_SCALE = 10.0**DECIMALS
_EXACT = 1e12
"""Below it a number times `_SCALE` is off by less than a thousandth of one."""


def rounded(number: float) -> float:
    """`round(number, DECIMALS)`, which takes three times as long.

    What is not near the middle between two neighbours is the quotient of whole numbers, and a
    quotient is rounded once.

    >>> rounded(0.12345678949), rounded(2.5e-10), rounded(7.0)
    (0.123456789, 0.0, 7.0)
    """
    scaled = number * _SCALE
    if 0.0 < scaled < _EXACT:
        whole = int(scaled)
        part = scaled - whole
        if part < 0.499:
            return whole / _SCALE
        if part > 0.501:
            return (whole + 1) / _SCALE
    return round(number, DECIMALS)


class Kernel:
    """One question on its way through the funnel."""

    def __init__(self, funnel: Funnel, names: Names) -> None:
        moment = funnel.moment
        self._funnel = funnel
        self._moment = moment
        self._names = names
        self.plan: Plan = plan(moment.bundle, moment.channel, funnel.display)
        self._places = funnel.display.places
        self.rows: Sequence[Row] = ()
        self.models: Sequence[float | None] = ()
        self.smoothed: Sequence[float] = ()
        self.final: Sequence[float] = ()
        self.priorities: Sequence[float] = ()
        self._chances: Sequence[Chance] = ()
        self._evidence: Sequence[Answers] = ()
        self.drops, self._weights, self._values = self.plan.sift(names.__getitem__, names.get)

    def weigh(self) -> list[tuple[Action, str]]:
        """What is to be scored: all that is left, the most promising first."""
        self._sift()
        self._weigh()
        pairs = self.plan.pairs
        return [pairs[one[2]] for one in self.rows]

    def fill(self, scores: Scores, level: Level) -> Filled:
        """The offers, once it is scored."""
        filled = self._funnel.fill(_Ordered(self, self._rank(scores, level)))
        numbers = self.plan.numbers
        for name, drop in filled.drops.items():
            self.drops[numbers[name]] = drop
        return filled

    def told(self, filled: Filled) -> tuple[Later, Later]:
        """The candidates, and how many each rule dropped: both once somebody asks for them."""
        chosen = {
            offer.action: offer.treatment
            for offers in filled.placements.values()
            for offer in offers
        }
        outcome = Outcome(
            plan=self.plan,
            drops=self.drops,
            rows=self.rows,
            models=self.models,
            smoothed=self.smoothed,
            final=self.final,
            priorities=self.priorities,
            chosen=chosen,
            said=self._funnel.said,
        )
        return Later(outcome, outcome.candidates), Later(outcome, outcome.counts)

    # -- before scoring

    def _sift(self) -> None:
        """Finds what stops each place, later stages first: an earlier one takes its place."""
        self._silence()
        self._date()
        found, places = self.drops, self._places
        for at in self.plan.unsure:
            if found[at] is None:
                found[at] = self._funnel.unfit(places[at])
        consents = self._moment.snapshot.consents
        for key, default, bound in self.plan.consents:
            granted = consents.get(key)
            if not (default if granted is None else granted):
                for at in bound:
                    found[at] = found[at] or places[at].no_consent
        if not guards.at_rest(self._moment):
            self._guard()

    def _date(self) -> None:
        found, places, moment = self.drops, self._places, self._moment
        for at in self.plan.unsayable:
            found[at] = places[at].no_treatment
        for at in self.plan.dated:
            zone = moment.zones.business
            drop = eligibility.unavailable(places[at].action, moment.now, zone)
            if drop is not None:
                found[at] = drop

    def _silence(self) -> None:
        touched = {*self.plan.stops}
        for hold in self._moment.held:
            touched.update(self.plan.covered(hold))
        for at in touched:
            drop = next(guards.silences(self._places[at], self._moment), None)
            if drop is not None:
                self.drops[at] = drop

    def _guard(self) -> None:
        for at in self._near():
            if self.drops[at] is None:
                obstacles = guards.contact_obstacles(self._places[at], self._moment)
                self.drops[at] = next(obstacles, None)

    def _near(self) -> set[int]:
        """Whom any of the contact obstacles may stop at this moment."""
        plan, moment = self.plan, self._moment
        near = {*plan.quiet} if not moment.in_page else set[int]()
        if moment.snapshot.journeys:
            near.update(plan.keepers)
        for name in policies.silent(moment):
            near.update(plan.by_policy.get(name, ()))
        for name in contact.full(moment):
            near.update(plan.by_limit.get(name, ()))
        for name in session.touched(moment):
            if name in plan.numbers:
                near.add(plan.numbers[name])
        return near

    # -- what it is worth

    def _weigh(self) -> None:
        """The worth of what is left, the most promising first."""
        moment, places, plan, drops = self._moment, self._places, self.plan, self.drops
        known, valued, values = plan.rows, plan.valued, self._values
        context = plan.context(self._weights)
        influence = influences(moment)
        behind = boosts([places[at] for at in plan.boosted if drops[at] is None], moment)
        special = self._special(influence, behind) if influence or behind else ()
        rows: list[Row] = []
        for at, drop in enumerate(drops):
            if drop is not None:
                continue
            if at in special:
                own, percents = self._own(at), context.percents
                weighed = arbitration.weighed(places[at], own, percents, influence, behind)
                rows.append(row(at, weighed))
                continue
            one = known[at]
            if at in context.places:
                one, percents = context.places[at]
                if one is None:
                    own = values[valued[at]]
                    one = row(at, arbitration.of_value_in_context(places[at], own, percents))
            elif one is None:
                one = row(at, arbitration.of_value(places[at], values[valued[at]]))
            rows.append(one)
        rows.sort()
        self.rows = rows

    def _special(self, influence: Percents, behind: Mapping[str, float]) -> set[int]:
        """Whom an influencer touches, or a volume that is behind its minimum."""
        found = {self.plan.numbers[name] for name in behind}
        if influence:
            touched = influence.keys()
            for at, place in enumerate(self._places):
                if not touched.isdisjoint(place.targets):
                    found.add(at)
        return found

    def _own(self, at: int) -> float | None:
        """What an action says its value is."""
        number = self.plan.valued.get(at)
        if number is not None:
            return self._values[number]
        return arbitration.own_value(self._places[at].action, self._names.__getitem__)

    # -- after scoring

    def _rank(self, scores: Scores, level: Level) -> list[int]:
        """The rows in order of priority, but for those that are too weak."""
        self._chance(scores)
        plan, smoothed, final = self.plan, self.smoothed, self.final
        self.priorities = priorities = [
            rounded(known * each[7]) for known, each in zip(smoothed, self.rows, strict=True)
        ]
        steady = priorities
        if self._funnel.arm is Arm.CONTROL:
            self.priorities = priorities = final
        elif final is not smoothed:
            self.priorities = priorities = [
                rounded(drawn * each[7]) for drawn, each in zip(final, self.rows, strict=True)
            ]
        scored, barred, doubtful = len(scores.acceptance), plan.barred(level), plan.doubtful
        order: list[tuple[bool, float, int, int]] = []
        for number, one in enumerate(self.rows):
            at = one[2]
            least, least_priority, last, tie = plan.ranks[at]
            if (
                smoothed[number] < least
                or steady[number] < least_priority
                or number >= scored
                or at in barred
                or at in doubtful
            ):
                drop = self._funnel.too_weak(self.ranked(number), level, number < scored)
                if drop is not None:
                    self.drops[at] = drop
                    continue
            order.append((last, -priorities[number], tie, number))
        order.sort()
        return [last[3] for last in order]

    def _chance(self, scores: Scores) -> None:
        """P of all rows: as the model said it, smoothed, and as it ranks."""
        acceptance = scores.acceptance
        evidence = self._evidence = scores.evidence
        late = len(self.rows) - len(acceptance)
        self.models = (
            [*acceptance, *(None,) * late] if late > 0 else [*acceptance[: len(self.rows)]]
        )
        terms = self._moment.bundle.exploration
        if terms.thompson or self._funnel.arm is Arm.CONTROL:
            self._draw(scores)
            return
        priors, places, counts = self.plan.priors, self._places, terms.smoothing_evidence
        counted, known = len(evidence), list[float]()
        for number, score in enumerate(self.models):
            if counts and number < counted:
                prior = places[self.rows[number][2]].action.prior
                score = exploration.adapted(score, prior, counts, evidence[number])
            elif score is None:
                known.append(priors[self.rows[number][2]])
                continue
            known.append(rounded(score) if score.__class__ is float else round(score, DECIMALS))
        self.final = self.smoothed = known

    def _draw(self, scores: Scores) -> None:
        funnel, terms = self._funnel, self._moment.bundle.exploration
        evidence, chances = scores.evidence, list[Chance]()
        for number, score in enumerate(self.models):
            action = self._places[self.rows[number][2]].action
            seen = evidence[number] if number < len(evidence) else None
            chance = exploration.chance(action, score, seen, funnel.request, terms, funnel.arm)
            chances.append(chance)
        self._chances = chances
        self.smoothed = [one.smoothed for one in self._chances]
        self.final = [one.final for one in self._chances]

    def ranked(self, number: int) -> Ranked:
        """A row as the plain funnel has it."""
        _, _, at, context_weight, value, lever, levers, worth = self.rows[number]
        weighed = weighed_as(
            place=self._places[at],
            context_weight=context_weight,
            value=value,
            lever=lever,
            levers=levers,
            worth=worth,
        )
        if self._chances:
            chance = self._chances[number]
        else:
            evidence = self._evidence
            chance = chance_as(
                model=self.models[number],
                smoothed=self.smoothed[number],
                final=self.final[number],
                evidence=evidence[number] if number < len(evidence) else None,
            )
        steady = rounded(chance.smoothed * worth)
        priority = self.priorities[number]
        return ranked_as(weighed=weighed, chance=chance, priority=priority, steady=steady)


class _Ordered(Ordered):
    """The rows in order of priority, made into what the plain funnel has as far as it asks."""

    def __init__(self, kernel: Kernel, order: Sequence[int]) -> None:
        super().__init__(())
        self._kernel = kernel
        self._order = order
        self._found: dict[int, Ranked] = {}
        self._places: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, at: int) -> Ranked:
        number = self._order[at]
        found = self._found.get(number)
        if found is None:
            found = self._found[number] = self._kernel.ranked(number)
        return found

    def named(self, name: str) -> Ranked | None:
        """What is ranked under a name."""
        if not self._places:
            rows = self._kernel.rows
            self._places = {rows[number][1]: at for at, number in enumerate(self._order)}
        at = self._places.get(name)
        return None if at is None else self[at]
