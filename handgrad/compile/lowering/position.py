"""Positional encodings: one table added to every sample."""

from __future__ import annotations

import numpy as np

from handgrad.compile.builder import Builder
from handgrad.compile.lowering.matmul import inner
from handgrad.compile.lowering.registry import Lowering, lowers
from handgrad.compile.trace import Node
from handgrad.compile.values import Value
from handgrad.layers import LearnedPosition, SinePosition
from handgrad.layers.positional_encoding import sine_table


@lowers(SinePosition, LearnedPosition)
class LowerPosition(Lowering):
    """One table (T, D) added to every sample; what is learned gets the sum over the samples."""

    def forward(self, b: Builder, node: Node) -> tuple[Value, None]:
        layer, x = node.layer, b.plain(b.gathered(node.inputs[0]))
        T, D = inner(x)
        if type(layer) is SinePosition:
            table = b.array(sine_table(T, D).astype(np.float32))
        else:
            table = b.parameter(layer.P)
        y = b.value(x.shape)
        b.row("add_table", rows=x.shape[0], length=T * D, x=x, y=y, table=table)
        return y, None

    def backward(self, b: Builder, node: Node, record: None, dy: Value) -> Value:
        T, D = inner(dy)
        dP, add = b.gradient(node.layer.P) if node.layer.params else (None, False)
        if dP is not None:
            unused = node.layer.length - T
            if unused and not add:
                b.row("fill", count=unused * D, y=dP + T * D, value=0.0)
            b.row(
                "totals", rows=dy.shape[0], columns=T * D, x=b.plain(dy), step=T * D,
                sum=dP, add=add,
            )  # fmt: skip
        return dy
