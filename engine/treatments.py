"""Which way to say an action fits, and its words filled in with what is known."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from engine.catalog import Treatment
from engine.logic import Lookup
from engine.shelf import Place
from engine.types import Drop, Scalar, Stage

PLACEHOLDER = re.compile(r"\{([a-z]\w*(?:\.\w+)+)\}")
"""What is filled in: `{billing.monthly_charges}`."""


def unfit(treatment: Treatment, lookup: Lookup) -> Iterator[Drop]:
    """Why a treatment can't be used: what it tells is not known, or one of its rules fails."""
    for name in treatment.needs:
        if lookup(name) is None:
            detail = f"{treatment.id} tells {name}, which is not known or too old"
            yield Drop(stage=Stage.TREATMENT, rule=f"needs:{name}", detail=detail)
    for rule in treatment.rules:
        passed = rule.condition(lookup)
        if passed is None and not rule.unknown_passes:
            detail = f"not known: {rule.because}"
            yield Drop(stage=Stage.TREATMENT, rule=rule.name, detail=detail)
        elif passed is False:
            yield Drop(stage=Stage.TREATMENT, rule=rule.name, detail=rule.because)


def fitting(place: Place, placement: str, tone: str | None, lookup: Lookup) -> Treatment | None:
    """The best treatment that can be used there, or None."""
    for treatment in place.treatments(placement, tone):
        if not treatment.needs and not treatment.rules:
            return treatment
        if next(unfit(treatment, lookup), None) is None:
            return treatment
    return None


def said(treatment: Treatment, lookup: Lookup) -> Mapping[str, str]:
    """Its content, with every `{view.feature}` filled in."""
    if not treatment.needs:
        return treatment.content

    def fill(match: re.Match[str]) -> str:
        found = lookup(match[1])
        return match[0] if found is None else _words(found)

    return {key: PLACEHOLDER.sub(fill, text) for key, text in treatment.content.items()}


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2f}" if isinstance(value, float) and not value.is_integer() else _plain(value)


def _plain(value: object) -> str:
    return str(int(value)) if isinstance(value, float) else str(value)


def names_in(content: Mapping[str, Scalar]) -> tuple[str, ...]:
    """The names that the words of a treatment tell, in order."""
    found = [name for text in content.values() for name in PLACEHOLDER.findall(str(text))]
    return tuple(dict.fromkeys(found))
