"""The client of Temporal that API, worker and reconciler share, and how journeys are told."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio.client import Client, TLSConfig, WorkflowFailureError
from temporalio.service import RPCError, RPCStatusCode

from engine.errors import JourneysUnavailable, StackError
from engine.ledger.site import Site, Tls
from workflows import steps
from workflows.payloads import DATA_CONVERTER

SETTLING_SECONDS = 0.2


async def connect(site: Site, *, lazy: bool = False) -> Client:
    """Connects to the stack's Temporal, or `lazy` when first used. Raises JourneysUnavailable."""
    try:
        return await Client.connect(
            site.temporal_address,
            namespace=site.temporal_namespace,
            data_converter=DATA_CONVERTER,
            tls=tls(site.temporal_tls),
            api_key=site.temporal_api_key or None,
            lazy=lazy,
        )
    except RuntimeError as error:
        raise JourneysUnavailable(
            f"Temporal at {site.temporal_address} can't be reached: {_reason(error)}"
        ) from error


@asynccontextmanager
async def connected(site: Site) -> AsyncGenerator[Client]:
    """A client for a process that ends soon afterwards. Raises JourneysUnavailable.

    Its threads let go of Python a moment after their last answer: a process that ends before that
    is aborted (temporalio/sdk-python issue 300).
    """
    try:
        yield await connect(site)
    finally:
        await asyncio.sleep(SETTLING_SECONDS)


def _reason(error: RuntimeError) -> str:
    """The innermost message; what is around it are the layers of the client."""
    messages = re.findall(r'message: "([^"]+)"', str(error))
    return messages[-1] if messages else str(error)


async def tell(client: Client, journey: str, heard: steps.Heard, patience: timedelta) -> bool:
    """Signals an event to a journey; False if it does not run. Raises RPCError."""
    handle = client.get_workflow_handle(journey)
    try:
        await handle.signal(steps.EVENT, heard, rpc_timeout=patience)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return False
    return True


async def ending_of(client: Client, journey: str, patience: timedelta) -> steps.Ending:
    """How a journey ended that is over, even if it failed or was terminated. Raises RPCError."""
    handle = client.get_workflow_handle(journey, result_type=steps.Ending)
    try:
        return await handle.result(rpc_timeout=patience)
    except WorkflowFailureError as error:
        return steps.Ending(ended="failed", because=str(error.cause))


def tls(files: Tls | None) -> TLSConfig | bool:
    """Temporal's settings for an encrypted connection; False for a plain one.

    Raises StackError for a file that can't be read.
    """
    if files is None:
        return False
    try:
        return TLSConfig(
            server_root_ca_cert=files.ca.read_bytes() if files.ca else None,
            client_cert=files.certificate.read_bytes() if files.certificate else None,
            client_private_key=files.key.read_bytes() if files.key else None,
        )
    except OSError as error:
        raise StackError(f"TLS file {error.filename} can't be read: {error.strerror}") from None
