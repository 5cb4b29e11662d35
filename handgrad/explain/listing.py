"""Listing: a graph as numbered lines, for those that are too wide for a chart, however long."""

from __future__ import annotations

from handgrad.explain.graph import LAYER, Edge, Graph
from handgrad.explain.values import lengths
from handgrad.explain.words import headed, width, wrapped

COLUMNS = 80
VALUE, GRADIENT = 26, 24  # columns for the value and the gradient


def listing(graph: Graph) -> list[str]:
    """A few lines for each node: what goes in, its derivatives, and each value that goes out."""
    into: list[list[int]] = [[] for _ in graph.nodes]
    out: list[list[Edge]] = [[] for _ in graph.nodes]
    for edge in graph.edges:
        into[edge.target].append(edge.source + 1)
        out[edge.source].append(edge)
    lines = [_row("node", "value", "gradient"), "─" * COLUMNS]
    digits = len(str(len(graph.nodes)))
    for i, node in enumerate(graph.nodes):
        kind = (
            "" if node.kind == LAYER else f" ({node.kind})" if node.kind not in node.title else ""
        )
        sources = f" ← {', '.join(map(str, into[i]))}" if into[i] else ""
        head = f"{i + 1:{digits}} {headed(node)}{kind}{sources}"
        lines += wrapped(head, COLUMNS)
        for text in (*node.lines, node.shapes):
            lines += [
                f"{'':{digits + 3}}{part}" for part in wrapped(text, COLUMNS - digits - 3) if part
            ]
        for edge in out[i]:
            shape = f" {lengths(edge.value.shape)}" if edge.value.shape else ""
            target = f"{'':{digits}} → {edge.target + 1}{shape}"
            back = "" if edge.gradient is None else edge.gradient.brief
            lines.append(_row(target, edge.value.brief, back))
    return lines


def _row(first: str, value: str, gradient: str) -> str:
    """Three columns; what does not fit pushes the rest to the right, or to a line of its own."""
    left = COLUMNS - VALUE - GRADIENT
    text = f"{first}{' ' * max(left - width(first), 1)}"
    text += f"{' ' * max(VALUE - width(value), 0)}{value}"
    whole = f"{text}{' ' * max(COLUMNS - width(text) - width(gradient), 1)}{gradient}"
    if width(whole) <= COLUMNS or not gradient:
        return whole.rstrip()
    return f"{text.rstrip()}\n{' ' * max(COLUMNS - width(gradient), 0)}{gradient}"
