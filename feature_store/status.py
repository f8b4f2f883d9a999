"""Whether each feature of a customer is there, and whether it may be used: four words for it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from engine.types import Scalar
from feature_store.schema import VIEWS


class Status(StrEnum):
    """`null`: its view came without it; `absent`: its view never came; `stale`: too old for use."""

    PRESENT = "present"
    NULL = "null"
    ABSENT = "absent"
    STALE = "stale"


def statuses(
    values: Mapping[str, Scalar],
    times: Mapping[str, datetime],
    max_ages: Mapping[str, timedelta],
    now: datetime,
) -> dict[str, Status]:
    """The status of every feature of the schema, by its name.

    `max_ages` are the bundle's, of views or single features; the age of a single one counts instead
    of that of its view. Decisions treat all but the present ones as unknown.
    """
    found: dict[str, Status] = {}
    for view in VIEWS:
        at = times.get(view.name)
        for feature in view.features:
            key = feature.key
            limit = max_ages.get(key, max_ages.get(view.name))
            if at is None:
                found[key] = Status.ABSENT
            elif values.get(key) is None:
                found[key] = Status.NULL
            else:
                old = limit is not None and now - at > limit
                found[key] = Status.STALE if old else Status.PRESENT
    return found
