"""Losses of margins: right by a distance, or not yet."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, as_float
from handgrad.layer import Layer
from handgrad.layers.loss.base import ElementwiseLoss, Loss
from handgrad.layers.similarity import CosineSimilarity


def _require_signs(layer: Layer, t: Array) -> None:
    if not (np.abs(t) == 1).all():
        raise ValueError(
            f"{type(layer).__name__}: t must be −1 or 1, got values from {t.min()} to "
            f"{t.max()}; labels 0 and 1 become them by 2 * t - 1"
        )


class Hinge(ElementwiseLoss):
    """The mean of max(0, 1 − t · y): no loss where the score y has t's sign and |y| ≥ 1.

    Shapes: y and t (N, …) alike, t −1 or 1; weights (N), loss ().
    Gradient: dy = −dloss · t / n where t · y < 1, else 0.
    At t · y = 1: the derivative counts as 0, the least of the subgradients in length.
    Raises as `ElementwiseLoss` says; ValueError for t other than −1 and 1.
    Source: Cortes & Vapnik, "Support-vector networks", 1995.
    """

    def term(self, y: Array, t: Array) -> Array:
        _require_signs(self, t)
        self.t, self.inside = t, t * y < 1
        return np.maximum(1 - t * y, 0)

    def derivative(self) -> Array:
        return np.where(self.inside, -self.t, 0)


class CosineEmbedding(Loss):
    """Pulls pairs together where t = 1, and apart where t = −1.

    loss = Σ wₙ · termₙ / D, D = Σ wₙ, the term of a pair with cosine c being 1 − c where t = 1,
    and max(0, c − margin) where t = −1; all wₙ = 1 where none are given.

    Shapes: a, b (N, D), t (N) of −1 and 1, weights (N), loss ().
    Gradient: da, db those of CosineSimilarity, with dc = −1, or 1 where c > margin and t = −1,
    times dloss · wₙ / D.
    At c = margin: the derivative counts as 0.
    Raises ShapeError where the shapes do not fit, ValueError for t other than −1 and 1, and as
    `Loss` says.
    Source: Hadsell, Chopra & LeCun, "Dimensionality reduction by learning an invariant mapping",
    CVPR 2006, for pairs pulled together and apart.
    """

    def __init__(self, margin: float = 0.0):
        self.margin, self.cosine = margin, CosineSimilarity()

    def forward(self, a: Array, b: Array, t: Array, weights: Array | None = None) -> Array:
        c = self.cosine.forward(a, b)
        t = as_float(t, c.dtype)
        if c.ndim != 1 or t.shape != c.shape:
            raise ShapeError(
                f"CosineEmbedding: a and b must be (N, D) and t (N), got {np.shape(a)}, "
                f"{np.shape(b)} and {t.shape}"
            )
        _require_signs(self, t)
        share = self.weigh(c, weights)
        self.dc = np.where(t > 0, -share, share * (c > self.margin))
        return (share * np.where(t > 0, 1 - c, np.maximum(c - self.margin, 0))).sum()

    def backward(self, dloss: Any = 1.0) -> tuple[Array, Array, None]:
        da, db = self.cosine.backward(as_float(dloss).astype(self.dc.dtype) * self.dc)
        return da, db, None
