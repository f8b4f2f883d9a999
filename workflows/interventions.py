"""How an operator's intervention reaches a journey, and how one looks at it, from Python."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from engine.errors import Conflict, InvalidInput, JourneysUnavailable, NotFound
from workflows.life import Progress
from workflows.orders import Act, Intervention
from workflows.search_attributes import KIND

__all__ = ["Act", "Intervention", "InterventionRefused", "UnknownJourney", "intervene", "look"]

PATIENCE = timedelta(seconds=10)
"""A journey answers in milliseconds, unless no worker runs, or the one that did was killed."""

GRACE_SECONDS = 1.0
SILENCE = (
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.CANCELLED,
    RPCStatusCode.FAILED_PRECONDITION,
)
"""How Temporal says that no worker took a question."""


class InterventionRefused(Conflict):
    """A journey that can't do what was wanted of it as it stands; the message says why."""

    code = "intervention_refused"


class UnknownJourney(NotFound):
    """A journey that never was, or does not run any more."""

    code = "unknown_journey"


async def intervene(
    client: Client,
    journey_id: str,
    intervention: Intervention,
    *,
    key: str | None = None,
    patience: timedelta = PATIENCE,
) -> Progress:
    """Intervenes in a running journey; answers where it stands then.

    With the same `key` it happens once, however often it is sent. Raises InterventionRefused with
    the reason, UnknownJourney, and JourneysUnavailable if no worker answers within `patience`.
    """
    if intervention.act is None:
        raise InvalidInput(f"an intervention needs an act: {', '.join(Act)}")
    handle = client.get_workflow_handle(journey_id)
    with _failures(journey_id, patience):
        async with asyncio.timeout(patience.total_seconds() + GRACE_SECONDS):
            return await handle.execute_update(  # pyright: ignore[reportUnknownMemberType]
                intervention.act.value,
                replace(intervention, key=key or ""),
                id=key,
                result_type=Progress,
                rpc_timeout=patience,
            )


async def look(
    client: Client, journey_id: str, *, patience: timedelta = PATIENCE
) -> tuple[WorkflowExecutionDescription, Progress]:
    """A journey that runs or has ended, and where it stands.

    Raises UnknownJourney, and JourneysUnavailable if no worker answers within `patience`.
    """
    handle = client.get_workflow_handle(journey_id)
    with _failures(journey_id, patience):
        async with asyncio.timeout(patience.total_seconds() + GRACE_SECONDS):
            described = await handle.describe(rpc_timeout=patience)
            if described.typed_search_attributes.get(KIND) is None:
                raise UnknownJourney(f"{journey_id} is no journey")
            progress = await handle.query("progress", result_type=Progress, rpc_timeout=patience)
    return described, progress


@contextmanager
def _failures(journey_id: str, patience: timedelta) -> Generator[None]:
    """What goes wrong on the way to a journey, as an error that callers understand."""
    silent = f"{journey_id} did not answer within {patience.total_seconds():g} s: no worker runs it"
    try:
        yield
    except WorkflowUpdateFailedError as error:
        raise InterventionRefused(f"{journey_id}: {_reason(error)}") from error
    except (WorkflowUpdateRPCTimeoutOrCancelledError, TimeoutError) as error:
        raise JourneysUnavailable(silent) from error
    except WorkflowQueryFailedError as error:
        raise JourneysUnavailable(f"{journey_id} can't say where it stands: {error}") from error
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise UnknownJourney(
                f"no journey {journey_id}: it never was, or it has ended"
            ) from error
        if error.status in SILENCE:
            raise JourneysUnavailable(silent) from error
        raise JourneysUnavailable(f"Temporal can't be reached: {error.message}") from error
    except RuntimeError as error:  # how a lazy client says that it can't connect
        raise JourneysUnavailable("Temporal can't be reached") from error


def _reason(error: WorkflowUpdateFailedError) -> str:
    cause = error.cause
    return cause.message if isinstance(cause, ApplicationError) else str(cause)
