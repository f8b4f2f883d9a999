"""The Open Bandit logs (men): each policy's clicks, estimated from the other's log.

Two policies chose one of 34 items for each of three slots, for visitors taken at random: one at
random, one by Bernoulli Thompson sampling (BTS). A row is one slot of one visit. The slot and the
hour are the context: no policy chooses them.

A log says how likely the item was that was shown, not the others. BTS knew nothing of the visitor:
its probabilities depend on item, slot and what it had learned by then. Replaying it would need all
its clicks, and this is a sample of one row in many. They are read off its own log: for each item
and slot the harmonic mean of the logged probabilities, nearby hours weighing most, scaled to sum
to 1. Harmonic, because an item is logged the more often the likelier it is: `count / sum of 1/p` is
right where a plain mean is too high. No click is looked at, of either log, so nothing of the answer
leaks into the question. How well this works is measured on rows left out (`replayed`), and not part
of the intervals.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.encoding import Matrix, Vector
from models.intervals import Codes, mean_interval
from models.off_policy import Estimate, Method, estimate
from models.rewards import CellMeans, cross_fit
from models.support import Log, Refusal

ITEMS, SLOTS = 34, 3
PRIOR_ROWS = 200.0
"""One row in about 200 is clicked: an item's own rate counts once a click could be expected."""
HOURS = 1.5
"""What is this far away counts 1/e: the best likelihood of items left out, of 0.1 to 100 hours."""
_LITTLE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A log: item and slot of each row, when, whether clicked, how likely it was."""

    item: Codes
    slot: Codes
    hour: Vector
    click: Vector
    propensity: Vector


LOGS = Path(__file__).parents[2] / "shared" / "data" / "open_bandit"


def shown(policy: str, folder: Path = LOGS) -> Shown:
    """The log of `random` or `bts`, oldest first."""
    table = pd.read_csv(folder / policy / "men" / "men.csv.gz", parse_dates=["timestamp"])
    table = table.sort_values("timestamp", kind="stable")
    start = table["timestamp"].dt.floor("D").min()
    return Shown(
        item=table["item_id"].to_numpy(np.int64),
        slot=table["position"].to_numpy(np.int64) - 1,
        hour=((table["timestamp"] - start) / timedelta(hours=1)).to_numpy(np.float64),
        click=table["click"].to_numpy(np.float64),
        propensity=table["propensity_score"].to_numpy(np.float64),
    )


def thompson(log: Shown, slot: Codes, hour: Vector) -> tuple[Matrix, Vector]:
    """The probabilities of BTS in a slot at an hour, from its log, and their sums before scaling.

    Each item counts half a row of its mean over the week besides those near by.
    """
    found = np.zeros((len(slot), ITEMS))
    for each in range(SLOTS):
        asked, logged = slot == each, log.slot == each
        one = np.eye(ITEMS)[log.item[logged]]
        inverse = one / log.propensity[logged][:, None]
        week = (one.sum(axis=0) + _LITTLE) / (inverse.sum(axis=0) + _LITTLE * ITEMS)
        near = np.exp(-np.abs(hour[asked][:, None] - log.hour[logged]) / HOURS)
        found[asked] = (near @ one + _LITTLE) / (near @ inverse + _LITTLE / week)
    sums = found.sum(axis=1)
    return found / sums[:, None], sums


def replayed(log: Shown) -> Mapping[str, float]:
    """How near the read-off probabilities come to logged ones that were left out, a tenth a time.

    `likelihood` is the mean logarithm of the probability of the item shown, beside that of the
    logged probabilities, the best there can be.
    """
    fold = np.random.default_rng(1).integers(0, 10, len(log.item))
    chosen, sums = np.zeros(len(fold)), np.zeros(len(fold))
    for each in range(10):
        out = fold == each
        found, sums[out] = thompson(_of(log, ~out), log.slot[out], log.hour[out])
        chosen[out] = found[np.arange(int(out.sum())), log.item[out]]
    return {
        "median_error": float(np.median(np.abs(chosen / log.propensity - 1))),
        "likelihood": float(np.log(chosen).mean()),
        "likelihood_logged": float(np.log(log.propensity).mean()),
        "likelihood_uniform": -float(np.log(ITEMS)),
        "median_sum": float(np.median(sums)),
    }


def _of(log: Shown, rows: Any) -> Shown:
    return Shown(
        item=log.item[rows],
        slot=log.slot[rows],
        hour=log.hour[rows],
        click=log.click[rows],
        propensity=log.propensity[rows],
    )


def open_bandit(folder: Path = LOGS) -> Mapping[str, Any]:
    """Both directions: every estimator's value, interval and relative error, and the truth."""
    bts, uniform = shown("bts", folder), shown("random", folder)
    by_chance = np.full((len(bts.item), ITEMS), 1 / ITEMS)
    sampling, _ = thompson(bts, uniform.slot, uniform.hour)
    return {
        "bts_from_random": _against(uniform, sampling, bts),
        "random_from_bts": _against(bts, by_chance, uniform),
        "replayed": replayed(bts),
    }


def _against(log: Shown, target: Matrix, other: Shown) -> Mapping[str, Any]:
    truth = mean_interval(other.click)
    logged = Log(taken=log.item, reward=log.click, propensity=log.propensity)
    learn = CellMeans(cells=SLOTS, actions=ITEMS, prior=PRIOR_ROWS)
    predicted = cross_fit(learn, log.slot, logged, target)
    methods = {m.value: _told(estimate(m, logged, target, predicted), truth.value) for m in Method}
    return {
        "truth": {"value": truth.value, "low": truth.low, "high": truth.high},
        "log_mean": float(log.click.mean()),
        "methods": methods,
    }


def _told(found: Estimate | Refusal, truth: float) -> Mapping[str, Any]:
    if isinstance(found, Refusal):
        return {"refused": found.reason.value, "words": found.words}
    interval = found.interval
    return {
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
        "relative_error": abs(interval.value - truth) / truth,
        "covers": interval.holds(truth),
        "effective": found.support.effective,
        "largest_weight": found.support.largest_weight,
        "switched": found.switched,
    }
