"""When a local clock shows a time: first, last, and where it jumps over it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_SECOND = timedelta(seconds=1)


@lru_cache(maxsize=4_096)
def first_shown(local: datetime, clock: ZoneInfo) -> datetime:
    """The first moment at which a clock shows `local`, or more than that if it jumps over it."""
    found = local.replace(tzinfo=clock, fold=0).astimezone(UTC)
    return found if _shown(found, clock) == local else _jump_over(local, clock)


@lru_cache(maxsize=4_096)
def last_shown(local: datetime, clock: ZoneInfo) -> datetime:
    """The last moment at which a clock shows `local`, or the one at which it jumps over it.

    Differs from the first where the clock is set back, and shows an hour twice.
    """
    found = local.replace(tzinfo=clock, fold=1).astimezone(UTC)
    return found if _shown(found, clock) == local else _jump_over(local, clock)


def _shown(at: datetime, clock: ZoneInfo) -> datetime:
    return at.astimezone(clock).replace(tzinfo=None, fold=0)


def _jump_over(local: datetime, clock: ZoneInfo) -> datetime:
    """When a clock jumps over a time it never shows.

    Such a time, taken by the clock from before the jump, is after it or at it; taken by the clock
    from after the jump, before it.
    """
    after = local.replace(tzinfo=clock, fold=0).astimezone(UTC)
    before = local.replace(tzinfo=clock, fold=1).astimezone(UTC)
    while after - before > _SECOND:  # clocks jump at whole seconds
        middle = before + (after - before) // _SECOND // 2 * _SECOND
        if _shown(middle, clock) < local:
            before = middle
        else:
            after = middle
    return after
