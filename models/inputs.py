"""What the models of the example business look at: names that training and scoring share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.catalog import Action

CHURN = "churn"
ACCEPTANCE = "acceptance"

CHURN_SCORE = "model.churn"
PURPOSE, GROUP, ACTION, CHANNEL = "action.purpose", "action.group", "action.name", "channel"
PAIR = (PURPOSE, GROUP, ACTION, CHANNEL)
"""The inputs of an acceptance model that say what is offered where; the others say to whom."""


def pair_values(action: Action, channel: str) -> Mapping[str, str]:
    """The inputs that describe an action on a channel."""
    return {PURPOSE: action.purpose, GROUP: action.group, ACTION: action.name, CHANNEL: channel}


def answers_key(action: str, channel: str) -> str:
    """Under which an artefact counts the answers that it learned from."""
    return f"{action}|{channel}"
