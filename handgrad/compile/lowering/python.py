"""A layer without a native form, as rows that call its own forward and backward."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.compile.builder import Builder
from handgrad.compile.lowering.registry import Lowering
from handgrad.compile.trace import Node
from handgrad.compile.values import NotNative, Value, lengths
from handgrad.layer import Layer, shallow_clone, slots


class PythonRows(Lowering):
    """The layer's own methods on arrays in the arena. The record is the layer that ran."""

    integers = constants = True

    def forward(self, b: Builder, node: Node) -> tuple[Any, Any]:
        if node.parameters and not all(isinstance(v, Value) for v in node.inputs):
            raise NotNative(f"{node.name} takes arrays that no layer made")
        if isinstance(node.layer, Layer) and "shape" in node.layer.config():
            raise NotNative(f"{node.name} has no native form, and its shape is that of one batch")
        inputs = [self.input(b, node, i) for i in range(len(node.inputs))]
        outputs = [b.value(v.shape) for v in node.outputs]
        layer = shallow_clone(node.layer)
        constants = [None if v is not None else given for v, given in zip(inputs, node.given)]
        real = [v for v in inputs if v is not None]

        def run(n: int, step: int, *arrays: Array) -> None:
            read, written = iter(arrays[: len(real)]), arrays[len(real) :]
            own = [c if v is None else next(read).copy() for v, c in zip(inputs, constants)]
            store(written, layer.forward(*own))  # a copy, for what is kept must last

        b.python(run, *real, *outputs)
        return (tuple(outputs) if len(outputs) > 1 else outputs[0]), layer

    def input(self, b: Builder, node: Node, i: int) -> Value | None:
        """The value of an input in plain order; None for a constant."""
        value = node.inputs[i]
        if value is not None and value.integer:
            raise NotNative(f"{node.name} reads integers and has no native form")
        return None if value is None else b.plain(b.gathered(value))

    def backward(self, b: Builder, node: Node, record: Any, *dy: Any) -> Any:
        layer = record
        given = [b.plain(d) for d in dy if d is not None]
        there = [d is not None for d in dy]
        shapes = [v.shape for v in node.outputs]
        gradients = [b.value(v.shape) if v is not None and needed else None
                     for v, needed in zip(node.inputs, node.needs_input_grad)]  # fmt: skip
        views = [
            (slot, *b.gradient_view(original.value))
            for slot, original in zip(slots(layer), slots(node.layer))
        ]

        def run(n: int, step: int, *arrays: Array) -> None:
            read, written = iter(arrays[: len(given)]), arrays[len(given) :]
            dys = [next(read) if d else np.zeros(lengths(s, n), np.float32)
                   for d, s in zip(there, shapes)]  # fmt: skip
            result = layer.backward(*dys)
            results = result if isinstance(result, tuple | list) else (result,)
            store(written, [r for r, g in zip(results, gradients) if g is not None])
            for slot, view, add in views:
                if view is not None:
                    view[...] = slot.grad + view if add else slot.grad

        b.python(run, *given, *(g for g in gradients if g is not None))
        return tuple(gradients)


def store(targets: Any, results: Any) -> None:
    """Copy results into the arena."""
    results = results if isinstance(results, tuple | list) else (results,)
    for target, result in zip(targets, results):
        target[...] = 0 if result is None else result
