"""Embedding: a row of a table for each id, and scores against such rows."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, Stream, array_module, as_float
from handgrad.layer import Layer
from handgrad.layers.checks import require_dtype, require_positive
from handgrad.layers.init import initialize, require_rule


class Embedding(Layer):
    """y = W[ids]: row `id` of W for each id.

    Shapes: ids (…) of integers from 0 to V − 1, W (V, D), y (…, D); V = vocabulary and
    D = outputs. W starts as `init` says, N(0, 1) by default, in float64 outside a network.
    Gradient: dW[v] = Σ of dy over all positions where ids = v: a row that was read twice gets both
    gradients. Only the rows that occur are not zero: `rows` are their ids, ascending, and
    `drows` (R, D) their sums, dW[rows] = drows. ids have none.
    Raises ValueError for ids that are not integers, or outside the vocabulary.
    Source: Bengio et al., "A neural probabilistic language model", 2003; Saito, "Deep Learning
    from Scratch 2", section 4.1.
    """

    params = ("W",)

    def __init__(self, vocabulary: int, outputs: int, *, init: Any = 1.0, seed: int | None = None):
        require_positive(self, vocabulary=vocabulary, outputs=outputs)
        require_rule(self, init)
        self.vocabulary, self.outputs = vocabulary, outputs
        self.init, self.seed = init, seed
        if seed is not None:
            self.stream = Stream(seed)

    def build(self, ids: Any = None) -> None:
        if "W" not in self.__dict__:
            shape, dtype = (self.vocabulary, self.outputs), self.dtype or np.float64
            self.W = initialize(self.init, shape, *shape, self.draw(), dtype)

    def forward(self, ids: Array) -> Array:
        self.build()
        self.ids = accept_ids(self, ids, len(self.W))
        return self.W[self.ids]

    def backward(self, dy: Array) -> None:
        back = AddRows(self.ids, len(self.W))
        self.dW = back(dy.reshape(-1, dy.shape[-1]))
        self.rows, self.drows = back.rows, self.dW[back.rows]


class EmbeddingDot(Layer):
    """y = W[ids] · h: how well h agrees with the row of each id.

    y[n] = Σ_d W[ids[n], d] · h[n, d], or with K ids for each h, y[n, k] from ids[n, k].
    Shapes: h (N, D), ids (N) or (N, K) of integers from 0 to V − 1, W (V, D), y like ids. D is
    found from the first batch, or given as `inputs`. W starts as `init` says, N(0, 0.01²).
    Gradient: dh[n] = Σ_k dy[n, k] · W[ids[n, k]]; dW[v] = Σ of dy · h over all positions where
    ids = v, also as `rows` and `drows`, see `Embedding`. ids have none.
    Raises ShapeError where h and ids do not fit; ValueError for ids that are not integers, or
    outside the vocabulary, and for h of another float dtype.
    Source: Mikolov et al., "Distributed representations of words and phrases", NIPS 2013; Saito,
    "Deep Learning from Scratch 2", section 4.2.3.
    """

    params = ("W",)

    def __init__(
        self, vocabulary: int, *, inputs: int | None = None, init: Any = 0.01,
        seed: int | None = None,
    ):  # fmt: skip
        require_positive(self, vocabulary=vocabulary, inputs=inputs)
        require_rule(self, init)
        self.vocabulary, self.inputs = vocabulary, inputs
        self.init, self.seed = init, seed
        if seed is not None:
            self.stream = Stream(seed)

    def build(self, h: Any = None, *others: Any) -> None:
        if "W" in self.__dict__ or (h is None and self.inputs is None):
            return
        h = np.empty((0, self.inputs or 0)) if h is None else as_float(h)
        self.inputs = self.inputs or h.shape[-1]
        shape = (self.vocabulary, self.inputs)
        self.W = initialize(self.init, shape, *shape, self.draw(), self.dtype or h.dtype)

    def forward(self, h: Array, ids: Array) -> Array:
        self.build(h)
        self.h = accept_vectors(self, h)
        self.ids = accept_ids(self, ids, len(self.W))
        if self.ids.ndim not in (1, 2) or len(self.ids) != len(self.h):
            raise ShapeError(
                f"EmbeddingDot: ids must be (N) or (N, K) with N = {len(self.h)}, got "
                f"{self.ids.shape}"
            )
        self.found = self.W[self.ids.reshape(len(self.h), prod(self.ids.shape[1:]))]  # (N, K, D)
        return (self.found @ self.h[:, :, None]).reshape(self.ids.shape)

    def backward(self, dy: Array) -> tuple[Array, None]:
        dy = dy.reshape(self.found.shape[:2])
        each = dy[:, :, None] * self.h[:, None]  # (N, K, D)
        back = AddRows(self.ids, len(self.W))
        self.dW = back(each.reshape(-1, self.h.shape[1]))
        self.rows, self.drows = back.rows, self.dW[back.rows]
        return (dy[:, None] @ self.found)[:, 0], None


class AddRows(Layer):
    """dW[v] = Σ dy[m] over all m with ids[m] = v: what reading rows of a table sends back.

    Shapes: ids (…), M elements, dy (M, D), dW (V, D). `rows` are the ids that occur.
    Gradient: with g that of dW, g[ids].
    """

    linear = True

    def __init__(self, ids: Array, vocabulary: int):
        self.ids, self.vocabulary = ids.reshape(-1), vocabulary
        self.order = self.ids.argsort(kind="stable")
        found = array_module(ids).unique(self.ids[self.order], return_index=True)
        self.rows, self.starts = found

    def forward(self, dy: Array) -> Array:
        dW = array_module(dy).zeros((self.vocabulary, dy.shape[1]), dy.dtype)
        dW[self.rows] = np.add.reduceat(dy[self.order], self.starts, axis=0)
        return dW

    def backward(self, g: Array) -> Array:
        return g[self.ids]


def accept_ids(layer: Layer, ids: Any, vocabulary: int) -> Array:
    """ids as an array of indices, once they are seen to be integers of the vocabulary."""
    name = type(layer).__name__
    ids = ids if hasattr(ids, "dtype") else np.asarray(ids)
    if ids.dtype.kind not in "iu":
        raise ValueError(f"{name}: ids must be integers, got {ids.dtype}; use ids.astype(int)")
    if ids.size and not 0 <= ids.min() <= ids.max() < vocabulary:
        raise ValueError(
            f"{name}: ids must lie from 0 to {vocabulary - 1}, the vocabulary, got {ids.min()} to "
            f"{ids.max()}"
        )
    return ids.astype(np.intp, copy=False)


def accept_vectors(layer: Any, h: Any) -> Array:
    """h (…, D) in the dtype of W, integers converted, D being the columns of W."""
    name, (_, D) = type(layer).__name__, layer.W.shape
    h = as_float(h, layer.W.dtype)
    if h.ndim < 2 or h.shape[-1] != D:
        raise ShapeError(f"{name}: h must be (N, D) with D = {D}, got {h.shape}")
    require_dtype(layer, "h", h, layer.W.dtype)
    return h
