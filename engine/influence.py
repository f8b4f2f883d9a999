"""Influencers: what happened raises or lowers the levers of something, for a while."""

from __future__ import annotations

from collections.abc import Mapping

from engine.moment import Moment


def influences(moment: Moment) -> Mapping[str, Mapping[str, float]]:
    """The percents in force now: by target such as `group:internet`, then by influencer."""
    return {}
