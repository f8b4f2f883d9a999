"""Earlier answers: found again, and whether they may be given once more."""

from __future__ import annotations

from datetime import datetime

from engine import exclusions, volumes
from engine.catalog import Bundle
from engine.consent import consented
from engine.errors import LiveStateUnavailable, Unavailable, UnknownDecision
from engine.holds import covering, in_force
from engine.ledger.ledger import Ledger
from engine.ledger.state import LiveState
from engine.record import Seal, decision_of, seal_of
from engine.shelf import shelf
from engine.types import Decision, Offer, Remembered


async def remembered(
    ledger: Ledger,
    state: LiveState,
    bundle: Bundle,
    channel: str,
    placements: frozenset[str],
) -> tuple[tuple[Remembered, ...], tuple[str, ...]]:
    """The offers of the customer's latest decision here, if it is not too old, and which it was.

    Raises LiveStateUnavailable.
    """
    now = ledger.clock.now()
    for decision_id in state.latest:
        kept = await stored_decision(ledger, decision_id)
        if kept is None or now - kept.at > bundle.cache_age:
            continue
        offers = tuple(
            Remembered(
                placement=placement,
                action=offer.action,
                treatment=offer.treatment,
                propensity=offer.propensity,
                decision_id=decision_id,
            )
            for placement, offers in kept.placements.items()
            for offer in offers
            if placement in placements and _on_channel(offer, bundle, channel)
        )
        if offers:
            said = f"decision {decision_id} of {kept.at.isoformat(timespec='seconds')} is used"
            return offers, (said,)
    return (), ()


def _on_channel(offer: Offer, bundle: Bundle, channel: str) -> bool:
    place = shelf(bundle, channel).get(offer.action)
    return place is not None and offer.treatment in {one.id for one in place.own + place.like}


async def stored_decision(ledger: Ledger, decision_id: str) -> Decision | None:
    """The decision of a record, or None where it can't be found, or its seal does not vouch for it.

    Raises LiveStateUnavailable.
    """
    try:
        kept = await ledger.raw_record(decision_id)
    except LiveStateUnavailable:
        raise
    except (Unavailable, UnknownDecision):
        return None
    if seal_of(kept, ledger.site.seal_key, decision_id) is not Seal.INTACT:
        return None
    return decision_of(kept)


def still_legal(
    decision: Decision, state: LiveState, bundle: Bundle, channel: str, now: datetime
) -> bool:
    """Whether each offer of a stored answer may still be shown: known, not stopped, not held,
    consented, and what it took out of volumes is still kept.
    """
    if not decision.offers:
        return True
    if not state.marker:
        return False
    held = in_force(state.holds, now)
    units = {(one.bucket, one.action) for one in volumes.in_force(state.reserved, now)}
    if any((one.bucket, one.action) not in units for one in decision.reserves):
        return False
    places = shelf(bundle, channel)
    return all(
        (place := places.get(offer.action)) is not None
        and not exclusions.in_force(place, now)
        and not covering(held, place.action)
        and consented(bundle, place.action.purpose, channel, state.consents)
        for offer in decision.offers
    )
