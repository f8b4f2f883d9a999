"""Outcomes of decisions: checked against the record, journalled once, counted as contacts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from engine.errors import InvalidInput, UnknownTreatment
from engine.ledger import evidence, tables, units
from engine.ledger.clock import milliseconds
from engine.ledger.evidence import Offered
from engine.ledger.facts import contact_of_outcome
from engine.ledger.journal import insert_new
from engine.ledger.units import Answered, Taker
from engine.types import Contact

COUNTED_BY_ITSELF = frozenset({"dispatch", "delivery", "ignore"})
"""What contact policies count without being told: no outcome may be called so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a customer did with one offered treatment: `outcome` is `impression`, or any other word.

    `id` tells apart two clicks; `value` is in the business's currency.
    """

    decision_id: str
    treatment: str
    outcome: str
    id: str
    at: datetime
    value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of a told outcome: `new` unless it was told before.

    `exhausted` names the volumes that had nothing left for it: what was offered had been kept for a
    while, and nobody answered in time.
    """

    new: bool
    exhausted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An outcome in the journal, and what is to be put in force: a contact, units, evidence."""

    new: bool
    contact: Contact
    units: Answered
    evidence: tuple[str, ...]


def offer_in(record: dict[str, Any], treatment: str) -> dict[str, Any]:
    """The offer of a recorded decision that an outcome speaks of. Raises UnknownTreatment."""
    placements = record["decision"]["placements"]
    offers = [offer for offers in placements.values() for offer in offers]
    for offer in offers:
        if offer["treatment"] == treatment:
            return offer
    offered = ", ".join(sorted(offer["treatment"] for offer in offers)) or "nothing"
    raise UnknownTreatment(f"this decision did not offer {treatment!r}; it offered {offered}")


def keep_outcome(
    connection: Connection, outcome: Outcome, record: dict[str, Any], now: datetime
) -> Kept:
    """Writes an outcome, and what it makes of units that were kept. Raises InvalidInput."""
    if outcome.outcome in COUNTED_BY_ITSELF:
        raise InvalidInput(
            f"{outcome.outcome!r} is no outcome to tell: Tactful counts it by itself; tell what the"
            " customer did, such as impression, click or reject"
        )
    offer = offer_in(record, outcome.treatment)
    key = {
        "decision_id": outcome.decision_id,
        "treatment": outcome.treatment,
        "outcome": outcome.outcome,
        "id": outcome.id,
    }
    row = {
        **key,
        "customer": record["request"]["customer"],
        "channel": record["request"]["channel"],
        "action": offer["action"],
        "group": offer["group"],
        "purpose": offer["purpose"],
        "at": milliseconds(outcome.at),
        "value": outcome.value,
    }
    new = insert_new(connection, tables.outcomes, row)
    query = select(tables.outcomes).filter_by(**key)
    contact = contact_of_outcome(connection.execute(query).one())
    offer_made = Offered(
        customer=record["request"]["customer"],
        decision_id=outcome.decision_id,
        treatment=outcome.treatment,
    )
    kinds = evidence.added_by(connection, offer_made, outcome.outcome) if new else ()
    return Kept(
        new=new,
        contact=contact,
        units=_answered(connection, outcome, record, contact, now),
        evidence=kinds,
    )


def _answered(
    connection: Connection,
    outcome: Outcome,
    record: dict[str, Any],
    contact: Contact,
    now: datetime,
) -> Answered:
    decision = outcome.decision_id
    taker = Taker(customer=record["request"]["customer"], by=decision, decision_id=decision)
    reserves = record["decision"].get("reserves", ())
    buckets = [one["bucket"] for one in reserves if one["action"] == contact.action]
    said = (contact.action, buckets, outcome.outcome)
    return units.answer(connection, taker, *said, outcome.at, now)
