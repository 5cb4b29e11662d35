"""Functions of a file put in the place of their calls, so that their nodes become layers too."""

from __future__ import annotations

from typing import Any

from handgrad.interop.onnx.graph import Function, Graph, Model, Node, Reference, Value, subgraphs
from handgrad.interop.onnx.interpreter import bound

LIMIT = 100_000  # nodes


def inlined(model: Model) -> list[Node]:
    """The nodes of the graph, without calls of functions."""
    return expanded(model.graph.nodes, model, 0, [0])


def expanded(nodes: list[Node], model: Model, depth: int, count: list[int]) -> list[Node]:
    """Nodes with every call replaced by the function's nodes, whose values get names of their own.

    Calls inside of subgraphs stay: the interpreter runs them.
    """
    found: list[Node] = []
    for node in nodes:
        function = model.functions.get((node.domain, node.op, node.overload))
        if function is None or list(subgraphs(node)):
            found.append(node)
            continue
        if depth > 32 or len(found) > LIMIT:
            raise ValueError("onnx: functions call each other without end")
        count[0] += 1
        body = renamed(function, node, f"{node.name or node.op}_{count[0]}/")
        found += expanded(body, model, depth + 1, count)
    return found


def renamed(function: Function, node: Node, prefix: str) -> list[Node]:
    """The function's nodes with the call's inputs, outputs and attributes."""
    names = dict(zip(function.outputs, node.outputs))
    inputs = [*node.inputs, *[""] * (len(function.inputs) - len(node.inputs))]
    names |= dict(zip(function.inputs, inputs))
    given = {**function.defaults, **node.attributes}

    def call(name: str) -> str:
        return names.get(name, prefix + name) if name else ""

    body = [relabelled(n, call, given, prefix) for n in function.nodes]
    for inner in body:
        inner.opset = function.opsets.get(inner.domain)
    for name, outer in zip(function.outputs, node.outputs):  # an input handed through
        if name in function.inputs and outer:
            body.append(Node("Identity", "", [call(name)], [outer], {}))
    return body


def relabelled(node: Node, call: Any, given: dict[str, Any], prefix: str) -> Node:
    """A node with other names, and its references answered."""
    attributes = {
        k: within(v, call, given, prefix) for k, v in bound(node.attributes, given).items()
    }
    inputs, outputs = ([call(n) for n in names] for names in (node.inputs, node.outputs))
    return Node(
        node.op, node.domain, inputs, outputs, attributes, prefix + node.name, node.overload
    )


def within(value: Any, call: Any, given: dict[str, Any], prefix: str) -> Any:
    """A subgraph with other names; anything else as it is."""
    if isinstance(value, Reference) or not isinstance(value, Graph):
        return value

    def values(found: list[Value]) -> list[Value]:
        return [Value(call(v.name), v.dtype, v.shape) for v in found]

    return Graph(
        [relabelled(n, call, given, prefix) for n in value.nodes], values(value.inputs),
        values(value.outputs), {call(n): a for n, a in value.initializers.items()}, value.name,
    )  # fmt: skip
