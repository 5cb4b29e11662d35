"""Heat maps in SVG, and the labels of edges that hold them: value above, gradient below."""

from __future__ import annotations

from html import escape
from math import isfinite

from handgrad.explain.graph import Edge
from handgrad.explain.values import FEW, Shown, lengths, written
from handgrad.explain.words import width

CHARACTER, LINE = 6.3, 15  # of text: the width, and from line to line
MAP, CELL = 48, 10  # width of a heat map, the largest cell
LEVELS = 5  # shades
FORWARD, BACKWARD = "↓ ", "↑ "


def label_size(edge: Edge) -> tuple[float, float]:
    """Width and height of an edge's label."""
    parts = [_size(s) for s in (edge.value, edge.gradient) if s is not None]
    across = max([w for w, _ in parts] + [CHARACTER * width(_shape(edge))])
    return across + 10, sum(h for _, h in parts) + (LINE if _shape(edge) else 0) + 6


def label(edge: Edge, x: float, y: float, w: float, h: float, source: str) -> list[str]:
    """An edge's label with its upper left corner at x, y.

    source: the name of where the value comes from, if no line shows it.
    """
    parts = [f'<rect class="paper" x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}"/>']
    y += 3
    inner = max(_size(s)[0] for s in (edge.value, edge.gradient) if s is not None)
    if text := _shape(edge):
        parts.append(_text(text, x + w / 2, y + 11, "quiet", "middle"))
        y += LINE
    for kind, mark, shown in (("value", FORWARD, edge.value), ("back", BACKWARD, edge.gradient)):
        if shown is not None:
            down = _size(shown)[1]
            note = " note" if shown.note else ""
            parts.append(f'<g class="{kind}{note}">')
            parts += _part(shown, mark, x + (w - inner) / 2, y, down)
            parts.append("</g>")
            y += down
    return parts


def _shape(edge: Edge) -> str:
    return lengths(edge.value.shape) if edge.value.shape else ""


def _texts(shown: Shown) -> list[str]:
    """What is written beside the heat map, or without one: a small matrix row by row."""
    if shown.note or not shown.size:
        return [shown.brief]
    if shown.size > FEW:
        return shown.extent
    return [written(row) for row in shown.array] if len(shown.shape) == 2 else [shown.brief]


def _map_size(shown: Shown) -> tuple[float, float]:
    if not shown.cells or shown.size <= 1:
        return 0, 0
    cell = min(MAP / len(shown.cells[0]), CELL)
    return cell * len(shown.cells[0]), cell * len(shown.cells)


def _size(shown: Shown) -> tuple[float, float]:
    """Width and height of a value or a gradient."""
    texts, (across, down) = _texts(shown), _map_size(shown)
    text = CHARACTER * (max(map(width, texts)) + 2)
    return text + (across + 5 if across else 0), max(down + 6, 13 * len(texts) + 2)


def _part(shown: Shown, mark: str, x: float, y: float, height: float) -> list[str]:
    """The mark, the heat map and the numbers."""
    across, down = _map_size(shown)
    texts = _texts(shown)
    first = y + (height - 13 * len(texts)) / 2 + 10
    parts = [_text(mark.strip(), x, y + height / 2 + 3.5)]
    x += 2 * CHARACTER
    if across:
        parts += _heat_map(shown, x, y + (height - down) / 2)
        x += across + 5
    return parts + [_text(text, x, first + 13 * i) for i, text in enumerate(texts)]


def _text(text: str, x: float, y: float, kind: str = "", anchor: str = "") -> str:
    options = f' class="{kind}"' if kind else ""
    options += f' text-anchor="{anchor}"' if anchor else ""
    return f'<text{options} x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _heat_map(shown: Shown, x: float, y: float) -> list[str]:
    """A cell for each mean of a block: whole if positive, small if negative, crossed if not finite.

    The shade is the size of the mean; so signs and sizes are seen without colours, too.
    """
    cell = min(MAP / len(shown.cells[0]), CELL)
    largest = max((abs(v) for row in shown.cells for v in row if isfinite(v)), default=0) or 1.0
    paths: dict[tuple[bool, int], list[str]] = {}
    crosses: list[str] = []
    for i, row in enumerate(shown.cells):
        for j, v in enumerate(row):
            left, top = x + j * cell, y + i * cell
            if not isfinite(v):
                crosses.append(f"M{left:.1f} {top:.1f}l{cell:.1f} {cell:.1f}"
                               f"m0 {-cell:.1f}l{-cell:.1f} {cell:.1f}")  # fmt: skip
            elif v:
                level = min(int(abs(v) / largest * LEVELS) + 1, LEVELS)
                inset = 0.0 if v > 0 else 0.25 * cell
                side = cell - 2 * inset
                paths.setdefault((v > 0, level), []).append(
                    f"M{left + inset:.1f} {top + inset:.1f}h{side:.1f}v{side:.1f}h{-side:.1f}z"
                )
    across, down = _map_size(shown)
    parts = [f'<path fill-opacity="{0.15 + 0.17 * level:.2f}" d="{"".join(path)}"/>'
             for (_, level), path in sorted(paths.items())]  # fmt: skip
    parts.append(
        f'<path class="frame" d="M{x:.1f} {y:.1f}h{across:.1f}v{down:.1f}h{-across:.1f}z"/>'
    )
    if crosses:
        parts.append(f'<path class="cross" d="{"".join(crosses)}"/>')
    return parts
