"""What no schema can see: terms that never bind, actions that nobody can be offered, loops."""

from __future__ import annotations

from datetime import date

from engine.bundle_business import Business
from engine.catalog import Action, Bundle, Reach
from engine.holds import commercial
from engine.types import Level


def check(bundle: Bundle, business: Business, today: date | None) -> None:
    """Notes what is written well and yet can't work."""
    for placement, name in bundle.fallbacks.items():
        _check_fallback(bundle.actions[name], placement, bundle, business)


# -- fallbacks


def _check_fallback(action: Action, placement: str, bundle: Bundle, business: Business) -> None:
    """What is shown when nothing can be decided: not commercial, not counted, always sayable."""
    fields = business.read["fallbacks"]
    sells = commercial(action.purpose, action.tags)
    if sells or action.only_for_journeys or action.mandatory:
        why = "must be neither commercial nor for journeys only"
        fields.note(placement, f"fallback {action.name} {why}")
    elif Level.STATIC not in bundle.purposes[action.purpose].levels:
        why = f"purpose {action.purpose} of fallback {action.name} needs level static"
        fields.note(placement, why)
    counted = [one.name for one in bundle.volumes if _counts(one.reach, action, bundle)]
    if action.exempt is None:
        bounds = (*bundle.limits, *bundle.policies)
        counted += [one.name for one in bounds if _counts(one.reach, action, bundle)]
    if counted:
        why = f"fallback {action.name} counts towards {', '.join(sorted(counted))}"
        remedy = "use an action that is exempt, or free it from the limit"
        fields.note(placement, f"{why}; {remedy}")


def _counts(reach: Reach, action: Action, bundle: Bundle) -> bool:
    return any(reach.covers(action, name) for name, one in bundle.channels.items() if one.in_page)
