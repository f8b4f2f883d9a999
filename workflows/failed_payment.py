"""A payment that failed: friendly, by day, with time to pay, an offer to talk, then a person.

Owner: the payments desk; its lead decides on what stays open.
Promises: a friendly notice on the day, reminders after three and seven days, the offer of a call
after ten, a person after fourteen; each in the daytime of the customer, and none once it is paid.
Nothing is sold.
Fallbacks: a word that no channel takes is left out, since a person follows. A call that the desk
does not take over is booked as a callback. What stays open is put to the lead each month, until it
is paid or written off.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from workflows.journey import Ending, Heard, Journey, Opening, Sent, workflow

DESK = "payments desk"
LEAD = "payments lead"
HOURS = "care"

FAILED = "payment.failed"
MILESTONE = "milestone.reached"
PURCHASE = "purchase.made"
MESSAGE = "message.received"
SETTLES = (MILESTONE, PURCHASE)

PAID = "paid"
WRITTEN_OFF = "written-off"
PAYMENTS = ("payment", "invoice")
"""What a product is called by which a purchase is seen to be a payment."""

NOTICE = "payment-failed-notice"
REMINDER = "payment-retry-reminder"
CALL_OFFER = "payment-call-offer"
CALL = "payment-call"
PLAN = (
    # after               what is said
    (timedelta(), NOTICE),
    (timedelta(days=3), REMINDER),
    (timedelta(days=7), REMINDER),
    (timedelta(days=10), CALL_OFFER),
)
PERSON_AFTER = timedelta(days=14)
CALL_WITHIN = timedelta(hours=8)
"""In business hours."""
ASKED_EVERY = timedelta(days=30)
ANSWER_WITHIN = timedelta(days=7)
WRITE_OFF = "write it off"
MORE_TIME = "more time"

CHANNELS = ("email", "whatsapp")
PHONE = ("call",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """How far it has come: how much of the plan is `said`, since when a call is `offered`, by when
    somebody has to take the call over, since when a person has it or is asked what to do with it.
    """

    since: datetime
    said: int = 0
    offered: datetime | None = None
    call_by: datetime | None = None
    handed: datetime | None = None
    ended: str = ""
    because: str = ""

    @property
    def next_at(self) -> datetime:
        """When something is to be done next."""
        if self.handed is not None:
            return self.handed + ASKED_EVERY
        if self.call_by is not None:
            return self.since
        after = PLAN[self.said][0] if self.said < len(PLAN) else PERSON_AFTER
        return self.since + after


@workflow.defn(name="failed-payment")
class FailedPayment(Journey):
    """One invoice of one customer whose payment failed."""

    hears = (*SETTLES, FAILED, MESSAGE)
    ladder = (LEAD,)
    hours = (HOURS,)

    @workflow.run
    async def run(self, opening: Opening) -> Ending | None:
        """Until it is paid or written off."""
        invoice = self.resumed(Invoice) or Invoice(since=opening.event.at)
        while not invoice.ended:
            invoice = await self.next_step(invoice)
            await self.checkpoint(invoice)
        return await self.finish(invoice.ended, because=invoice.because)

    async def next_step(self, invoice: Invoice) -> Invoice:
        """Wait for the payment until something is due, then do that."""
        if invoice.handed:
            self.stage("with a person", owner=DESK)
        else:
            self.stage("reminded" if invoice.said else "failed", owner=DESK)
        heard = await self.wait_for(*self.hears, until=invoice.next_at, what="the payment")
        if heard:
            return await self.take_up(invoice, heard)
        if invoice.handed:
            return await self.decide_on(invoice)
        if invoice.said < len(PLAN):
            return await self.remind(invoice)
        return await self.hand_over(invoice, "nothing was paid in two weeks")

    async def take_up(self, invoice: Invoice, heard: Heard) -> Invoice:
        """What an event means for the invoice."""
        if heard.type == FAILED:
            self.say("it was tried again, and failed again")
        elif heard.type == MESSAGE:
            wants_a_call = invoice.offered and heard.at >= invoice.offered and not invoice.handed
            if wants_a_call:
                return await self.hand_over(invoice, "the customer answered the offer of a call")
        elif self.settles(heard, PAID):
            return replace(invoice, ended="paid", because="the payment has arrived")
        elif self.settles(heard, WRITTEN_OFF):
            return replace(invoice, ended="written off", because="somebody wrote it off")
        return invoice

    def settles(self, heard: Heard, how: str) -> bool:
        """Whether an event settles this invoice; one that names none is about any."""
        if heard.text("invoice") not in ("", self.opening.name):
            return False
        if heard.type == MILESTONE:
            return heard.text("name") == how
        product = heard.text("product").lower()
        about = bool(heard.text("invoice")) or any(word in product for word in PAYMENTS)
        return how == PAID and about

    async def remind(self, invoice: Invoice) -> Invoice:
        """A friendly word, in the daytime of the customer; none if it is paid meanwhile."""
        action = PLAN[invoice.said][1]
        sent = await self.reach(CHANNELS, step=action, action=action, unless=SETTLES)
        if sent is None or not sent.out:
            heard = await self.wait_for(*SETTLES, until=self.now, what="the payment")
            if heard:
                return await self.take_up(invoice, heard)
        offered = self.now if action == CALL_OFFER else invoice.offered
        return replace(invoice, said=invoice.said + 1, offered=offered)

    async def hand_over(self, invoice: Invoice, why: str) -> Invoice:
        """A person of the desk speaks with the customer; else they are called back."""
        self.stage("to be called", owner=DESK)
        by = invoice.call_by or self.business_deadline(CALL_WITHIN, hours=HOURS)
        await self.hand_off(
            DESK,
            because=f"call about invoice {self.opening.name}: {why}",
            via=None if invoice.call_by else self.pass_on_the_call,
            until=by,
            taken_by=SETTLES,
            fallback=self.book_callback,
        )
        heard = await self.wait_for(*SETTLES, until=self.now, what="the payment")
        if heard:
            return await self.take_up(replace(invoice, call_by=by), heard)
        return replace(invoice, handed=self.now)

    async def pass_on_the_call(self) -> Sent | None:
        """Put it on the list of calls."""
        return await self.reach(PHONE, step=CALL, action=CALL)

    async def book_callback(self, why: str) -> None:
        """The handoff has failed: the customer gets a call all the same."""
        await self.sub_journey("callback", f"invoice-{self.opening.name}")
        self.say(f"a callback is booked: {why}")

    async def decide_on(self, invoice: Invoice) -> Invoice:
        """A month with a person, and still open: the lead decides; without an answer it goes on."""
        self.stage("to be decided", owner=LEAD)
        answer = await self.ask(
            f"invoice {self.opening.name} is still open: write it off?",
            owner=LEAD,
            choices=(WRITE_OFF, MORE_TIME),
            default=MORE_TIME,
            within=ANSWER_WITHIN,
            unless=SETTLES,
        )
        if answer.choice == WRITE_OFF:
            because = f"{answer.by} wrote it off: {answer.because}"
            return replace(invoice, ended="written off", because=because)
        heard = await self.wait_for(*SETTLES, until=self.now, what="the payment")
        return await self.take_up(invoice, heard) if heard else replace(invoice, handed=self.now)
