"""What is watched of a model as one HTML page, plots inside: no script, nothing to fetch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

WIDTH, HEIGHT, EDGE = 460, 240, 40
LINE, OTHER, INK, GRID = "#2563eb", "#f59e0b", "#1f2937", "#d1d5db"
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;color:#1f2937;max-width:60rem;margin:2rem auto;"
    "padding:0 1rem}table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:left;"
    "border-bottom:1px solid #d1d5db}td.n{text-align:right;font-variant-numeric:tabular-nums}"
    "h2{margin-top:2rem}.moved{color:#b91c1c;font-weight:600}svg{max-width:100%}"
)

EVEN = ((0.0, 0.0), (1.0, 1.0))
"""Where everything came as it was said."""

Told = Mapping[str, Any]
Points = Sequence[tuple[float, float]]


def page(found: Told) -> str:
    """The whole page."""
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f"<title>Models of {escape(found['at'][:10])}</title><style>{_STYLE}</style></head><body>",
        *_head(found),
        *_calibration(found["calibration"]),
        *_periods(found["periods"]),
        *_drift(found),
        *_challenger(found["challenger"]),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _head(found: Told) -> Iterator[str]:
    yield "<h1>The acceptance model</h1>"
    yield (
        f"<p>In use: {_code(found['model'])}, trained at {escape(found['trained_at'])}, on answers "
        f"until {escape(found['learned_until'])}. Seen: {found['decisions']:,} decisions and "
        f"{found['answers']:,} answers, {found['answers_since']:,} of them since.</p>"
    )


def _calibration(found: Told | None) -> Iterator[str]:
    yield "<h2>Calibration since it was trained</h2>"
    if found is None:
        yield "<p>Too few answers since to say.</p>"
        return
    points = [(one["said"], one["came"]) for one in found["bins"]]
    yield _plot("What it said (across, 0 to 100 %) and what came", {GRID: EVEN, LINE: points})
    yield _table(
        ("said", "came", "answers"),
        [(f"{one['said']:.1%}", f"{one['came']:.1%}", one["answers"]) for one in found["bins"]],
    )
    yield _table(("measure", "value"), [*_metrics(found)])


def _metrics(found: Told) -> Iterator[Sequence[object]]:
    for name in ("auc", "log_loss", "brier", "calibration_error"):
        value = found[name]
        yield name.replace("_", " "), "-" if value is None else f"{value:.4f}"


def _periods(found: Sequence[Told]) -> Iterator[str]:
    yield "<h2>Calibration over time, by the models of then</h2>"
    if len(found) < 2:
        yield "<p>Too few answers to say.</p>"
        return
    across = [number / (len(found) - 1) for number in range(len(found))]
    lines = {
        LINE: [(x, one["said"]) for x, one in zip(across, found, strict=True)],
        OTHER: [(x, one["came"]) for x, one in zip(across, found, strict=True)],
    }
    said = f"{found[0]['since'][:10]} to {found[-1]['since'][:10]}: blue was said, amber came"
    yield _plot(said, lines)
    yield _table(
        ("from", "answers", "said", "came", "calibration error"),
        [
            (
                one["since"][:16].replace("T", " "),
                one["answers"],
                f"{one['said']:.1%}",
                f"{one['came']:.1%}",
                f"{one['calibration_error']:.4f}",
            )
            for one in found
        ],
    )


def _drift(found: Told) -> Iterator[str]:
    yield "<h2>Drift since it was trained</h2>"
    rows = dict(sorted(found["features"].items(), key=lambda one: -one[1]["index"]))
    if found["score"]:
        rows = {"its own scores of offers": found["score"], **rows}
    if not rows:
        yield "<p>Too few decisions before or since to say.</p>"
        return
    yield (
        "<p>The population stability index: 0.1 is some change, 0.25 a large one, below "
        "<i>by chance</i> none at all.</p>"
    )
    yield _table(
        ("what", "index", "by chance", ""),
        [
            (name, f"{one['index']:.3f}", f"{one['chance']:.3f}", "moved" if one["moved"] else "")
            for name, one in rows.items()
        ],
    )


def _challenger(found: Told | None) -> Iterator[str]:
    yield "<h2>A challenger in its shadow</h2>"
    if found is None:
        yield "<p>There is no other model.</p>"
        return
    yield f"<p>{_code(found['model'])}, trained at {escape(found['trained_at'])}.</p>"
    if "gain" not in found:
        yield f"<p>Only {found['answers']} answers are new to both: too few to say.</p>"
        return
    both = zip(_metrics(found["in_use"]), _metrics(found["challenger"]), strict=True)
    rows = [(*mine, theirs[1]) for mine, theirs in both]
    yield _table(("measure", "in use", "challenger"), rows)
    gain = found["gain"]
    yield (
        f"<p>Log loss in use less that of the challenger, on {found['answers']:,} answers new to "
        f"both: {gain['value']:.4f} ({gain['low']:.4f} to {gain['high']:.4f}). Above 0 the "
        "challenger is better; around 0 nobody can tell.</p>"
    )


# -- how it is drawn


def _code(name: str) -> str:
    return f"<code>{escape(name[:19])}…</code>"


def _table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    said = f"{value:,}" if isinstance(value, int) else str(value)
    number = said[:1].isdigit() or said[:1] == "-"
    kind = ' class="n"' if number else ' class="moved"' if said == "moved" else ""
    return f"<td{kind}>{escape(said)}</td>"


def _plot(title: str, lines: Mapping[str, Points]) -> str:
    """Lines by colour; both axes from 0, the upper end where the highest value is."""
    top = max(0.1, *(y for points in lines.values() for _, y in points))
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    parts = [f'<svg {size} role="img" font-family="system-ui,sans-serif" font-size="11">']
    parts.append(f'<text x="{EDGE}" y="16" fill="{INK}">{escape(title)}</text>')
    for quarter in range(5):
        y = _down(top * quarter / 4, top)
        parts.append(
            f'<line x1="{EDGE}" x2="{WIDTH - 10}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID}"/>'
            f'<text x="{EDGE - 6}" y="{y + 4:.1f}" text-anchor="end" fill="{INK}">'
            f"{top * quarter / 4:.0%}</text>"
        )
    for colour, points in lines.items():
        told = " ".join(f"{_across(x):.1f},{_down(y, top):.1f}" for x, y in points)
        parts.append(f'<polyline points="{told}" fill="none" stroke="{colour}" stroke-width="2"/>')
    return "".join([*parts, "</svg>"])


def _across(x: float) -> float:
    return EDGE + x * (WIDTH - EDGE - 10)


def _down(y: float, top: float) -> float:
    return HEIGHT - 15 - y / top * (HEIGHT - 45)
