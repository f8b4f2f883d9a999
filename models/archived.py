"""Answered offers of the past: decisions from the archive, outcomes from the journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from sqlalchemy import create_engine, select

from engine.ledger import tables
from engine.ledger.archive import records
from engine.ledger.clock import from_milliseconds
from engine.ledger.site import Site
from models.dataset import AcceptanceRow, acceptance_rows


def archived_rows(site: Site) -> Iterator[AcceptanceRow]:
    """Every archived offer whose answer is known by the stack's clock, oldest first."""
    outcomes = _outcomes(site)
    answered = {str(outcome["decision_id"]) for outcome in outcomes}
    archived = (orjson.loads(record) for record in records(site.archive))
    wanted = (each for each in archived if each["decision"]["decision_id"] in answered)
    return acceptance_rows(wanted, outcomes, now=site.clock.now())


def _outcomes(site: Site) -> list[Mapping[str, Any]]:
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
