"""Text: a graph for a terminal of 80 columns, as a chart if it fits, else as a listing."""

from __future__ import annotations

from handgrad.explain.chart import chart
from handgrad.explain.graph import Graph
from handgrad.explain.listing import listing
from handgrad.explain.words import notes, wrapped

COLUMNS = 80


def text(graph: Graph) -> str:
    """The graph in plain characters, with its title and what it leaves out."""
    drawn = chart(graph)
    head = f"{graph.title}: " + (
        "values above, gradients below" if drawn else "→ is where a value goes"
    )
    after = [part for note in notes(graph) for part in wrapped(note, COLUMNS)]
    return "\n".join([*wrapped(head, COLUMNS), "", *(drawn or listing(graph)), *[""] * bool(after),
                      *after])  # fmt: skip
