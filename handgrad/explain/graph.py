"""Graph: what a picture shows, without how. Nodes in the order of computing, edges with values."""

from __future__ import annotations

from dataclasses import dataclass, field

from handgrad.explain.values import Shown

# Kinds of nodes.
INPUT, CONSTANT, PARAMETER, LAYER = "input", "constant", "parameter", "layer"
FAN_OUT, OUTPUT, FOLDED = "fan-out", "output", "folded"


@dataclass
class Node:
    """A use of a layer, an array from outside, or a fan-out, with what is written in it."""

    kind: str
    title: str
    path: str = ""  # where the layer stands in its network, or what it was opened from
    lines: list[str] = field(default_factory=list)  # its local derivatives
    shapes: str = ""


@dataclass
class Edge:
    """What one node gives to another, and the gradient that comes back; None where none is wanted.

    source, target: numbers of nodes. port: which input of the target it is.
    """

    source: int
    target: int
    port: int
    value: Shown
    gradient: Shown | None


@dataclass
class Graph:
    """Nodes, each after those that it needs, and edges by target and port."""

    title: str
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    note: str = ""  # a word on what is left out
