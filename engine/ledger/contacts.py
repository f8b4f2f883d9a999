"""Contacts as Redis keeps them: 15 bytes each, in order of time; their words are kept once for all.

An entry is its time (6 bytes), the code of its words (4) and its id (5): see `engine/packed.py`.
The words are kind, channel, action, group, purpose and outcome; `tactful:words` tells which a code
stands for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache

import numpy

from engine.packed import (
    SIZE,
    Packed,
    Times,
    UnknownWords,
    What,
    first_after,
    id_bytes,
    id_text,
    times_by_code,
    what,
)
from engine.types import Contact, ContactKind

__all__ = ["SIZE", "VOCABULARY", "UnknownWords", "Vocabulary", "codes", "encode", "known_as"]

_CODES_BYTES = 16
"""Four codes: the first that no other words have is used."""
_COLUMNS = numpy.dtype(
    {"names": ["time", "code"], "formats": [">u8", ">u4"], "offsets": [0, 6], "itemsize": SIZE}
)
"""The time with the first two bytes of the code behind it."""
_MANY = 64 * SIZE
_SEPARATOR = "|"
_MOST = 65_536
_NONE: tuple[Contact, ...] = ()


class Vocabulary:
    """The words of codes, as far as this process has met them, under one marker.

    A rebuild may give words other codes; the marker tells that there was one.
    """

    def __init__(self) -> None:
        self._marker: bytes | None = None
        self._known: dict[bytes, What] = {}

    def under(self, marker: bytes | None) -> Mapping[bytes, What]:
        """What is known of the codes."""
        if marker != self._marker:
            self._marker, self._known = marker, {}
        return self._known

    def learn(self, marker: bytes | None, told: Mapping[bytes, bytes | None]) -> None:
        """Remembers what Redis said of some codes."""
        self.under(marker)
        self._known.update({code: _what(text) for code, text in told.items() if text})

    def decode(
        self, marker: bytes | None, kept: bytes | None, since: int
    ) -> Packed | tuple[Contact, ...]:
        """The contacts later than `since`, in milliseconds, oldest first. Raises UnknownWords."""
        known = self.under(marker)
        if not kept:
            return _NONE
        late = kept[first_after(kept, since) :]
        return Packed(late, known, times_by_code if len(late) < _MANY else _many) if late else _NONE


VOCABULARY = Vocabulary()


def encode(contact: Contact) -> bytes:
    """What a script is given of a contact: time, id, codes its words may have, and those."""
    parts = (contact.kind, contact.channel, contact.action, contact.group, contact.purpose)
    text, codes = _coded(_SEPARATOR.join((*parts, contact.outcome)))
    return max(contact.at, 0).to_bytes(6) + id_bytes(contact.id) + codes + text


def codes(kept: bytes) -> set[bytes]:
    """The codes of all contacts."""
    return {kept[at + 6 : at + 10] for at in range(0, len(kept), SIZE)}


def known_as(contact_id: str) -> str:
    """The id that a contact has once it was kept: the same, or short for a long one.

    >>> known_as("o4711"), known_as("renewal-7590-VHVEG-3")
    ('o4711', 'd64a30c851')
    """
    return id_text(id_bytes(contact_id))


@lru_cache(_MOST)
def _coded(text: str) -> tuple[bytes, bytes]:
    return text.encode(), hashlib.blake2b(text.encode(), digest_size=_CODES_BYTES).digest()


def _many(kept: bytes) -> Times:
    """As `times_by_code`, in half the time where there are hundreds."""
    every = numpy.frombuffer(kept, _COLUMNS)
    codes = every["code"]
    order = codes.argsort(kind="stable")
    grouped = codes[order]
    starts = numpy.flatnonzero(grouped[1:] != grouped[:-1]) + 1
    times = (every["time"] >> 16)[order].tolist()
    cuts = [0, *starts.tolist(), len(times)]
    firsts = sorted(zip(order[cuts[:-1]].tolist(), cuts[:-1], cuts[1:], strict=True))
    return {
        kept[first * SIZE + 6 : first * SIZE + 10]: times[start:end] for first, start, end in firsts
    }


def _what(text: bytes) -> What:
    kind, channel, action, group, purpose, outcome = text.decode().split(_SEPARATOR)
    return what(ContactKind(kind), channel, action, group, purpose, outcome)
