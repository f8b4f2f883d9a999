"""What is known of a customer, as names that expressions can use; each worked out when asked for.

    contract.type                 a feature, if it is fresh enough
    age.contract                  how many hours ago the features of a view were true
    context.page                  what the request said, or an earlier one of the same session
    model.churn                   a score of the customer
    journey.complaint             whether such a journey runs; .stage, .before, .days_in_stage
    segment.loyal, value.margin   the bundle's own conditions and formulas
    request.channel               also .local_hour and .weekday (`monday`) on the customer's clock
    history.ignored:mortgage:30   how often that happened in the last 30 days

What is not known is None, whatever the reason. Expressions of segments and values see all names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache

from engine.catalog import Bundle
from engine.expressions import DEEPEST, SEGMENT, VALUE
from engine.freshness import LOADED_VIEWS, Known, known_features
from engine.history import ROOT as HISTORY
from engine.history import Past, asked, subject
from engine.logic import Lookup, scalar
from engine.rules import Expression
from engine.types import JourneyState, Request, Scalar, Snapshot
from engine.windows import zones

__all__ = [
    "JOURNEY_PARTS",
    "LOADED_VIEWS",
    "REQUEST_PARTS",
    "ROOTS",
    "Known",
    "Names",
    "all_names",
    "known_features",
    "names",
]

JOURNEY_PARTS = ("stage", "before", "days_in_stage")
REQUEST_PARTS = ("channel", "local_hour", "weekday")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_HOUR = timedelta(hours=1)


def names(
    request: Request,
    snapshot: Snapshot,
    bundle: Bundle,
    features: Mapping[str, Scalar],
    scores: Mapping[str, float],
) -> Lookup:
    """Looks up every name that an expression can use; None is unknown."""
    return all_names(request, snapshot, bundle, features, scores).__getitem__


def all_names(
    request: Request,
    snapshot: Snapshot,
    bundle: Bundle,
    features: Mapping[str, Scalar],
    scores: Mapping[str, float],
) -> Names:
    """Looks up every name that an expression can use; None is unknown.

    `features` are those that are fresh enough. Journeys and the past are unknown as long as the
    live state is not reconciled.
    """
    if not ROOTS.keys().isdisjoint(snapshot.feature_times):
        features = {n: value for n, value in features.items() if n.split(".")[0] not in ROOTS}
    return Names(request, snapshot, bundle, features, scores)


class Names(dict[str, Scalar]):
    """Features by name; every other name is found on its first use, and kept."""

    __slots__ = ("_bundle", "_depth", "_past", "_request", "_scores", "_snapshot")

    def __init__(
        self,
        request: Request,
        snapshot: Snapshot,
        bundle: Bundle,
        features: Mapping[str, Scalar],
        scores: Mapping[str, float],
    ) -> None:
        super().__init__(features)
        self._request = request
        self._snapshot = snapshot
        self._bundle = bundle
        self._scores = scores
        self._depth = 0
        self._past: Past | None = None

    def __missing__(self, name: str) -> Scalar:
        self[name] = None  # what needs itself is unknown
        find, rest = _way(name)
        if find is None:
            return None
        found = self[name] = find(self, rest)
        return found

    def score(self, model: str) -> Scalar:
        """The score of a model."""
        return scalar(self._scores.get(model))

    def context(self, key: str) -> Scalar:
        """What this request says, even if that is nothing; else what its session remembers."""
        said = self._request.context
        if key in said:
            return scalar(said[key])
        session, terms = self._snapshot.session, self._bundle.session
        if session is None or key not in terms.remembers:
            return None
        goes_on = self._request.now - session.last < terms.idle
        return scalar(session.context.get(key)) if goes_on else None

    def age(self, view: str) -> Scalar:
        """How many hours ago the features of a view were true; 0 for a clock ahead of ours."""
        at = self._snapshot.feature_times.get(view)
        return None if at is None else max(0.0, (self._request.now - at) / _HOUR)

    def journey(self, asked: str) -> Scalar:
        """Whether a journey runs, or where: the one that came to its stage last, if several do."""
        if not self._snapshot.reconciled:
            return None
        kind, _, part = asked.partition(".")
        running = [one for one in self._snapshot.journeys if one.kind == kind]
        if not part or not running:
            return None if part else bool(running)
        return _part(max(running, key=lambda one: (one.since, one.id)), part, self._request.now)

    def segment(self, name: str) -> Scalar:
        """Whether the customer is in a segment of the bundle."""
        return self._worked_out(self._bundle.segments.get(name))

    def value(self, name: str) -> Scalar:
        """What a formula of the bundle gives."""
        return self._worked_out(self._bundle.values.get(name))

    def _worked_out(self, expression: Expression | None) -> Scalar:
        """Unknown if it needs too many others in a row; a bundle that is checked has no such."""
        if expression is None or self._depth == DEEPEST:
            return None
        self._depth += 1
        try:
            return expression.evaluate(self.__getitem__)
        finally:
            self._depth -= 1

    def request(self, part: str) -> Scalar:
        """Where and when the question is asked."""
        if part == "channel":
            return self._request.channel
        if part not in REQUEST_PARTS:
            return None
        local = self._request.now.astimezone(zones(self._bundle, self.__getitem__).customer)
        return local.hour if part == "local_hour" else _WEEKDAYS[local.weekday()]

    def history(self, rest: str) -> Scalar:
        """How often something happened."""
        question, bundle = asked(f"{HISTORY}.{rest}"), self._bundle
        if question is None or not self._snapshot.reconciled:
            return None
        meant = subject(question.what, bundle.actions, bundle.groups, bundle.purposes)
        if meant is None:
            return None
        if self._past is None:
            contacts = self._snapshot.contacts
            self._past = Past(contacts, self._request.now, bundle.answers_within)
        return self._past.times(question.verb, *meant, question.days)


@lru_cache(maxsize=4_096)
def _way(name: str) -> tuple[Callable[[Names, str], Scalar] | None, str]:
    """How a name is found that is no feature: what finds it, and of what."""
    root, _, rest = name.partition(".")
    return ROOTS.get(root), rest


def _part(journey: JourneyState, part: str, now: datetime) -> Scalar:
    if part == "stage":
        return journey.stage
    if part == "before":
        return journey.before or None
    return max(0, (now - journey.since).days) if part == "days_in_stage" else None


ROOTS: Mapping[str, Callable[[Names, str], Scalar]] = {
    "age": Names.age,
    "context": Names.context,
    "history": Names.history,
    "journey": Names.journey,
    "model": Names.score,
    "request": Names.request,
    SEGMENT: Names.segment,
    VALUE: Names.value,
}
"""How names begin that are no features: no feature view may be called so."""
