"""One customer on one channel at one moment: what every stage of the funnel looks at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from engine import holds
from engine.catalog import Bundle, Scope
from engine.frozen import maker
from engine.logic import Evaluate, Lookup
from engine.types import Contact, Hold, Scalar, Session, Snapshot
from engine.windows import Zones, zones

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """All that stages know.

    `lookup` finds every name that expressions use; `held` are the holds in force, `session` the one
    that still goes on. `journey` is the id of the journey that asks, if one does. `sending` is true
    where a message is about to leave, false where a decision is made. `found` is what `once` found.
    """

    bundle: Bundle
    channel: str
    now: datetime
    snapshot: Snapshot
    lookup: Lookup
    zones: Zones
    held: tuple[Hold, ...]
    session: Session | None = None
    journey: str = ""
    sending: bool = False
    found: dict[str, Any] = field(
        init=False, default_factory=dict[str, Any], compare=False, repr=False
    )

    def once(self, key: str, work: Callable[[Moment], Found]) -> Found:
        """What `work` finds at this moment, done once for all actions; `key` is its own."""
        if key not in self.found:
            self.found[key] = work(self)
        return self.found[key]

    @property
    def in_page(self) -> bool:
        """Whether the channel shows what a decision answers, instead of delivering messages."""
        return self.bundle.channels[self.channel].in_page

    @property
    def cached(self) -> bool:
        """Whether the features could not be read, so that only an earlier answer can be given."""
        return self.snapshot.reconciled and self.snapshot.remembered is not None

    def contacts(self, scope: Scope) -> Sequence[Contact]:
        """The contacts of the customer, or of everybody in the account or household; by time.

        A customer of whom no account or household is known is alone in it.
        """
        if scope is Scope.CUSTOMER:
            return self.snapshot.contacts
        return self.snapshot.circles.get(scope.value, self.snapshot.contacts)


class Verdicts(dict[Evaluate, Scalar]):
    """What each condition says, asked once: many actions inherit the same rule."""

    __slots__ = ("_lookup",)

    def __init__(self, lookup: Lookup) -> None:
        super().__init__()
        self._lookup = lookup

    def __missing__(self, condition: Evaluate) -> Scalar:
        found = self[condition] = condition(self._lookup)
        return found


_moment_as = maker(Moment)


def moment(
    bundle: Bundle,
    channel: str,
    now: datetime,
    snapshot: Snapshot,
    lookup: Lookup,
    *,
    journey: str = "",
    sending: bool = False,
) -> Moment:
    """The moment of a request or of a send."""
    session = snapshot.session
    if session is not None and now - session.last >= bundle.session.idle:
        session = None
    return _moment_as(
        bundle=bundle,
        channel=channel,
        now=now,
        snapshot=snapshot,
        lookup=lookup,
        zones=zones(bundle, lookup),
        held=holds.in_force(snapshot.holds, now),
        session=session,
        journey=journey,
        sending=sending,
    )
