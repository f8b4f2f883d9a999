"""Where the boxes of a chart go: layer by layer from the top, with few crossings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from workflows.maps.chart import Chart

SWEEPS = 12
SETTLING = 24
BETWEEN_BOXES = 28.0
BETWEEN_LAYERS = 52.0
THREAD_WIDTH = 14.0
"""The room that a line takes where it passes a layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Width and height of a box."""

    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """The middle of each box, the points that each line passes, and the size of all."""

    middles: Mapping[str, tuple[float, float]]
    routes: Mapping[tuple[str, str], tuple[tuple[float, float], ...]]
    width: float
    height: float


def place(chart: Chart, sizes: Mapping[str, Size]) -> Placed:
    """Where everything goes, the same for the same chart."""
    forward = _without_loops(chart)
    layers, chains = _layers(chart, forward)
    follows = _neighbours(chains.values())
    rows = _ordered(layers, follows)
    known = {name: sizes.get(name, Size(width=THREAD_WIDTH, height=0.0)) for name in layers}
    across = _across(rows, follows, known)
    down, height = _down(rows, known)
    middles = {name: (across[name], down[name]) for name in layers}
    routes: dict[tuple[str, str], tuple[tuple[float, float], ...]] = {}
    for line in chart.lines:
        there, back = (line.start, line.end), (line.end, line.start)
        if chain := chains.get(there) or chains.get(back, [])[::-1]:
            routes[there] = tuple(middles[name] for name in chain)
    width = max(across[name] + known[name].width / 2 for name in layers)
    boxes = {box.id: middles[box.id] for box in chart.boxes}
    return Placed(middles=boxes, routes=routes, width=width, height=height)


def _without_loops(chart: Chart) -> list[tuple[str, str]]:
    """The lines as pairs, those that lead back turned around; no two between the same boxes."""
    following: dict[str, list[str]] = {box.id: [] for box in chart.boxes}
    for line in chart.lines:
        following[line.start].append(line.end)
    state: dict[str, int] = {}
    pairs: dict[tuple[str, str], None] = {}

    def visit(name: str) -> None:
        state[name] = 1
        for following_one in following[name]:
            if state.get(following_one) == 1:
                pairs.setdefault((following_one, name))
            else:
                pairs.setdefault((name, following_one))
            if following_one not in state:
                visit(following_one)
        state[name] = 2

    for box in chart.boxes:
        if box.id not in state:
            visit(box.id)
    return [pair for pair in pairs if pair[0] != pair[1]]


def _layers(
    chart: Chart, forward: Sequence[tuple[str, str]]
) -> tuple[dict[str, int], dict[tuple[str, str], list[str]]]:
    """The layer of each box, and of the threads by which long lines pass the layers between."""
    before: dict[str, list[str]] = {box.id: [] for box in chart.boxes}
    for start, end in forward:
        before[end].append(start)
    layers: dict[str, int] = {}

    def layer(name: str) -> int:
        if name not in layers:
            layers[name] = max((layer(one) + 1 for one in before[name]), default=0)
        return layers[name]

    for box in chart.boxes:
        layer(box.id)
    chains: dict[tuple[str, str], list[str]] = {}
    for start, end in forward:
        threads = [f"{start}>{end}@{each}" for each in range(layers[start] + 1, layers[end])]
        chains[start, end] = [start, *threads, end]
        layers |= {thread: int(thread.rpartition("@")[2]) for thread in threads}
    return layers, chains


@dataclass(frozen=True, slots=True)
class _Neighbours:
    above: dict[str, list[str]]
    below: dict[str, list[str]]


def _neighbours(chains: Iterable[list[str]]) -> _Neighbours:
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for chain in chains:
        for upper, lower in pairwise(chain):
            below.setdefault(upper, []).append(lower)
            above.setdefault(lower, []).append(upper)
    return _Neighbours(above, below)


def _ordered(layers: Mapping[str, int], follows: _Neighbours) -> list[list[str]]:
    """The rows from left to right, each box near the middle of its neighbours."""
    rows: list[list[str]] = [[] for _ in range(max(layers.values()) + 1)]
    for name, number in layers.items():
        rows[number].append(name)
    best, fewest = rows, _crossings(rows, follows)
    for sweep in range(SWEEPS):
        downwards = sweep % 2 == 0
        sides = follows.above if downwards else follows.below
        numbers = range(1, len(rows)) if downwards else range(len(rows) - 2, -1, -1)
        for number in numbers:
            beside = rows[number - 1 if downwards else number + 1]
            rows[number] = _sorted_by_neighbours(rows[number], beside, sides)
        crossings = _crossings(rows, follows)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    return best


def _sorted_by_neighbours(
    row: list[str], beside: list[str], sides: Mapping[str, list[str]]
) -> list[str]:
    places = {name: place for place, name in enumerate(beside)}
    own = {name: place for place, name in enumerate(row)}

    def wanted(name: str) -> tuple[float, int]:
        found = [places[one] for one in sides.get(name, ()) if one in places]
        return (sum(found) / len(found) if found else own[name], own[name])

    return sorted(row, key=wanted)


def _crossings(rows: Sequence[Sequence[str]], follows: _Neighbours) -> int:
    count = 0
    for upper, lower in pairwise(rows):
        places = {name: place for place, name in enumerate(lower)}
        ends = [
            sorted(places[one] for one in follows.below.get(name, ()) if one in places)
            for name in upper
        ]
        flat = [place for group in ends for place in group]
        count += sum(flat[i] > flat[j] for i in range(len(flat)) for j in range(i + 1, len(flat)))
    return count


def _across(
    rows: Sequence[Sequence[str]], follows: _Neighbours, sizes: Mapping[str, Size]
) -> dict[str, float]:
    """The middle of each box from the left: near its neighbours, never over another."""
    across: dict[str, float] = {}
    for row in rows:
        left = 0.0
        for name in row:
            across[name] = left + sizes[name].width / 2
            left += sizes[name].width + BETWEEN_BOXES
    for turn in range(SETTLING):
        for row in rows if turn % 2 == 0 else rows[::-1]:
            _settle(row, across, follows, sizes)
    least = min(across[name] - sizes[name].width / 2 for name in across)
    return {name: place - least for name, place in across.items()}


def _settle(
    row: Sequence[str], across: dict[str, float], follows: _Neighbours, sizes: Mapping[str, Size]
) -> None:
    wanted = [_wish(name, across, follows) for name in row]
    gaps = [
        (sizes[one].width + sizes[other].width) / 2 + BETWEEN_BOXES for one, other in pairwise(row)
    ]
    offsets = [0.0]
    for gap in gaps:
        offsets.append(offsets[-1] + gap)
    # least squares under "never nearer than the gap": pool neighbours whose wishes collide
    pools: list[list[float]] = []
    for wish, offset in zip(wanted, offsets, strict=True):
        pools.append([wish - offset, 1.0])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            mean, weight = pools.pop()
            earlier, more = pools[-1]
            pools[-1] = [(earlier * more + mean * weight) / (more + weight), more + weight]
    places = [mean for mean, weight in pools for _ in range(int(weight))]
    for name, place, offset in zip(row, places, offsets, strict=True):
        across[name] = place + offset


def _wish(name: str, across: Mapping[str, float], follows: _Neighbours) -> float:
    beside = [*follows.above.get(name, ()), *follows.below.get(name, ())]
    return sum(across[one] for one in beside) / len(beside) if beside else across[name]


def _down(
    rows: Sequence[Sequence[str]], sizes: Mapping[str, Size]
) -> tuple[dict[str, float], float]:
    down: dict[str, float] = {}
    top = 0.0
    for row in rows:
        height = max(sizes[name].height for name in row)
        down |= dict.fromkeys(row, top + height / 2)
        top += height + BETWEEN_LAYERS
    return down, top - BETWEEN_LAYERS
