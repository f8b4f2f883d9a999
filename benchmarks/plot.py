"""The growth curves as an SVG picture: how many times longer a decision takes, by size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

WIDTH, HEIGHT = 370, 230
LEFT, RIGHT, TOP, BOTTOM = 50, 20, 40, 40
INSET = 20
"""How far the first and the last point stand from the edges."""
COLUMNS = 2
TITLES: Mapping[str, str] = {
    "actions": "Candidate actions in the bundle",
    "contacts": "Contacts of the customer",
    "features": "Further features in the customer's row",
    "customers": "Customers in the store, a thousand of them asked",
    "customers_once": "Customers in the store, each asked once",
    "connections": "Connections",
}
LINE = "#2563eb"
INK = "#1f2937"
GRID = "#d1d5db"

Points = Sequence[Mapping[str, Any]]


def picture(growth: Mapping[str, Points]) -> str:
    """All curves, each in a panel of its own; decisions per second for connections."""
    panels = [(name, points) for name, points in growth.items() if len(points) > 1]
    rows = math.ceil(len(panels) / COLUMNS)
    size = f'width="{COLUMNS * WIDTH}" height="{rows * HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} '
        'font-family="system-ui, sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, (name, points) in enumerate(panels):
        x, y = WIDTH * (number % COLUMNS), HEIGHT * (number // COLUMNS)
        parts += [f'<g transform="translate({x} {y})">', *_panel(name, points), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(name: str, points: Points) -> Iterator[str]:
    rate = name == "connections"
    values = [float(point["per_second" if rate else "times"]) for point in points]
    top = _round_up(max(values) * 1.1)
    wide = WIDTH - LEFT - RIGHT - 2 * INSET
    across = [LEFT + INSET + share * wide for share in _shares(points)]
    down = [HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM) for value in values]
    yield f'<text x="{LEFT}" y="20" fill="{INK}" font-weight="600">{escape(_title(name))}</text>'
    said = "decisions per second" if rate else "times as long"
    yield f'<text x="{LEFT}" y="33" fill="{INK}">{said}</text>'
    yield from _grid(top)
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, down, strict=True))
    yield f'<polyline points="{line}" fill="none" stroke="{LINE}" stroke-width="2"/>'
    for point, x, y, value in zip(points, across, down, values, strict=True):
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{LINE}"/>'
        yield _label(x, y - 8, f"{value:,.0f}" if rate else f"{value:.2f}")
        yield _label(x, HEIGHT - BOTTOM + 16, _short(point["size"]))


def _title(name: str) -> str:
    return TITLES.get(name, name)


def _grid(top: float) -> Iterator[str]:
    for quarter in range(5):
        y = HEIGHT - BOTTOM - quarter / 4 * (HEIGHT - TOP - BOTTOM)
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID}"/>'
        yield (
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="{INK}">'
            f"{top * quarter / 4:g}</text>"
        )


def _label(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" fill="{INK}">{text}</text>'


def _shares(points: Points) -> list[float]:
    """Where each size stands from left to right: by its logarithm."""
    logs = [math.log1p(float(point["size"])) for point in points]
    first, last = logs[0], logs[-1]
    return [(each - first) / (last - first) for each in logs]


def _round_up(value: float) -> float:
    """The next number of one digit and a half.

    >>> _round_up(1.32), _round_up(7.4), _round_up(2100)
    (1.5, 8.0, 2500.0)
    """
    unit = 10.0 ** math.floor(math.log10(value))
    step = unit / 2 if value < 3 * unit else unit
    return math.ceil(value / step) * step


def _short(size: int) -> str:
    """A size as it fits under an axis.

    >>> _short(64), _short(10_000), _short(1_000_000)
    ('64', '10k', '1M')
    """
    if size >= 1_000_000:
        return f"{size / 1_000_000:g}M"
    return f"{size // 1_000}k" if size >= 10_000 else str(size)
