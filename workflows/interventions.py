"""How an operator's intervention reaches a journey, from Python."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import (
    Client,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from engine.errors import Conflict, InvalidInput, JourneysUnavailable, NotFound
from workflows.life import Progress
from workflows.orders import Act, Intervention

__all__ = ["Act", "Intervention", "InterventionRefused", "UnknownJourney", "intervene"]

PATIENCE = timedelta(seconds=10)
"""A journey answers in milliseconds, unless no worker runs, or the one that did was killed."""


class InterventionRefused(Conflict):
    """A journey that can't do what was wanted of it as it stands; the message says why."""

    code = "intervention_refused"


class UnknownJourney(NotFound):
    """A journey that never was, or has ended."""

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
    try:
        return await handle.execute_update(  # pyright: ignore[reportUnknownMemberType]
            intervention.act.value,
            intervention,
            id=key,
            result_type=Progress,
            rpc_timeout=patience,
        )
    except WorkflowUpdateFailedError as error:
        raise InterventionRefused(f"{journey_id}: {_reason(error)}") from error
    except WorkflowUpdateRPCTimeoutOrCancelledError as error:
        raise JourneysUnavailable(
            f"{journey_id} did not answer within {patience.total_seconds():g} s: no worker runs it"
        ) from error
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise UnknownJourney(f"no journey {journey_id} runs") from error
        raise JourneysUnavailable(f"Temporal can't be reached: {error.message}") from error


def _reason(error: WorkflowUpdateFailedError) -> str:
    cause = error.cause
    return cause.message if isinstance(cause, ApplicationError) else str(cause)
