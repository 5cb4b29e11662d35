"""Affine: one product forward, two backward; an activation that follows is part of the first."""

from __future__ import annotations

from dataclasses import dataclass

from handgrad.compile.builder import Builder
from handgrad.compile.lowering.products import product, product_dW, product_dx
from handgrad.compile.lowering.registry import Lowering, lowers
from handgrad.compile.trace import Node
from handgrad.compile.values import Address, BatchDim, Value, times
from handgrad.layers import Affine


@dataclass
class AffineRecord:
    """The rows of x, or the data that the batch's rows are picked from."""

    x: Value | Address
    indexed: bool


@lowers(Affine)
class LowerAffine(Lowering):
    """y = f(x @ W + b), on the rows that all axes but the last make together."""

    epilogues = True

    def forward(self, b: Builder, node: Node) -> tuple[Value, AffineRecord]:
        layer, x = node.layer, b.plain(node.inputs[0])
        rows = times(*x.shape[:-1])
        indexed = x.rows is not None and rows == BatchDim(1)
        record = AffineRecord(x.owner.rows if indexed else b.gathered(x), indexed)
        y = b.value(node.outputs[0].shape)
        product(
            b, rows, record.x, layer.W, layer.b if layer.bias else None, y, indexed=indexed,
            epilogue=node.epilogue,
        )  # fmt: skip
        return y, record

    def backward(self, b: Builder, node: Node, record: AffineRecord, dy: Value) -> Value | None:
        layer, dy = node.layer, b.plain(dy)
        rows, dx = times(*dy.shape[:-1]), None
        if node.needs_input_grad[0]:
            dx = product_dx(b, rows, dy, layer.W, node.inputs[0], through_epilogue=True)
        product_dW(
            b, rows, record.x, dy, layer.W, layer.b if layer.bias else None,
            indexed=record.indexed, later=True,
        )  # fmt: skip
        return dx
