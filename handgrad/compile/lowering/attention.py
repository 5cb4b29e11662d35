"""Attention: products of many small matrices, and softmax between them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from handgrad.compile.builder import Builder
from handgrad.compile.lowering.matmul import Matrices, in_order, inner, multiply, stacked
from handgrad.compile.lowering.products import product, product_dW, product_dx
from handgrad.compile.lowering.registry import Lowering, lowers
from handgrad.compile.trace import Node
from handgrad.compile.values import NotNative, Size, Value, times
from handgrad.layers import AdditiveAttention, DotProductAttention, MultiHeadAttention


class Attention:
    """The rows of softmax(factor · q @ kᵀ) @ v for samples and heads, and back."""

    weights: Matrices

    def __init__(
        self, samples: Size, heads: int, sizes: tuple[int, int, int, int], causal: bool,
        factor: float,
    ):  # fmt: skip
        self.samples, self.heads = samples, heads
        self.T, self.S, self.D, self.E = sizes
        self.queries, self.factor = self.T if causal else 0, factor

    def forward(self, b: Builder, q: Matrices, k: Matrices, v: Matrices, y: Matrices) -> None:
        scores = self.grid(b)
        multiply(b, self.samples, self.heads, (self.T, self.S, self.D), q, k.T, scores)
        self.weigh(b, scores)
        multiply(b, self.samples, self.heads, (self.T, self.E, self.S), self.weights, v, y)

    def weigh(self, b: Builder, scores: Matrices) -> None:
        """The weights from the scores."""
        self.weights = self.grid(b)
        b.row(
            "softmax", rows=self.rows, length=self.S, x=scores.value, y=self.weights.value,
            queries=self.queries, factor=self.factor,
        )  # fmt: skip

    def backward(
        self, b: Builder, q: Matrices, k: Matrices, v: Matrices, dy: Matrices, dq: Matrices,
        dk: Matrices, dv: Matrices,
    ) -> None:  # fmt: skip
        dscores = self.dscores(b, v, dy, dv)
        multiply(b, self.samples, self.heads, (self.T, self.D, self.S), dscores, k, dq)
        multiply(b, self.samples, self.heads, (self.S, self.D, self.T), dscores.T, q, dk)

    def dscores(self, b: Builder, v: Matrices, dy: Matrices, dv: Matrices) -> Matrices:
        """The gradient of the scores; dv on the way."""
        multiply(b, self.samples, self.heads, (self.S, self.E, self.T), self.weights.T, dy, dv)
        dweights, dscores = self.grid(b), self.grid(b)
        multiply(b, self.samples, self.heads, (self.T, self.S, self.E), dy, v.T, dweights)
        b.row(
            "softmax_backward", rows=self.rows, length=self.S, y=self.weights.value,
            dy=dweights.value, dx=dscores.value, factor=self.factor,
        )  # fmt: skip
        return dscores

    def grid(self, b: Builder) -> Matrices:
        """A number for each query and key."""
        return stacked(b, self.samples, self.heads, self.T, self.S)

    @property
    def rows(self) -> Size:
        return times(self.samples, self.heads, self.T)


def given(node: Node, i: int) -> bool:
    """Whether there is an input i."""
    return len(node.given) > i and node.given[i] is not None


def require_no_mask(node: Node) -> None:
    """Raise NotNative for a mask among the inputs."""
    if given(node, 3):
        raise NotNative("a mask of keys")


@dataclass
class AttentionRecord:
    """The rows of the attention, and q, k and v."""

    rows: Attention
    inputs: tuple[Value, ...]


@lowers(DotProductAttention)
class LowerDotProductAttention(Lowering):
    """The axes between the first and the last two are heads."""

    def forward(self, b: Builder, node: Node) -> tuple[Value, AttentionRecord]:
        require_no_mask(node)
        q, k, v = (b.plain(b.gathered(x)) for x in node.inputs[:3])
        (*heads, T, D), (*_, S, E) = inner(q), inner(v)
        factor = D**-0.5 if node.layer.scaled else 1.0
        rows = Attention(q.shape[0], prod(heads), (T, S, D, E), node.layer.causal, factor)
        inputs, y = (q, k, v), b.value(node.outputs[0].shape)
        rows.forward(b, in_order(q), in_order(k), in_order(v), in_order(y))
        return y, AttentionRecord(rows, inputs)

    def backward(
        self, b: Builder, node: Node, record: AttentionRecord, dy: Value
    ) -> tuple[Any, ...]:
        inputs = record.inputs
        gradients = [b.value(x.shape) for x in inputs]
        record.rows.backward(b, *(in_order(x) for x in (*inputs, b.plain(dy), *gradients)))
        return tuple(gradients)


@dataclass
class MultiHeadRecord:
    """q, k and v: the indices of the inputs that they are, themselves, and projected; the heads."""

    rows: Attention
    indices: tuple[int, ...]
    inputs: tuple[Value, ...]
    projected: tuple[Value, ...]
    joined: Value


@lowers(MultiHeadAttention)
class LowerMultiHeadAttention(Lowering):
    """The heads are blocks of columns of the projections, which stay where they are."""

    def forward(self, b: Builder, node: Node) -> tuple[Value, MultiHeadRecord]:
        require_no_mask(node)
        layer, h = node.layer, node.layer.heads
        # k stands in for v, and q for k, where they are not given
        of_k = 1 if given(node, 1) else 0
        indices = 0, of_k, 2 if given(node, 2) else of_k
        q, k, v = inputs = tuple(b.plain(b.gathered(node.inputs[i])) for i in indices)
        N, (T, _), (S, _), M = q.shape[0], inner(q), inner(k), layer.outputs
        projected = b.value((N, T, M)), b.value((N, S, M)), b.value((N, S, M))
        product(b, times(N, T), q, layer.Wq, layer.bq, projected[0])
        product(b, times(N, S), k, layer.Wk, None, projected[1])
        product(b, times(N, S), v, layer.Wv, layer.bv, projected[2])
        sizes, factor = (T, S, M // h, M // h), (M // h) ** -0.5
        rows = Attention(N, h, sizes, layer.causal, factor)
        joined, y = b.value((N, T, M)), b.value((N, T, M))
        asked, offered, content = (self.blocks(x, h) for x in projected)
        rows.forward(b, asked, offered, content, self.blocks(joined, h))
        product(b, times(N, T), joined, layer.Wo, layer.bo, y)
        return y, MultiHeadRecord(rows, indices, inputs, projected, joined)

    def backward(
        self, b: Builder, node: Node, record: MultiHeadRecord, dy: Value
    ) -> tuple[Any, ...]:
        layer, projected, dy = node.layer, record.projected, b.plain(dy)
        h = layer.heads
        rows = times(*dy.shape[:2])
        product_dW(b, rows, record.joined, dy, layer.Wo, layer.bo)
        djoined = product_dx(b, rows, dy, layer.Wo, record.joined, None)
        dprojected = [b.value(x.shape) for x in projected]
        record.rows.backward(b, *(self.blocks(x, h) for x in (*projected, djoined, *dprojected)))
        gradients: list[Value | None] = [None, None, None]
        weights = (layer.Wq, layer.bq), (layer.Wk, None), (layer.Wv, layer.bv)
        for i, x, dx, (W, bias) in zip(record.indices, record.inputs, dprojected, weights):
            rows = times(*x.shape[:2])
            product_dW(b, rows, x, dx, W, bias)
            if node.needs_input_grad[i]:  # an input that stands in for others gets the sum
                gradients[i] = product_dx(b, rows, dx, W, x, gradients[i])
        return tuple(gradients)

    def blocks(self, x: Value, heads: int) -> Matrices:
        """(N, T, M) as `heads` matrices (T, M / heads) side by side."""
        T, M = inner(x)
        return Matrices(x, T * M, M // heads, M)


@dataclass
class AdditiveRecord(AttentionRecord):
    """What the rows of all pairs read besides: sizes, projections, weights."""

    pairs: dict[str, Any]


@lowers(AdditiveAttention)
class LowerAdditiveAttention(Lowering):
    """tanh(q @ Wq + k @ Wk) of all pairs is never stored, but computed again on the way back."""

    def forward(self, b: Builder, node: Node) -> tuple[Value, AdditiveRecord]:
        require_no_mask(node)
        layer, (q, k, v) = node.layer, [b.plain(b.gathered(x)) for x in node.inputs[:3]]
        N, (T, _), (S, E), H = q.shape[0], inner(q), inner(v), layer.hidden
        asked, offered = b.value((N, T, H)), b.value((N, S, H))
        product(b, times(N, T), q, layer.Wq, None, asked)
        product(b, times(N, S), k, layer.Wk, None, offered)
        rows = Attention(N, 1, (T, S, H, E), False, 1.0)
        scores, y = rows.grid(b), b.value(node.outputs[0].shape)
        pairs = {
            "samples": N, "queries": T, "keys": S, "width": H, "a": asked, "b": offered,
            "w": b.parameter(layer.w),
        }  # fmt: skip
        b.row("compare", **pairs, scores=scores.value)
        rows.weigh(b, scores)
        multiply(b, N, 1, (T, E, S), rows.weights, in_order(v), in_order(y))
        return y, AdditiveRecord(rows, (q, k, v), pairs)

    def backward(
        self, b: Builder, node: Node, record: AdditiveRecord, dy: Value
    ) -> tuple[Any, ...]:
        layer, (q, k, v), rows = node.layer, record.inputs, record.rows
        N, T, S, H, asked, offered, _ = record.pairs.values()
        dv, dasked, doffered = b.value(v.shape), b.value(asked.shape), b.value(offered.shape)
        dscores = rows.dscores(b, in_order(v), in_order(b.plain(dy)), in_order(dv))
        each = b.value((N, H))
        b.row(
            "compare_backward", **record.pairs, dscores=dscores.value, da=dasked, db=doffered,
            dw=each,
        )  # fmt: skip
        dw, add = b.gradient(layer.w)
        if dw is not None:
            b.row("totals", rows=N, columns=H, x=each, step=H, sum=dw, add=add)
        product_dW(b, times(N, T), q, dasked, layer.Wq, None)
        product_dW(b, times(N, S), k, doffered, layer.Wk, None)
        dq = product_dx(b, times(N, T), dasked, layer.Wq, q, None)
        return dq, product_dx(b, times(N, S), doffered, layer.Wk, k, None), dv
