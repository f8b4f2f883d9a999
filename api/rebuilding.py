"""`tactful rebuild`: opens what the rebuild needs."""

from __future__ import annotations

from collections.abc import Callable

from engine.bundle import load_bundle
from engine.ledger import open_ledger
from engine.ledger.site import Site
from models import registry
from workflows.connection import connected
from workflows.rebuild import Rebuilt, rebuild


async def rebuild_site(site: Site, progress: Callable[[str], None]) -> Rebuilt:
    """Recreate the Redis of a site. Raises JourneysUnavailable and LiveStateUnavailable."""
    bundle = load_bundle(site.bundle, models=registry.current(site))
    async with connected(site) as client, open_ledger(site) as ledger:
        return await rebuild(ledger, client, bundle, progress)
