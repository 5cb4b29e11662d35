"""Assembly: nodes and values are put together into a graph, with a node where a value fans out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from handgrad.explain.graph import FAN_OUT, Edge, Graph, Node
from handgrad.explain.values import FEW, Shown, shown

LONGEST = 40  # characters of a sum


@dataclass
class Wire:
    """A value on its way: the node it comes from, and where it goes.

    wanted: whether a gradient is. uses: (node, port, gradient) each. total: of all uses.
    """

    node: int
    value: Shown
    wanted: bool
    uses: list[tuple[int, int, Shown | None]] = field(default_factory=list)
    total: Any = None

    def use(self, node: int, port: int, gradient: Any) -> None:
        """One more use, with the gradient that it sends back: an array, a Shown, or None."""
        if self.wanted and gradient is not None and not isinstance(gradient, Shown):
            self.total = gradient if self.total is None else self.total + gradient
            gradient = shown(gradient)
        self.uses.append((node, port, gradient if self.wanted else None))

    def together(self) -> tuple[Shown | None, str]:
        """The gradient of all uses, and how it is summed; unknown where one of them is."""
        found = [g for _, _, g in self.uses if g is not None]
        text = f"dx = Σ of {len(self.uses)} gradients"
        unknown = next((g for g in found if g.note), None)
        if unknown is not None or self.total is None:
            return unknown, text
        terms = [f"({g.brief})" if g.brief[:1] == "-" else g.brief for g in found]
        if all(g.size <= FEW for g in found) and sum(map(len, terms)) <= LONGEST:
            text = f"dx = Σ dyᵢ = {' + '.join(terms)}"
        return shown(self.total), text


class Assembly:
    """Nodes in the order of computing, and wires by the keys of their values."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.wires: dict[Any, Wire] = {}

    def add(self, node: Node) -> int:
        """One more node; its number."""
        self.nodes.append(node)
        return len(self.nodes) - 1

    def give(self, key: Any, value: Shown, *, wanted: bool) -> None:
        """A value that the last node gives."""
        self.wires[key] = Wire(len(self.nodes) - 1, value, wanted)

    def take(self, key: Any, port: int, gradient: Any) -> None:
        """The last node takes a value, and sends a gradient back."""
        self.wires[key].use(len(self.nodes) - 1, port, gradient)

    def graph(self, title: str) -> Graph:
        """All of it, with a node behind each value that is used several times."""
        fans: dict[int, list[Wire]] = {}
        for wire in self.wires.values():
            if wire.wanted and len(wire.uses) > 1:
                fans.setdefault(wire.node, []).append(wire)
        graph, number, fan_of = Graph(title), dict[int, int](), dict[int, int]()
        for i, node in enumerate(self.nodes):
            number[i] = len(graph.nodes)
            graph.nodes.append(node)
            for wire in fans.get(i, ()):
                fan_of[id(wire)] = len(graph.nodes)
                name = f"fan-out ×{len(wire.uses)}"
                graph.nodes.append(Node(FAN_OUT, name, lines=[wire.together()[1]]))
        for wire in self.wires.values():
            source = number[wire.node]
            if (fan := fan_of.get(id(wire))) is not None:
                graph.edges.append(Edge(source, fan, 0, wire.value, wire.together()[0]))
                source = fan
            for target, port, gradient in wire.uses:
                graph.edges.append(Edge(source, number[target], port, wire.value, gradient))
        graph.edges.sort(key=lambda edge: (edge.target, edge.port))
        return graph
