"""Contacts packed into one string of bytes: counted by what they were, objects where one asks.

An entry is its time (6 bytes), the code of what it was (4) and its id (5), oldest first.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import overload

import orjson

from engine.frozen import maker
from engine.types import Contact, ContactKind

SIZE = 15
_ENTRY = struct.Struct(">HI4s5s")
_TIME = struct.Struct(">HI4s5x")
_ID_BYTES = 5
_HASHED = 0x80
"""The first bit of an id that is too long to be kept as it is: the rest is of its hash."""
_A_HASH = re.compile(r"[89a-f][0-9a-f]{9}")
_LATEST = 1 << 48
_MOST = 65_536
_contact = maker(Contact)


@dataclass(frozen=True, slots=True, eq=False)
class What:
    """What contacts were: all but when, and their ids. There is one object for the same words."""

    kind: ContactKind
    channel: str
    action: str
    group: str
    purpose: str
    outcome: str
    said: bytes = field(init=False)
    """The words as JSON."""

    def __post_init__(self) -> None:
        words = (self.kind, self.channel, self.action, self.group, self.purpose, self.outcome)
        object.__setattr__(self, "said", orjson.dumps(words))


Group = tuple[What, Sequence[int]]
"""When the same happened, in milliseconds since 1970 and in order."""
Times = Mapping[bytes, Sequence[int]]
what = lru_cache(_MOST)(What)


class UnknownWords(Exception):
    """Contacts have codes that nobody has told the words of."""


class Packed(Sequence[Contact]):
    """The same as the tuple of the contacts; `groups` are their times, by what they were.

    `times` finds the times by code. Raises UnknownWords where `known` lacks a code.
    """

    __slots__ = ("_made", "_words", "groups", "kept")

    def __init__(
        self, kept: bytes, known: Mapping[bytes, What], times: Callable[[bytes], Times]
    ) -> None:
        found = times(kept)
        try:
            words = {code: known[code] for code in found}
        except KeyError:
            raise UnknownWords from None
        self.kept = kept
        self.groups: tuple[Group, ...] = tuple(zip(words.values(), found.values(), strict=True))
        self._words = words
        self._made: tuple[Contact, ...] | None = None

    def __len__(self) -> int:
        return len(self.kept) // SIZE

    @overload
    def __getitem__(self, at: int) -> Contact: ...

    @overload
    def __getitem__(self, at: slice) -> tuple[Contact, ...]: ...

    def __getitem__(self, at: int | slice) -> Contact | tuple[Contact, ...]:
        return self._contacts()[at]

    def __iter__(self) -> Iterator[Contact]:
        return iter(self._contacts())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Packed):
            if self.kept == other.kept and self._words == other._words:
                return True
            return self._contacts() == other._contacts()
        return self._contacts() == other

    def __hash__(self) -> int:
        return hash(self._contacts())

    def __repr__(self) -> str:
        return repr(self._contacts())

    def __reduce__(self) -> tuple[object, ...]:
        return tuple, (self._contacts(),)

    @property
    def words(self) -> list[bytes]:
        """What they were as JSON, in the order in which their codes first appear."""
        return [one.said for one in self._words.values()]

    def since(self, at: int) -> Sequence[Contact]:
        """Those of that millisecond or later."""
        first = first_after(self.kept, at - 1)
        if self._made is not None:
            return self._made[first // SIZE :]
        return _unpacked(self.kept[first:], self._words)

    def _contacts(self) -> tuple[Contact, ...]:
        if self._made is None:
            self._made = _unpacked(self.kept, self._words)
        return self._made


def first_after(kept: bytes, at: int) -> int:
    """Where the contacts begin that are later than that."""
    low, high = 0, len(kept) // SIZE
    while low < high:
        middle = (low + high) // 2
        if int.from_bytes(kept[middle * SIZE : middle * SIZE + 6]) > at:
            high = middle
        else:
            low = middle + 1
    return low * SIZE


def times_by_code(kept: bytes) -> Times:
    """Times by code, the codes in the order in which they first appear."""
    found: dict[bytes, list[int]] = {}
    for high, low, code in _TIME.iter_unpack(kept):
        if code in found:
            found[code].append(high << 32 | low)
        else:
            found[code] = [high << 32 | low]
    return found


def pack(contacts: Sequence[Contact]) -> Packed | None:
    """Contacts packed; None where they would not come back as they are."""
    if isinstance(contacts, Packed):
        return contacts
    entries, known, before = list[bytes](), dict[bytes, What](), 0
    for one in contacts:
        contact_id = _as_kept(one.id)
        if contact_id is None or not before <= one.at < _LATEST:
            return None
        before, mine = one.at, _what_of(one)
        code = hashlib.blake2b(mine.said, digest_size=4).digest()
        if known.setdefault(code, mine) is not mine:
            return None
        entries.append(b"".join((one.at.to_bytes(6), code, contact_id)))
    return Packed(b"".join(entries), known, times_by_code)


def told(kept: bytes, words: Sequence[Sequence[str]]) -> tuple[Contact, ...]:
    """Contacts as they were packed; `words` in the order in which their codes first appear."""
    if len(kept) % SIZE:
        raise ValueError("packed contacts were cut off")
    codes = dict.fromkeys(kept[at + 6 : at + 10] for at in range(0, len(kept), SIZE))
    named = zip(codes, words, strict=True)
    return _unpacked(kept, {code: what(ContactKind(kind), *rest) for code, (kind, *rest) in named})


def groups(contacts: Sequence[Contact]) -> Sequence[Group]:
    """When contacts were, by what they were."""
    if isinstance(contacts, Packed):
        return contacts.groups
    found: dict[What, list[int]] = {}
    for one in contacts:
        found.setdefault(_what_of(one), []).append(one.at)
    for times in found.values():
        times.sort()
    return tuple(found.items())


def since(contacts: Sequence[Contact], at: int) -> Sequence[Contact]:
    """Those of that millisecond or later."""
    if isinstance(contacts, Packed):
        return contacts.since(at)
    return [one for one in contacts if one.at >= at]


def id_bytes(contact_id: str) -> bytes:
    """An id as it is kept: short ones as they are."""
    if len(contact_id) <= _ID_BYTES and contact_id.isascii() and contact_id.isprintable():
        return contact_id.encode().ljust(_ID_BYTES, b"\0")
    digest = hashlib.blake2b(contact_id.encode(), digest_size=_ID_BYTES).digest()
    return bytes((digest[0] | _HASHED, *digest[1:]))


def id_text(kept: bytes) -> str:
    """The id that a contact has once it was kept."""
    return kept.hex() if kept[0] & _HASHED else kept.rstrip(b"\0").decode()


def _as_kept(contact_id: str) -> bytes | None:
    """What gives this id again; nothing gives one that is too long."""
    kept = id_bytes(contact_id)
    if kept[0] & _HASHED:
        if _A_HASH.fullmatch(contact_id) is None:
            return None
        kept = bytes.fromhex(contact_id)
    return kept if id_text(kept) == contact_id else None


def _what_of(one: Contact) -> What:
    return what(one.kind, one.channel, one.action, one.group, one.purpose, one.outcome)


def _unpacked(kept: bytes, known: Mapping[bytes, What]) -> tuple[Contact, ...]:
    found: list[Contact] = []
    for high, low, code, contact_id in _ENTRY.iter_unpack(kept):
        mine = known[code]
        found.append(
            _contact(
                id=id_text(contact_id),
                kind=mine.kind,
                at=high << 32 | low,
                channel=mine.channel,
                action=mine.action,
                group=mine.group,
                purpose=mine.purpose,
                outcome=mine.outcome,
            )
        )
    return tuple(found)
