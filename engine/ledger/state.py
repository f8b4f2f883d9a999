"""What one read of Redis found of a customer, as objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.frozen import maker
from engine.ledger.circles import NONE, Circles
from engine.ledger.encoded import (
    decode_hold,
    decode_journey,
    decode_reservation,
    decode_session,
)
from engine.types import (
    Contact,
    FeatureRow,
    Hold,
    JourneyState,
    Remembered,
    Reservation,
    Session,
    Snapshot,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveState:
    """What one read found.

    `marker` is empty while Redis is not reconciled; `decided` names the latest decisions, as they
    are kept; `stored` is the answer or claim of a request id; `circles` are the references of the
    customer's account and household, `shared` what was read of those; `remembered` is what was
    offered last, where the features could not be read, and `because` says why.
    """

    marker: str
    version: int
    holds: tuple[Hold, ...]
    consents: Mapping[str, bool]
    contacts: Sequence[Contact]
    journeys: tuple[JourneyState, ...]
    decided: bytes = b""
    circles: Mapping[str, str] = field(default_factory=dict[str, str])
    shared: Circles = NONE
    session: Session | None = None
    reserved: tuple[Reservation, ...] = ()
    stored: bytes | None = None
    remembered: tuple[Remembered, ...] | None = None
    because: tuple[str, ...] = ()

    @property
    def latest(self) -> tuple[str, ...]:
        """The ids of the latest decisions, newest first."""
        return tuple(self.decided.decode().split(",")) if self.decided else ()

    @property
    def seen(self) -> str:
        """The versions of all that was read, for scripts that make sure that it still is so."""
        return self.shared.seen(self.version)

    def snapshot(
        self,
        customer: str,
        row: FeatureRow | None = None,
        volumes: Mapping[str, int] | None = None,
        reserved: tuple[Reservation, ...] | None = None,
    ) -> Snapshot:
        """A snapshot of the live state and the features that were read with it.

        `volumes` is how much of them is used, `reserved` what is kept, unless it is all.
        """
        values, times = ({}, {}) if row is None else (row.values, row.times)
        if not self.marker:
            because = ("the live state is being rebuilt: nothing commercial until it is complete",)
            return _snapshot(
                customer=customer,
                reconciled=False,
                version=self.version,
                features=values,
                feature_times=times,
                because=because,
            )
        return _snapshot(
            customer=customer,
            reconciled=True,
            version=self.version,
            features=values,
            feature_times=times,
            holds=self.holds,
            consents=self.consents,
            contacts=self.contacts,
            circles=self.shared.contacts,
            journeys=self.journeys,
            session=self.session,
            volumes={} if volumes is None else volumes,
            reserved=self.reserved if reserved is None else reserved,
            remembered=self.remembered,
            because=self.because,
        )


_state = maker(LiveState)
_snapshot = maker(Snapshot)


def decode_state(reply: Sequence[Any], found: Sequence[Contact] = ()) -> LiveState:
    """A LiveState from the reply of `read.lua` or a refused `commit.lua`, its contacts decoded."""
    marker, fields, _, stored = reply
    version, decided, session = 0, b"", None
    kinds: dict[bytes, list[tuple[str, bytes]]] = {}
    pairs = iter(fields)
    for name, value in zip(pairs, pairs, strict=True):
        if name == b"v":
            version = int(value)
        elif name == b"d":
            decided = value
        elif name == b"s":
            session = decode_session(value)
        else:
            kinds.setdefault(name[:2], []).append((name[2:].decode(), value))
    return _state(
        marker=marker.decode() if marker else "",
        version=version,
        holds=_decode_holds(kinds[b"h:"]) if b"h:" in kinds else (),
        consents={name: value[:1] == b"1" for name, value in kinds.get(b"c:", ())},
        contacts=found,
        journeys=_decode_journeys(kinds[b"j:"]) if b"j:" in kinds else (),
        decided=decided,
        circles=_decode_circles(kinds[b"g:"]) if b"g:" in kinds else {},
        session=session,
        reserved=_decode_reservations(kinds[b"r:"]) if b"r:" in kinds else (),
        stored=stored or None,
    )


def _decode_holds(kept: Iterable[tuple[str, bytes]]) -> tuple[Hold, ...]:
    holds = (decode_hold(name, value) for name, value in kept)
    return tuple(sorted(holds, key=lambda hold: (hold.since, hold.id)))


def _decode_journeys(kept: Iterable[tuple[str, bytes]]) -> tuple[JourneyState, ...]:
    journeys = (decode_journey(name, value) for name, value in kept)
    return tuple(sorted(journeys, key=lambda journey: journey.id))


def _decode_reservations(kept: Iterable[tuple[str, bytes]]) -> tuple[Reservation, ...]:
    reserved = (decode_reservation(name, value) for name, value in kept)
    return tuple(sorted(reserved, key=lambda one: (one.bucket, one.action)))


def _decode_circles(kept: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    """Scope to reference; a customer who has left leaves an empty one behind."""
    named = ((scope, value.rsplit(b":", 1)[1].decode()) for scope, value in kept)
    return {scope: circle for scope, circle in named if circle}
