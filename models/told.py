"""The models of a stack in words: which is in use, what became of each training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, TypedDict

from engine.errors import InvalidModel
from engine.ledger.site import Site
from models.artefact import Artefact, read_artefact
from models.history import Entry, history
from models.registry import current_hash, files, models_kept
from models.text import FORMAT, TextModel, read_text_model

SHOWN = 12
"""So many digits of a hash tell models apart."""
_MAIN = ("auc", "macro_f1", "log_loss", "calibration_error")


class InUse(TypedDict):
    """One model: what is in use, or why that can't be told."""

    name: str
    artefact: str | None
    trained_at: str | None
    rows: int
    metrics: dict[str, float]
    trouble: str


def models_of(site: Site) -> list[InUse]:
    """Every model that was ever kept, by name."""
    return [_in_use(site, name) for name in models_kept(site)]


def _in_use(site: Site, name: str) -> InUse:
    found, trouble, artefact = None, "", None
    try:
        found = current_hash(site, name)
        artefact = None if found is None else _read(*files(site, name, found))
    except InvalidModel as error:
        trouble = str(error)
    return InUse(
        name=name,
        artefact=found,
        trained_at=artefact.trained_at.isoformat() if artefact else None,
        rows=artefact.rows if artefact else 0,
        metrics={**artefact.metrics} if artefact else {},
        trouble=trouble,
    )


def _read(facts: bytes, model: bytes) -> Artefact | TextModel:
    of_texts = f'"format": "{FORMAT}"'.encode() in facts
    return read_text_model(facts, model) if of_texts else read_artefact(facts, model)


def list_lines(found: Sequence[InUse]) -> Iterator[str]:
    """A line for each model."""
    yield f"{'model':<14}{'in use':<{SHOWN + 2}}{'trained':<18}{'rows':>9}  held out"
    for one in found:
        if one["trouble"]:
            yield f"{one['name']:<14}{one['trouble']}"
            continue
        shown = short(one["artefact"] or "none")
        trained = minute(datetime.fromisoformat(one["trained_at"])) if one["trained_at"] else ""
        measures = ", ".join(
            f"{name.replace('_', ' ')} {one['metrics'][name]:.4f}"
            for name in _MAIN
            if name in one["metrics"]
        )
        yield f"{one['name']:<14}{shown:<{SHOWN + 2}}{trained:<18}{one['rows']:>9,}  {measures}"


def history_lines(site: Site, name: str, most: int) -> Iterator[str]:
    """What became of the last trainings, newest first, each with its reason."""
    for entry in history(site, name)[: -most - 1 : -1]:
        shown = short(entry.artefact) if entry.artefact else "-"
        yield f"{minute(entry.at)}  {name:<11}{entry.what:<9}{shown:<{SHOWN + 2}}{entry.because}"
        yield from (f"{'':<18}{line}" for line in _details(entry))


def _details(entry: Entry) -> Iterator[str]:
    report = entry.report
    if report.get("held_out"):
        judged = f"judged by {report['held_out_rows']:,}, {report['held_out']}"
        yield f"{report['rows']:,} rows; {judged}"
    if report.get("trials"):
        yield f"chosen: {report['trials'][0]}; calibration {report['calibration']}"
    if report.get("lift"):
        yield lift_words(report["lift"])


def lift_words(lift: Any) -> str:
    """The lift over the random control slice in one line."""
    return (
        f"lift over the random control slice {lift['lift']:+.0%} ({lift['low']:+.0%} to "
        f"{lift['high']:+.0%}): {lift['rate']:.1%} of {lift['offers']:,} against "
        f"{lift['control']:.1%} of {lift['control_offers']:,}"
    )


def short(artefact: str) -> str:
    """Enough of a hash to tell it by."""
    return artefact.removeprefix("sha256:")[:SHOWN]


def minute(at: datetime) -> str:
    """A time to the minute, as the stack's clock has it."""
    return f"{at:%Y-%m-%d %H:%M}"
