"""A late order: told before the customer asks, repaired by a person's choice, followed up.

Owner: the logistics desk; its lead for a call that nobody makes.
Promises: an order that is more than 48 hours late is told of at once, or when it becomes so, and
once for each change of the news. Within eight business hours of that it is repaired.
Fallbacks: without a choice of the desk the customer gets a credit. What no channel takes is a call
of the desk; a call that nobody takes over is booked as a callback and goes to the lead. News that
it is in time after all end it without a word.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from workflows.journey import Ending, Heard, Journey, Opening, workflow

DESK = "logistics desk"
LEAD = "logistics lead"
HOURS = "care"

DELAYED = "order.delayed"
MILESTONE = "milestone.reached"
DELIVERED = "delivered"

TOLERATED = timedelta(hours=48)
REPAIR_WITHIN = timedelta(hours=8)
"""In business hours."""
CALL_WITHIN = timedelta(hours=4)
ARRIVES_WITHIN = timedelta(days=14)
"""So long after the repair we still wait to hear that it has arrived."""

NOTICE = "order-late"
NEWS = "order-news"
REPAIRS = {"replacement": "order-replacement", "credit": "order-credit"}
CALL = "call"
FOLLOW_UP = "order-follow-up"

CHANNELS = ("email", "whatsapp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How late an order is, and what was done about it.

    `news` are the latest, `told` the delay in hours that the customer knows of, `repair` what was
    decided, `repaired` when; `delivered` is when it arrived.
    """

    news: Heard
    told: float | None = None
    repair_by: datetime | None = None
    repair: str = ""
    repaired: datetime | None = None
    delivered: datetime | None = None

    @property
    def hours(self) -> float:
        """How late it was when the news came."""
        value = self.news.data.get("hours")
        return float(value) if isinstance(value, int | float) else 0.0

    @property
    def late_at(self) -> datetime:
        """When it is later than we tolerate, unless news come."""
        return self.news.at + TOLERATED - timedelta(hours=self.hours)

    def heard(self, event: Heard) -> Order:
        """With an event taken in; news that are older than those that we have change nothing."""
        if event.type == DELAYED:
            return replace(self, news=event) if event.seq >= self.news.seq else self
        if event.text("name") == DELIVERED:
            return replace(self, delivered=event.at)
        return self


@workflow.defn(name="order-delay")
class OrderDelay(Journey):
    """The delay of one order of one customer."""

    hears = (DELAYED, MILESTONE)
    ladder = (LEAD,)
    hours = (HOURS,)

    @workflow.run
    async def run(self, opening: Opening) -> Ending:
        """Watch, tell, repair, follow up."""
        order = self.resumed(Order) or Order(news=opening.event)
        while True:
            step = await self.next_step(order)
            if isinstance(step, Ending):
                return step
            order = step
            await self.checkpoint(order)

    async def next_step(self, order: Order) -> Order | Ending:
        """What comes next, by what is known of the order."""
        if order.delivered or (order.told is None and order.hours <= 0):
            return await self.close(order)
        if order.told is None:
            return await self.watch(order)
        if order.told != order.hours:
            return await self.tell(order, NEWS)
        if order.hours <= 0:
            return await self.await_arrival(order, order.news.at + ARRIVES_WITHIN)
        if not order.repair:
            return await self.choose(order)
        if order.repaired is None:
            return await self.repair(order)
        return await self.await_arrival(order, order.repaired + ARRIVES_WITHIN)

    async def watch(self, order: Order) -> Order:
        """Not too late so far: wait for news, and tell the customer when it is."""
        self.stage("watched", owner=DESK)
        heard = await self.wait_for(*self.hears, until=order.late_at, what="news of the order")
        return order.heard(heard) if heard else await self.tell(order, NOTICE)

    async def tell(self, order: Order, action: str) -> Order:
        """One word about this change, unless it is overtaken by now."""
        heard = await self.wait_for(*self.hears, until=self.now, what="further news")
        if heard:
            return order.heard(heard)
        self.stage("telling the customer", owner=DESK)
        await self.say_it(action, f"tell the customer that the order is {order.hours:g} hours late")
        by = order.repair_by or self.business_deadline(REPAIR_WITHIN, hours=HOURS)
        return replace(order, told=order.hours, repair_by=by)

    async def choose(self, order: Order) -> Order:
        """A person of the desk says how it is repaired; news go first."""
        self.stage("to be repaired", owner=DESK)
        answer = await self.ask(
            f"how do we repair order {self.opening.name}?",
            owner=DESK,
            choices=(*REPAIRS, CALL),
            default="credit",
            until=order.repair_by,
            unless=self.hears,
        )
        if answer.in_time or (order.repair_by and self.now >= order.repair_by):
            return replace(order, repair=answer.choice)
        heard = await self.wait_for(*self.hears, until=self.now, what="the news")
        return order.heard(heard) if heard else replace(order, repair=answer.choice)

    async def repair(self, order: Order) -> Order:
        """Do what was chosen, and say so."""
        self.stage("repairing", owner=DESK)
        action = REPAIRS.get(order.repair)
        if action is None:
            await self.have_them_called("the customer is to be called about the order")
        else:
            await self.say_it(action, f"tell the customer of the {order.repair}")
        return replace(order, repaired=self.now)

    async def await_arrival(self, order: Order, until: datetime) -> Order | Ending:
        """Repaired: it should arrive now, and further news are told."""
        self.stage("on its way", owner=DESK)
        heard = await self.wait_for(*self.hears, until=until, what="its arrival")
        return order.heard(heard) if heard else await self.close(order)

    async def close(self, order: Order) -> Order | Ending:
        """Ask whether all is well, if the customer knows of a delay at all."""
        if order.told is None:
            self.stage("in time", owner=DESK)
            ended, because = "in time", "not too late after all, and nobody was alarmed"
        else:
            self.stage("following up", owner=DESK)
            await self.say_it(FOLLOW_UP, "ask the customer whether all is well")
            ended = "delivered" if order.delivered else "repaired"
            because = f"{order.repair or 'no repair'} for {order.told:g} hours"
        over = await self.finish(ended, because=because, unless=(DELAYED,))
        return over or await self.again()

    async def again(self) -> Order:
        """More news came in the last moment: they are a delay of their own."""
        heard = await self.wait_for(DELAYED, until=self.now, what="the news")
        return Order(news=heard or self.opening.event)

    async def say_it(self, action: str, task: str) -> None:
        """Say it on the first channel that takes it; else somebody has to call."""
        sent = await self.reach(CHANNELS, step=action, action=action)
        if sent is None or not sent.out:
            because = sent.reason if sent else "no channel offers it"
            await self.have_them_called(f"{task} ({because})")

    async def have_them_called(self, task: str) -> None:
        """A person of the desk calls; if nobody takes it, a callback is booked."""
        by = self.business_deadline(CALL_WITHIN, hours=HOURS)
        await self.hand_off(DESK, because=task, until=by, fallback=self.book_callback)

    async def book_callback(self, why: str) -> None:
        """The handoff has failed: the customer gets a call all the same."""
        self.escalate(because=f"nobody called about order {self.opening.name}: {why}")
        await self.sub_journey("callback", f"order-{self.opening.name}")
