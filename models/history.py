"""What became of every training and way back: a line for each in `models/<name>/history.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from engine.ledger.site import Site
from models.registry import folder

FILE = "history.jsonl"


class Happened(StrEnum):
    """`kept`: the one before stays in use; `refused`: the new one must never be; `back`: the way
    back was taken.
    """

    PROMOTED = "promoted"
    KEPT = "kept"
    REFUSED = "refused"
    BACK = "back"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line. `artefact` is what was trained or gone back to, `before` what was in use then."""

    at: datetime
    what: Happened
    artefact: str
    because: str
    before: str | None = None
    report: Mapping[str, Any] = field(default_factory=dict[str, Any])


def note(site: Site, name: str, entry: Entry) -> None:
    """Adds a line."""
    path = _path(site, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(told(entry)) + "\n")


def told(entry: Entry) -> dict[str, Any]:
    """A line as JSON has it."""
    return {
        "at": entry.at.isoformat(),
        "what": entry.what,
        "artefact": entry.artefact,
        "because": entry.because,
        "before": entry.before,
        "report": entry.report,
    }


def history(site: Site, name: str) -> list[Entry]:
    """All lines that can be read, oldest first: a crash may have cut one short."""
    try:
        lines = _path(site, name).read_text().splitlines()
    except OSError:
        return []
    return [entry for line in lines if (entry := _entry(line)) is not None]


def withdrawn(site: Site, name: str) -> Mapping[str, Entry]:
    """The artefacts that were gone back from and not gone back to since, with when and why."""
    found: dict[str, Entry] = {}
    for entry in history(site, name):
        if entry.what is Happened.BACK:
            found.pop(entry.artefact, None)
            if entry.before and entry.before != entry.artefact:
                found[entry.before] = entry
    return found


def _path(site: Site, name: str) -> Path:
    return folder(site, name) / FILE


def _entry(line: str) -> Entry | None:
    try:
        raw = json.loads(line)
        return Entry(
            at=datetime.fromisoformat(raw["at"]),
            what=Happened(raw["what"]),
            artefact=raw["artefact"],
            because=raw["because"],
            before=raw["before"],
            report=raw["report"],
        )
    except (ValueError, KeyError, TypeError):
        return None
