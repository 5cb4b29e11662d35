"""Traced: the graph of a network as the compiler sees it, shapes alone."""

from __future__ import annotations

from typing import Any

from handgrad.compile.trace import Node as Use
from handgrad.compile.trace import Trace
from handgrad.explain.assembly import Assembly
from handgrad.explain.formula import gradients_of, shape_line
from handgrad.explain.graph import CONSTANT, INPUT, LAYER, OUTPUT, PARAMETER, Graph, Node
from handgrad.explain.record import title_of
from handgrad.explain.use import argument_names
from handgrad.explain.values import TRACED, Shown
from handgrad.explain.words import clean


def graph_of_trace(trace: Trace) -> Graph:
    """Nodes for the uses of layers and for their parameters; N is the size of the batch."""
    assembly = Assembly()
    assembly.add(Node(INPUT, "x"))
    assembly.give(id(trace.x), Shown(trace.x.shape, TRACED), wanted=False)
    for use in trace.nodes:
        keys = [_outside(assembly, use, i) for i in range(len(use.inputs))]
        for slot in use.parameters:
            keys.append(id(slot.value))
            if id(slot.value) not in assembly.wires:
                path = f"{use.path}.{slot.path}".lstrip(".")
                assembly.add(Node(PARAMETER, clean(path)))
                assembly.give(id(slot.value), Shown(slot.value.shape, TRACED), wanted=True)
        assembly.add(_node(use))
        for port, key in enumerate(key for key in keys if key is not None):
            assembly.take(key, port, None)
        for y in use.outputs:
            assembly.give(id(y), Shown(y.shape, TRACED), wanted=True)
    assembly.add(Node(OUTPUT, "output"))
    assembly.take(id(trace.y), 0, None)
    return assembly.graph("Trace")


def _outside(assembly: Assembly, use: Use, i: int) -> Any:
    """The key of an input, with a node for an array that no layer made; None for no array."""
    value: Any = use.inputs[i]
    given: Any = use.given[i] if i < len(use.given) else None
    if value is None and given is None:
        return None
    key = id(given) if value is None else id(value)
    if key not in assembly.wires:
        own = value is not None and value.parameter is not None
        shape = given.shape if value is None else value.shape
        assembly.add(Node(PARAMETER if own else CONSTANT, "parameter" if own else "constant"))
        assembly.give(key, Shown(shape, TRACED), wanted=own)
    return key


def _node(use: Use) -> Node:
    cls: Any = type(use.layer)
    lines = [text for _, text in gradients_of(cls)]
    shapes = {n: v.shape for n, v in zip(argument_names(cls), use.inputs) if v is not None}
    shapes |= {slot.path: slot.value.shape for slot in use.parameters}
    shapes["loss" if "y" in shapes else "y"] = use.outputs[0].shape
    return Node(LAYER, clean(title_of(use.layer)), clean(use.path), lines, shape_line(cls, shapes))
