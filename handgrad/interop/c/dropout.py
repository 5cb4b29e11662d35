"""Dropout in C: nothing in predictions; in training the masks that Python would draw."""

from __future__ import annotations

from math import ceil, prod
from typing import Any

from handgrad.compile.trace import Node
from handgrad.compile.values import Value
from handgrad.interop.c.forms import Form, exports, input_gradient, ints, output
from handgrad.interop.c.writer import Writer
from handgrad.layers import Dropout, SpatialDropout, VariationalDropout


@exports(Dropout, SpatialDropout, VariationalDropout)
class DropoutForm(Form):
    """x as it is, or times a factor, in evaluation; in training times masks."""

    def forward(self, c: Writer, node: Node) -> Value:
        layer, x = node.layer, node.inputs[0]
        scaled = getattr(layer, "scaled", False)
        if not layer.ratio or not (c.trains or scaled):
            return c.view(x, ints(x.shape))
        y = output(c, node)
        if not c.trains:
            c.call("scale_forward", prod(x.shape), 1.0 - layer.ratio, x, y)
            return y
        node.record = self.words(c, node)
        c.call("dropout_forward", *node.record, x, y)
        return y

    def backward(self, c: Writer, node: Node, *dy: Any) -> Value | None:
        if not node.layer.ratio:
            return c.view(dy[0], ints(dy[0].shape))
        dx = input_gradient(c, node)
        if dx is not None:
            c.call("dropout_forward", *node.record, dy[0], dx)
        return dx

    def words(self, c: Writer, node: Node) -> tuple[Any, ...]:
        """The sizes, from which word on an element is kept, its factor, and the generator's key."""
        layer, shape = node.layer, ints(node.inputs[0].shape)
        sizes: tuple[int, ...] = (1, 1, prod(shape), 1)
        if isinstance(layer, VariationalDropout):
            sizes = (*shape, 1)
        elif isinstance(layer, SpatialDropout):
            sizes = (1, 1, prod(shape[:2]), prod(shape[2:]))
        keep = 1.0 if getattr(layer, "scaled", False) else 1 / (1 - layer.ratio)
        least = f"UINT64_C({ceil(layer.ratio * 2**32)})"
        return *sizes, least, keep, *c.draw(layer.draw())
