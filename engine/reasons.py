"""A moment, a drop, a lever and a volume in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from engine.catalog import Bundle
from engine.types import Drop, Stage
from engine.volumes import EVER, volume_of

UNKNOWN = "not known: "
"""How the detail of a drop begins where a rule could not say."""
_LEVERS = {
    "context": "the context weight",
    "influencer": "the influencer",
    "volume": "the volume's",
    "purpose": "the lever of purpose",
    "group": "the lever of group",
    "action": "the lever of action",
}


def moment(at: datetime) -> str:
    """A time as people read it.

    >>> moment(datetime(2026, 3, 2, 12, tzinfo=UTC))
    '2026-03-02 12:00:00 UTC'
    """
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def drops_in_words(drops: Sequence[Drop]) -> str:
    """All reasons that are known, such as `the rule says … (rule has-dsl, eligibility)`."""
    return "; and: ".join(drop_in_words(drop) for drop in drops) or "no reason is recorded"


def drop_in_words(drop: Drop) -> str:
    """The reason in the words of its rule, with its name, its stage and its end."""
    latest = "at the latest " if drop.stage is Stage.HOLD else ""
    until = f", {latest}until {moment(drop.until)}" if drop.until else ""
    stage = drop.stage.value.replace("_", " ")
    where = drop.rule if ":" in drop.rule else f"{stage}: {drop.rule}"
    return f"{reason(drop)} ({where}{until})"


def reason(drop: Drop) -> str:
    """Why, in the words of the rule."""
    detail = drop.detail.rstrip(".")
    if detail.startswith(UNKNOWN):
        why = detail.removeprefix(UNKNOWN)
        return f"it is not known whether its rule is met; if it is not, the reason is: {why}"
    return detail


def lever_in_words(name: str) -> str:
    """What raised or lowered a priority, such as `context:open-complaint`."""
    kind, _, own = name.partition(":")
    return f"{_LEVERS.get(kind, kind)} {own}"


def volume_in_words(bucket: str, bundle: Bundle | None) -> str:
    """A bucket such as `gifts|2026-03-01|Month-to-month` in words."""
    name, period, *value = bucket.split("|", 2)
    volume = volume_of(bucket, bundle) if bundle else None
    since = [] if period == EVER else [f"from {period} on"]
    per = [f"{volume.per if volume else 'value'} {one}" for one in value]
    return f"{name} ({', '.join([*since, *per])})" if since or per else name
