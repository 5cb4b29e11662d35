"""Picture: a drawn graph, as text, SVG or DOT, in a file or in a notebook."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from handgrad.explain.dot import dot
from handgrad.explain.graph import Graph
from handgrad.explain.svg import svg
from handgrad.explain.text import text
from handgrad.train.write import write_whole

ENDINGS = {".svg": "svg", ".txt": "text", ".dot": "dot", ".gv": "dot"}


class Picture:
    """A graph as it was when it was drawn; the same graph gives the same characters.

    Printed, it is text; in a notebook, SVG.
    """

    def __init__(self, graph: Graph):
        self.graph = graph

    @cached_property
    def text(self) -> str:
        """For a terminal of 80 columns: a chart if it fits, else a numbered listing."""
        return text(self.graph)

    @cached_property
    def svg(self) -> str:
        """One SVG element, which needs no other file."""
        return svg(self.graph)

    @cached_property
    def dot(self) -> str:
        """In the language of Graphviz."""
        return dot(self.graph)

    def save(self, path: str | Path) -> Path:
        """Write a .svg, .txt, .dot or .gv file. Raises ValueError for another ending."""
        ending = Path(path).suffix.lower()
        if ending not in ENDINGS:
            raise ValueError(f"save: the name must end in {', '.join(ENDINGS)}, got {str(path)!r}")
        content: str = getattr(self, ENDINGS[ending])
        return write_whole(path, content.rstrip("\n").encode() + b"\n")

    def __repr__(self) -> str:
        return self.text

    def _repr_svg_(self) -> str:
        return self.svg
