"""The steps of a journey that have to do with holds: place one, release it, wait for its end."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from temporalio import workflow

from engine.holds import COMMERCIAL, SALES
from engine.types import Hold
from workflows import calls, steps
from workflows.steps import Heard, HeldBy
from workflows.waiting import Waiting

HOLD_CHECK = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitOut:
    """A step that meets a hold waits for its end, until `until` at the latest."""

    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """A step that meets a hold says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reroute:
    """A step that meets a hold says something else, which no hold covers."""

    action: str


OnHold = WaitOut | Skip | Reroute
SKIP = Skip()
WAIT = WaitOut()


class Holding(Waiting):
    """Holds that this journey owns, and holds that it meets."""

    async def hold(
        self,
        hold_id: str,
        *,
        because: str,
        maximum: timedelta,
        purposes: Sequence[str] = (SALES,),
        tags: Sequence[str] = (COMMERCIAL,),
        since: datetime | None = None,
    ) -> None:
        """Silence: nothing of these purposes or tags leaves for the customer until `release`.

        At most one for each journey, and `hold_id` names it for this customer. Without a release
        it ends `maximum` from now; the same again renews it. The customer's other journeys are told
        of it, once for each `since`, which is now unless it says otherwise.
        """
        await self._obey()
        before = next((one for one in self._kept.holds if one.id == hold_id), None)
        since = since or (before.since if before else self.now)
        await self._place(
            Hold(
                id=hold_id,
                purposes=tuple(purposes),
                tags=tuple(tags),
                since=since,
                because=because,
                owner=self.opening.journey,
                seq=self.highest_seq,
                until=self.now + maximum,
            )
        )
        if before is None or before.since != since:
            await self.tell_others(steps.HOLD_PLACED, hold_id)

    async def release(self, *, because: str) -> bool:
        """End the silence of this journey, and tell the customer's others.

        False if an event that it has not heard yet placed the hold again: then it must go on.
        """
        for hold in self._kept.holds:
            released = steps.HoldRelease(
                customer=self.opening.customer,
                hold_id=hold.id,
                up_to=self.highest_seq,
                by=self.opening.journey,
                because=because,
            )
            if not await calls.at_once(steps.RELEASE_HOLD, released, bool):
                return False
            workflow.upsert_memo({"hold": None})
            self._kept = replace(self._kept, holds=())
            await self.tell_others(steps.HOLD_RELEASED, hold.id)
        return True

    async def tell_others(self, what: str, about: str) -> None:
        """Tell all other running journeys of this customer."""
        news = Heard(key=self._key(f"{what}.{about}"), type=what, at=self.now, data={"hold": about})
        told = steps.News(customer=self.opening.customer, teller=self.opening.journey, news=news)
        await calls.at_once(steps.TELL, told)

    async def clear_of_hold(
        self,
        *,
        purposes: Sequence[str] = (SALES,),
        tags: Sequence[str] = (COMMERCIAL,),
        until: datetime | None = None,
        unless: Sequence[str] = (),
    ) -> bool:
        """Wait, visibly, while a hold covers what is to be said: usually what sells.

        False if one still does at `until`, or when an event of the types in `unless` is there, or
        when an operator skips the wait.
        """
        self._must_hear(unless)

        def covers(hold: HeldBy) -> bool:
            return bool(set(purposes) & set(hold.purposes) or set(tags) & set(hold.tags))

        found = await self._holds()
        while holds := [hold for hold in found if covers(hold)]:
            if (until and self.now >= until) or self._inbox.has(unless):
                return False
            if await self._wait_out([hold.id for hold in holds], until, unless):
                return False
            found = await self._holds_now()
        return True

    # Inside

    async def _released(self, names: Collection[str], until: datetime | None) -> bool:
        """Wait until none of these holds is in force; False if one still is at `until`."""
        found = await self._holds()
        while left := sorted({hold.id for hold in found} & set(names)):
            if (until and self.now >= until) or await self._wait_out(left, until, ()):
                return False
            found = await self._holds_now()
        return True

    async def _wait_out(
        self, names: Sequence[str], until: datetime | None, unless: Sequence[str]
    ) -> bool:
        """Wait for news of holds, a day at most; True if an operator skipped that."""
        check = self.now + HOLD_CHECK
        again = min(until, check) if until else check
        wakes = (steps.HOLD_RELEASED, *unless)
        skipped = await self._await(
            f"the end of hold {', '.join(names)}", again, lambda: self._inbox.has(wakes)
        )
        self._inbox.first((steps.HOLD_RELEASED,))
        return skipped

    async def _holds_now(self) -> tuple[HeldBy, ...]:
        """After a wait: it ends the workflow task, so that the timer of that wait ends with it."""
        return await calls.insist(steps.HOLDS, self.opening.customer, tuple[HeldBy, ...])

    async def _holds(self) -> tuple[HeldBy, ...]:
        return await calls.at_once(steps.HOLDS, self.opening.customer, tuple[HeldBy, ...])

    async def _place(self, hold: Hold) -> None:
        workflow.upsert_memo({"hold": hold})
        placed = steps.PlacedHold(customer=self.opening.customer, hold=hold)
        await calls.at_once(steps.PLACE_HOLD, placed)
        self._kept = replace(self._kept, holds=(hold,))

    async def _renew_holds(self) -> timedelta | None:
        """Keep in force what would end while the journey is paused; answers when to look again."""
        term = self.opening.terms.maximum if self.opening.terms else 30 * HOLD_CHECK
        for hold in self._kept.holds:
            if hold.until is not None and hold.until - self.now < term / 2:
                until = self.now + term
                await self._place(replace(hold, until=until, seq=self.highest_seq))
        return term / 2 if self._kept.holds else None
