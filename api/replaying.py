"""A recorded decision made again: what to tell of it, in words and in data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson

from engine.catalog import Bundle
from engine.comparison import Changes, compare
from engine.errors import UnknownBundle
from engine.ledger.bundles import archived_bundle
from engine.ledger.site import Site
from engine.reasons import moment
from engine.record import Record, Seal, read, seal_of
from engine.replay import Difference, again, differences, same_bytes
from models.rescore import Rescored, rescored

CURRENT = "current"
BUNDLES = "bundles"
_SEALS = {
    Seal.INTACT: "The record is as it was written: its seal is intact.",
    Seal.UNSEALED: "The record has no seal: it was written before records were sealed.",
    Seal.TAMPERED: "The record was tampered with: it is not what was written then.",
}
Named = Callable[[str], Bundle]
"""A bundle by its hash. Raises UnknownBundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What became of one decision when it was made again.

    `bundle` is the one it was made under now, `own` whether that is the one it was made under then.
    `identical`: byte for byte under its own bundle; under another, whether nothing changes for
    anybody. `seal` says whether the record is what was written.
    """

    decision_id: str
    own: bool
    bundle: str
    seal: Seal
    identical: bool
    differences: tuple[Difference, ...] = ()
    scores: Rescored | None = None
    changes: Changes | None = None
    words: tuple[str, ...] = ()

    def told(self) -> dict[str, Any]:
        """As JSON tells it."""
        return {**asdict(self), "sealed": self.seal is Seal.INTACT}


def bundles_of(site: Site) -> Named:
    """The bundles that were in force at some time on a stack, each read once."""
    kept: dict[str, Bundle] = {}

    def named(bundle_hash: str) -> Bundle:
        if bundle_hash not in kept:
            kept[bundle_hash] = archived_bundle(site.data_dir / BUNDLES, bundle_hash)
        return kept[bundle_hash]

    return named


def replay(
    decision_id: str, record: bytes, named: Named, site: Site, other: Bundle | None = None
) -> Replay:
    """A decision made again, under `other` or its own bundle. Raises UnknownBundle."""
    seal = seal_of(record, site.seal_key, decision_id)
    try:
        kept = read(record)
        own = other is None or other.hash == kept.decision.bundle
        bundle = other if other is not None else named(kept.decision.bundle)
        return _made_again(decision_id, record, kept, seal, bundle, own)
    except UnknownBundle:
        raise
    except Exception as error:
        if seal is Seal.INTACT:
            raise
        return _unreadable(decision_id, seal, error)


def _made_again(
    decision_id: str, record: bytes, kept: Record, seal: Seal, bundle: Bundle, own: bool
) -> Replay:
    made = again(kept, bundle)
    changes = None if own else compare(kept.decision, made)
    same = same_bytes(record, made) if changes is None else not changes
    found = Replay(
        decision_id=decision_id,
        own=own,
        bundle=bundle.hash,
        seal=seal,
        identical=same,
        differences=differences(record, made) if own and not same else (),
        changes=changes,
    )
    return _worded(found, kept)


def with_scores(found: Replay, record: bytes, named: Named, site: Site) -> Replay:
    """The same, with the scores made again by the models that gave them. Slow: loads models."""
    try:
        kept = read(record)
        scores = rescored(site, kept, named(kept.decision.bundle))
    except (UnknownBundle, ValueError) as error:
        scores = Rescored(compared=0, largest_difference=None, because=(str(error),))
    return replace(found, scores=scores, words=(*found.words, _of_scores(scores)))


def _worded(found: Replay, kept: Record) -> Replay:
    made = f"Decision {found.decision_id} of {moment(kept.decision.at)} was made again"
    if found.changes is not None:
        under = f"{made} under the bundle {found.bundle}; it was made under {kept.decision.bundle}"
        if found.identical:
            return replace(found, words=(f"{under}. Nothing changes.", _SEALS[found.seal]))
        told = (f"{under}. This changes:", *found.changes.words)
        return replace(found, words=(*told, _SEALS[found.seal]))
    if found.identical:
        same = f"{made} from its record: it is the same, byte for byte."
        return replace(found, words=(same, _SEALS[found.seal]))
    told = (f"{made} from its record, and differs.", *map(_differing, found.differences))
    return replace(found, words=(*told, _SEALS[found.seal]))


def _differing(one: Difference) -> str:
    recorded, now = (orjson.dumps(value).decode()[:200] for value in (one.recorded, one.now))
    return f"{one.where}: recorded was {recorded}; made again it is {now}."


def _of_scores(scores: Rescored) -> str:
    because = f" ({'; '.join(scores.because)})" if scores.because else ""
    if scores.largest_difference is None:
        return f"The scores were not compared with those of the models{because}."
    asked = "1 score" if scores.compared == 1 else f"{scores.compared} scores"
    return (
        f"The models were asked again for {asked}: the largest difference is"
        f" {scores.largest_difference:g}{because}."
    )


def _unreadable(decision_id: str, seal: Seal, error: Exception) -> Replay:
    reason = f"Decision {decision_id} can't be made again from its record: {error!r:.300}"
    return Replay(
        decision_id=decision_id,
        own=True,
        bundle="",
        seal=seal,
        identical=False,
        words=(reason, _SEALS[seal]),
    )


@dataclass(slots=True)
class Tally:
    """How many of many replays came out how."""

    decisions: int = 0
    identical: int = 0
    different: int = 0
    unsealed: int = 0
    tampered: int = 0
    without_bundle: int = 0

    def count(self, found: Replay | None) -> tuple[str, ...]:
        """Counts one replay, None where its bundle is not there; what is wrong with it."""
        self.decisions += 1
        if found is None:
            self.without_bundle += 1
            return ("without_bundle",)
        wrong: list[str] = []
        if found.identical:
            self.identical += 1
        else:
            self.different += 1
            wrong.append("different")
        if found.seal is Seal.UNSEALED:
            self.unsealed += 1
        elif found.seal is Seal.TAMPERED:
            self.tampered += 1
            wrong.append("tampered")
        return tuple(wrong)

    def told(self) -> Mapping[str, int]:
        """The counts by name."""
        return asdict(self)
