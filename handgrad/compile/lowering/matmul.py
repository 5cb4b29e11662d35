"""Products of matrices: one for each sample and head, wherever their rows and columns lie."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from handgrad.compile.builder import Argument, Builder
from handgrad.compile.lowering.products import factors
from handgrad.compile.lowering.registry import Lowering, lowers
from handgrad.compile.trace import Node
from handgrad.compile.values import BatchDim, NotNative, Size, Value
from handgrad.layers import MatMul


@dataclass
class Matrices:
    """Matrices (rows, columns) for each sample and head; strides in words to the next of each."""

    value: Value
    sample: int
    head: int
    row: int
    column: int = 1

    @property
    def T(self) -> Matrices:
        """Transposed."""
        return Matrices(self.value, self.sample, self.head, self.column, self.row)

    def arguments(self, name: str) -> dict[str, Argument]:
        """As a kernel reads the matrices that it calls by a name."""
        strides = {"sample": self.sample, "head": self.head, "row": self.row, "column": self.column}
        return {name: self.value, **{f"{name}_{axis}": n for axis, n in strides.items()}}


def stacked(b: Builder, samples: Size, heads: int, rows: int, columns: int) -> Matrices:
    """New matrices, one after the other."""
    value = b.value((samples, heads, rows, columns))
    return Matrices(value, heads * rows * columns, rows * columns, columns)


def inner(value: Value) -> tuple[int, ...]:
    """The lengths of all axes but the first; none of them may grow with the batch."""
    lengths = [s for s in value.shape[1:] if isinstance(s, int)]
    if len(lengths) + 1 < len(value.shape):
        raise NotNative("an axis that is not the first grows with the batch")
    return tuple(lengths)


def in_order(value: Value) -> Matrices:
    """An array (N, …, rows, columns) as matrices, the axes between as heads."""
    lengths = inner(value)
    return Matrices(value, prod(lengths), prod(lengths[-2:]), lengths[-1])


def multiply(
    b: Builder, samples: Size, heads: int, sizes: tuple[Any, ...], x: Matrices, y: Matrices,
    out: Matrices,
) -> None:  # fmt: skip
    """out = x @ y, where sizes are rows of x, columns of y, columns of x."""
    written = out.arguments("C")
    del written["C_column"]  # which lie side by side
    b.row(
        "batched_product", samples=samples, heads=heads, **dict(zip("MNK", sizes)),
        **x.arguments("A"), **y.arguments("B"), **written,
    )  # fmt: skip


@dataclass
class Factors:
    """Both inputs, as the rows read them."""

    x: Value
    W: Value


@lowers(MatMul)
class LowerMatMul(Lowering):
    """Rows of samples times one matrix, or a matrix of each sample times another of it."""

    def forward(self, b: Builder, node: Node) -> tuple[Value, Factors]:
        x, W = (b.plain(b.gathered(v)) for v in node.inputs)
        y = b.value(node.outputs[0].shape)
        if len(x.shape) == 2 and not any(isinstance(s, BatchDim) for s in W.shape):
            (D, M), rows = W.shape, x.shape[0]
            b.row("product", **factors(rows, x, (D, M), W), C=y, C_row=M)
        elif isinstance(x.shape[0], BatchDim) and len(x.shape) > 2:
            (*heads, rows, K), columns = inner(x), inner(W)[-1]
            multiply(b, x.shape[0], prod(heads), (rows, columns, K), *map(in_order, (x, W, y)))
        else:
            raise NotNative("a product over the samples of the batch")
        return y, Factors(x, W)

    def backward(self, b: Builder, node: Node, record: Factors, dy: Value) -> tuple[Any, ...]:
        x, W, dy = record.x, record.W, b.plain(dy)
        dx, dW = b.value(x.shape), b.total(W.shape, x)
        if len(x.shape) == 2:
            (D, M), rows = W.shape, x.shape[0]
            b.row("product", **factors(rows, dy, (D, M), W, transposed=True), C=dx, C_row=D)
            b.row("weights", M=D, N=M, K=rows, x=x, x_row=D, dy=dy, dy_row=M, dW=dW, dW_row=M)
            return dx, dW
        (*heads, rows, K), columns = inner(x), inner(W)[-1]
        count, up = prod(heads), in_order(dy)
        multiply(b, x.shape[0], count, (rows, K, columns), up, in_order(W).T, in_order(dx))
        multiply(b, x.shape[0], count, (K, columns, rows), in_order(x).T, up, in_order(dW))
        return dx, dW
