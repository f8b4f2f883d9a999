"""`make bench`: decisions, then journeys; one table after the other, one JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks import decisions, journeys

NAMES = ("raw", "setting", "machine", "verdicts")
"""What both results have; all else is the measures of one of them."""


def run(*, quick: bool = False) -> dict[str, Any]:
    """Measures both. Takes under 21 minutes; with `quick` under 7."""
    return together(decisions.run(quick=quick), journeys.run(quick=quick))


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


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """Both tables."""
    yield from decisions.lines(result)
    yield ""
    of_journeys = {name: result[name]["journeys"] for name in ("raw", "setting")}
    yield from journeys.lines({**result, **of_journeys})


def picture(result: Mapping[str, Any]) -> str:
    """The growth curves of decisions as SVG."""
    return decisions.picture(result)
