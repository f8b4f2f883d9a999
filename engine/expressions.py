"""Every expression of a bundle and where it stands; how segments and values use each other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from graphlib import TopologicalSorter

from engine.catalog import Action, Bundle
from engine.rules import Expression

SEGMENT = "segment"
VALUE = "value"
DEEPEST = 5
"""How many segments and values may use each other in a row."""


def expressions(bundle: Bundle) -> Iterator[tuple[str, Expression]]:
    """All of them, each with its place in words, such as `rule has-term of upgrade`.

    A rule that several actions inherit comes once for each.
    """
    for place, named in ((SEGMENT, bundle.segments), (VALUE, bundle.values)):
        for name, expression in named.items():
            yield f"{place} {name}", expression
    for action in bundle.actions.values():
        yield from _of_action(action)
    for weight in bundle.context_weights:
        yield f"context weight {weight.name}", weight.condition
    for floor in bundle.margin_floors:
        yield f"margin floor {floor.name}", floor.condition


def _of_action(action: Action) -> Iterator[tuple[str, Expression]]:
    yield f"value of {action.name}", action.value
    if action.margin is not None:
        yield f"margin of {action.name}", action.margin
    for rule in action.rules:
        yield f"rule {rule.name} of {action.name}", rule.condition
    for treatment in action.treatments:
        for rule in treatment.rules:
            yield f"rule {rule.name} of {treatment.id}", rule.condition


def rests_on(
    name: str, segments: Mapping[str, Expression], values: Mapping[str, Expression]
) -> frozenset[str]:
    """The names that decide what a name gives: itself, or all that its segment or value needs."""
    uses = _uses(segments, values)
    found, left = set[str](), [name]
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            left += uses.get(one, ())
    return frozenset(found - uses.keys())


def tangles(segments: Mapping[str, Expression], values: Mapping[str, Expression]) -> dict[str, str]:
    """What is wrong with how segments and values use each other: `segment.x` to words.

    None may use itself, nor stand at the head of more than 5 in a row: what would be unknown at a
    decision is refused before.
    """
    uses = _uses(segments, values)
    circles = {name: way for name in sorted(uses) if (way := _way_back(name, uses))}
    if circles:
        return {name: f"{name} uses itself: {' -> '.join(way)}" for name, way in circles.items()}
    chains: dict[str, tuple[str, ...]] = {}
    for name in TopologicalSorter(uses).static_order():
        below = (chains[used] for used in sorted(uses.get(name, ())))
        chains[name] = (name, *max(below, key=len, default=())) if name in uses else ()
    return {
        name: f"{name} uses too many in a row, {DEEPEST} at most: {' -> '.join(chain)}"
        for name, chain in sorted(chains.items())
        if len(chain) > DEEPEST
    }


def _uses(
    segments: Mapping[str, Expression], values: Mapping[str, Expression]
) -> dict[str, Collection[str]]:
    uses: dict[str, Collection[str]] = {f"{SEGMENT}.{n}": one.names for n, one in segments.items()}
    return uses | {f"{VALUE}.{name}": one.names for name, one in values.items()}


def _way_back(start: str, uses: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """The shortest way from a name over what it uses back to it; empty if there is none."""
    seen: set[str] = set()
    ways = [(start,)]
    while ways:
        ways = [
            (*way, used) for way in ways for used in sorted(uses.get(way[-1], ())) if used in uses
        ]
        for way in ways:
            if way[-1] == start:
                return way
        ways = [way for way in ways if not (way[-1] in seen or seen.add(way[-1]))]
    return ()
