"""Losses for few positives among many negatives: Focal on scores, Dice on probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, as_float
from handgrad.layers.activation import sigmoid, softplus
from handgrad.layers.checks import is_number
from handgrad.layers.loss.base import ElementwiseLoss, Loss


class Focal(ElementwiseLoss):
    """The mean of −a · (1 − p)^γ · ln p, p being the probability that σ(y) gives to what is right.

    p = σ(z), z = y where t = 1 and −y where t = 0; γ = power; a = alpha where t = 1, else
    1 − alpha, and 1 without alpha. What is already right with p near 1 hardly counts; with γ = 0
    it is SigmoidCrossEntropy.
    Shapes: y scores and t (N, …) alike, t 0 or 1; weights (N), loss ().
    Gradient: dz = −dloss · a · (1 − p)^γ · (1 − p − γ · p · ln p) / n, dy = dz, or −dz where t = 0.
    Raises as `ElementwiseLoss` says; ValueError for t other than 0 and 1, power below 0, alpha
    outside (0, 1).
    Source: Lin et al., "Focal loss for dense object detection", ICCV 2017.
    """

    def __init__(self, power: float = 2.0, *, alpha: float | None = None):
        if not is_number(power) or power < 0:
            raise ValueError(f"Focal: power must be ≥ 0, got {power!r}")
        if alpha is not None and not (is_number(alpha) and 0 < alpha < 1):
            raise ValueError(f"Focal: alpha must lie in (0, 1), got {alpha!r}")
        self.power, self.alpha = power, alpha

    def term(self, y: Array, t: Array) -> Array:
        if not ((t == 0) | (t == 1)).all():
            raise ValueError(f"Focal: t must be 0 or 1, got values from {t.min()} to {t.max()}")
        self.sign = 2 * t - 1
        z = self.sign * y
        self.p, self.lost = sigmoid(z), softplus(-z)
        self.factor = sigmoid(-z) ** self.power
        if self.alpha is not None:
            self.factor = self.factor * np.where(t > 0, self.alpha, 1 - self.alpha).astype(t.dtype)
        return self.factor * self.lost

    def derivative(self) -> Array:
        p = self.p
        return -self.sign * self.factor * (1 - p + self.power * p * self.lost)


class Dice(Loss):
    """loss = Σ wₙ · (1 − (2 · Σ y · t + ε) / (Σ y + Σ t + ε)) / D, sums over each sample.

    One minus how far what is found and what is there overlap, y being probabilities such as
    Sigmoid gives; D = Σ wₙ, all wₙ = 1 where none are given.
    Shapes: y and t (N, …) alike, weights (N), loss ().
    Gradient: dy = dloss · wₙ / D · (I − 2 · t · S) / S², with I = 2 · Σ y · t + ε and S =
    Σ y + Σ t + ε.
    Raises as `Loss` says; ShapeError where t does not fit y, ValueError where y or t is negative,
    or for eps ≤ 0.
    Source: Milletari et al., "V-Net", 3DV 2016; Sudre et al., "Generalised Dice overlap as a deep
    learning loss function", 2017.
    """

    def __init__(self, eps: float = 1.0):
        if not is_number(eps) or eps <= 0:
            raise ValueError(f"Dice: eps must be positive, got {eps!r}")
        self.eps = eps

    def forward(self, y: Array, t: Array, weights: Array | None = None) -> Array:
        y = as_float(y)
        self.t = t = as_float(t, y.dtype).astype(y.dtype, copy=False)
        if y.shape != t.shape or not y.ndim:
            raise ShapeError(f"Dice: y and t need one shape (N, …), got {y.shape} and {t.shape}")
        for name, a in (("y", y), ("t", t)):
            if a.size and not a.min() >= 0:
                raise ValueError(f"Dice: {name} must be ≥ 0, got values from {a.min()}")
        self.share = self.weigh(y, weights)
        axes = tuple(range(1, y.ndim))
        self.both = 2 * (y * t).sum(axis=axes, keepdims=True) + self.eps
        self.all = (y + t).sum(axis=axes, keepdims=True) + self.eps
        return (self.share * (1 - self.both / self.all)).sum()

    def backward(self, dloss: Any = 1.0) -> tuple[Array, None]:
        scale = as_float(dloss).astype(self.t.dtype) * self.share
        return scale * (self.both - 2 * self.t * self.all) / self.all**2, None
