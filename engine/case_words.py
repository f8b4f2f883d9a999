"""The sentences of golden cases: moments such as `3 days ago`, and contacts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from engine.catalog import Bundle
from engine.entries import Entry, Problems, nearest
from engine.types import Contact, ContactKind
from engine.written_times import duration_of

_CONTACT = re.compile(r"([a-z][\w-]*) of ([a-z0-9-]+) on ([a-z0-9-]+), (.+)")
_KINDS = {kind.value for kind in ContactKind} - {ContactKind.RESPONSE.value}


def moment_of(text: str, now: datetime, bundle: Bundle) -> datetime | None:
    """The moment that a text means: before or after now, or on the business's clock; or None."""
    if (length := duration_of(text.removesuffix(" ago"))) and text.endswith(" ago"):
        return now - length
    if (length := duration_of(text.removeprefix("in "))) and text.startswith("in "):
        return now + length
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=ZoneInfo(bundle.zone))).astimezone(UTC)


def time_of(entry: Entry, now: datetime, bundle: Bundle, problems: Problems) -> datetime:
    """The moment that stands there; now, and a note, where none does."""
    found = moment_of(str(entry.value), now, bundle)
    if found is None:
        wanted = "3 days ago, in 2 hours, or 2026-03-02 12:00"
        problems.note(entry, f"{entry.value!r} is no moment; write {wanted}")
    return found or now


def contacts(entry: Entry, now: datetime, bundle: Bundle, problems: Problems) -> Iterator[Contact]:
    """`impression of an-action on web, 3 days ago, 1 day ago`: one contact for each moment.

    The first word is dispatch, delivery, impression, or else the answer of the customer.
    """
    match = _CONTACT.fullmatch(str(entry.value))
    if match is None:
        wanted = "impression of an-action on web, 3 days ago"
        problems.note(entry, f"{entry.value!r} is no contact; write: {wanted}")
        return
    what, name, channel, times = match.groups()
    for word, known in ((name, bundle.actions), (channel, bundle.channels)):
        if word not in known:
            problems.note(entry, f"{word!r} is not known{nearest(word, known)}")
    if name not in bundle.actions:
        return
    action = bundle.actions[name]
    for number, when in enumerate(times.split(", ")):
        at = time_of(Entry(when, entry.file, entry.line), now, bundle, problems)
        yield Contact(
            id=f"{entry.file}:{entry.line}:{number}",
            kind=ContactKind(what) if what in _KINDS else ContactKind.RESPONSE,
            at=round(at.timestamp() * 1000),
            channel=channel,
            action=name,
            group=action.group,
            purpose=action.purpose,
            outcome="" if what in _KINDS else what,
        )
