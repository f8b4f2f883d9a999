"""The events that a journey has heard: each once, in the order of the journal."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from workflows import steps
from workflows.life import Heard

SEEN_MAXIMUM = 5_000
WAITING_MAXIMUM = 1_000


class Inbox:
    """Events come in any order and more than once; each is read once, the earliest first."""

    def __init__(
        self,
        hears: Collection[str],
        *,
        seen: Iterable[str] = (),
        waiting: Iterable[Heard] = (),
        highest_seq: int = 0,
    ) -> None:
        self._hears = frozenset(hears)
        self._seen = dict.fromkeys(seen)
        self._waiting = list(waiting)
        self.highest_seq = highest_seq

    @property
    def seen(self) -> tuple[str, ...]:
        """The keys of the latest events, oldest first."""
        return tuple(self._seen)

    @property
    def waiting(self) -> tuple[Heard, ...]:
        """What nobody has read yet."""
        return tuple(self._waiting)

    def note(self, heard: Heard) -> bool:
        """Remember that this event was heard; False if it was known."""
        if heard.key in self._seen:
            return False
        self._seen[heard.key] = None
        if len(self._seen) > SEEN_MAXIMUM:
            del self._seen[next(iter(self._seen))]
        self.highest_seq = max(self.highest_seq, heard.seq)
        return True

    def take_in(self, heard: Heard) -> bool:
        """Keep an event that the journey listens to; False if it was known or is of no interest."""
        if not self.note(heard) or not self.listens_to(heard.type):
            return False
        self.put_back((heard,))
        return True

    def listens_to(self, event_type: str) -> bool:
        """Whether events of this type are kept; the ends of sub-journeys always are."""
        return event_type in self._hears or event_type.startswith(steps.ENDED)

    def put_back(self, read: Iterable[Heard]) -> None:
        """Events that are to be read once more."""
        self._waiting.extend(read)
        self._waiting.sort(key=_position)
        del self._waiting[:-WAITING_MAXIMUM]

    def forget(self, types: Collection[str] | None = None) -> None:
        """Drop what is unread of these types, or all of it."""
        left = [] if types is None else [one for one in self._waiting if one.type not in types]
        self._waiting = left

    def has(self, types: Collection[str]) -> bool:
        """Whether an unread event of these types is there."""
        return any(heard.type in types for heard in self._waiting)

    def first(self, types: Collection[str]) -> Heard | None:
        """Read the earliest unread event of these types."""
        for place, heard in enumerate(self._waiting):
            if heard.type in types:
                return self._waiting.pop(place)
        return None


def _position(heard: Heard) -> tuple[bool, int]:
    return (heard.seq == 0, heard.seq)
