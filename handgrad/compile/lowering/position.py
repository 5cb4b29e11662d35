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
        b.row("add_table", x.shape[0], T * D, x, y, table)
        return y, None

    def backward(self, b: Builder, node: Node, record: None, dy: Value) -> Value:
        T, D = inner(dy)
        dP, add = b.gradient(node.layer.P) if node.layer.params else (None, False)
        if dP is not None:
            unused = node.layer.length - T
            if unused and not add:
                b.row("fill", unused * D, dP + T * D, reals=(0,))
            b.row("totals", dy.shape[0], 0, T * D, b.plain(dy), T * D, dP, add)
        return dy
