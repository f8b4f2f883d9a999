"""A journey that operators can intervene in: one update for each act, refused or done at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, cast

from temporalio import workflow
from temporalio.exceptions import ApplicationError
from temporalio.workflow import UpdateMethodMultiParam

from workflows.life import Extension, Progress
from workflows.orders import MEANINGS, Act, Intervention
from workflows.standing import Standing

REFUSED = "intervention_refused"
"""The type of the failure that a refused update answers with."""

HEEDED_MAXIMUM = 50
"""So many interventions are known again when they are sent once more."""


Handler = UpdateMethodMultiParam[[Any, Intervention], Progress]


def _update(act: Act) -> Handler:
    """The update of one act, with its validator. Temporal knows `self` by having no type."""

    @workflow.update(name=act.value, description=MEANINGS[act])
    def handle(self, order: Intervention) -> Progress:  # pyright: ignore
        return cast(Operated, self).intervened(act, order)

    @handle.validator  # pyright: ignore[reportUnknownMemberType]
    def check(self, order: Intervention) -> None:  # pyright: ignore
        refusal = cast(Operated, self).refusal(act, order)
        if refusal:
            raise ApplicationError(refusal, type=REFUSED, non_retryable=True)

    return cast(Handler, handle)


class Operated(Standing):
    """What operators may do. Acts that change what happens next ring for the running step."""

    def refusal(self, act: Act, order: Intervention) -> str:
        """Why an intervention is refused; empty if it is not."""
        if self._is_heeded(order):
            return ""
        if not order.author.strip() or not order.because.strip():
            return "say who wants it and why: author and because"
        if self._cancel is not None:
            return f"it is being cancelled by {self._cancel.signed}"
        if self._ended:
            return "it is ending"
        check = self._CHECKS.get(act)
        return check(self, order) if check else ""

    def intervened(self, act: Act, order: Intervention) -> Progress:
        """Do what an operator wants, once; answers where the journey stands then."""
        if self._is_heeded(order):
            return self.progress()
        order = order.named(act)
        said = self._DOES[act](self, order)
        if order.key:
            heeded = (*self._kept.heeded, order.key)[-HEEDED_MAXIMUM:]
            self._kept = replace(self._kept, heeded=heeded)
        self.say(f"{said} by {order.signed}")
        self._board = self._board.attending(self._kept)
        self._post()
        return self.progress()

    def _is_heeded(self, order: Intervention) -> bool:
        return bool(order.key) and order.key in self._kept.heeded

    # Why an act is refused; "" if it is not

    def _why_no_pause(self, order: Intervention) -> str:
        paused = self._kept.paused
        return f"it is paused already, by {paused.signed}" if paused else ""

    def _why_no_resume(self, order: Intervention) -> str:
        return "" if self._kept.paused else "it is not paused"

    def _why_no_skip(self, order: Intervention) -> str:
        if self._skip is not None:
            return f"it is being skipped already, by {self._skip.signed}"
        if self._board.waiting_for or self._doing:
            return ""
        return "there is nothing to skip: it waits for nothing"

    def _why_no_retry(self, order: Intervention) -> str:
        if self._kept.failed or self._kept.aside:
            return ""
        return "there is nothing to retry: nothing was refused, failed or set aside"

    def _why_no_reassign(self, order: Intervention) -> str:
        return "" if order.to.strip() else "say who is to own it: to"

    def _why_no_extend(self, order: Intervention) -> str:
        if order.until is None:
            return "say until when: until"
        if order.until.tzinfo is None:
            return "until needs an offset, such as 2027-01-31T12:00:00+01:00"
        if self._board.due is None:
            return "there is no deadline to move: it waits without one"
        late = f"until is over: it is {self.now:%Y-%m-%d %H:%M} UTC"
        return "" if order.until > self.now else late

    def _why_no_escalation(self, order: Intervention) -> str:
        if order.to.strip() or self.ladder:
            return ""
        return "it has no ladder of owners: say to whom: to"

    def _why_no_answer(self, order: Intervention) -> str:
        if self._task is None or self._answer is not None:
            return "it asks nothing"
        if order.choice not in self._task.choices:
            return f"{order.choice!r} is no answer: choose one of {', '.join(self._task.choices)}"
        return ""

    def _why_no_override(self, order: Intervention) -> str:
        if order.choice.strip() or self._kept.instead:
            return ""
        return "say which action is to be said: choice; there is no override to take back"

    # What an act does, in words

    def _pause(self, order: Intervention) -> str:
        self._kept = replace(self._kept, paused=order)
        return "paused"

    def _resume(self, order: Intervention) -> str:
        self._kept = replace(self._kept, paused=None)
        return "resumed"

    def _skip_it(self, order: Intervention) -> str:
        self._skip, self._rung = order, True
        return f"{self._board.waiting_for or self._doing} skipped"

    def _retry_it(self, order: Intervention) -> str:
        self._retry = self._rung = True
        return "tried again"

    def _reassign(self, order: Intervention) -> str:
        self._kept = replace(self._kept, reassigned=self._board.stage)
        self._board = replace(self._board, owner=order.to.strip())
        return f"given to {order.to.strip()}"

    def _extend(self, order: Intervention) -> str:
        assert order.until is not None  # the validator has seen to it
        what, due = self._board.waiting_for, self._board.due
        before = next((one for one in self._kept.extensions if one.what == what), None)
        planned = before.planned if before and before.until == due else due
        others = tuple(one for one in self._kept.extensions if one.what != what)
        extension = Extension(what=what, planned=planned, until=order.until)
        self._kept = replace(self._kept, extensions=(*others, extension))
        self._board = self._board.awaiting(what, order.until)
        self._rung = True
        return f"{what} has time until {order.until:%Y-%m-%d %H:%M %Z}"

    def _escalate_it(self, order: Intervention) -> str:
        owner = self.escalate(because=order.because, to=order.to.strip() or None)
        self._kept = replace(self._kept, reassigned=self._board.stage)
        return f"given to {owner}"

    def _cancel_it(self, order: Intervention) -> str:
        self._cancel, self._rung = order, True
        return "cancelled"

    def _answer_it(self, order: Intervention) -> str:
        self._answer = order
        return f"answered {order.choice!r}"

    def _override(self, order: Intervention) -> str:
        wanted = order.choice.strip()
        self._kept = replace(self._kept, instead=order if wanted else None)
        return f"{wanted} is to be said next:" if wanted else "override taken back"

    def _note(self, order: Intervention) -> str:
        return "noted"

    _CHECKS: ClassVar[Mapping[Act, Callable[[Any, Intervention], str]]] = {
        Act.PAUSE: _why_no_pause,
        Act.RESUME: _why_no_resume,
        Act.SKIP: _why_no_skip,
        Act.RETRY: _why_no_retry,
        Act.REASSIGN: _why_no_reassign,
        Act.EXTEND: _why_no_extend,
        Act.ESCALATE: _why_no_escalation,
        Act.ANSWER: _why_no_answer,
        Act.OVERRIDE: _why_no_override,
    }
    _DOES: ClassVar[Mapping[Act, Callable[[Any, Intervention], str]]] = {
        Act.PAUSE: _pause,
        Act.RESUME: _resume,
        Act.SKIP: _skip_it,
        Act.RETRY: _retry_it,
        Act.REASSIGN: _reassign,
        Act.EXTEND: _extend,
        Act.ESCALATE: _escalate_it,
        Act.CANCEL: _cancel_it,
        Act.ANSWER: _answer_it,
        Act.OVERRIDE: _override,
        Act.NOTE: _note,
    }

    _update_pause = _update(Act.PAUSE)
    _update_resume = _update(Act.RESUME)
    _update_skip = _update(Act.SKIP)
    _update_retry = _update(Act.RETRY)
    _update_reassign = _update(Act.REASSIGN)
    _update_extend = _update(Act.EXTEND)
    _update_escalate = _update(Act.ESCALATE)
    _update_cancel = _update(Act.CANCEL)
    _update_answer = _update(Act.ANSWER)
    _update_override = _update(Act.OVERRIDE)
    _update_note = _update(Act.NOTE)
