"""Between the words of journeys and those of engine, ledger and channels."""

from __future__ import annotations

from engine.channels.delivery import Message
from engine.live import Answer, Ask
from engine.types import Hold, Placement
from workflows import steps
from workflows.steps import DecisionView, HeldBy, Proposal


def ask_of(question: steps.Question) -> Ask:
    """The question as the engine takes it."""
    return Ask(
        customer=question.customer,
        channel=question.channel,
        placements=(Placement(limit=question.limit),),
        context=question.context,
        purposes=question.purposes,
        tags=question.tags,
        request_id=question.step,
        digest=question.step,
        at=question.at,
        journey=question.journey,
    )


def view_of(answer: Answer, channel: str) -> DecisionView:
    """The part of a decision that a journey keeps in its history."""
    decision = answer.decision
    return DecisionView(
        decision_id=decision.decision_id,
        level=decision.level,
        because=decision.because,
        proposals=tuple(
            Proposal(offer=offer, channel=channel, decision_id=decision.decision_id)
            for offer in decision.offers
        ),
        holds=tuple(held_by(hold) for hold in decision.holds),
        scores=dict(decision.scores.customer),
    )


def held_by(hold: Hold) -> HeldBy:
    """A hold as a journey sees it."""
    return HeldBy(id=hold.id, purposes=hold.purposes, tags=hold.tags, because=hold.because)


def message_of(dispatch: steps.Dispatch, external_customer: str, exempt: str | None) -> Message:
    """The message that a channel delivers."""
    offer = dispatch.proposal.offer
    return Message(
        message_id=dispatch.message_id,
        customer=dispatch.customer,
        external_customer=external_customer,
        channel=dispatch.proposal.channel,
        action=offer.action,
        treatment=offer.treatment,
        group=offer.group,
        purpose=offer.purpose,
        tags=offer.tags,
        content=offer.content,
        decision_id=dispatch.proposal.decision_id,
        journey=dispatch.journey,
        step=dispatch.step,
        at=dispatch.at,
        exempt=exempt,
    )
