"""`tactful bench models`: our training beside logistic regression and plain LightGBM, real data."""

from __future__ import annotations

import multiprocessing
import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

from benchmarks.model_trials import DATA_SETS, DataSet, trial

SEEDS = (1, 2, 3, 4, 5)
QUICK_SEEDS = SEEDS[:2]
SLACK = 0.005
"""How much less than the better baseline is still as good."""
CONTESTANTS = ("ours", "logistic", "lightgbm")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run(*, quick: bool = False) -> dict[str, Any]:
    """Measures; data that is not beside the source tree is left out, and said so."""
    seeds = QUICK_SEEDS if quick else SEEDS
    there = [data for data in DATA_SETS if data.path.exists()]
    found = {data.name: told(data, *trials) for data, trials in _trials(there, seeds, quick)}
    missing = [data.name for data in DATA_SETS if not data.path.exists()]
    return {"models": found, "missing": missing, "verdicts": verdicts(found)}


def _trials(
    there: Sequence[DataSet], seeds: Sequence[int], quick: bool
) -> Iterator[tuple[DataSet, tuple[list[Any], Any]]]:
    """The largest first, as many at the same time as there are cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # read when a process imports numpy
    try:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(cores, mp_context=context) as pool:
            asked = [(data, _ask(pool, data, seeds, quick)) for data in reversed(there)]
            for data, (by_seed, forward) in reversed(asked):
                newest = forward.result() if forward else None
                yield data, ([each.result() for each in by_seed], newest)
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _ask(
    pool: ProcessPoolExecutor, data: DataSet, seeds: Sequence[int], quick: bool
) -> tuple[list[Future[Any]], Future[Any] | None]:
    forward = pool.submit(trial, data, None) if data.in_order and not quick else None
    return [pool.submit(trial, data, seed) for seed in seeds], forward


def told(data: DataSet, by_seed: Sequence[Mapping[str, Any]], newest: Any) -> dict[str, Any]:
    """The trials of a data set and what they come to."""
    measure = data.measure
    means = {name: _spread([one[name][measure] for one in by_seed]) for name in CONTESTANTS}
    best = max(means[name]["mean"] for name in CONTESTANTS[1:])
    found = {
        "measure": measure,
        **means,
        "less_better_baseline": means["ours"]["mean"] - best,
        "trials": list(by_seed),
    }
    if "calibration_bound" in by_seed[0]:
        found["calibration"] = _calibration(by_seed)
    return found if newest is None else {**found, "newest": {"measure": measure, **newest}}


def _spread(values: Sequence[float]) -> dict[str, Any]:
    return {"mean": statistics.mean(values), "spread": statistics.stdev(values), "seeds": values}


def _calibration(by_seed: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    errors = [one["ours"]["calibration_error"] for one in by_seed]
    bounds = [one["calibration_bound"] for one in by_seed]
    return {
        "error": statistics.mean(errors),
        "bound": statistics.mean(bounds),
        "within": sum(error <= bound for error, bound in zip(errors, bounds, strict=True)),
        "of": len(errors),
        **{
            name: statistics.mean(one[name]["calibration_error"] for one in by_seed)
            for name in CONTESTANTS[1:]
        },
    }


def verdicts(found: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Each data set in a word or three: its measure, and where it is binary its calibration."""
    told: dict[str, str] = {}
    for name, one in found.items():
        told[f"models.{name}.{one['measure']}"] = _verdict(one["less_better_baseline"] >= -SLACK)
        if "calibration" in one:
            error = one["calibration"]
            told[f"models.{name}.calibration"] = _verdict(error["error"] <= error["bound"])
    return told


def _verdict(holds: bool) -> str:
    return "holds" if holds else "does not hold"


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """The result as tables for people."""
    said = result["verdicts"]
    head = "".join(f"{name:>18}" for name in CONTESTANTS)
    yield f"{'':<17}{'measure':<10}{head}{'difference':>12}"
    for name, one in result["models"].items():
        values = "".join(f"{one[c]['mean']:>9.4f} ± {one[c]['spread']:.4f}" for c in CONTESTANTS)
        verdict = said[f"models.{name}.{one['measure']}"]
        less = one["less_better_baseline"]
        yield f"{name:<17}{one['measure']:<10}{values}{less:>+12.4f}  {verdict}"
    yield from _calibration_lines(result["models"], said)
    yield from _newest_lines(result["models"])
    if result["missing"]:
        yield f"not beside the source tree, so not measured: {', '.join(result['missing'])}"


def _calibration_lines(
    found: Mapping[str, Mapping[str, Any]], said: Mapping[str, str]
) -> Iterator[str]:
    yield ""
    yield f"{'calibration error':<27}{'ours':>9}{'bound':>9}{'logistic':>10}{'lightgbm':>10}"
    for name, one in found.items():
        if "calibration" in one:
            error = one["calibration"]
            yield (
                f"{name:<27}{error['error']:>9.4f}{error['bound']:>9.4f}{error['logistic']:>10.4f}"
                f"{error['lightgbm']:>10.4f}  {said[f'models.{name}.calibration']}, "
                f"{error['within']} of {error['of']} splits within"
            )


def _newest_lines(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    timed = {name: one["newest"] for name, one in found.items() if "newest" in one}
    if not timed:
        return
    yield ""
    yield "the newest 30 % judged by what was learned from the older ones"
    for name, one in timed.items():
        measure = one["measure"]
        values = "".join(
            f"{contestant} {one[contestant][measure]:.4f}  " for contestant in CONTESTANTS
        )
        error = one["ours"]["calibration_error"]
        bound = f" (bound {one['calibration_bound']:.4f})" if "calibration_bound" in one else ""
        yield f"{name:<17}{measure:<10}{values}calibration error {error:.4f}{bound}"
