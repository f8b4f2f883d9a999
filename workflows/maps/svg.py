"""A chart as an SVG picture, drawn without any other tool."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from html import escape
from itertools import pairwise

from workflows.maps.chart import Box, Chart, Shape
from workflows.maps.layout import Placed, Size, place
from workflows.maps.mermaid import COLOURS

LETTERS = 30
LETTER_WIDTH = 7.0
LINE_HEIGHT = 16.0
PADDING = 12.0
MARGIN = 24.0
SLANT = 16.0
PORT_GAP = 18.0
FONT = "font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif"

Point = tuple[float, float]


def svg(chart: Chart) -> str:
    """The chart as SVG, the same bytes for the same chart."""
    texts = {box.id: _text(box) for box in chart.boxes}
    sizes = {box.id: _size(box, texts[box.id]) for box in chart.boxes}
    placed = place(chart, sizes)
    return "\n".join(_picture(chart, placed, sizes, texts)) + "\n"


def _picture(
    chart: Chart,
    placed: Placed,
    sizes: Mapping[str, Size],
    texts: Mapping[str, list[tuple[str, bool]]],
) -> Iterator[str]:
    width, height = placed.width + 2 * MARGIN, placed.height + 2 * MARGIN
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}"'
        f' width="{width:.0f}" height="{height:.0f}" role="img">'
    )
    yield f"<title>{escape(chart.kind)}</title>"
    yield (
        "<style>"
        f"text{{{FONT};font-size:12px;fill:#1b2430;text-anchor:middle}}"
        ".b{font-weight:600}.l{fill:#49525e;font-size:11px;paint-order:stroke;"
        "stroke:#fff;stroke-width:4px}.w{fill:none;stroke:#7a8594;stroke-width:1.2}"
        "</style>"
    )
    yield (
        '<defs><marker id="to" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7"'
        ' markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#7a8594"/></marker></defs>'
    )
    yield '<rect width="100%" height="100%" fill="#fff"/>'
    yield f'<g transform="translate({MARGIN:.0f} {MARGIN:.0f})">'
    routes = _clipped(placed.routes, sizes)
    yield from (_way(route) for route in routes.values())
    for box in chart.boxes:
        yield from _box(box, placed.middles[box.id], sizes[box.id], texts[box.id])
    for line in chart.lines:
        route = routes.get((line.start, line.end))
        if line.words and route:
            yield from _words(line.words, route)
    yield "</g></svg>"


def _text(box: Box) -> list[tuple[str, bool]]:
    """The lines of a box, each with whether it is bold."""
    letters = LETTERS - 6 if box.shape is Shape.QUESTION else LETTERS
    lines = [(line, True) for line in textwrap.wrap(box.title, letters) or [""]]
    for detail in box.details:
        lines += [(line, False) for line in textwrap.wrap(detail, letters)]
    return lines


def _size(box: Box, text: list[tuple[str, bool]]) -> Size:
    width = max(len(line) for line, _ in text) * LETTER_WIDTH + 2 * PADDING
    height = len(text) * LINE_HEIGHT + 2 * PADDING - 6
    if box.shape is Shape.QUESTION:
        return Size(width=width + 2 * SLANT + 16, height=height + 8)
    if box.shape in (Shape.WAIT, Shape.PERSON):
        return Size(width=width + 2 * SLANT, height=height)
    return Size(width=max(width, 80.0), height=height)


def _clipped(
    routes: Mapping[tuple[str, str], tuple[Point, ...]], sizes: Mapping[str, Size]
) -> dict[tuple[str, str], list[Point]]:
    """Routes from border to border, beside each other where several meet at one side of a box."""
    found = {pair: list(route) for pair, route in routes.items()}
    sides: dict[tuple[str, bool], list[tuple[float, tuple[str, str], int]]] = {}
    for pair, route in routes.items():
        for at, towards, box in ((0, 1, pair[0]), (-1, -2, pair[1])):
            below = route[towards][1] > route[at][1]
            sides.setdefault((box, below), []).append((route[towards][0], pair, at))
    for (box, below), meeting in sides.items():
        gap = min(PORT_GAP, sizes[box].width * 0.8 / len(meeting))
        for number, (_, pair, at) in enumerate(sorted(meeting)):
            x, y = routes[pair][at]
            beside = (number - (len(meeting) - 1) / 2) * gap
            found[pair][at] = (x + beside, y + (1 if below else -1) * sizes[box].height / 2)
    return found


def _way(points: list[Point]) -> str:
    """A smooth line through points, upright at each of them."""
    path = f"M{_at(points[0])}"
    for (x, y), (next_x, next_y) in pairwise(points):
        middle = (y + next_y) / 2
        path += f"C{_at((x, middle))} {_at((next_x, middle))} {_at((next_x, next_y))}"
    back = ' stroke-dasharray="4 3"' if points[-1][1] < points[0][1] else ""
    return f'<path class="w" d="{path}"{back} marker-end="url(#to)"/>'


def _at(point: Point) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"


def _words(words: str, route: list[Point]) -> Iterator[str]:
    """The words of a line, on its first stretch."""
    (x, y), (next_x, next_y) = route[0], route[1]
    lines = textwrap.wrap(words, LETTERS - 4)
    middle_x, middle_y = x + (next_x - x) * 0.4, y + (next_y - y) * 0.45
    for number, line in enumerate(lines):
        down = middle_y + 4 + (number - (len(lines) - 1) / 2) * 13
        yield f'<text class="l" x="{middle_x:.1f}" y="{down:.1f}">{escape(line)}</text>'


def _box(box: Box, middle: Point, size: Size, text: list[tuple[str, bool]]) -> Iterator[str]:
    fill, border = COLOURS[box.shape]
    style = f'fill="{fill}" stroke="{border}" stroke-width="1.3"'
    yield _outline(box.shape, middle, size, style)
    top = middle[1] - len(text) * LINE_HEIGHT / 2 + 12
    for number, (line, bold) in enumerate(text):
        mark = ' class="b"' if bold else ""
        down = top + number * LINE_HEIGHT
        yield f'<text{mark} x="{middle[0]:.1f}" y="{down:.1f}">{escape(line)}</text>'


def _outline(shape: Shape, middle: Point, size: Size, style: str) -> str:
    (x, y), right, low = middle, size.width / 2, size.height / 2
    corners: list[Point] = []
    if shape is Shape.PERSON:
        corners = [
            *((x - right + SLANT, y - low), (x + right, y - low)),
            *((x + right - SLANT, y + low), (x - right, y + low)),
        ]
    elif shape in (Shape.WAIT, Shape.QUESTION):
        corners = [
            *((x - right, y), (x - right + SLANT, y - low), (x + right - SLANT, y - low)),
            *((x + right, y), (x + right - SLANT, y + low), (x - right + SLANT, y + low)),
        ]
    if corners:
        return f'<polygon points="{" ".join(_at(corner) for corner in corners)}" {style}/>'
    rounding = {Shape.START: low, Shape.END: low, Shape.STAGE: 8.0}.get(shape, 2.0)
    return (
        f'<rect x="{x - right:.1f}" y="{y - low:.1f}" width="{size.width:.1f}"'
        f' height="{size.height:.1f}" rx="{rounding:.0f}" {style}/>'
    )
