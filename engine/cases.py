"""Golden cases of a bundle: a customer in a situation, asked for decisions, with what is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine import guards, journeys, names
from engine.catalog import Action, Bundle
from engine.decide import decide
from engine.golden import Case, Said, Seen
from engine.moment import Moment, moment
from engine.shelf import shelf
from engine.types import Request, Reservation, Scalar, Scores, Snapshot
from engine.verdicts import failures
from engine.volumes import bucket


def run(case: Case, bundle: Bundle) -> tuple[str, ...]:
    """What is wrong with a bundle in the eyes of a case, in words; empty if all is right."""
    return tuple(failure for seen in play(case, bundle) for failure in seen.failures)


def play(case: Case, bundle: Bundle) -> tuple[Seen, ...]:
    """A case on each of its channels."""
    asked = _sent if case.sends else _started if case.starts else _decided
    played = (asked(case, request, bundle) for request in case.requests)
    return tuple(replace(seen, failures=failures(seen)) for seen in played)


def _decided(case: Case, request: Request, bundle: Bundle) -> Seen:
    now = _moment(case, request, bundle)
    decision = decide(request, now.snapshot, bundle, _Scorer(case.said))
    drops = {one.action: one.drops for one in decision.candidates}
    return Seen(
        case=case, channel=request.channel, lookup=now.lookup, drops=drops, decision=decision
    )


def _sent(case: Case, request: Request, bundle: Bundle) -> Seen:
    """The last check before a message leaves: the guards, once more."""
    now = _moment(case, request, bundle)
    name = str(case.sends)
    place = shelf(bundle, request.channel)[name]
    drops = (*guards.silences(place, now), *guards.contact_obstacles(place, now))
    return Seen(case=case, channel=request.channel, lookup=now.lookup, drops={name: drops})


def _started(case: Case, request: Request, bundle: Bundle) -> Seen:
    """Whether a journey may start."""
    now = _moment(case, request, bundle)
    running = case.snapshot.journeys
    why_not = journeys.stopped(str(case.starts), running, case.began, bundle, request.now)
    return Seen(
        case=case, channel=request.channel, lookup=now.lookup, drops={}, may_start=why_not is None
    )


def _moment(case: Case, request: Request, bundle: Bundle) -> Moment:
    """The moment of a request, its volumes counted under the names of this moment."""
    known = names.known_features(case.snapshot, bundle, request.now)
    lookup = names.names(request, case.snapshot, bundle, known.features, case.said.customer)

    def at(snapshot: Snapshot) -> Moment:
        sending = case.sends is not None
        return moment(
            bundle,
            request.channel,
            request.now,
            snapshot,
            lookup,
            journey=request.journey,
            sending=sending,
        )

    now = at(case.snapshot)
    buckets = {volume.name: bucket(volume, now) for volume in bundle.volumes}
    kept_for = {volume.name: volume.kept_for for volume in bundle.volumes}
    reserved = tuple(
        Reservation(bucket=buckets[name], action=action, until=request.now + kept_for[name])
        for name, action in case.kept.items()
    )
    used = {buckets[name]: count for name, count in case.used.items()}
    return at(replace(case.snapshot, volumes=used, reserved=reserved))


class _Scorer:
    """What is said in a case, as the engine asks for it."""

    def __init__(self, said: Said) -> None:
        self.customer_scores = said.customer_scores
        self._said = said

    def acceptance(
        self, features: Mapping[str, Scalar], pairs: Sequence[tuple[Action, str]]
    ) -> Scores:
        return self._said.acceptance_of(pairs)
