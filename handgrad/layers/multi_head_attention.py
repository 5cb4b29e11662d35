"""Multi-head attention: several attentions side by side, each in its own subspace."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, Stream, as_float
from handgrad.layer import Layer
from handgrad.layers.attention import DotProductAttention, accept, flat
from handgrad.layers.checks import require_positive
from handgrad.layers.init import initialize, require_rule


class MultiHeadAttention(Layer):
    """y = [head₁ … head_h] @ Wo + bo, headᵢ = `DotProductAttention` of the i-th blocks of columns.

    The blocks are those of q @ Wq + bq, k @ Wk and v @ Wv + bv, M / h columns each. (A bias of the
    keys would add the same to all scores of a query: it would change nothing.) Without k, k = q;
    without v, v = k: attention of a sequence to itself is `layer(x)`.
    causal and mask as in `DotProductAttention`.
    Shapes: q (N, T, D), k (N, S, F), v (N, S, E), mask (N, S) or (N, T, S) of booleans,
    y (N, T, M), Wq (D, M), Wk (F, M), Wv (E, M), Wo (M, M), biases (M). M = outputs, D if not
    given; D, F and E are found from the first batch.
    Gradient: numbered in `backward`; an input that stands in for others gets their sum.
    Raises ShapeError where q, k, v or mask do not fit, ValueError where heads do not divide M, a
    query sees no key, and for another float dtype.
    Source: Vaswani et al., "Attention is all you need", NIPS 2017, section 3.2.2.
    """

    params = ("Wq", "Wk", "Wv", "Wo", "bq", "bv", "bo")

    def __init__(
        self, heads: int, *, outputs: int | None = None, causal: bool = False,
        init: Any = "xavier", seed: int | None = None,
    ):  # fmt: skip
        require_positive(self, heads=heads, outputs=outputs)
        require_rule(self, init)
        self.heads, self.outputs, self.causal = heads, outputs, causal
        self.init, self.seed = init, seed
        self.attention = DotProductAttention(causal=causal)
        if seed is not None:
            self.stream = Stream(seed)

    def build(self, q: Any = None, k: Any = None, v: Any = None, *others: Any) -> None:
        if "Wq" not in self.__dict__ and q is not None:
            k = q if k is None else k
            build_projections(self, q, k, k if v is None else v)

    def forward(
        self, q: Array, k: Array | None = None, v: Array | None = None, mask: Array | None = None
    ) -> Array:
        self.build(q, k, v)
        self.given = 4 if mask is not None else 3 if v is not None else 2 if k is not None else 1
        self.stands_in = k is None, v is None
        k = q if k is None else k
        self.inputs = accept_inputs(self, q, k, k if v is None else v)
        q, k, v = self.inputs
        h = self.heads
        a, b, c = q @ self.Wq + self.bq, k @ self.Wk, v @ self.Wv + self.bv  # 1
        y = self.attention.forward(split(a, h), split(b, h), split(c, h), mask)  # 2
        self.joined = join(y)  # 3
        return self.joined @ self.Wo + self.bo  # 4

    def backward(self, dy: Array) -> Any:
        self.dWo, self.dbo = flat(self.joined).T @ flat(dy), flat(dy).sum(axis=0)  # undoes 4
        dheads = self.attention.backward(split(dy @ self.Wo.T, self.heads))  # undoes 4, 3, 2
        da, db, dc = (join(d) for d in dheads[:3])
        q, k, v = self.inputs
        self.dWq, self.dbq = flat(q).T @ flat(da), flat(da).sum(axis=0)  # undoes 1
        self.dWk = flat(k).T @ flat(db)
        self.dWv, self.dbv = flat(v).T @ flat(dc), flat(dc).sum(axis=0)
        gradients = gather(self.stands_in, da @ self.Wq.T, db @ self.Wk.T, dc @ self.Wv.T)
        return gradients[0] if self.given == 1 else gradients[: self.given]


def build_projections(layer: Any, q: Any, k: Any, v: Any) -> None:
    """Weights for the last axes of q, k and v, and biases of zero."""
    name, D, dtype = type(layer).__name__, np.shape(q)[-1], layer.dtype or as_float(q).dtype
    M = layer.outputs = layer.outputs or D
    if M % layer.heads:
        raise ValueError(f"{name}: heads must divide outputs = {M}, got {layer.heads}")
    sizes = {"Wq": D, "Wk": np.shape(k)[-1], "Wv": np.shape(v)[-1], "Wo": M}
    for weight, rows in sizes.items():
        values = initialize(layer.init, (rows, M), rows, M, layer.draw(), dtype)
        setattr(layer, weight, values)
    layer.bq, layer.bv, layer.bo = np.zeros((3, M), dtype)


def accept_inputs(layer: Any, q: Any, k: Any, v: Any) -> tuple[Array, Array, Array]:
    """q, k and v as real numbers, once their shapes are seen to fit each other and the weights."""
    q, k, v = accept(layer, q, k, v, layer.Wq, layer.Wk)
    if q.ndim != 3 or v.shape[2] != len(layer.Wv):
        raise ShapeError(
            f"{type(layer).__name__}: q (N, T, D), k (N, S, F) and v (N, S, E) are needed with "
            f"E = {len(layer.Wv)}, got q {q.shape}, k {k.shape}, v {v.shape}"
        )
    return q, k, v


def gather(stands_in: tuple[bool, bool], dq: Array, dk: Array, dv: Array) -> tuple[Any, ...]:
    """The gradients of what was given: k's includes v's where k stood in for v, q's so k's."""
    for_k, for_v = stands_in
    if for_v:
        dk = dk + dv
    if for_k:
        dq = dq + dk
    return dq, None if for_k else dk, None if for_v else dv, None


def split(x: Array, heads: int) -> Array:
    """(N, T, M) as (N, h, T, M / h)."""
    N, T, M = x.shape
    return x.reshape(N, T, heads, M // heads).swapaxes(1, 2)


def join(x: Array) -> Array:
    """(N, h, T, M / h) as (N, T, M)."""
    N, h, T, d = x.shape
    return x.swapaxes(1, 2).reshape(N, T, h * d)
