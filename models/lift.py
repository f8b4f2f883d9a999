"""How much more often offers are accepted that were chosen than those made by chance."""

from __future__ import annotations

import math
from typing import TypedDict

from models.folds import Mask
from models.metrics import Labels

FEWEST = 30
"""So many offers of either kind are needed to say anything."""


class Lift(TypedDict):
    """`rate` of what was chosen, `control` of what was made by chance, and the ratio less one.

    `low` and `high` bound the lift in 95 of 100 cases. The control slice is in no other number.
    """

    offers: int
    rate: float
    control_offers: int
    control: float
    lift: float
    low: float
    high: float


def lift(target: Labels, control: Mask | None) -> Lift | None:
    """The lift over the random control slice; None where there is too little to tell.

    By the logarithm of the ratio of two rates (Katz et al. 1978).

    >>> import numpy as np
    >>> made_by_chance = np.arange(200) < 100
    >>> accepted = np.array([1] * 10 + [0] * 90 + [1] * 20 + [0] * 80)
    >>> found = lift(accepted, made_by_chance)
    >>> found["lift"], round(found["low"], 2), round(found["high"], 2)
    (1.0, -0.01, 3.05)
    """
    if control is None:
        return None
    chance, chosen = target[control], target[~control]
    yes, by_chance = int(chosen.sum()), int(chance.sum())
    if min(len(chance), len(chosen)) < FEWEST or min(yes, by_chance) == 0:
        return None
    rate, base = yes / len(chosen), by_chance / len(chance)
    reach = 1.96 * math.sqrt(1 / yes - 1 / len(chosen) + 1 / by_chance - 1 / len(chance))
    return Lift(
        offers=len(chosen),
        rate=rate,
        control_offers=len(chance),
        control=base,
        lift=rate / base - 1,
        low=rate / base * math.exp(-reach) - 1,
        high=rate / base * math.exp(reach) - 1,
    )
