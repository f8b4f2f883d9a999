"""Which way to say an action fits, and its words filled in with what is known."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from engine.catalog import Treatment
from engine.eligibility import failed
from engine.logic import Lookup, scalar
from engine.shelf import Place
from engine.types import Drop, Scalar, Stage

PLACEHOLDER = re.compile(r"\{([a-z]\w*(?:\.\w+)+)\}")
"""What is filled in: `{billing.monthly_charges}`."""


def unfit(treatment: Treatment, lookup: Lookup) -> Iterator[Drop]:
    """Why a treatment can't be used: what it tells is not known, or one of its rules fails."""
    for name in treatment.needs:
        if scalar(lookup(name)) is None:
            detail = f"{treatment.id} tells {name}, which is not known or too old"
            yield Drop(stage=Stage.TREATMENT, rule=f"needs:{name}", detail=detail)
    for rule in treatment.rules:
        if (drop := failed(rule, Stage.TREATMENT, lookup)) is not None:
            yield drop


def fitting(place: Place, placement: str, tone: str | None, lookup: Lookup) -> Treatment | None:
    """The best treatment that can be used there, or None."""
    for treatment in place.treatments(placement, tone):
        if not treatment.needs and not treatment.rules:
            return treatment
        if next(unfit(treatment, lookup), None) is None:
            return treatment
    return None


def said(treatment: Treatment, lookup: Lookup) -> Mapping[str, str]:
    """Its content, with every `{view.feature}` filled in; what is filled in is not filled again."""
    if not treatment.needs:
        return treatment.content

    def fill(match: re.Match[str]) -> str:
        found = scalar(lookup(match[1]))
        return match[0] if found is None else in_words(found)

    return {key: PLACEHOLDER.sub(fill, text) for key, text in treatment.content.items()}


def in_words(value: str | float) -> str:
    """A value as a customer reads it: `yes`, `24`, `70.50`.

    >>> [in_words(value) for value in (True, 24, 24.0, 70.5, -0.001, "DSL")]
    ['yes', '24', '24', '70.50', '0', 'DSL']
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return str(value)
    rounded = round(value, 2)
    return str(int(rounded)) if rounded.is_integer() else f"{rounded:.2f}"


def names_in(content: Mapping[str, Scalar]) -> tuple[str, ...]:
    """The names that the words of a treatment tell, in order."""
    found = [name for text in content.values() for name in PLACEHOLDER.findall(str(text))]
    return tuple(dict.fromkeys(found))
