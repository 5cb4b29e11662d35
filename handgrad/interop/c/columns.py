"""ColumnEmbedding in C: numbers beside codes, of which each names a row of W."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from handgrad.compile.trace import Node
from handgrad.compile.values import Value
from handgrad.interop.c.forms import Form, exports, input_gradient, ints, output
from handgrad.interop.c.writer import Writer
from handgrad.layers import ColumnEmbedding


@exports(ColumnEmbedding)
class ColumnEmbeddingForm(Form):
    """The runs of columns with numbers, then the rows; codes are not looked at."""

    def forward(self, c: Writer, node: Node) -> Value:
        layer, x, y = node.layer, node.inputs[0], output(c, node)
        (N, D), (_, M) = ints(x.shape), ints(y.shape)
        for first, count, at in runs(layer.numbers(D)):
            c.call("columns_forward", N, D, first, count, M, at, x, y)
        W = c.memory.weight(layer.W)
        for column, start, at in self.codes(layer, D):
            c.call("code_forward", N, D, column, start, layer.hidden, M, at, x, W, y)
        return y

    def backward(self, c: Writer, node: Node, *dy: Any) -> Value | None:
        layer, x, dx = node.layer, node.inputs[0], input_gradient(c, node)
        (N, D), (_, M) = ints(x.shape), ints(dy[0].shape)
        if (dW := c.memory.gradient(layer.W)) is not None:
            for column, start, at in self.codes(layer, D):
                c.call("code_backward", N, D, column, start, layer.hidden, M, at, x, dy[0], dW)
        if dx is not None:
            c.call("memset", dx, 0, f"sizeof(float) * {N * D}")
            for first, count, at in runs(layer.numbers(D)):
                c.call("columns_forward", N, M, at, count, D, first, dy[0], dx)
        return dx

    def codes(self, layer: Any, D: int) -> list[tuple[int, int, int]]:
        """Each column of codes, where its rows begin in W, and its numbers in y."""
        first = D - len(layer.columns)
        return [(column, int(start), first + i * layer.hidden)
                for i, (column, start) in enumerate(zip(layer.columns, layer.starts))]  # fmt: skip


def runs(columns: list[int]) -> list[tuple[int, int, int]]:
    """The columns as runs: the first, how many, and where they stand among all."""
    found, at = [], 0
    for _, run in groupby(enumerate(columns), lambda pair: pair[1] - pair[0]):
        held = [column for _, column in run]
        found.append((held[0], len(held), at))
        at += len(held)
    return found
