"""`tactful bench loop`: a month in which a hidden preference is learned, turns, is learned anew."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.loop_month import Month, Plan
from benchmarks.loop_world import CHANCE, ORACLE
from benchmarks.plot import GRID, INK, LINE

SEEDS = (1, 2, 3)
PLAN = Plan(days=30, visits=1_000, reversed_on=15)
QUICK = Plan(days=12, visits=1_000, reversed_on=6)
TRAININGS = 3
"""So many after the preference is reversed, it must be learned anew."""
WEEK_DAYS = 7

WIDTH, HEIGHT = 740, 300
LEFT, RIGHT, TOP, BOTTOM = 50, 20, 40, 40
PALE = "#93c5fd"


def run(*, quick: bool = False) -> dict[str, Any]:
    """Lives through the months; with `quick` a short one of one seed."""
    plan, seeds = (QUICK, SEEDS[:1]) if quick else (PLAN, SEEDS)
    months = {str(seed): month(plan, seed) for seed in seeds}
    return {
        "plan": asdict(plan),
        "oracle": ORACLE,
        "chance": CHANCE,
        "months": months,
        "verdicts": {seed: verdict(plan, days) for seed, days in months.items()},
    }


def month(plan: Plan, seed: int) -> list[dict[str, Any]]:
    """Every day of one month."""
    with TemporaryDirectory() as folder:
        return [asdict(day) for day in Month(Path(folder) / "month", plan, seed).lived()]


def verdict(plan: Plan, days: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """What was accepted, by what an oracle gets: `untaught` on the first day, `taught` in the week
    before the preference is reversed, `reversed` on the day of it, `recovered` on the day after
    three trainings, and in the `last` week.
    """
    share = [day["accepted"] / ORACLE for day in days]
    turn = plan.reversed_on
    return {
        "untaught": share[0],
        "first_training": share[1],
        "taught": statistics.mean(share[max(1, turn - WEEK_DAYS) : turn]),
        "reversed": share[turn],
        "recovered": share[turn + TRAININGS],
        "last": statistics.mean(share[max(turn + TRAININGS, len(share) - WEEK_DAYS) :]),
    }


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """The result as a table for people."""
    plan, verdicts = result["plan"], result["verdicts"]
    yield (
        f"{plan['visits']} visits a day, {plan['days']} days; the preference is reversed after day"
        f" {plan['reversed_on']}; what is accepted, by what an oracle gets"
    )
    names = list(next(iter(verdicts.values())))
    yield f"{'seed':<10}" + "".join(f"{name:>16}" for name in names)
    for seed, found in verdicts.items():
        yield f"{seed:<10}" + "".join(f"{found[name]:>16.1%}" for name in names)
    yield f"random offers get {result['chance'] / result['oracle']:.1%}"


def picture(result: Mapping[str, Any]) -> str:
    """What was accepted day by day, a line a month, as SVG."""
    plan = result["plan"]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="system-ui, sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
        _text(LEFT, 20, "Accepted, by what an oracle gets", 'font-weight="600"'),
        *_frame(plan, result["chance"] / result["oracle"]),
    ]
    for days in result["months"].values():
        points = " ".join(
            f"{_x(plan, at):.1f},{_y(day['accepted'] / result['oracle']):.1f}"
            for at, day in enumerate(days)
        )
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{LINE}" stroke-width="1.5"/>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _frame(plan: Mapping[str, Any], chance: float) -> Iterator[str]:
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        yield _level(share, GRID)
        yield _text(LEFT - 6, _y(share) + 4, f"{share:.0%}", 'text-anchor="end"')
    yield _level(0.9, PALE)
    yield _text(WIDTH - RIGHT, _y(0.9) - 4, "90 %", 'text-anchor="end"')
    yield _level(chance, PALE)
    yield _text(WIDTH - RIGHT, _y(chance) - 4, "random offers", 'text-anchor="end"')
    turn = _x(plan, plan["reversed_on"] - 0.5)
    yield f'<line x1="{turn:.1f}" x2="{turn:.1f}" y1="{TOP}" y2="{_y(0)}" stroke="{PALE}"/>'
    yield _text(turn + 4, TOP + 8, "the preference is reversed", "")
    for day in range(0, plan["days"], 5):
        yield _text(_x(plan, day), HEIGHT - BOTTOM + 16, f"day {day + 1}", 'text-anchor="middle"')


def _level(share: float, colour: str) -> str:
    y = f"{_y(share):.1f}"
    return f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="{colour}"/>'


def _text(x: float, y: float, said: str, more: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{INK}" {more}>{said}</text>'


def _x(plan: Mapping[str, Any], day: float) -> float:
    return LEFT + 10 + day / (plan["days"] - 1) * (WIDTH - LEFT - RIGHT - 20)


def _y(share: float) -> float:
    """Up to 110 %: a lucky day has more than an oracle expects."""
    return HEIGHT - BOTTOM - share / 1.1 * (HEIGHT - TOP - BOTTOM)
