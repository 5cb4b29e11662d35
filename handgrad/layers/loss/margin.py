"""Losses of margins and distances: right by a distance, or not yet; critics of real and made."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, as_float
from handgrad.layer import Layer
from handgrad.layers.checks import require_equal_shapes, require_number
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


class Triplet(Loss):
    """loss = Σ wₙ · max(0, |aₙ − pₙ| − |aₙ − nₙ| + margin) / D: a nearer to p than to n.

    a is an anchor, p a sample of its class, n one of another; D = Σ wₙ, all wₙ = 1 where none are
    given.
    Shapes: a, p, n (N, D) alike, weights (N), loss ().
    Gradient: where the term is above 0, with u = (a − p) / |a − p| and v = (a − n) / |a − n|:
    da = u − v, dp = −u, dn = v, times dloss · wₙ / D.
    At a = p or a = n: u or v is 0; where the term is 0, the derivative is 0.
    Raises as `Loss` says; ShapeError where the shapes differ.
    Source: Schroff, Kalenichenko & Philbin, "FaceNet", CVPR 2015, for squared distances; Balntas et
    al., "Learning local feature descriptors with triplets", BMVC 2016.
    """

    def __init__(self, margin: float = 1.0):
        require_number(self, margin=margin)
        self.margin = margin

    def forward(self, a: Array, p: Array, n: Array, weights: Array | None = None) -> Array:
        require_equal_shapes(self, a, p, n)
        a, p, n = as_float(a), as_float(p), as_float(n)
        if a.ndim != 2:
            raise ShapeError(f"Triplet: a, p and n must be (N, D), got {a.shape}")
        self.u, near = direction(a - p)
        self.v, far = direction(a - n)
        late = near - far + self.margin
        self.share = self.weigh(late, weights) * (late > 0)
        return (self.share * late).sum()

    def backward(self, dloss: Any = 1.0) -> tuple[Array, Array, Array]:
        scale = as_float(dloss).astype(self.u.dtype) * self.share
        du, dv = scale * self.u, scale * self.v
        return du - dv, -du, dv


def direction(x: Array) -> tuple[Array, Array]:
    """x / |x|, 0 where x is 0, and |x|, each row for itself."""
    squares = (x * x).sum(axis=1, keepdims=True)
    length = np.sqrt(np.where(squares > 0, squares, 1))
    return x / length, length * (squares > 0)


class Wasserstein(ElementwiseLoss):
    """The mean of −t · y: a critic's score y is to be large where t = 1, and small where t = −1.

    For a critic, t = 1 marks what is real and −1 what is made: over as many of each, −2 · loss is
    the difference of the mean scores, and at its largest the distance, where no derivative of the
    critic is longer than 1 (see `gradient_penalty`, `SpectralNorm`). For a generator t = 1.
    Shapes: y and t (N, …) alike, t −1 or 1; weights (N), loss ().
    Gradient: dy = −dloss · t / n.
    Raises as `ElementwiseLoss` says; ValueError for t other than −1 and 1.
    Source: Arjovsky, Chintala & Bottou, "Wasserstein generative adversarial networks", ICML 2017.
    """

    def term(self, y: Array, t: Array) -> Array:
        _require_signs(self, t)
        self.t = t
        return -t * y

    def derivative(self) -> Array:
        return -self.t
