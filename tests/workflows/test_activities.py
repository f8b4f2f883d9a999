"""What a step asks for becomes a decision, a message or a hold; every error is mapped."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from temporalio.exceptions import ApplicationError

from engine import errors
from engine.errors import JourneysUnavailable, TactfulError, UnknownChannel
from engine.ledger.sends import DeliveryPending, SendStatus
from engine.types import Offer
from workflows import steps
from workflows.activities import RETRIED, errors_for_temporal, retried
from workflows.steps import Dispatch, Proposal, Question, SentStatus
from workflows.translation import ask_of, message_of

AT = datetime(2026, 3, 1, tzinfo=UTC)


def classes(kind: type[TactfulError]) -> Iterator[type[TactfulError]]:
    for child in kind.__subclasses__():
        yield child
        yield from classes(child)


def test_every_error_of_the_tree_is_mapped() -> None:
    unmapped = {
        kind.__name__
        for kind in classes(TactfulError)
        if kind.__module__ in (errors.__name__, DeliveryPending.__module__)
        and not any(parent in RETRIED for parent in kind.__mro__)
    }
    assert unmapped == set()


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (UnknownChannel("fax"), False),
        (JourneysUnavailable("away"), True),
        (DeliveryPending("no answer"), True),
    ],
)
def test_an_error_goes_to_temporal_under_its_code(error: TactfulError, again: bool) -> None:
    assert retried(error) is again
    with pytest.raises(ApplicationError) as failure, errors_for_temporal():
        raise error
    assert failure.value.type == error.code
    assert failure.value.non_retryable is not again


def test_journeys_know_every_status_of_a_send() -> None:
    assert {str(status) for status in SendStatus} == {str(status) for status in SentStatus}


def test_a_question_is_asked_under_the_key_of_its_step_and_at_its_time() -> None:
    question = Question(
        step="k1", customer="c", journey="j", channel="email", at=AT, tags=("renewal",), limit=5
    )
    ask = ask_of(question)
    assert (ask.request_id, ask.at, ask.tags) == ("k1", AT, ("renewal",))
    assert ask.placements[0].limit == 5


def test_a_message_carries_the_id_of_its_step() -> None:
    offer = Offer(
        action="a",
        treatment="a.email",
        purpose="service",
        tags=("complaint",),
        group="care",
        rank=1,
        propensity=0.5,
        priority=1.0,
        content={"subject": "hello"},
    )
    dispatch = Dispatch(
        message_id="m1",
        customer="c",
        journey="complaint:c:1",
        step="acknowledge",
        at=AT,
        proposal=Proposal(offer=offer, channel="email", decision_id="d1"),
    )
    message = message_of(dispatch, "7590-VHVEG", "service")
    assert (message.message_id, message.journey, message.step) == (
        "m1",
        "complaint:c:1",
        "acknowledge",
    )
    assert (message.customer, message.external_customer) == ("c", "7590-VHVEG")
    assert (message.treatment, message.content["subject"]) == ("a.email", "hello")
    assert message.exempt == "service"
    assert steps.SEND == "send"
