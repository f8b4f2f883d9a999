"""The steps of a journey that wait: for events, for time, for business hours, while paused."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from temporalio import workflow

from engine.business_hours import BusinessHours, add_business_time, next_open
from engine.service_terms import Promise
from workflows.operated import Operated
from workflows.service_clocks import Clocks, begun
from workflows.steps import Heard


class Waiting(Operated):
    """Each wait shows what is awaited and until when, and ends early if an operator says so."""

    async def wait_for(
        self,
        *types: str,
        what: str,
        within: timedelta | None = None,
        until: datetime | None = None,
    ) -> Heard | None:
        """The next event of these types, an earlier unread one first; None once time is over.

        `what` is awaited in the words of the business: operators read "waits for" before it. An
        operator may skip the wait, as if its time were over, or extend it.
        """
        self._must_hear(types)
        if within is not None:
            until = self.now + within
        if not self._kept.paused:
            heard, latest = self._read(types), self._extended(what, until)
            if heard or (latest is not None and latest <= self.now):
                return heard
        await self._await(what, until, lambda: self._inbox.has(types))
        return self._read(types)

    async def sleep(self, wait: timedelta, *, what: str = "time to pass") -> None:
        """Let time pass."""
        await self.wait_for(within=wait, what=what)

    async def wait_for_business_hours(
        self, hours: str, *, unless: Sequence[str] = ()
    ) -> Heard | None:
        """Wait until somebody is there, by these hours of the bundle; at once if somebody is.

        An event of the types in `unless` ends the wait, and is what it answers.
        """
        opens = next_open(self.business_hours(hours), self.now)
        if opens <= self.now:
            return None
        return await self.wait_for(*unless, until=opens, what=f"the business hours {hours}")

    def business_deadline(
        self, amount: timedelta, *, hours: str, since: datetime | None = None
    ) -> datetime:
        """When so much time in business hours has passed since then, or from now on."""
        return add_business_time(self.business_hours(hours), since or self.now, amount)

    def service_clocks(self, *usual: Promise) -> Clocks:
        """What the bundle promises for this case, counted from its beginning; they are a value.

        A promise in `usual` holds where the bundle promises nothing of its kind.
        """
        promises = (*self.opening.promises, *usual)
        return begun(promises, self.business_hours, self.opening.event.at)

    def business_hours(self, name: str) -> BusinessHours:
        """The hours of this name as they were when the journey began.

        `tactful bundle check` refuses a bundle without them. If one is in force all the same,
        somebody is always there, and operators read it: no journey is stuck for want of them.
        """
        if name not in (*self.hours, *(one.hours for one in self.opening.promises)):
            kind = type(self).__name__
            raise ValueError(f"{kind} goes by the business hours {name}: add them to {kind}.hours")
        found = self.opening.business_hours.get(name)
        missing = f"the bundle has no business hours {name}: somebody is always there"
        if found is None and not any(missing in words for words in self._board.words):
            self.say(missing)
        return found or BusinessHours(name=name, always=True)

    # Inside

    @abstractmethod
    async def _obey(self) -> None:
        """Does what operators want of the step that runs; returns when it may go on."""

    async def _await(self, what: str, until: datetime | None, over: Callable[[], bool]) -> bool:
        """Wait, visibly, until it is over, or its time has come; True if it was skipped."""
        planned, until = until, self._extended(what, until)
        while True:
            self._board = self._board.awaiting(what, until)
            await self._show()
            left = None if until is None else max(self.clock.wall(until - self.now), timedelta())
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: self._rung or (not self._kept.paused and over()),
                    timeout=left,
                    timeout_summary=what,
                )
            await self._obey()
            until = self._extended(what, planned)
            if over() or self._skip or (until is not None and until <= self.now):
                break
        return self._waited()

    def _extended(self, what: str, planned: datetime | None) -> datetime | None:
        """The deadline of a wait, as an operator may have moved it."""
        for moved in self._kept.extensions:
            if moved.what == what and moved.planned == planned:
                return moved.until
        return planned

    def _waited(self) -> bool:
        """A wait is over; a deadline that was moved is forgotten once it has passed."""
        skipped, self._skip = self._skip is not None, None
        self._board = self._board.awaiting("", None)
        left = tuple(one for one in self._kept.extensions if one.until > self.now)
        if left != self._kept.extensions:
            self._kept = replace(self._kept, extensions=left)
        return skipped

    def _read(self, types: Sequence[str]) -> Heard | None:
        """The earliest unread event of these types; what comes of it is this event's doing."""
        heard = self._inbox.first(types)
        if heard is not None:
            self._since_mark.append(heard)
        self._handling = heard
        return heard

    def _must_hear(self, types: Sequence[str]) -> None:
        deaf = [one for one in types if not self._inbox.listens_to(one)]
        if deaf:
            name = type(self).__name__
            raise ValueError(f"{name} waits for {', '.join(deaf)}: add it to {name}.hears")
