"""How a journey calls the stack: what is tried how often, and what a failure turns into."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    FailureError,
    is_cancelled_exception,
)

from engine.types import Level
from workflows import steps
from workflows.steps import DecisionView, Dispatch, JourneyEntry, Question, Sent, SentStatus

LOCAL_PATIENCE = timedelta(seconds=5)
LOCAL_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=100), backoff_coefficient=2.0)
ATTEMPT_PATIENCE = timedelta(seconds=30)
SEND_PATIENCE_LEAST = timedelta(seconds=60)
SEND_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(minutes=5),
)
INSIST_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=500),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=30),
)
AGAIN_AFTER = timedelta(minutes=1)
"""On the wall: a call refused for good is made again, since someone may have mended its cause."""


async def ask(question: Question) -> DecisionView | None:
    """A decision; without proposals if the question is refused, None if the engine is away."""
    try:
        return await workflow.execute_local_activity(
            steps.DECIDE,
            question,
            result_type=DecisionView,
            schedule_to_close_timeout=LOCAL_PATIENCE,
            retry_policy=LOCAL_RETRY,
            summary=f"decide for {question.channel}",
        )
    except FailureError as error:
        if is_cancelled_exception(error):
            raise
        refusal = _refusal(error)
        if refusal is None:
            return None
        return DecisionView(decision_id="", level=Level.STATIC, because=(refusal,))


async def deliver(
    dispatch: Dispatch, patience: timedelta, given_up: Callable[[], bool]
) -> Sent | None:
    """What became of a message; None if it was given up, so that it may be out or not.

    After `patience`, on the wall, its outcome is unknown.
    """
    proposal = dispatch.proposal
    sending = workflow.start_activity(
        steps.SEND,
        dispatch,
        result_type=Sent,
        start_to_close_timeout=ATTEMPT_PATIENCE,
        schedule_to_close_timeout=max(patience, SEND_PATIENCE_LEAST),
        retry_policy=SEND_RETRY,
        summary=f"{proposal.offer.action} on {proposal.channel}",
    )
    try:
        await workflow.wait_condition(lambda: sending.done() or given_up())
        if not sending.done():
            sending.cancel()
            return None
        return await sending
    except FailureError as error:
        if is_cancelled_exception(error):
            raise
        refusal = _refusal(error)
        return Sent(
            status=SentStatus.FAILED if refusal else SentStatus.UNKNOWN,
            message_id=dispatch.message_id,
            reason=refusal or "its delivery was not confirmed in time",
        )


async def record(entry: JourneyEntry) -> bool:
    """Write where the journey stands into the live state; False if that was not possible now."""
    try:
        await workflow.execute_local_activity(
            steps.PUT_JOURNEY,
            entry,
            schedule_to_close_timeout=LOCAL_PATIENCE,
            retry_policy=LOCAL_RETRY,
            summary=entry.state.stage,
        )
    except FailureError as error:
        if is_cancelled_exception(error):
            raise
        return False
    return True


async def insist(activity: str, argument: Any, result: type | None = None) -> Any:
    """The result of an activity that the journey can't go on without, however long it takes."""
    while True:
        try:
            return await workflow.execute_activity(
                activity,
                argument,
                result_type=result,
                start_to_close_timeout=ATTEMPT_PATIENCE,
                retry_policy=INSIST_RETRY,
            )
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            await workflow.sleep(AGAIN_AFTER, summary=f"until {activity} is tried again")


async def at_once(activity: str, argument: Any, result: type | None = None) -> Any:
    """What `insist` gives, in one event of history where it can be had at once."""
    try:
        return await workflow.execute_local_activity(
            activity,
            argument,
            result_type=result,
            schedule_to_close_timeout=LOCAL_PATIENCE,
            retry_policy=LOCAL_RETRY,
        )
    except FailureError as error:
        if is_cancelled_exception(error):
            raise
        return await insist(activity, argument, result)


def _refusal(error: FailureError) -> str | None:
    """What an activity refused for good, and why; a local one raises its failure bare."""
    cause = error.cause if isinstance(error, ActivityError) else error
    if isinstance(cause, ApplicationError) and cause.non_retryable:
        return f"{cause.type}: {cause.message}"
    return None
