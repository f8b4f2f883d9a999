"""Answered offers of the past: decisions from the archive, outcomes from the journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import create_engine, select

from engine.ledger import tables
from engine.ledger.archive import records
from engine.ledger.clock import from_milliseconds
from engine.ledger.site import Site
from engine.record import Record, read
from models.dataset import POSITIVE, AcceptanceRow, acceptance_rows


def archived_rows(site: Site) -> Iterator[AcceptanceRow]:
    """Every archived offer whose answer is known by the stack's clock, oldest first."""
    outcomes = journalled(site)
    answered = {str(outcome["decision_id"]) for outcome in outcomes}
    archived = (orjson.loads(record) for record in records(site.archive))
    wanted = (each for each in archived if each["decision"]["decision_id"] in answered)
    return acceptance_rows(wanted, outcomes, now=site.clock.now())


def journalled(site: Site) -> list[Mapping[str, Any]]:
    """Every outcome that the journal knows."""
    table = tables.outcomes.c
    query = select(table.decision_id, table.treatment, table.outcome, table.at)
    engine = create_engine(site.journal)
    try:
        tables.metadata.create_all(engine, tables=[tables.outcomes])
        with engine.connect() as connection:
            return [
                {**row, "at": from_milliseconds(row["at"])}
                for row in connection.execute(query).mappings()
            ]
    finally:
        engine.dispose()


def accepted_offers(site: Site) -> frozenset[tuple[str, str]]:
    """Decision and treatment of every offer that was accepted."""
    return frozenset(
        (str(outcome["decision_id"]), str(outcome["treatment"]))
        for outcome in journalled(site)
        if outcome["outcome"] in POSITIVE
    )


def settled_records(site: Site, wait: timedelta, most: int) -> list[Record]:
    """The newest archived decisions that are older than `wait` by the stack's clock."""
    until = site.clock.now() - wait
    found: list[Record] = []
    for record in reversed(records(site.archive)):
        kept = read(record)
        if kept.decision.at <= until:
            found.append(kept)
        if len(found) == most:
            break
    return found[::-1]
