"""The operator Gradient: the part of the graph that it names, run once more on tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.derivative import grad
from handgrad.interop.onnx.convert.network import Step, on_tensors
from handgrad.interop.onnx.graph import Node
from handgrad.interop.onnx.operators import Call, find, operator
from handgrad.interop.onnx.operators.registry import TRAINING
from handgrad.tensor import Tensor


@operator("Gradient", domain=TRAINING)
def gradient(*inputs, xs, y, zs=None, node):
    """The derivatives of y with respect to each of xs, at the values that are given."""
    found = derivatives(node, node.scope, list(inputs), xs, y, list(zs or []), create_graph=False)
    return tuple(g.data if isinstance(g, Tensor) else np.asarray(g) for g in found)


def derivatives(
    call: Call, scope: Any, inputs: list[Any], xs: list[str], y: str, zs: list[str], *,
    create_graph: bool,
) -> Any:  # fmt: skip
    """The gradients of y, as tensors that can be differentiated again where that is asked for."""
    if len(inputs) != len(xs) + len(zs):
        raise ValueError(f"{len(xs) + len(zs)} inputs are needed for {xs} and {zs}")
    points = [x if isinstance(x, Tensor) else Tensor(x) for x in inputs[: len(xs)]]
    values = dict(zip([*xs, *zs], [*points, *inputs[len(xs) :]]))
    graph = scope.graph
    if graph is None:
        raise ValueError("Gradient stands in a function, which names no graph")
    result = value_of(y, values, scope, {o: n for n in graph.nodes for o in n.outputs}, call)
    if not isinstance(result, Tensor):
        raise ValueError(f"{y!r} does not depend on {', '.join(xs)} by operators with a gradient")
    start = np.ones(result.shape, result.dtype)
    return grad(result, points, start, create_graph=create_graph)


def value_of(
    name: str, values: dict[str, Any], scope: Any, made: dict[str, Node], call: Call
) -> Any:
    """A value of the graph, computed on tensors from those that are given."""
    waiting = [name]
    while waiting:
        node = made.get(waiting[-1])
        if waiting[-1] in values or node is None:
            values.setdefault(waiting[-1], None if node is not None else scope[waiting[-1]])
            waiting.pop()
            continue
        missing = [n for n in node.inputs if n and n not in values]
        if missing:
            if len(waiting) > len(made) + 8:
                raise ValueError("the graph has a circle")
            waiting += missing
            continue
        given = [values[n] if n else None for n in node.inputs]
        for output, value in zip(node.outputs, outputs_of(node, given, scope, call)):
            values[output] = value
    return values[name]


def outputs_of(node: Node, given: list[Any], scope: Any, call: Call) -> tuple[Any, ...]:
    """The outputs of one node on tensors; of a gradient, those of its own derivative."""
    if node.op == "Gradient" and node.domain == TRAINING:
        found = derivatives(call, scope, given, **{"zs": [], **node.attributes}, create_graph=True)
        return tuple(found)
    opset = call.opsets.get(node.domain, 1)
    inner = Call(node, opset, call.run, scope, call.opsets)
    return on_tensors(Step(node, find(node.domain, node.op, opset), inner), given)
