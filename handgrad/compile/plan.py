"""Plan: a network, a loss and an optimizer as a table of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from handgrad.compile.builder import Builder
from handgrad.compile.lowering.python import PythonRows
from handgrad.compile.lowering.registry import lowering_of
from handgrad.compile.trace import Node, Trace
from handgrad.compile.values import Address, NotNative, Value

_PYTHON = PythonRows()


def _lowering(node: Node) -> Any:
    return _PYTHON if node.python else lowering_of(node.layer)


@contextmanager
def _naming(node: Node) -> Iterator[None]:
    """A reason that comes from inside gets the node's number."""
    try:
        yield
    except NotNative as reason:
        if reason.number is None:
            reason.number = node.number
        raise


def absorb(nodes: list[Node]) -> list[Node]:
    """The nodes, where an activation that alone reads a product has become part of it."""
    kept: list[Node] = []
    for node in nodes:
        maker = node.inputs[0].made_by if node.inputs and node.inputs[0] is not None else None
        with _naming(node):
            found = _lowering(node).as_finish(node.layer)
        if (
            found and maker is not None and maker.finish is None and len(node.inputs) == 1
            and node.inputs[0].uses == 1 and _lowering(maker).finishes
        ):  # fmt: skip
            maker.finish, (maker.finish_code, maker.finish_options) = node.layer, found
            maker.outputs = node.outputs
            node.outputs[0].made_by = maker
        else:
            kept.append(node)
    return kept


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


def lower_forward(b: Builder, trace: Trace, nodes: list[Node]) -> dict[Value, Value]:
    """Append the rows of every node's forward; the program's values for the trace's."""
    x = Value(trace.x.shape, rows=Address("x"), uses=trace.x.uses)
    x.integer = b.segments["x"][0].dtype.kind == "i"
    now = {trace.x: x}
    for node in nodes:
        b.label = node.name
        if node.finish is not None:
            b.label += f" + {type(node.finish).__name__}"
        for i, (value, given) in enumerate(zip(node.inputs, node.given)):
            if value is None and isinstance(given, np.ndarray) and given.size > 1:
                raise NotNative(f"{node.name}: input {i} is an array that no layer made")
        traced = node.outputs
        for value in node.inputs:
            if value is not None and value.parameter is not None:
                value.place = b.parameter(value.parameter)
                now[value] = value
        node.inputs = [None if v is None else now[v] for v in node.inputs]
        with _naming(node):
            integers = any(v is not None and v.integer for v in node.inputs)
            if integers and not _lowering(node).integers:
                raise NotNative(f"{node.name} of integers")
            made = _lowering(node).forward(b, node)
        outputs = list(made) if isinstance(made, tuple) else [made]
        for i, (before, value) in enumerate(zip(traced, outputs)):
            if value in node.inputs:  # a layer that passes its input on
                value = outputs[i] = b.view(b.gathered(value), value.shape)
            if value.shape != before.shape:
                raise NotNative(f"{node.name}: {value.shape} came where {before.shape} was traced")
            value.made_by, value.uses = node, before.uses
            now[before] = value
        node.outputs = outputs
    return now


def lower_backward(b: Builder, nodes: list[Node], y: Value, dy: Value) -> None:
    """Append the rows of every node's backward, the last first."""
    gradients = {y: dy}
    _mark_wanted(nodes)
    for node in reversed(nodes):
        b.label = f"{node.name} backward"
        dys: list[Any] = [gradients.pop(value, None) for value in node.outputs]
        if all(d is None for d in dys):
            continue
        if node.finish is not None:
            dys = [_through_activation(b, node, dys[0])]
        with _naming(node):
            result = _lowering(node).backward(b, node, *dys)
        results = result if isinstance(result, tuple) else (result,)
        for x, dx, wanted in zip(node.inputs, results, node.wants):
            if x is None or dx is None or not wanted:
                continue
            if x in gradients:
                dx = _add(b, gradients[x], dx)
            gradients[x] = dx
    b.catch_up()
    for x, dx in gradients.items():
        place, _ = b.gradient(x.parameter) if x.parameter is not None else (None, False)
        if place is not None:
            b.row("copy", dx.size, b.plain(dx), place)


def _mark_wanted(nodes: list[Node]) -> None:
    """A gradient is wanted where a parameter lies behind it."""
    for node in nodes:
        node.wants = [
            v is not None
            and (v.parameter is not None or (v.made_by is not None and v.made_by.learns))
            for v in node.inputs
        ]
        node.learns = bool(node.parameters) or any(node.wants)


def _through_activation(b: Builder, node: Node, dy: Value) -> Value:
    if dy.sloped:
        return dy
    y = node.outputs[0]
    dy = b.last(dy) if y.last else b.plain(dy)
    da = b.value(dy.shape, last=y.last)
    b.row("slope", da.size, node.finish_code, dy, y, da, reals=node.finish_options)
    return da


def _add(b: Builder, one: Value, other: Value) -> Value:
    other = b.last(other) if one.last else b.plain(other)
    total = b.value(one.shape, last=one.last)
    b.row("add", total.size, one, other, total)
    return total


def plan_training(b: Builder, trace: Trace, loss: Any, t: Value, watch: Any = None) -> None:
    """Forward, watch(y, step) if it is given, loss and backward; the optimizer comes after."""
    nodes = absorb(trace.nodes)
    now = lower_forward(b, trace, nodes)
    y = now[trace.y]
    if watch is not None:  # before the loss, whose gradient may take the place of y
        b.label = "metrics"
        b.python(lambda n, step, y: watch(y, step), b.plain(y))
    b.label = type(loss).__name__
    dy = lowering_of(loss).loss(b, loss, y, t, Address("metrics"))
    lower_backward(b, nodes, y, dy)


def plan_prediction(b: Builder, trace: Trace) -> Value:
    """Forward alone; y goes to the segment "y"."""
    now = lower_forward(b, trace, absorb(trace.nodes))
    y = b.plain(b.gathered(now[trace.y]))
    if y.owner.place is None and y is y.owner:
        y.place = Address("y")
    else:
        b.label = "output"
        b.row("copy", y.size, y, Address("y"))
    return y
