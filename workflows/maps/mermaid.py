"""A chart as Mermaid text, for documents that show it by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from workflows.maps.chart import Box, Chart, Shape

_FORMS: Mapping[Shape, tuple[str, str]] = {
    Shape.START: ("([", "])"),
    Shape.STAGE: ("[[", "]]"),
    Shape.WAIT: ("{{", "}}"),
    Shape.PERSON: ("[/", "/]"),
    Shape.QUESTION: ("{", "}"),
    Shape.END: ("([", "])"),
}
_PLAIN = ("[", "]")

COLOURS: Mapping[Shape, tuple[str, str]] = {
    Shape.START: ("#e8eef7", "#35558a"),
    Shape.STAGE: ("#dbe7fb", "#1f4e9c"),
    Shape.STEP: ("#ffffff", "#5b6675"),
    Shape.WAIT: ("#fff6dd", "#a37400"),
    Shape.HOLD: ("#fde7e7", "#b03030"),
    Shape.PERSON: ("#efe6fb", "#6a3fb0"),
    Shape.MILESTONE: ("#e6f6ea", "#2f7d45"),
    Shape.QUESTION: ("#f6f7f9", "#5b6675"),
    Shape.END: ("#e8eef7", "#35558a"),
}
"""Fill and border of each shape."""


def mermaid(chart: Chart) -> str:
    """The chart as a Mermaid flowchart, the same text for the same chart."""
    return "\n".join(_lines(chart)) + "\n"


def _lines(chart: Chart) -> Iterator[str]:
    yield "flowchart TD"
    for box in chart.boxes:
        left, right = _FORMS.get(box.shape, _PLAIN)
        yield f'    {box.id}{left}"{_label(box)}"{right}:::{_class(box.shape)}'
    for line in chart.lines:
        words = f'|"{_escaped(line.words)}"|' if line.words else ""
        yield f"    {line.start} -->{words} {line.end}"
    used = {box.shape for box in chart.boxes}
    for shape, (fill, border) in COLOURS.items():
        if shape in used:
            yield f"    classDef {_class(shape)} fill:{fill},stroke:{border},color:#1b2430"


def _class(shape: Shape) -> str:
    return f"is_{shape}"  # `end` alone is a word of Mermaid's own


def _label(box: Box) -> str:
    title = _escaped(box.title)
    if box.shape in (Shape.STAGE, Shape.START, Shape.END):
        title = f"<b>{title}</b>"
    return "<br/>".join([title, *map(_escaped, box.details)])


def _escaped(text: str) -> str:
    """Text in which Mermaid and HTML find nothing of their own.

    >>> _escaped('a "b" <c>')
    'a #quot;b#quot; #lt;c#gt;'
    """
    for character, entity in (
        ("#", "#35;"),
        ("&", "#amp;"),
        ('"', "#quot;"),
        ("<", "#lt;"),
        (">", "#gt;"),
    ):
        text = text.replace(character, entity)
    return text
