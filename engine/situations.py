"""Reads the situation of a golden case: what is known of a customer at a moment, in few words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from engine.case_words import contacts, time_of
from engine.catalog import Bundle
from engine.entries import Entry, Problems, nearest
from engine.fields import Fields
from engine.golden import Said
from engine.types import (
    Contact,
    Hold,
    JourneyState,
    Planned,
    Remembered,
    Scalar,
    Session,
    Snapshot,
)
from engine.written_times import duration_of

KEYS = (
    *("at", "reference", "facts", "ages", "models", "scores", "evidence", "scored"),
    *("missing_models", "consents", "holds", "contacts", "account", "household", "journeys"),
    *("session", "used", "kept", "remembered", "unreconciled"),
)
_CONSENTS = ("granted", "refused")
Read = TypeVar("Read")


@dataclass(slots=True)
class Reader:
    """Reads one situation; what is wrong is noted with its file and line.

    `features`: the names that facts may have; None: any.
    """

    fields: Fields
    bundle: Bundle
    problems: Problems
    now: datetime
    customer: str

    def snapshot(self, features: frozenset[str] | None) -> Snapshot:
        """All that is known of the customer."""
        facts = self.facts(features)
        ages = dict(self._each("ages", self._length))
        times = {name.partition(".")[0]: self.now for name in facts}
        for view, age in ages.items():
            times[view] = self.now - age
        circles = {
            name: self._contacts(name) for name in ("account", "household") if name in self.fields
        }
        return Snapshot(
            customer=self.customer,
            reconciled=not self.fields.flag("unreconciled"),
            version=1,
            features=facts,
            feature_times=times,
            holds=tuple(self._each_value("holds", self._hold)),
            consents=self._consents(),
            contacts=self._contacts("contacts"),
            circles=circles,
            journeys=tuple(self._each_value("journeys", self._journey)),
            session=self._session(),
            remembered=self._remembered(),
        )

    def said(self) -> Said:
        """What the models say."""
        known = dict(self._each("models", lambda name, entry: (name, entry)))
        return Said(
            customer={
                name: self._number(name, entry)
                for name, entry in known.values()
                if entry.value is not None
            },
            acceptance=dict(self._each("scores", self._number, self.bundle.actions)),
            evidence=dict(self._each("evidence", self._evidence, {*self.bundle.actions, "*"})),
            scored=self.fields.whole("scored", 0, 1_000) if "scored" in self.fields else None,
            missing=self.fields.words("missing_models"),
        )

    def used(self) -> dict[str, int]:
        """How much of each volume is used."""
        volumes = [volume.name for volume in self.bundle.volumes]
        return dict(self._each("used", lambda _, entry: int(self._number(_, entry)), volumes))

    def kept(self) -> dict[str, str]:
        """Which action keeps a unit of a volume for the customer."""
        volumes = [volume.name for volume in self.bundle.volumes]
        return dict(self._each("kept", self._action, volumes))

    def facts(self, features: frozenset[str] | None) -> dict[str, Scalar]:
        """What is known, by name; a fact without a value is not known."""
        found = dict(self._each("facts", self._scalar, features))
        return {name: value for name, value in found.items() if value is not None}

    def time(self, entry: Entry) -> datetime:
        """A moment, as `3 days ago` says it."""
        return time_of(entry, self.now, self.bundle, self.problems)

    def _length(self, name: str, entry: Entry) -> timedelta:
        length = duration_of(str(entry.value))
        if length is None:
            self.problems.note(entry, f"{entry.value!r} is no length of time; write 100 days")
        return length or timedelta()

    # -- what was said and done

    def _consents(self) -> dict[str, bool]:
        """By `purpose:channel`; a purpose alone means every channel."""
        bundle, found = self.bundle, dict[str, bool]()
        pairs = {f"{p}:{c}": (p, c) for p in bundle.purposes for c in bundle.channels}
        for name, entry in self._each(
            "consents", lambda _, entry: entry, {*pairs, *bundle.purposes}
        ):
            if entry.value not in _CONSENTS:
                self.problems.note(entry, f"{entry.value!r} is no consent; write granted, refused")
            meant = (
                [name] if name in pairs else [f"{name}:{channel}" for channel in bundle.channels]
            )
            found |= dict.fromkeys(meant, entry.value == "granted")
        return found

    def _contacts(self, key: str) -> tuple[Contact, ...]:
        value = self.fields.place(key).value if key in self.fields else ()
        if not isinstance(value, tuple):
            self.fields.note(key, f"{key} must be a list of sentences")
            return ()
        found = [
            one for each in value for one in contacts(each, self.now, self.bundle, self.problems)
        ]
        return tuple(sorted(found, key=lambda one: (one.at, one.id)))

    # -- what goes on

    def _hold(self, name: str, entry: Entry) -> Hold:
        what = f"hold {name}"
        fields = Fields(
            entry, what, ("purposes", "tags", "since", "until", "because"), self.problems
        )
        terms = self.bundle.holds.get(name)
        purposes = fields.some_of("purposes", self.bundle.purposes)
        tags = fields.words("tags")
        if terms is not None and not purposes and not tags:
            purposes, tags = terms.purposes, terms.tags
        return Hold(
            id=f"{name}:1",
            purposes=purposes,
            tags=tags,
            since=self.time(fields.place("since")) if "since" in fields else self.now,
            until=self.time(fields.place("until")) if "until" in fields else None,
            because=fields.text("because", f"the hold {name} is in force"),
            owner=f"{name}:{self.customer}:1" if terms else f"operator:{name}",
            seq=1,
        )

    def _journey(self, kind: str, entry: Entry) -> JourneyState:
        """`complaint: open`, or with `stage`, `since`, `before` and `planned`."""
        if not isinstance(entry.value, Mapping):
            entry = Entry({"stage": entry}, entry.file, entry.line)
        keys = ("stage", "since", "before", "planned")
        fields = Fields(entry, f"journey {kind}", keys, self.problems)
        return JourneyState(
            id=f"{kind}:{self.customer}:1",
            kind=kind,
            stage=fields.text("stage"),
            since=self.time(fields.place("since")) if "since" in fields else self.now,
            before=fields.text("before", ""),
            planned=self._planned(fields.place("planned")) if "planned" in fields else None,
        )

    def _planned(self, entry: Entry) -> Planned:
        keys = ("at", "channel", "purpose", "value")
        fields = Fields(entry, "planned message", keys, self.problems)
        return Planned(
            at=self.time(fields.place("at")),
            channel=fields.one_of("channel", self.bundle.channels),
            purpose=fields.one_of("purpose", self.bundle.purposes),
            value=fields.number("value", 0, 1e9),
        )

    def _session(self) -> Session | None:
        if "session" not in self.fields:
            return None
        keys = ("started", "last", "channel", "context")
        fields = Fields(self.fields.place("session"), "session", keys, self.problems)
        return Session(
            started=self.time(fields.place("started")) if "started" in fields else self.now,
            last=self.time(fields.place("last")) if "last" in fields else self.now,
            channel=fields.one_of("channel", self.bundle.channels),
            context=dict(self._each("context", self._scalar, None, fields)),
        )

    def _remembered(self) -> tuple[Remembered, ...] | None:
        if "remembered" not in self.fields:
            return None
        return tuple(
            Remembered(
                placement=placement,
                action=name,
                treatment=f"{name}.web",
                propensity=self.bundle.actions[name].prior if name in self.bundle.actions else 0.5,
                decision_id="earlier",
            )
            for placement, name in self._each("remembered", self._action)
        )

    # -- values

    def _each(
        self,
        key: str,
        read: Callable[[str, Entry], Read],
        known: Collection[str] | None = None,
        fields: Fields | None = None,
    ) -> Iterator[tuple[str, Read]]:
        """What stands under a key, by name; a name that is not known is noted."""
        for name, entry in (fields or self.fields).children(key):
            if known is None or self._known(entry, name, known):
                yield name, read(name, entry)

    def _each_value(self, key: str, read: Callable[[str, Entry], Read]) -> Iterator[Read]:
        return (value for _, value in self._each(key, read))

    def _known(self, entry: Entry, name: str, known: Collection[str]) -> bool:
        if name not in known:
            self.problems.note(entry, f"{name!r} is not known{nearest(name, known)}")
        return name in known

    def _number(self, name: str, entry: Entry) -> float:
        if isinstance(entry.value, bool) or not isinstance(entry.value, int | float):
            self.problems.note(entry, f"{name} must be a number, not {entry.value!r}")
            return 0.0
        return float(entry.value)

    def _scalar(self, name: str, entry: Entry) -> Scalar:
        if isinstance(entry.value, tuple | Mapping):
            self.problems.note(entry, f"{name} must be one value")
            return None
        return entry.value

    def _action(self, name: str, entry: Entry) -> str:
        self._known(entry, str(entry.value), self.bundle.actions)
        return str(entry.value)

    def _evidence(self, name: str, entry: Entry) -> tuple[int, int]:
        parts = entry.value if isinstance(entry.value, tuple) else ()
        counts = [one.value for one in parts if type(one.value) is int]
        if len(counts) != 2 or len(parts) != 2:
            self.problems.note(entry, f"evidence of {name} must be [positive, negative] answers")
            return (0, 0)
        return (int(str(counts[0])), int(str(counts[1])))
