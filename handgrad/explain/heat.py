"""Heat maps in SVG, and the labels of edges that hold them: value above, gradient below."""

from __future__ import annotations

from html import escape
from math import isfinite

from handgrad.explain.graph import Edge
from handgrad.explain.values import Shown, lengths
from handgrad.explain.words import width

CHARACTER, LINE = 6.3, 15  # of text: the width, and from line to line
MAP, TALLEST, CELL = 48, 40, 10  # width and height of a heat map, the largest cell
LEVELS = 5  # shades
FORWARD, BACKWARD = "↓ ", "↑ "


def label_size(edge: Edge, source: str = "") -> tuple[float, float]:
    """Width and height of an edge's label. source: as for `label`."""
    parts = [_size(s) for s in (edge.value, edge.gradient) if s is not None]
    heads = _heads(edge, source)
    across = max([w for w, _ in parts] + [CHARACTER * width(head) for head in heads])
    return across + 10, sum(h for _, h in parts) + LINE * len(heads) + 6


def label(edge: Edge, x: float, y: float, w: float, h: float, source: str) -> list[str]:
    """An edge's label with its upper left corner at x, y.

    source: the name of where the value comes from, if no line shows it.
    """
    parts = [f'<rect class="paper" x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}"/>']
    y += 3
    inner = max(_size(s)[0] for s in (edge.value, edge.gradient) if s is not None)
    for text in _heads(edge, source):
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


def _heads(edge: Edge, source: str) -> list[str]:
    return [
        *[f"from {source}"] * bool(source),
        *[lengths(edge.value.shape)] * bool(edge.value.shape),
    ]


def _texts(shown: Shown) -> list[str]:
    """What is written beside the heat map, or without one."""
    return [shown.brief] if shown.note or not shown.size else shown.texts


def _map_size(shown: Shown) -> tuple[float, float]:
    if not shown.cells:
        return 0, 0
    cell = _cell(shown)
    return cell * len(shown.cells[0]), cell * len(shown.cells)


def _cell(shown: Shown) -> float:
    return min(MAP / len(shown.cells[0]), TALLEST / len(shown.cells), CELL)


def _size(shown: Shown) -> tuple[float, float]:
    """Width and height of a value or a gradient."""
    texts, (across, down) = _texts(shown), _map_size(shown)
    text = CHARACTER * max(map(width, texts))
    return max(text, across) + 2 * CHARACTER, down + 13 * len(texts) + (8 if down else 2)


def _part(shown: Shown, mark: str, x: float, y: float, height: float) -> list[str]:
    """The mark, and to the right of it the heat map above the numbers."""
    down = _map_size(shown)[1]
    first = y + (down + 4 if down else 0) + 10
    parts = [_text(mark.strip(), x, y + down / 2 + 4 if down else first)]
    x += 2 * CHARACTER
    parts += _heat_map(shown, x, y + 1) if down else []
    return parts + [_text(text, x, first + 13 * i) for i, text in enumerate(_texts(shown))]


def _text(text: str, x: float, y: float, kind: str = "", anchor: str = "") -> str:
    options = f' class="{kind}"' if kind else ""
    options += f' text-anchor="{anchor}"' if anchor else ""
    return f'<text{options} x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _heat_map(shown: Shown, x: float, y: float) -> list[str]:
    """A cell for each mean of a block: whole if positive, small if negative, crossed if not finite.

    The shade is the size of the mean; so signs and sizes are seen without colours, too.
    """
    cell = _cell(shown)
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
