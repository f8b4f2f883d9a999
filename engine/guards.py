"""What may stop an action whatever it is worth: asked for a decision and again when it is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from engine import contact, exclusions, holds, keeping, policies, quiet, session
from engine.moment import Moment
from engine.shelf import Place
from engine.types import Drop, Stage


def silences(place: Place, moment: Moment) -> Iterator[Drop]:
    """The emergency stop, the holds, and what can't be said while the live state is not known."""
    if (drop := exclusions.excluded(place, moment)) is not None:
        yield drop
    for hold in holds.covering(moment.held, place.action) if moment.held else ():
        yield Drop(stage=Stage.HOLD, rule=f"hold:{hold.id}", detail=hold.because, until=hold.until)
    if not moment.snapshot.reconciled and not careful(place, moment):
        detail = "holds, consents and contacts can't be read: nothing commercial or limited"
        yield Drop(stage=Stage.LEVEL, rule="not_reconciled", detail=detail)


def careful(place: Place, moment: Moment) -> bool:
    """Whether an action may go out while nothing is known of holds, consents and contacts."""
    action = place.action
    if place.limits or place.policies or place.volumes:
        return False
    if holds.commercial(action.purpose, action.tags):
        return False
    return action.exempt is not None or action.name in moment.bundle.fallbacks.values()


def contact_obstacles(place: Place, moment: Moment) -> Iterator[Drop]:
    """Consent, what was answered in this session, policies, limits, kept places, quiet hours."""
    if not consented(place, moment):
        yield place.no_consent
    for asked in moment.once("guards", _awake):
        if (drop := asked(place, moment)) is not None:
            yield drop


def consented(place: Place, moment: Moment) -> bool:
    """Whether the customer agrees to its purpose on this channel, by word or by default."""
    granted = moment.snapshot.consents.get(place.consent)
    return place.consent_default if granted is None else granted


def at_rest(moment: Moment) -> bool:
    """Whether nothing but a missing consent can be among the contact obstacles of any action."""
    return not moment.once("guards", _awake)


def exemptions(place: Place, moment: Moment) -> tuple[str, ...]:
    """The policies, limits and other rules that only its class of exemption lets an action pass."""
    if place.spared is None:
        return ()
    found = (asked(place.spared, moment) for asked in moment.once("guards", _awake))
    return tuple(drop.rule for drop in found if drop is not None)


def _awake(moment: Moment) -> tuple[Callable[[Place, Moment], Drop | None], ...]:
    """The guards that may stop some action at this moment, in their order."""
    guards = (
        (session.awake, session.silenced),
        (policies.awake, policies.suppressed),
        (contact.awake, contact.limited),
        (keeping.awake, keeping.kept),
        (quiet.awake, quiet.hushed),
    )
    return tuple(guard for awake, guard in guards if awake(moment))
