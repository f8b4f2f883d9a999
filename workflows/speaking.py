"""The steps of a journey that decide and send, and what they do about a hold that they meet."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from temporalio import workflow

from engine.types import Level, Scalar
from workflows import calls, steps
from workflows.holding import SKIP, Holding, OnHold, Reroute, Skip, WaitOut
from workflows.life import Failed
from workflows.steps import DecisionView, Dispatch, Heard, Proposal, Sent, SentStatus

SEND_PATIENCE = timedelta(hours=2)
QUIET_MAXIMUM = timedelta(days=4)
"""Longer than any quiet hours, a long weekend counted in: after it, what waits is not sent."""
ASK_AGAIN_AFTER = timedelta(seconds=30)
"""On the wall: when the engine can't be reached, the journey waits, visibly, and asks again."""

CANDIDATES = 20
"""How many offers are looked through for one that is asked for by name."""

FEEDBACK = "feedback.given"
HELD = "hold:"
"""How the reason of a refusal begins that a hold is behind."""


class Speaking(Holding):
    """What a journey says is decided by the engine and let through by the ledger.

    Each step says what to do `on_hold`: wait until it is over (`WAIT`, `WaitOut(until=…)`), say
    nothing (`SKIP`), or say something else that no hold covers (`Reroute(action)`). `tags` say
    which actions come into question, by any of them: usually those that carry the kind of the
    journey as a tag; `()` is all there are.
    """

    async def decide(
        self,
        channel: str,
        *,
        purposes: Sequence[str] = (),
        tags: Sequence[str] | None = None,
        context: Mapping[str, Scalar] | None = None,
        limit: int = 1,
        on_hold: WaitOut | Skip = SKIP,
    ) -> DecisionView:
        """Ask the engine what to say on a channel. Nothing to say is a valid answer."""
        while True:
            await self._obey()
            self._display()
            standing = self._unknown_standing()
            question = steps.Question(
                step=self._key(f"decide.{channel}"),
                customer=self.opening.customer,
                journey=self.opening.journey,
                channel=channel,
                at=self.now,
                purposes=tuple(purposes),
                tags=(self.opening.kind,) if tags is None else tuple(tags),
                context=dict(context or {}),
                limit=limit,
                standing=standing,
            )
            view = await self._instead(question) or await self._ask(question)
            if standing and view.decision_id:
                self._recorded = standing
            self._board = self._board.decided(channel, view)
            names = [] if view.proposals else [hold.id for hold in view.holds]
            if not names or not await self._waited_out(names, on_hold):
                return view

    async def send(
        self,
        proposal: Proposal,
        *,
        step: str,
        patience: timedelta = SEND_PATIENCE,
        on_hold: OnHold = SKIP,
        unless: Sequence[str] = (),
    ) -> Sent:
        """Send what the engine proposed; `patience` limits the retries. A refusal is an answer.

        Within quiet hours the journey waits, visibly, until they are over; a hold that comes
        meanwhile recalls the message, and so does an event of the types in `unless`.
        """
        self._must_hear(unless)
        wanted = Failed(step=step, proposal=proposal, patience=patience)
        sent = await self._send(wanted, unless)
        while sent.reason.startswith(HELD) and isinstance(on_hold, WaitOut):
            if not await self._waited_out([sent.reason.removeprefix(HELD)], on_hold):
                return sent
            sent = await self._send(wanted, unless)
        if sent.reason.startswith(HELD) and isinstance(on_hold, Reroute):
            held_back, channels = proposal.offer, (proposal.channel,)
            return await self._reroute(on_hold, channels, step, held_back.tags) or sent
        return sent

    async def reach(
        self,
        channels: Sequence[str],
        *,
        step: str,
        action: str | None = None,
        purposes: Sequence[str] = (),
        tags: Sequence[str] | None = None,
        context: Mapping[str, Scalar] | None = None,
        on_hold: OnHold = SKIP,
        unless: Sequence[str] = (),
    ) -> Sent | None:
        """Decide and send on the first channel that takes it; None if none has anything to say.

        With `action` only that one is sent, wherever the engine ranks it; operators read why if it
        is not. What waits for the end of quiet hours is not sent at all once an event of the types
        in `unless` is there.
        """
        while True:
            sent, held = None, set[str]()
            for channel in channels:
                limit = 1 if action is None else CANDIDATES
                view = await self.decide(
                    channel, purposes=purposes, tags=tags, context=context, limit=limit
                )
                proposal = view.proposal(action)
                if proposal is None:
                    held |= {hold.id for hold in view.holds}
                    continue
                sent = await self.send(proposal, step=step, unless=unless)
                if sent.out or self._inbox.has(unless):
                    return sent
                if sent.reason.startswith(HELD):
                    held.add(sent.reason.removeprefix(HELD))
            if held and isinstance(on_hold, Reroute):
                return await self._reroute(on_hold, channels, step, tags) or sent
            if not held or not await self._waited_out(sorted(held), on_hold):
                self._say_why_not(action, sent, held, channels)
                return sent

    async def survey(
        self,
        action: str,
        *,
        channels: Sequence[str],
        within: timedelta,
        tags: Sequence[str] | None = None,
        step: str = "survey",
        on_hold: OnHold = SKIP,
    ) -> Heard | None:
        """Send a survey, and wait for what the customer says; None if it is not sent or answered.

        The journey has to hear `feedback.given`; its `score` is in the answer's data.
        """
        self._must_hear((FEEDBACK,))
        self._inbox.forget((FEEDBACK,))
        sent = await self.reach(channels, step=step, action=action, tags=tags, on_hold=on_hold)
        if sent is None or not sent.out:
            return None
        return await self.wait_for(FEEDBACK, within=within, what="the customer's feedback")

    # Inside

    async def _waited_out(self, names: Sequence[str], on_hold: OnHold) -> bool:
        """Whether the step is to be taken once more, since no hold is in its way now."""
        return isinstance(on_hold, WaitOut) and await self._released(names, on_hold.until)

    async def _reroute(
        self, route: Reroute, channels: Sequence[str], step: str, tags: Sequence[str] | None
    ) -> Sent | None:
        self.say(f"a hold is in the way: {route.action} instead")
        return await self.reach(channels, step=f"{step}.instead", action=route.action, tags=tags)

    def _say_why_not(
        self, action: str | None, sent: Sent | None, held: Collection[str], channels: Sequence[str]
    ) -> None:
        if action is None or (sent is not None and sent.out):
            return
        holds = f", in force: {', '.join(sorted(held))}" if held else ""
        unsaid = f"nothing offers it on {', '.join(channels)}{holds}"
        self.say(f"{action} did not go out: {sent.reason or sent.status if sent else unsaid}")

    async def _instead(self, question: steps.Question) -> DecisionView | None:
        """What an operator wants said, if the engine offers it on this channel."""
        order = self._kept.instead
        if order is None:
            return None
        step = self._key(f"instead.{question.channel}")
        wide = replace(question, step=step, purposes=(), tags=(), limit=CANDIDATES)
        view = await self._ask(wide)
        wanted = order.choice.strip()
        proposal = view.proposal(wanted)
        if proposal is None:
            holds = ", ".join(hold.id for hold in view.holds)
            by = f", in force: {holds}" if holds else ""
            self.say(f"{wanted} is not offered on {question.channel}{by}")
            return None
        return replace(view, proposals=(proposal,), instead=wanted)

    async def _ask(self, question: steps.Question) -> DecisionView:
        while (view := await calls.ask(question)) is None:
            self.say("the engine can't be reached, asking again")
            self._doing = "the engine"
            self._display()
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: self._rung,
                    timeout=ASK_AGAIN_AFTER,
                    timeout_summary="until the engine is asked again",
                )
            await self._obey()
            skipped, self._skip, self._doing = self._skip, None, ""
            if skipped:
                because = f"skipped by {skipped.signed}"
                return DecisionView(decision_id="", level=Level.STATIC, because=(because,))
        return view

    async def _send(self, wanted: Failed, unless: Sequence[str] = ()) -> Sent:
        await self._obey()
        await self._show_step()
        message_id = self._key(wanted.step)
        dispatch = Dispatch(
            message_id=message_id,
            customer=self.opening.customer,
            journey=self.opening.journey,
            step=self._turn(wanted.step),
            at=self.now,
            proposal=wanted.proposal,
        )
        sent = await self._deliver(dispatch, wanted)
        latest = self.now + QUIET_MAXIMUM
        while sent.status is SentStatus.WAITS and sent.until and sent.until <= latest:
            self._board = self._board.sent(wanted.proposal, sent)
            what = f"the end of {sent.reason}"
            if await self._await(what, sent.until, lambda: self._inbox.has(unless)):
                sent = replace(sent, status=SentStatus.REFUSED, reason="skipped by an operator")
                break
            if self._inbox.has(unless):
                break
            sent = await self._deliver(replace(dispatch, at=self.now), wanted)
        return self._settled(sent, wanted)

    async def _deliver(self, dispatch: Dispatch, wanted: Failed) -> Sent:
        proposal = dispatch.proposal
        self._doing = f"{proposal.offer.action} on {proposal.channel}"
        sent = await calls.deliver(
            dispatch,
            self.clock.wall(wanted.patience),
            lambda: self._skip is not None or self._cancel is not None,
        )
        self._doing, self._skip = "", None
        return sent or Sent(
            status=SentStatus.UNKNOWN,
            message_id=dispatch.message_id,
            reason="an operator ended its delivery",
        )

    def _settled(self, sent: Sent, wanted: Failed) -> Sent:
        self._board = self._board.sent(wanted.proposal, sent)
        if sent.status in (SentStatus.REFUSED, SentStatus.FAILED):
            self._kept = replace(self._kept, failed=replace(wanted, status=sent.status))
        elif sent.out:
            said = self._kept.instead
            done = said is not None and said.choice.strip() == wanted.proposal.offer.action
            self._kept = replace(self._kept, failed=None, instead=None if done else said)
        self._board = self._board.attending(self._kept)
        return sent

    async def _send_again(self) -> None:
        """What an operator wants sent once more, as one more turn of the step that failed."""
        wanted = self._kept.failed
        if wanted is not None:
            sent = await self._send(wanted)
            self.say(f"{wanted.proposal.offer.action} on {wanted.proposal.channel}: {sent.status}")
