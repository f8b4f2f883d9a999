"""Contacts as Redis keeps them: 15 bytes each, in order of time; their words are kept once for all.

An entry is its time (6 bytes), the code of its words (4) and its id (5). The words are kind,
channel, action, group, purpose and outcome; `tactful:words` tells which a code stands for.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from functools import lru_cache

from engine.frozen import maker
from engine.types import Contact, ContactKind

SIZE = 15
_ENTRY = struct.Struct(">HI4s5s")
_CODES_BYTES = 16
"""Four codes: the first that no other words have is used."""
_ID_BYTES = 5
_HASHED = 0x80
"""The first bit of an id that is too long to be kept as it is: the rest is of its hash."""
_SEPARATOR = "|"
_MOST = 65_536
_MOST_REMEMBERED = 40_000
"""So many contacts take some eight megabytes."""

Words = tuple[ContactKind, str, str, str, str, str]
"""Kind, channel, action, group, purpose, outcome."""
_contact = maker(Contact)


class UnknownWords(Exception):
    """Contacts have codes that this process has not met yet."""


class Vocabulary:
    """The words of codes, as far as this process has met them, under one marker.

    A rebuild may give words other codes; the marker tells that there was one. Contacts that were
    decoded are remembered for a while: who asks again has mostly the same ones, or one more.
    """

    def __init__(self, most: int = _MOST_REMEMBERED) -> None:
        self._most = most
        self._marker: bytes | None = None
        self._known: dict[bytes, Words] = {}
        self._remembered: dict[bytes, tuple[bytes, tuple[Contact, ...]]] = {}
        self._size = 0

    def under(self, marker: bytes | None) -> Mapping[bytes, Words]:
        """What is known of the codes."""
        if marker != self._marker:
            self._marker, self._known = marker, {}
            self._forget()
        return self._known

    def learn(self, marker: bytes | None, told: Mapping[bytes, bytes | None]) -> None:
        """Remembers what Redis said of some codes."""
        self.under(marker)
        self._known.update({code: _words(text) for code, text in told.items() if text})

    def decode(self, marker: bytes | None, kept: bytes | None, since: int) -> tuple[Contact, ...]:
        """The contacts later than `since`, in milliseconds, oldest first. Raises UnknownWords."""
        known = self.under(marker)
        if not kept:
            return ()
        before, found = self._remembered.get(kept[:SIZE], (b"", ()))
        if before != kept:
            if kept.startswith(before):
                found += decode(kept[len(before) :], known)
            else:
                found = decode(kept, known)
            self._remember(kept, found)
        first = _first(kept, since) if found[0].at <= since else 0
        return found[first:] if first else found

    def _remember(self, kept: bytes, found: tuple[Contact, ...]) -> None:
        self._size += len(found)
        if self._size > self._most:
            self._forget()
            self._size = len(found)
        self._remembered[kept[:SIZE]] = (kept, found)

    def _forget(self) -> None:
        self._remembered, self._size = {}, 0


VOCABULARY = Vocabulary()


def encode(contact: Contact) -> bytes:
    """What a script is given of a contact: time, id, codes its words may have, and those."""
    parts = (contact.kind, contact.channel, contact.action, contact.group, contact.purpose)
    text, codes = _coded(_SEPARATOR.join((*parts, contact.outcome)))
    return max(contact.at, 0).to_bytes(6) + _id_bytes(contact.id) + codes + text


def decode(kept: bytes, known: Mapping[bytes, Words]) -> tuple[Contact, ...]:
    """All contacts, oldest first. Raises UnknownWords."""
    found: list[Contact] = []
    try:
        for high, low, code, contact_id in _ENTRY.iter_unpack(kept):
            kind, channel, action, group, purpose, outcome = known[code]
            found.append(
                _contact(
                    id=_id_text(contact_id),
                    kind=kind,
                    at=high << 32 | low,
                    channel=channel,
                    action=action,
                    group=group,
                    purpose=purpose,
                    outcome=outcome,
                )
            )
    except KeyError:
        raise UnknownWords from None
    return tuple(found)


def codes(kept: bytes) -> set[bytes]:
    """The codes of all contacts."""
    return {kept[at + 6 : at + 10] for at in range(0, len(kept), SIZE)}


def known_as(contact_id: str) -> str:
    """The id that a contact has once it was kept: the same, or short for a long one.

    >>> known_as("o4711"), known_as("renewal-7590-VHVEG-3")
    ('o4711', 'd64a30c851')
    """
    return _id_text(_id_bytes(contact_id))


def _first(kept: bytes, since: int) -> int:
    """Which contact is the first one later than `since`."""
    low, high = 0, len(kept) // SIZE
    while low < high:
        middle = (low + high) // 2
        if int.from_bytes(kept[middle * SIZE : middle * SIZE + 6]) > since:
            high = middle
        else:
            low = middle + 1
    return low


def _id_bytes(contact_id: str) -> bytes:
    if len(contact_id) <= _ID_BYTES and contact_id.isascii() and contact_id.isprintable():
        return contact_id.encode().ljust(_ID_BYTES, b"\0")
    digest = hashlib.blake2b(contact_id.encode(), digest_size=_ID_BYTES).digest()
    return bytes((digest[0] | _HASHED, *digest[1:]))


def _id_text(kept: bytes) -> str:
    return kept.hex() if kept[0] & _HASHED else kept.rstrip(b"\0").decode()


@lru_cache(_MOST)
def _coded(text: str) -> tuple[bytes, bytes]:
    return text.encode(), hashlib.blake2b(text.encode(), digest_size=_CODES_BYTES).digest()


def _words(text: bytes) -> Words:
    kind, channel, action, group, purpose, outcome = text.decode().split(_SEPARATOR)
    return ContactKind(kind), channel, action, group, purpose, outcome
