"""Losses on real targets: one term per element, and its derivative right below."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError
from handgrad.layers.checks import is_number
from handgrad.layers.loss.base import ElementwiseLoss


class MeanSquaredError(ElementwiseLoss):
    """loss = Σ (y − t)² / n, the mean over all n elements.

    Shapes: y and t (N, …) alike, weights (N), loss ().
    Gradient: dy = dloss · 2 · (y − t) / n.
    Raises as `ElementwiseLoss` says, which also tells how samples are weighted.
    Source: Legendre, "Nouvelles méthodes", 1805 (least squares).
    """

    def term(self, y: Array, t: Array) -> Array:
        self.error = y - t
        return self.error**2

    def derivative(self) -> Array:
        return 2 * self.error


class SumSquaredError(ElementwiseLoss):
    """loss = ½ · Σ (y − t)², or ½ · Σ wₙ · (yₙ − tₙ)²: a sum, never divided, so D = 1.

    Shapes: y and t (N, …) alike, weights (N), loss ().
    Gradient: dy = dloss · wₙ · (y − t).
    Raises as `ElementwiseLoss` says, but where nothing counts the loss is 0.
    Source: Saito, "Deep Learning from Scratch", section 4.2.1.
    """

    def term(self, y: Array, t: Array) -> Array:
        self.error = y - t
        return self.error**2 / 2

    def derivative(self) -> Array:
        return self.error

    def divisor(self, total: float, count: int) -> float:
        self.denominator = 1.0
        return 1.0

    def together(self, *denominators: float) -> float:
        return 1.0


class MeanAbsoluteError(ElementwiseLoss):
    """loss = Σ |y − t| / n, the mean over all n elements.

    Shapes: y and t (N, …) alike, weights (N), loss ().
    Gradient: dy = dloss · sign(y − t) / n.
    At y = t: sign is 0, the least of the subgradients in length.
    Raises as `ElementwiseLoss` says, which also tells how samples are weighted.
    """

    def term(self, y: Array, t: Array) -> Array:
        self.error = y - t
        return np.abs(self.error)

    def derivative(self) -> Array:
        return np.sign(self.error)


class Huber(ElementwiseLoss):
    """The mean of ½ · e² where |e| ≤ δ, else of δ · (|e| − ½ · δ), with e = y − t.

    With c = e, cut to [−δ, δ], both are c · (e − ½ · c).
    Shapes: y and t (N, …) alike, weights (N), loss ().
    Gradient: dy = dloss · c / n.
    At |e| = δ: both sides have the derivative ±δ.
    Raises as `ElementwiseLoss` says; ValueError unless δ > 0.
    Source: Huber, "Robust estimation of a location parameter", 1964.
    """

    def __init__(self, delta: float = 1.0):
        if not is_number(delta) or delta <= 0:
            raise ValueError(f"Huber: delta must be positive, got {delta!r}")
        self.delta = delta

    def term(self, y: Array, t: Array) -> Array:
        error = y - t
        self.cut = np.clip(error, -self.delta, self.delta)
        return self.cut * (error - self.cut / 2)

    def derivative(self) -> Array:
        return self.cut


class Quantile(ElementwiseLoss):
    """The mean of τ · e where e > 0, else (τ − 1) · e, with e = t − y: least at the τ-quantile.

    τ = tau, a number for all elements, or several, one for each index of the last axis: a network
    with outputs (N, 3), tau=(0.1, 0.5, 0.9) and the target three times beside itself gives an
    interval and its middle.
    Shapes: y and t (N, …) alike, weights (N), loss ().
    Gradient: dy = −dloss · τ / n where t > y, dloss · (1 − τ) / n where t < y.
    At t = y: the derivative counts as 0, the least of the subgradients in length.
    Raises as `ElementwiseLoss` says; ValueError unless 0 < τ < 1, ShapeError where there are not as
    many as the last axis is long.
    Source: Koenker & Bassett, "Regression quantiles", 1978.
    """

    def __init__(self, tau: Any = 0.5):
        for t in tau if isinstance(tau, tuple | list) else (tau,):
            if not is_number(t) or not 0 < t < 1:
                raise ValueError(f"Quantile: tau must lie between 0 and 1, got {tau!r}")
        self.tau = tau

    def term(self, y: Array, t: Array) -> Array:
        tau = np.asarray(self.tau, y.dtype)
        if tau.ndim and tau.shape != y.shape[-1:]:
            raise ShapeError(
                f"Quantile: y (N, …, {tau.size}) is needed, one column for each tau, got {y.shape}"
            )
        error = t - y
        self.dy = np.where(error > 0, -tau, 1 - tau) * (error != 0)
        return -self.dy * error

    def derivative(self) -> Array:
        return self.dy
