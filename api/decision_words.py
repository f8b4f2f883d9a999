"""A recorded decision in words: what it stood on, what was dropped where, what was chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

LEVELS = {
    "full": "Everything was known.",
    "stale": "Some of what is known is too old to be used.",
    "partial": "Some of what should be known is missing.",
    "cached": "An earlier answer was given again.",
    "static": "Only what is always allowed could be offered.",
}


def words_of(record: Mapping[str, Any]) -> list[str]:
    """The sentences for the record of one decision."""
    return [
        *_ground(record["decision"]),
        *_funnel(record["decision"]),
        *_chosen(record["decision"]),
    ]


def _ground(decision: Mapping[str, Any]) -> Iterator[str]:
    level = decision["level"]
    because = "; ".join(decision["because"])
    yield f"Level {level}: {LEVELS.get(level, '')}{f' ({because})' if because else ''}"
    for hold in decision["holds"]:
        silenced = ", ".join([*hold["purposes"], *(f"tag {tag}" for tag in hold["tags"])])
        until = f" until {hold['until']}" if hold["until"] else ""
        yield f"Held{until} by {hold['id']} ({silenced}): {hold['because']}."


def _funnel(decision: Mapping[str, Any]) -> Iterator[str]:
    for stage, rules in decision["funnel"].items():
        if rules:
            counted = ", ".join(f"{rule} {count}" for rule, count in rules.items())
            yield f"Dropped at {stage}: {sum(rules.values())} ({counted})."


def _chosen(decision: Mapping[str, Any]) -> Iterator[str]:
    for placement, offers in decision["placements"].items():
        if not offers:
            yield f"Nothing is offered in {placement}."
        for offer in offers:
            yield (
                f"In {placement}, number {offer['rank']} is {offer['treatment']}"
                f" ({offer['purpose']}), with propensity {offer['propensity']:.3f}"
                f" and priority {offer['priority']:.3f}."
            )
