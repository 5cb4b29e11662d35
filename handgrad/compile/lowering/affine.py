"""Affine: one product forward, two backward; an activation that follows is part of the first."""

from __future__ import annotations

from handgrad.compile.builder import Builder
from handgrad.compile.lowering.products import gradients
from handgrad.compile.lowering.registry import Lowering, lowers
from handgrad.compile.trace import Node
from handgrad.compile.values import Each, Value, times
from handgrad.layers import Affine


@lowers(Affine)
class LowerAffine(Lowering):
    """y = f(x @ W + b), on the rows that all axes but the last make together."""

    finishes = True

    def forward(self, b: Builder, node: Node) -> Value:
        layer, x = node.layer, b.plain(node.inputs[0])
        D, M = layer.W.shape
        rows = times(*x.shape[:-1])
        indexed = x.rows is not None and rows == Each(1)
        if not indexed:
            x = b.gathered(x)
        node.kept["x"], node.kept["indexed"] = x, indexed
        y = b.value(node.outputs[0].shape)
        b.row(
            "product", rows, M, D, x.owner.rows if indexed else x, D, 1, indexed,
            b.parameter(layer.W), M, 1, y, M, b.parameter(layer.b) if layer.bias else None,
            node.finish_code, None, False, reals=node.finish_options,
        )  # fmt: skip
        return y

    def backward(self, b: Builder, node: Node, dy: Value) -> Value | None:
        layer, x, indexed = node.layer, node.kept["x"], node.kept["indexed"]
        D, M = layer.W.shape
        rows, dy = times(*dy.shape[:-1]), b.plain(dy)
        dW, db, add = gradients(b, layer.W, layer.b if layer.bias else None)
        dx = None
        if node.wants[0]:
            code, y, options = b.slope(node.inputs[0])
            dx = b.value(node.inputs[0].shape)
            dx.sloped = y is not None
            b.row(
                "product", rows, D, M, dy, M, 1, False, b.parameter(layer.W), 1, M, dx, D, None,
                code, y, False, reals=options,
            )  # fmt: skip
        if dW is not None:
            b.row(
                "weights", D, M, rows, x.owner.rows if indexed else x, 0, D, indexed,
                dy, M, 0, dW, M, db, 0, 0, add,
            )  # fmt: skip
        return dx
