"""Which parts of ranking and offering golden cases exercise: weights, treatments, packages."""

from __future__ import annotations

from collections.abc import Iterator

from engine.played import STOPPED, Item, Played, both, item
from engine.types import Arm


def _weights(played: Played) -> Iterator[Item]:
    """Context weights and influencers: in force in one case, not in another."""
    bundle = played.bundle
    terms = [("context weight", "context", one) for one in bundle.context_weights]
    more = [("influencer", "influencer", one) for one in bundle.influencers]
    for kind, prefix, term in (*terms, *more):
        sort, _, word = term.target.partition(":")
        heard = {
            f"{prefix}:{term.name}" in one.levers
            for one in played.weighed()
            if getattr(bundle.actions[one.action], "name" if sort == "action" else sort) == word
        }
        yield item(
            kind,
            term.name,
            True not in heard and "it weighs in no case",
            False not in heard and "it weighs in every case",
        )


def _named(played: Played) -> Iterator[Item]:
    """Segments are true in one case and not in another, values are known in one."""
    for name, condition in sorted(played.bundle.segments.items()):
        found = {condition(seen.lookup) for seen in played.seen}
        yield item(
            "segment",
            name,
            True not in found and "nobody is in it",
            not found - {True} and "everybody is in it",
        )
    for name, formula in sorted(played.bundle.values.items()):
        known = any(formula(seen.lookup) is not None for seen in played.seen)
        yield item("value", name, not known and "it is known in no case")


def _treatments(played: Played) -> Iterator[Item]:
    offered = {offer.treatment for _, offer in played.offers}
    for action in played.bundle.actions.values():
        for treatment in action.treatments:
            missing = treatment.id not in offered and "no case expects it"
            yield item("treatment", treatment.id, missing)


def _packages(played: Played) -> Iterator[Item]:
    led = {(offer.part_of, offer.action) for _, offer in played.offers}
    for action in played.bundle.actions.values():
        for member in (*action.requires, *action.brings):
            missing = (action.name, member) not in led and "no case offers them together"
            yield item("package", f"{action.name} with {member}", missing)
        for member in action.requires:
            stopped = played.stopped_by(f"requires:{member}")
            yield item("required member", f"{member} of {action.name}", not stopped and STOPPED)
        if action.only_as_member:
            stopped = [s for s in played.stopped_by("only_as_member") if s.action == action.name]
            yield item("only as a member", action.name, not stopped and STOPPED)


def _dates(played: Played) -> Iterator[Item]:
    for action in played.bundle.actions.values():
        for key in ("starts", "ends"):
            if getattr(action, key) is not None:
                stopped = [s for s in played.stopped_by(key) if s.action == action.name]
                yield both(key, action.name, stopped, played.passed(key, action.name))


def _fallbacks(played: Played) -> Iterator[Item]:
    """Shown although it was dropped: as the fallback, that is."""
    for placement, name in sorted(played.bundle.fallbacks.items()):
        shown = any(offer.action == name and seen.drops.get(name) for seen, offer in played.offers)
        yield item("fallback", placement, not shown and "no case falls back on it")


def _placements(played: Played) -> Iterator[Item]:
    for name, terms in sorted(played.bundle.placements.items()):
        for key in ("most_per_group", "most_per_purpose"):
            if getattr(terms, key) is not None:
                stopped = any(
                    name in ("*", stop.drop.detail.partition(" ")[0])
                    for stop in played.stopped_by(key)
                )
                yield item("placement", f"{name} {key}", not stopped and STOPPED)


def _exploration(played: Played) -> Iterator[Item]:
    terms, ranked = played.bundle.exploration, list(played.weighed())
    if terms.control_percent:
        arms = {seen.case.expected.arm for seen in played.seen if seen.decision}
        yield item("exploration", "control", Arm.CONTROL not in arms and "no case expects the arm")
    if terms.smoothing_evidence:
        done = any(one.model not in (None, one.smoothed) for one in ranked)
        yield item("exploration", "smoothing", not done and "nothing is smoothed in any case")
    if terms.thompson:
        done = any(one.smoothed != one.propensity for one in ranked)
        yield item("exploration", "sampling", not done and "nothing is sampled in any case")


PARTS = (
    *(_weights, _named, _treatments, _packages, _dates, _fallbacks, _placements, _exploration),
)
