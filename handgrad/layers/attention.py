"""Attention: a weighted mean of values, the weights found by comparing queries with keys."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, Stream, as_float
from handgrad.layer import Layer
from handgrad.layers.checks import require_dtype, require_positive
from handgrad.layers.init import initialize, require_rule


class DotProductAttention(Layer):
    """y = softmax(q @ kᵀ / √D) @ v: each query's mean of the values, by likeness to the keys.

    scaled=False leaves out √D. causal: query t sees the keys 0 … t alone. mask: True where a key
    may be seen. What is not seen has weight 0.
    Shapes: q (N, …, T, D), k (N, …, S, D), v (N, …, S, E), mask (N, S) or (N, T, S) of booleans,
    y (N, …, T, E); the weights (N, …, T, S) are kept as `weights`.
    Gradient: dv = weightsᵀ @ dy, dweights = dy @ vᵀ, dscores = weights · (dweights − Σ_s
    dweights · weights), dq = dscores @ k / √D, dk = dscoresᵀ @ q / √D.
    Raises ShapeError where q, k, v or mask do not fit, ValueError where a query sees no key.
    Source: Vaswani et al., "Attention is all you need", NIPS 2017, section 3.2.1.
    """

    def __init__(self, *, causal: bool = False, scaled: bool = True):
        self.causal, self.scaled = causal, scaled

    def forward(self, q: Array, k: Array, v: Array, mask: Array | None = None) -> Array:
        self.q, self.k, self.v = accept(self, q, k, v)
        self.given = mask is not None
        self.factor = self.q.dtype.type(self.q.shape[-1] ** -0.5 if self.scaled else 1)
        scores = self.q @ self.k.swapaxes(-1, -2) * self.factor
        seen = visible(self, scores.shape, mask, self.causal)
        self.weights = masked_softmax(scores, seen)
        return self.weights @ self.v

    def backward(self, dy: Array) -> tuple[Any, ...]:
        dv = self.weights.swapaxes(-1, -2) @ dy
        dscores = softmax_backward(self.weights, dy @ self.v.swapaxes(-1, -2)) * self.factor
        dq, dk = dscores @ self.k, dscores.swapaxes(-1, -2) @ self.q
        return (dq, dk, dv, None) if self.given else (dq, dk, dv)


class AdditiveAttention(Layer):
    """y = softmax(s) @ v, s[t, j] = w · tanh(q[t] @ Wq + k[j] @ Wk): a small network compares.

    mask: True where a key may be seen; what is not seen has weight 0.
    Shapes: q (N, T, D), k (N, S, F), v (N, S, E), mask (N, S) or (N, T, S) of booleans, Wq (D, H),
    Wk (F, H), w (H), y (N, T, E); the weights (N, T, S) are kept as `weights`. H = hidden; D and F
    are found from the first batch.
    Gradient: numbered in `backward`.
    Raises ShapeError where q, k, v or mask do not fit, ValueError where a query sees no key, and
    for another float dtype.
    Source: Bahdanau, Cho & Bengio, "Neural machine translation by jointly learning to align and
    translate", ICLR 2015, appendix A.1.2.
    """

    params = ("Wq", "Wk", "w")

    def __init__(self, hidden: int, *, init: Any = "xavier", seed: int | None = None):
        require_positive(self, hidden=hidden)
        require_rule(self, init)
        self.hidden, self.init, self.seed = hidden, init, seed
        if seed is not None:
            self.stream = Stream(seed)

    def build(self, q: Any = None, k: Any = None, *others: Any) -> None:
        if "Wq" in self.__dict__ or q is None or k is None:
            return
        H, dtype, how = self.hidden, self.dtype or as_float(q).dtype, self.init
        D, F = np.shape(q)[-1], np.shape(k)[-1]
        self.Wq = initialize(how, (D, H), D, H, self.draw(), dtype)
        self.Wk = initialize(how, (F, H), F, H, self.draw(), dtype)
        self.w = initialize(how, (H,), H, 1, self.draw(), dtype)

    def forward(self, q: Array, k: Array, v: Array, mask: Array | None = None) -> Array:
        self.build(q, k)
        self.q, self.k, self.v = accept(self, q, k, v, self.Wq, self.Wk)
        self.given = mask is not None
        self.z = np.tanh((self.q @ self.Wq)[:, :, None] + (self.k @ self.Wk)[:, None])  # 1, 2
        scores = self.z @ self.w  # 3
        self.weights = masked_softmax(scores, visible(self, scores.shape, mask))  # 4
        return self.weights @ self.v  # 5

    def backward(self, dy: Array) -> tuple[Any, ...]:
        dv = self.weights.swapaxes(1, 2) @ dy  # undoes 5
        dscores = softmax_backward(self.weights, dy @ self.v.swapaxes(1, 2))  # undoes 5, 4
        self.dw = np.einsum("nts,ntsh->h", dscores, self.z)  # undoes 3
        dz = dscores[..., None] * self.w * (1 - self.z**2)  # undoes 3, 2
        da, db = dz.sum(axis=2), dz.sum(axis=1)  # undoes 1: each row was added to many
        self.dWq, self.dWk = flat(self.q).T @ flat(da), flat(self.k).T @ flat(db)
        gradients = da @ self.Wq.T, db @ self.Wk.T, dv
        return (*gradients, None) if self.given else gradients


def flat(x: Array) -> Array:
    """(…, D) as rows (M, D)."""
    return x.reshape(-1, x.shape[-1])


def masked_softmax(scores: Array, seen: Array | None) -> Array:
    """softmax over the last axis of the scores that are seen; 0 elsewhere."""
    if seen is not None:
        scores = np.where(seen, scores, -np.inf)
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_backward(weights: Array, dweights: Array) -> Array:
    """dscores from the gradient of the weights; 0 where a weight is 0.

    The mean is taken off twice: where all values are nearly alike, the first time leaves rounding.
    """
    d = dweights - (dweights * weights).sum(axis=-1, keepdims=True)
    d -= (d * weights).sum(axis=-1, keepdims=True)
    return weights * d


def accept(
    layer: Layer, q: Any, k: Any, v: Any, Wq: Array | None = None, Wk: Array | None = None
) -> tuple[Array, Array, Array]:
    """q, k and v as real numbers, once their shapes are seen to fit each other and the weights."""
    name, dtype = type(layer).__name__, None if Wq is None else Wq.dtype
    q, k, v = (as_float(x, dtype) for x in (q, k, v))
    D = q.shape[-1:] if Wq is None else Wq.shape[:1]
    F = q.shape[-1:] if Wk is None else Wk.shape[:1]
    if (
        min(q.ndim, k.ndim, v.ndim) < 3 or q.shape[-1:] != D or k.shape[-1:] != F
        or k.shape[:-1] != v.shape[:-1] or q.shape[:-2] != k.shape[:-2]
    ):  # fmt: skip
        raise ShapeError(
            f"{name}: q (N, T, D), k (N, S, F) and v (N, S, E) are needed with D = {D[0]} and "
            f"F = {F[0]}, got q {q.shape}, k {k.shape}, v {v.shape}"
        )
    if not k.shape[-2]:
        raise ShapeError(f"{name}: at least one key is needed, got k {k.shape}")
    for letter, x in (("q", q), ("k", k), ("v", v)):
        require_dtype(layer, letter, x, dtype or q.dtype)
    return q, k, v


def visible(layer: Layer, shape: tuple[int, ...], mask: Any, causal: bool = False) -> Array | None:
    """Which keys each query sees, to be broadcast to the scores' shape (N, …, T, S).

    Raises ShapeError for a mask of another shape, ValueError where a query sees no key.
    """
    name, (N, *between, T, S) = type(layer).__name__, shape
    seen = np.tri(T, S, dtype=bool)[None] if causal else None
    if mask is not None:
        mask = mask if hasattr(mask, "dtype") else np.asarray(mask)
        if mask.shape not in ((N, S), (N, T, S)):
            raise ShapeError(
                f"{name}: the mask must be (N, S) = {(N, S)} or (N, T, S) = {(N, T, S)}, got "
                f"{mask.shape}"
            )
        if mask.dtype != bool:
            raise ValueError(
                f"{name}: the mask must be of booleans, True where a key may be seen, got "
                f"{mask.dtype}"
            )
        rows = mask[:, None] if mask.ndim == 2 else mask
        seen = rows if seen is None else seen & rows
    if seen is None:
        return None
    blind = np.argwhere(~seen.any(axis=-1))
    if len(blind):
        raise ValueError(
            f"{name}: every query must see a key, but all positions are masked for query "
            f"{blind[0][1]} of sample {blind[0][0]}"
        )
    return seen.reshape(len(seen), *(1 for _ in between), *seen.shape[1:])
