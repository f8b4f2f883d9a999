"""The chart of a journey: boxes and the lines between them, and how it is made simpler."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Shape(StrEnum):
    """What a box stands for. A `joint` only brings lines together: a simplified chart has none."""

    START = "start"
    STAGE = "stage"
    STEP = "step"
    WAIT = "wait"
    HOLD = "hold"
    PERSON = "person"
    MILESTONE = "milestone"
    QUESTION = "question"
    END = "end"
    JOINT = "joint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One box: a title and details below it. `pattern` matches the names of a stage."""

    id: str
    shape: Shape
    title: str
    details: tuple[str, ...] = ()
    pattern: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A way from one box to another; `words` say when it is taken."""

    start: str
    end: str
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A journey as a graph; boxes in the order in which its code reaches them."""

    kind: str
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]

    def stages(self) -> Iterator[Box]:
        """The boxes of stages."""
        return (box for box in self.boxes if box.shape is Shape.STAGE)

    def ends(self) -> Iterator[Box]:
        """The boxes in which the journey is over."""
        return (box for box in self.boxes if box.shape is Shape.END)


@dataclass(slots=True)
class Draft:
    """A chart in the making."""

    boxes: dict[str, Box] = field(default_factory=dict[str, Box])
    lines: list[Line] = field(default_factory=list[Line])

    def add(
        self, shape: Shape, title: str = "", details: tuple[str, ...] = (), pattern: str = ""
    ) -> str:
        """A new box; answers its id."""
        name = f"n{len(self.boxes) + 1}"
        self.boxes[name] = Box(id=name, shape=shape, title=title, details=details, pattern=pattern)
        return name

    def join(self, start: str, end: str, words: str) -> None:
        """A line, unless it is there already."""
        line = Line(start=start, end=end, words=words)
        if line not in self.lines:
            self.lines.append(line)

    def chart(self, kind: str) -> Chart:
        """The chart without joints, questions that change nothing, and what is never reached."""
        while self._contract():
            pass
        self._merge_milestones()
        boxes = [box for box in self.boxes.values() if box.id in self._reached()]
        names = {box.id: f"n{number}" for number, box in enumerate(boxes, 1)}
        order = list(names)
        lines = sorted(
            (line for line in self.lines if line.start in names and line.end in names),
            key=lambda line: (order.index(line.start), order.index(line.end)),
        )
        return Chart(
            kind=kind,
            boxes=tuple(replace(box, id=names[box.id]) for box in boxes),
            lines=tuple(
                Line(start=names[line.start], end=names[line.end], words=line.words)
                for line in self._merged(lines)
            ),
        )

    def _contract(self) -> bool:
        for box in self.boxes.values():
            if box.shape not in (Shape.JOINT, Shape.QUESTION):
                continue
            out = {line.end for line in self.lines if line.start == box.id} - {box.id}
            if len(out) == 1:
                self._bypass(box.id, out.pop())
                return True
        return False

    def _bypass(self, name: str, following: str) -> None:
        into = [line for line in self.lines if line.end == name and line.start != name]
        self.lines = [line for line in self.lines if name not in (line.start, line.end)]
        del self.boxes[name]
        for line in into:
            self.join(line.start, following, line.words)

    def _merge_milestones(self) -> None:
        for line in list(self.lines):
            first, second = self.boxes.get(line.start), self.boxes.get(line.end)
            if first is None or second is None or first.id == second.id:
                continue
            if first.shape is second.shape is Shape.MILESTONE:
                details = (*first.details, *second.details)
                self.boxes[second.id] = replace(second, details=details)
                self._bypass(first.id, second.id)

    def _reached(self) -> set[str]:
        following: dict[str, list[str]] = {}
        for line in self.lines:
            following.setdefault(line.start, []).append(line.end)
        reached, waiting = set[str](), list(self.boxes)[:1]
        while waiting:
            one = waiting.pop()
            if one not in reached:
                reached.add(one)
                waiting += following.get(one, [])
        return reached

    def _merged(self, lines: Iterable[Line]) -> Iterator[Line]:
        """Lines between the same boxes as one; the only way on needs no condition."""
        found: dict[tuple[str, str], list[str]] = {}
        for line in lines:
            found.setdefault((line.start, line.end), []).append(line.words)
        ways = Counter(start for start, _ in found)
        for (start, end), words in found.items():
            only = ways[start] == 1 and self.boxes[start].shape is not Shape.END
            told = "" if only or "" in words else " or ".join(words)
            yield Line(start=start, end=end, words=told)
