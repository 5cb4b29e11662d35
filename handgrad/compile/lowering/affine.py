"""Affine: one product forward, two backward; an activation that follows is part of the first."""

from __future__ import annotations

from handgrad.compile.builder import Builder
from handgrad.compile.lowering.products import product, product_dW, product_dx
from handgrad.compile.lowering.registry import Lowering, lowers
from handgrad.compile.trace import Node
from handgrad.compile.values import BatchDim, Value, times
from handgrad.layers import Affine


@lowers(Affine)
class LowerAffine(Lowering):
    """y = f(x @ W + b), on the rows that all axes but the last make together."""

    finishes = True

    def forward(self, b: Builder, node: Node) -> Value:
        layer, x = node.layer, b.plain(node.inputs[0])
        rows = times(*x.shape[:-1])
        indexed = x.rows is not None and rows == BatchDim(1)
        if not indexed:
            x = b.gathered(x)
        node.kept["x"], node.kept["indexed"] = x, indexed
        y = b.value(node.outputs[0].shape)
        product(
            b, rows, x.owner.rows if indexed else x, layer.W, layer.b if layer.bias else None, y,
            indexed=indexed, finish=node.finish_code, reals=node.finish_options,
        )  # fmt: skip
        return y

    def backward(self, b: Builder, node: Node, dy: Value) -> Value | None:
        layer, x, dy = node.layer, node.kept["x"], b.plain(dy)
        rows, dx = times(*dy.shape[:-1]), None
        if node.wants[0]:
            dx = product_dx(b, rows, dy, layer.W, node.inputs[0], sloped=True)
        product_dW(
            b, rows, x.owner.rows if node.kept["indexed"] else x, dy, layer.W,
            layer.b if layer.bias else None, indexed=node.kept["indexed"], later=True,
        )  # fmt: skip
        return dx
