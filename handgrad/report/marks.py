"""Marks: the small drawings of a report in SVG, all readable in black and white."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

WIDE, HIGH = 132, 26  # of a line in a table
RIDGE = 220  # width of a stack of histograms
STEP, TALL = 13, 30  # from one histogram to the next, and the height of the tallest


def number(value: Any) -> str:
    """A number in a table; what is not finite in words."""
    if value is None:
        return "—"
    value = float(value)
    if math.isfinite(value):
        return f"{value:.4g}"
    return "NaN" if math.isnan(value) else "∞" if value > 0 else "−∞"


def drawing(wide: float, high: float, title: str, body: str, kind: str = "") -> str:
    """An SVG element with a name for those who do not see it."""
    return (
        f'<svg class="{kind}" role="img" aria-label="{escape(title)}" width="{wide:g}" '
        f'height="{high:g}" viewBox="0 0 {wide:g} {high:g}">{body}</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def spark(values: Sequence[Any], title: str) -> str:
    """A line of positive numbers on a logarithmic scale; crosses where one is not finite."""
    points = [float(v) if v is not None else math.nan for v in values]
    logs = [math.log10(v) if v > 0 and math.isfinite(v) else None for v in points]
    known = [v for v in logs if v is not None]
    if not known:
        return (
            f'<span class="quiet">{"all 0" if points and not any(points) else "not finite"}</span>'
        )
    low, high = min(known), max(known)
    across = [4 + i * (WIDE - 8) / max(len(logs) - 1, 1) for i in range(len(logs))]
    body, line = [], ""
    for x, log, value in zip(across, logs, points):
        if log is None:
            line = line + " "
            mark = f"M{x - 3:.1f} 3l6 6m0 -6l-6 6" if not math.isfinite(value) else ""
            body += [f'<path class="cross" d="{mark}"/>'] * bool(mark)
            continue
        y = HIGH - 4 - (HIGH - 8) * ((log - low) / (high - low) if high > low else 0.5)
        line += f"{'M' if not line.rstrip() or line.endswith(' ') else 'L'}{x:.1f} {y:.1f}"
        body.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.8"/>')
    return drawing(WIDE, HIGH, title, f'<path class="line" d="{line.strip()}"/>{"".join(body)}',
                   "spark")  # fmt: skip


def ridges(histograms: Sequence[tuple[Any, Mapping[str, Any] | None]], title: str) -> str:
    """Histograms one before the other, the first at the back, each with its label at the right."""
    shown = [(label, _without_empty_ends(h)) for label, h in histograms if h and any(h["counts"])]
    if not shown:
        return '<p class="quiet">no finite value</p>'
    low, high = min(h["low"] for _, h in shown), max(h["high"] for _, h in shown)
    width = (high - low) or 1.0
    body = []
    for i, (label, h) in enumerate(shown):
        floor = TALL + 4 + STEP * i
        body.append(_ridge(h, low, width, floor))
        body.append(_text(RIDGE + 4, floor, str(label)))
    floor = TALL + 4 + STEP * (len(shown) - 1)
    ends = _text(0, floor + 13, number(low)) + _text(RIDGE, floor + 13, number(high), "end")
    if low < 0 < high:
        zero = -low / width * RIDGE
        body.insert(0, f'<path class="zero" d="M{zero:.1f} 4V{floor + 3}"/>')
        far = 36 < zero < RIDGE - 36
        ends += _text(zero, floor + 13, "0", "middle") * far
    return drawing(RIDGE + 46, floor + 18, title, "".join(body) + ends, "ridges")


def _without_empty_ends(h: Mapping[str, Any]) -> Mapping[str, Any]:
    """The bins from the first to the last that hold something."""
    counts, width = h["counts"], (h["high"] - h["low"]) / len(h["counts"])
    held = [i for i, count in enumerate(counts) if count]
    first, last = held[0], held[-1] + 1
    return {"low": h["low"] + width * first, "high": h["low"] + width * last,
            "counts": counts[first:last]}  # fmt: skip


def _ridge(h: Mapping[str, Any], low: float, width: float, floor: float) -> str:
    """One histogram as an outline that hides what is behind it."""
    counts = h["counts"]
    bin_ = (h["high"] - h["low"]) / len(counts)
    top = max(counts)
    left = (h["low"] - low) / width * RIDGE
    path = f"M{left:.1f} {floor:g}"
    for i, count in enumerate(counts):
        right = (h["low"] + bin_ * (i + 1) - low) / width * RIDGE
        path += f"V{floor - TALL * count / top:.1f}H{right:.1f}"
    return f'<path class="ridge" d="{path}V{floor:g}z"/>'


def calibration(curve: Sequence[Sequence[float]]) -> str:
    """How often the class was right (up) by how sure the network was (right), with a diagonal."""
    side, edge, top = 200, 34, 12
    total = sum(row[2] for row in curve) or 1.0
    body = [f'<path class="axis" d="M{edge} {top}v{side}h{side}"/>'
            f'<path class="zero" d="M{edge} {top + side}l{side} -{side}"/>']  # fmt: skip
    points = [(edge + side * p, top + side * (1 - o), w) for p, o, w in curve]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    body.append(f'<polyline class="line" points="{line}"/>')
    for (x, y, w), (p, o, _) in zip(points, curve):
        r = 2.5 + 7 * math.sqrt(w / total)
        body.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}"><title>sure {p:.0%}, right '
                    f"{o:.0%}, {w:g} samples</title></circle>")  # fmt: skip
    for share in (0, 50, 100):
        x, y = edge + side * share / 100, top + side * (1 - share / 100)
        body.append(_text(x, side + top + 14, f"{share}%", "middle"))
        body.append(_text(edge - 4, y + 4, f"{share}%", "end"))
    body.append(_text(edge + side / 2, side + top + 28, "how sure the network was", "middle"))
    body.append(_text(edge + 5, top + 6, "how often it was right"))
    said = "Calibration: " + "; ".join(f"sure {p:.0%}, right {o:.0%}" for p, o, _ in curve)
    return drawing(edge + side + 16, side + top + 34, said, "".join(body), "calibration")


def confusion(matrix: Sequence[Sequence[int]], names: Sequence[str]) -> str:
    """A table of counts, darker where more of a class went; right ones in bold."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    rows = []
    for i, (name, row) in enumerate(zip(names, matrix)):
        total = sum(row) or 1
        cells = "".join(
            f'<td class="{"right" if i == j else "wrong" if count else "none"}" '
            f'style="--share:{count / total:.2f}">{count or "·"}</td>'
            for j, count in enumerate(row)
        )  # fmt: skip
        share = f'<td class="share">{row[i] / total:.0%}</td>'
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{cells}{share}</tr>')
    return (
        '<table class="confusion"><caption>rows: the right class; columns: what the network took '
        f'it for; the last column: how many of a class are right</caption><tr><th></th>{head}'
        f'<th scope="col">right</th></tr>{"".join(rows)}</table>'
    )  # fmt: skip
