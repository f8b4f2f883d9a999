"""The client of Temporal that API, worker and reconciler share."""

from __future__ import annotations

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from engine.errors import JourneysUnavailable
from engine.ledger.site import Site


async def connect(site: Site, *, lazy: bool = False) -> Client:
    """Connects to the stack's Temporal; lazily, only when it is first used. Raises
    JourneysUnavailable.
    """
    try:
        return await Client.connect(
            site.temporal_address,
            namespace=site.temporal_namespace,
            data_converter=pydantic_data_converter,
            lazy=lazy,
        )
    except RuntimeError as error:
        raise JourneysUnavailable(
            f"Temporal at {site.temporal_address} can't be reached: {error}"
        ) from error
