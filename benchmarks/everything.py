"""`make bench`: decisions, journeys, then models; one table after the other, one JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks import decisions, journeys, models

NAMES = ("raw", "setting", "machine", "verdicts")
"""What both results have; all else is the measures of one of them."""


def run(*, quick: bool = False) -> dict[str, Any]:
    """Measures all. Takes under 28 minutes; with `quick` under 10."""
    found = together(decisions.run(quick=quick), journeys.run(quick=quick))
    return with_models(found, models.run(quick=quick))


def together(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """One result: what is raw, and the setting, of journeys stand under `journeys`."""
    measures = {name: found for name, found in second.items() if name not in NAMES}
    return {
        **first,
        **measures,
        "raw": {**first["raw"], "journeys": second["raw"]},
        "setting": {**first["setting"], "journeys": second["setting"]},
        "verdicts": {**first["verdicts"], **second["verdicts"]},
    }


def with_models(found: Mapping[str, Any], of_models: Mapping[str, Any]) -> dict[str, Any]:
    """The result with what was found of models, and their verdicts among the others."""
    said = {**found["verdicts"], **of_models["verdicts"]}
    return {**found, **of_models, "verdicts": said}


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """All tables."""
    yield from decisions.lines(result)
    yield ""
    of_journeys = {name: result[name]["journeys"] for name in ("raw", "setting")}
    yield from journeys.lines({**result, **of_journeys})
    yield ""
    yield from models.lines(result)


def picture(result: Mapping[str, Any]) -> str:
    """The growth curves of decisions as SVG."""
    return decisions.picture(result)
