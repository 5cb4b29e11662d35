"""Plan: a network, a loss and an optimizer as a table of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.compile.builder import Builder
from handgrad.compile.fusion import fuse, lowering, naming
from handgrad.compile.lowering.registry import Measured, loss_lowering_of
from handgrad.compile.trace import Node, Trace
from handgrad.compile.values import Address, NotNative, Value
from handgrad.tensor import Tensor


def plan_with(make: Callable[[set[int]], Any], python: bool) -> Any:
    """make(numbers of nodes that run as Python), again while more turn out to have to.

    Where `python` is False, such a node is a reason not to be native at all.
    """
    numbers: set[int] = set()
    while True:
        try:
            return make(numbers)
        except NotNative as reason:
            if not python or reason.number is None or reason.number in numbers:
                raise
            numbers.add(reason.number)


def prepare(trace: Trace, *, backward: bool) -> list[Node]:
    """The nodes to lower: fused, and marked with what backward will need."""
    nodes = fuse(trace.nodes)
    for node in nodes:  # a gradient is needed where a parameter lies behind it
        node.needs_input_grad = [
            backward
            and v is not None
            and (v.parameter is not None or (v.made_by is not None and v.made_by.learns))
            for v in node.inputs
        ]
        node.learns = backward and (bool(node.parameters) or any(node.needs_input_grad))
    return nodes


def lower_forward(b: Builder, trace: Trace, nodes: list[Node]) -> dict[Value, Value]:
    """Append the rows of every node's forward; the program's values for the trace's."""
    x = Value(trace.x.shape, rows=Address("x"), uses=trace.x.uses)
    x.integer = b.segments["x"][0].dtype.kind == "i"
    now = {trace.x: x}
    for node in nodes:
        b.label = node.label
        for value in node.inputs:
            if value is not None and value.parameter is not None:
                value.address = b.parameter(value.parameter)
                now[value] = value
        traced, node.inputs = node.outputs, [None if v is None else now[v] for v in node.inputs]
        with naming(node):
            _require_inputs(node)
            made, node.record = lowering(node).forward(b, node)
        outputs = list(made) if isinstance(made, tuple) else [made]
        for i, (before, value) in enumerate(zip(traced, outputs)):
            if value in node.inputs:  # a layer that passes its input on: a value of its own
                value = outputs[i] = b.view(b.gathered(value), value.shape)
            if value.shape != before.shape:
                raise NotNative(f"{node.name}: {value.shape} came where {before.shape} was traced")
            value.made_by, value.uses = node, before.uses
            now[before] = value
        node.outputs = outputs
    return now


def _require_inputs(node: Node) -> None:
    """Raise NotNative for inputs that the node's lowering does not take."""
    taken = lowering(node)
    if not taken.integers and any(v is not None and v.integer for v in node.inputs):
        raise NotNative(f"{node.name} of integers")
    for i, (value, given) in enumerate(zip(node.inputs, node.given)):
        data = given.data if isinstance(given, Tensor) else given
        if value is not None or data is None or (taken.constants and isinstance(given, Tensor)):
            continue
        if not taken.constants or np.size(data) > 1:
            raise NotNative(f"{node.name}: input {i} is an array that no layer made")


def lower_backward(b: Builder, nodes: list[Node], y: Value, dy: Value) -> None:
    """Append the rows of every node's backward, the last first."""
    gradients = {y: dy}
    for node in reversed(nodes):
        b.label = f"{node.name} backward"
        dys: list[Any] = [gradients.pop(value, None) for value in node.outputs]
        if all(d is None for d in dys) or not node.learns:
            continue
        if node.epilogue.applies and node.pooling is None:
            dys = [_through_epilogue(b, node, dys[0])]
        with naming(node):
            result = lowering(node).backward(b, node, node.record, *dys)
        results = result if isinstance(result, tuple) else (result,)
        for x, dx, needed in zip(node.inputs, results, node.needs_input_grad):
            if x is None or dx is None or not needed:
                continue
            if x in gradients:
                dx = _add(b, gradients[x], dx)
            gradients[x] = dx
    b.catch_up()
    for x, dx in gradients.items():
        address, add = b.gradient(x.parameter) if x.parameter is not None else (None, False)
        if address is not None and add:
            b.row("add", count=dx.size, a=address, b=b.plain(dx), y=address)
        elif address is not None:
            b.row("copy", count=dx.size, x=b.plain(dx), y=address)


def _through_epilogue(b: Builder, node: Node, dy: Value) -> Value:
    if dy.through_epilogue:
        return dy
    y = node.outputs[0]
    dy = b.last(dy) if y.last else b.plain(dy)
    da = b.value(dy.shape, last=y.last)
    b.row("derivative", count=da.size, dy=dy, y=y, dx=da, **node.epilogue.arguments)
    return da


def _add(b: Builder, one: Value, other: Value) -> Value:
    other = b.last(other) if one.last else b.plain(other)
    total = b.value(one.shape, last=one.last)
    b.row("add", count=total.size, a=one, b=other, y=total)
    return total


def plan_training(
    b: Builder, trace: Trace, loss: Any, t: Value, weights: Address | None, step: Measured,
    watch: Any = None,
) -> None:  # fmt: skip
    """Forward, watch(y, step) if it is given, loss and backward; the optimizer comes after."""
    nodes = prepare(trace, backward=True)
    now = lower_forward(b, trace, nodes)
    y = now[trace.y]
    if watch is not None:  # before the loss, whose gradient may overwrite y
        b.label = "metrics"
        b.watch(lambda n, step, y: watch(y, step), b.plain(b.gathered(y)))
    b.label = type(loss).__name__
    dy = loss_lowering_of(loss).loss(b, loss, y, t, weights, step)
    lower_backward(b, nodes, y, dy)


def plan_prediction(b: Builder, trace: Trace) -> Value:
    """Forward alone; y goes to the segment "y"."""
    now = lower_forward(b, trace, prepare(trace, backward=False))
    y = b.plain(b.gathered(now[trace.y]))
    if y.owner.address is None and y is y.owner:
        y.address = Address("y")
    else:
        b.label = "output"
        b.row("copy", count=y.size, x=y, y=Address("y"))
    return y
