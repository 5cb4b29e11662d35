"""Losses on real targets: one term per element, and its slope right below.

`forward(y, t, weights=None)` gives one number, of y's dtype; `backward(dloss)` the gradient of y,
and None for t, which is data. `weights` (N) are weights of the samples.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, as_float
from handgrad.layer import Layer
from handgrad.layers.activation import sigmoid


def sample_weights(layer: Layer, weights: Any, y: Array) -> Array:
    """The weights in y's dtype, shaped (N, 1, …) to multiply y.

    Raises ShapeError unless there is one for each sample, ValueError unless all are ≥ 0 and
    finite, and one is positive.
    """
    name = type(layer).__name__
    weights = as_float(weights, y.dtype).astype(y.dtype, copy=False)
    if weights.shape != y.shape[:1]:
        raise ShapeError(f"{name}: weights must have shape {y.shape[:1]}, got {weights.shape}")
    total = weights.sum()
    if not (0 < total < np.inf and weights.min() >= 0):
        raise ValueError(
            f"{name}: weights must be finite and ≥ 0, with at least one above 0; they sum to "
            f"{total}"
        )
    return weights.reshape(weights.shape + (1,) * (y.ndim - 1))


class Loss(Layer):
    """Base: the weighted mean of `term(y, t)`, where `slope()` is the derivative of it by y.

    loss = Σ wₙ · termₙₖ / (K · Σ wₙ), K elements per sample; all wₙ = 1 where none are given.
    Shapes: y and t (N, …) alike, weights (N), loss ().
    Gradient: dy = dloss · slope · wₙ / (K · Σ wₙ).
    Raises ShapeError where t or weights do not fit y, ValueError for an empty batch. Integers
    become real numbers, t takes the dtype of y.
    """

    def term(self, y: Array, t: Array) -> Array:
        """The loss of each element; keeps what `slope` needs."""
        raise NotImplementedError(f"{type(self).__name__} has no term")

    def slope(self) -> Array:
        """The derivative of `term` by y."""
        raise NotImplementedError(f"{type(self).__name__} has no slope")

    def share(self, y: Array, weights: Array | None) -> Any:
        """What each term is multiplied by, before all are summed."""
        if not y.size:
            raise ValueError(f"{type(self).__name__}: the batch is empty, shape {y.shape}")
        if weights is None:
            return y.dtype.type(1 / y.size)
        return weights / (weights.sum() * y.dtype.type(prod(y.shape[1:])))

    def forward(self, y: Array, t: Array, weights: Array | None = None) -> Array:
        y = as_float(y)
        t = as_float(t, y.dtype).astype(y.dtype, copy=False)
        if y.shape != t.shape:
            raise ShapeError(
                f"{type(self).__name__}: t must have the shape of y, {y.shape}, got {t.shape}"
            )
        if weights is not None:
            weights = sample_weights(self, weights, y)
        self.scale = self.share(y, weights)
        terms = self.term(y, t)
        if weights is None:
            return terms.sum() * self.scale
        return (terms * self.scale).sum()

    def backward(self, dloss: Any = 1.0) -> tuple[Array, None]:
        slope = self.slope()
        return slope * (as_float(dloss).astype(slope.dtype) * self.scale), None


class MeanSquaredError(Loss):
    """loss = Σ (y − t)² / n, the mean over all n elements.

    Shapes: y and t (N, …) alike, weights (N), loss ().
    Gradient: dy = dloss · 2 · (y − t) / n.
    Raises as `Loss` says, which also tells how samples are weighted.
    Source: Legendre, "Nouvelles méthodes", 1805 (least squares).
    """

    def term(self, y: Array, t: Array) -> Array:
        self.error = y - t
        return self.error**2

    def slope(self) -> Array:
        return 2 * self.error


class SumSquaredError(Loss):
    """loss = ½ · Σ (y − t)², or ½ · Σ wₙ · (yₙ − tₙ)²: a sum, never divided.

    Shapes: y and t (N, …) alike, weights (N), loss ().
    Gradient: dy = dloss · (y − t).
    Raises as `Loss` says, but an empty batch has loss 0.
    Source: Saito, "Deep Learning from Scratch", section 4.2.1.
    """

    def term(self, y: Array, t: Array) -> Array:
        self.error = y - t
        return self.error**2 / 2

    def slope(self) -> Array:
        return self.error

    def share(self, y: Array, weights: Array | None) -> Any:
        return y.dtype.type(1) if weights is None else weights


class MeanAbsoluteError(Loss):
    """loss = Σ |y − t| / n, the mean over all n elements.

    Shapes: y and t (N, …) alike, weights (N), loss ().
    Gradient: dy = dloss · sign(y − t) / n.
    At y = t: sign is 0, the least of the subgradients in length.
    Raises as `Loss` says, which also tells how samples are weighted.
    """

    def term(self, y: Array, t: Array) -> Array:
        self.error = y - t
        return np.abs(self.error)

    def slope(self) -> Array:
        return np.sign(self.error)


class Huber(Loss):
    """The mean of ½ · e² where |e| ≤ δ, else of δ · (|e| − ½ · δ), with e = y − t.

    With c = e, cut to [−δ, δ], both are c · (e − ½ · c).
    Shapes: y and t (N, …) alike, weights (N), loss ().
    Gradient: dy = dloss · c / n.
    At |e| = δ: both sides have the slope ±δ.
    Raises as `Loss` says; ValueError unless δ > 0.
    Source: Huber, "Robust estimation of a location parameter", 1964.
    """

    def __init__(self, delta: float = 1.0):
        if not delta > 0:
            raise ValueError(f"Huber: delta must be positive, got {delta}")
        self.delta = delta

    def term(self, y: Array, t: Array) -> Array:
        error = y - t
        self.cut = np.clip(error, -self.delta, self.delta)
        return self.cut * (error - self.cut / 2)

    def slope(self) -> Array:
        return self.cut


class SigmoidCrossEntropy(Loss):
    """The mean of −t · ln σ(y) − (1 − t) · ln(1 − σ(y)), where y are scores before the sigmoid.

    Each term is max(y, 0) − y · t + ln(1 + e^−|y|), which cannot overflow.
    Shapes: y and t (N, …) alike, weights (N), loss ().
    Gradient: dy = dloss · (σ(y) − t) / n.
    Raises as `Loss` says; ValueError where t lies outside [0, 1].
    Source: Bishop, "Pattern recognition and machine learning", 2006, section 4.3.2.
    """

    def term(self, y: Array, t: Array) -> Array:
        if y.size and not (t.min() >= 0 and t.max() <= 1):
            raise ValueError(
                "SigmoidCrossEntropy: t must lie in [0, 1], got numbers from "
                f"{t.min()} to {t.max()}"
            )
        self.y, self.t = y, t
        return np.maximum(y, 0) - y * t + np.log1p(np.exp(-np.abs(y)))

    def slope(self) -> Array:
        return sigmoid(self.y) - self.t
