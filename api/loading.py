"""`tactful load customers`: a table into the feature store, what else it says into the ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engine.catalog import Scope
from engine.ledger import open_ledger
from engine.ledger.site import Site
from feature_store.load import Summary, load_customers
from feature_store.tables import Table


async def load_table(
    site: Site,
    table: Path | Table,
    *,
    mapping: Path | None,
    separator: str,
    progress: Callable[[int], None],
) -> Summary:
    """Load customers, remember their names and memberships, keep the consents that are new.

    An empty cell says nothing of an account or household: who is in one stays there.

    Raises InvalidInput when the table as a whole can't be read.
    """
    async with open_ledger(site) as ledger:
        summary = await load_customers(
            site, ledger.redis, table, mapping=mapping, separator=separator, progress=progress
        )
        names = [known.external_id for known in summary.customers]
        aliases = [
            (known.external_id, kind, alias)
            for known in summary.customers
            for kind, alias in known.aliases.items()
        ]
        await ledger.customers.remember_all(names, aliases)
        members = [
            (known.customer, Scope(scope), circle)
            for known in summary.customers
            for scope, circle in known.memberships.items()
        ]
        await ledger.memberships.join_all(members)
        await ledger.set_first_consents(summary.consents)
        return summary
