"""Index and Transpose in C: elements of an array in the order in which steps over it meet them."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.compile.trace import Node
from handgrad.compile.values import NotNative, Value
from handgrad.interop.c.forms import Form, exports, input_gradient, ints, output
from handgrad.interop.c.writer import Writer
from handgrad.layers import Index, Transpose

AXES = 4  # of loops


@exports(Index, Transpose)
class StridedForm(Form):
    """y = x[key] for integers and slices, or x with its axes in another order."""

    def forward(self, c: Writer, node: Node) -> Value:
        y = output(c, node)
        c.call("strided_forward", *self.steps(node), node.inputs[0], y)
        return y

    def backward(self, c: Writer, node: Node, *dy: Any) -> Value | None:
        dx = input_gradient(c, node)
        if dx is not None:
            c.call("memset", dx, 0, f"sizeof *{c.expression(dx)} * {dx.size}")
            c.call("strided_backward", *self.steps(node), dy[0], dx)
        return dx

    def steps(self, node: Node) -> tuple[int, ...]:
        """Where the first element lies, then a length and a step in x for each of four loops."""
        layer, shape = node.layer, ints(node.inputs[0].shape)
        x = np.empty(shape, np.float32)
        y = x.transpose(layer.axes) if isinstance(layer, Transpose) else indexed(layer.key, x)
        if y.shape != ints(node.outputs[0].shape):
            raise NotNative("a key that picks samples")
        first = (y.ctypes.data - x.ctypes.data) // 4 if y.size else 0
        loops: list[list[int]] = []
        for length, step in zip(y.shape, (s // 4 for s in y.strides)):
            if loops and loops[-1][1] == length * step:  # both axes are one in memory
                loops[-1] = [loops[-1][0] * length, step]
            else:
                loops.append([length, step])
        if len(loops) > AXES:
            raise NotNative(f"more than {AXES} axes")
        loops = [[1, 0]] * (AXES - len(loops)) + loops
        return (first, *(n for loop in loops for n in loop))


def indexed(key: Any, x: Any) -> Any:
    """x[key], a view of it. Raises NotNative for arrays of indices."""
    keys = key if isinstance(key, tuple) else (key,)
    if any(isinstance(k, np.ndarray | list | bool) for k in keys):
        raise NotNative("arrays of indices")
    return x[key]
