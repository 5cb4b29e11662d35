"""DOT: a graph in the language of Graphviz, for those who have it."""

from __future__ import annotations

from handgrad.explain.graph import CONSTANT, LAYER, PARAMETER, Edge, Graph
from handgrad.explain.values import lengths

STYLES = {
    LAYER: "shape=box, style=filled",
    PARAMETER: "shape=box, style=bold",
    CONSTANT: "shape=box, style=dashed",
}


def dot(graph: Graph) -> str:
    """The graph as DOT: value and gradient of each edge as its label."""
    lines = [f"digraph {_quoted(graph.title)} {{", "  node [fontname=monospace];",
             "  edge [fontname=monospace];"]  # fmt: skip
    if graph.note:
        lines.append(f"  label={_quoted(graph.note)};")
    for i, node in enumerate(graph.nodes):
        texts = [node.title, node.path, *node.lines, node.shapes]
        label = _quoted(*[text for text in texts if text])
        lines.append(f"  n{i} [label={label}, {STYLES.get(node.kind, 'shape=ellipse')}];")
    for edge in graph.edges:
        lines.append(f"  n{edge.source} -> n{edge.target} [label={_quoted(*_texts(edge))}];")
    return "\n".join([*lines, "}", ""])


def _texts(edge: Edge) -> list[str]:
    shape = [lengths(edge.value.shape)] if edge.value.shape else []
    back = [] if edge.gradient is None else [f"↑ {edge.gradient.brief}"]
    return [*shape, f"↓ {edge.value.brief}", *back]


def _quoted(*lines: str) -> str:
    """A string of DOT, one line below the other."""
    escaped = [line.replace("\\", "\\\\").replace('"', '\\"') for line in lines]
    return '"' + "\\n".join(escaped) + '"'
