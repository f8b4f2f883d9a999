"""The steps of a journey in which people act: ask one, hand over to one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from workflows import calls, steps
from workflows.orders import Answer, Task
from workflows.speaking import Speaking
from workflows.steps import Desks, DesksWanted, Sent

TAKEN = "taken"
DECLINED = "declined"


class People(Speaking):
    """People answer by the intervention `answer`, or by what they do, which is an event."""

    async def ask(
        self,
        question: str,
        *,
        owner: str,
        choices: Sequence[str],
        default: str,
        within: timedelta | None = None,
        until: datetime | None = None,
        unless: Sequence[str] = (),
    ) -> Answer:
        """A decision by a person; the default once time is over, or an event of `unless` is there.

        While it is open the journey belongs to `owner`, and everybody can see the question.
        """
        if default not in choices:
            raise ValueError(f"the default {default!r} is none of {', '.join(choices)}")
        task = Task(question=question, owner=owner, choices=tuple(choices), default=default)
        answer = await self._put_to(task, self._by(within, until), unless)
        said = (
            f"{answer.choice!r} by {answer.by} ({answer.because})" if answer.in_time else "nobody"
        )
        self.say(f"{question} {said}" + ("" if answer.in_time else f": {answer.choice!r}"))
        return answer

    async def hand_off(
        self,
        to: str,
        *,
        because: str,
        via: Callable[[], Awaitable[Sent | None]] | None = None,
        within: timedelta | None = None,
        until: datetime | None = None,
        taken_by: Sequence[str] = (),
        fallback: Callable[[str], Awaitable[object]] | None = None,
    ) -> bool:
        """Give the journey to somebody else, visibly; False if that failed and the fallback ran.

        `via` sends what tells them; it failed if nothing went out. With a deadline they have to
        take it, by an event of `taken_by`, which stays unread, or by the answer `taken`; `declined`
        fails at once. `fallback` gets the reason; without one a callback is booked.
        """
        self.assign(to, because=because)
        await self._show_step()
        why = await self._told(via)
        if not why and (within or until):
            why = await self._not_taken(to, because, self._by(within, until), taken_by)
        if not why:
            return True
        self.say(f"{to} did not take over: {why}")
        await (fallback(why) if fallback else self._book_callback(because))
        return False

    async def desks(self, *teams: str) -> Desks:
        """How busy these teams are, and who looks after the customer's open complaint, if any."""
        await self._obey()
        wanted = DesksWanted(customer=self.opening.customer, teams=teams)
        found: Desks = await calls.at_once(steps.DESKS, wanted, Desks)
        return found

    # Inside

    @abstractmethod
    async def _book_callback(self, because: str) -> None:
        """Has somebody call the customer: what a failed handoff falls back on."""

    async def _told(self, via: Callable[[], Awaitable[Sent | None]] | None) -> str:
        """Why they could not be told; empty if they were."""
        if via is None:
            return ""
        sent = await via()
        if sent is None:
            return "nothing that could be sent"
        return "" if sent.out else sent.reason or sent.status

    async def _not_taken(
        self, to: str, because: str, until: datetime | None, taken_by: Sequence[str]
    ) -> str:
        """Why nobody took over; empty if somebody did."""
        task = Task(
            question=f"take over: {because}?", owner=to, choices=(TAKEN, DECLINED), default=DECLINED
        )
        answer = await self._put_to(task, until, taken_by)
        if self._inbox.has(taken_by) or answer.choice == TAKEN:
            self.say(f"taken over by {answer.by or to}")
            return ""
        return f"{answer.by}: {answer.because}" if answer.in_time else "not taken in time"

    async def _put_to(self, task: Task, until: datetime | None, unless: Sequence[str]) -> Answer:
        self._must_hear(unless)
        self._task, self._answer, before = task, None, self._board.owner
        self._board = self._board.staged(self._board.stage, task.owner, self.now)
        what = f"{task.question} ({' / '.join(task.choices)})"
        await self._await(what, until, lambda: self._answer is not None or self._inbox.has(unless))
        order, self._answer, self._task = self._answer, None, None
        if before and self._board.owner == task.owner:
            self._board = self._board.staged(self._board.stage, before, self.now)
        if order is None:
            return Answer(choice=task.default, in_time=False)
        return Answer(choice=order.choice, by=order.author, because=order.because)

    def _by(self, within: timedelta | None, until: datetime | None) -> datetime | None:
        return until if within is None else self.now + within
