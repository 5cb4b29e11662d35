"""Variance, standard deviation and norm along axes. Integers become float64."""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array, ShapeError
from handgrad.layers.checks import require_length
from handgrad.layers.reduction.base import Axis, Reduction


class Var(Reduction):
    """y = Σ (x − mean)² / (n − ddof) along axes, n elements each: first the mean, then the squares.

    The first element is taken off before, so that of equal elements y and dx are exactly 0.

    Shapes: x (any), y without the axes, or 1 there.
    Gradient: dx = dy · 2 · (x − mean) / (n − ddof); what goes through the mean sums to 0.
    Raises ShapeError where x lacks an axis, or n ≤ ddof.
    Source: Chan, Golub & LeVeque, "Algorithms for computing the sample variance", 1983.
    """

    def __init__(self, axis: Axis = None, *, ddof: int = 0, keepdims: bool = False):
        self.axis, self.ddof, self.keepdims = axis, ddof, keepdims

    def center(self, x: Array) -> Array:
        """The sum of squares along the axes; keeps the differences to the mean."""
        x = self.start(x)
        if self.count <= self.ddof:
            raise ShapeError(
                f"{type(self).__name__}: axis {self.axis} needs more than {self.ddof} elements, "
                f"got shape {x.shape}"
            )
        x = x - x[tuple(slice(1) if a in self.axes else slice(None) for a in range(x.ndim))]
        self.difference = x - x.mean(axis=self.axes, keepdims=True)
        return (self.difference**2).sum(axis=self.axes, keepdims=self.keepdims)

    def forward(self, x: Array) -> Array:
        return self.center(x) / (self.count - self.ddof)

    def backward(self, dy: Array) -> Array:
        return self.spread(dy) * self.difference * (2 / (self.count - self.ddof))


class Std(Var):
    """y = √Var(x) along axes. Shapes: x (any), y without the axes, or 1 there.

    Gradient: dx = dy · (x − mean) / ((n − ddof) · y).
    At y = 0, where all x are equal: dx = 0, the middle of the subgradients.
    Raises ShapeError where x lacks an axis, or n ≤ ddof.
    """

    def forward(self, x: Array) -> Array:
        self.y = np.sqrt(self.center(x) / (self.count - self.ddof))
        return self.y

    def backward(self, dy: Array) -> Array:
        y = np.where(self.y == 0, 1, self.y)
        return self.spread(dy / y) * self.difference * (1 / (self.count - self.ddof))


class Norm(Reduction):
    """y = (Σ |x|ᵖ)^(1/p) along axes, for p ≥ 1; the largest |x| is taken out: nothing overflows.

    Shapes: x (any), y without the axes, or 1 there.
    Gradient: dx = dy · sign(x) · (|x| / y)^(p−1); for p = 2 it is dy · x / y.
    At x = 0: sign is 0; at y = 0, where all x are 0, dx = 0: the subgradient of least norm.
    Raises ShapeError where x lacks an axis, or has nothing along it; ValueError for p < 1 or
    infinite (use Abs, then Max).
    """

    def __init__(self, p: float = 2, axis: Axis = None, *, keepdims: bool = False):
        if not 1 <= p < np.inf:
            raise ValueError(f"Norm: p must lie in [1, ∞), got {p}; for ∞ use Abs, then Max")
        self.p, self.axis, self.keepdims = p, axis, keepdims

    def forward(self, x: Array) -> Array:
        self.x = self.start(x)
        require_length(self, self.x, self.axes)
        size = np.abs(self.x)
        largest = size.max(axis=self.axes, keepdims=True)
        scale = np.where(largest == 0, 1, largest)
        powers = (size / scale) ** self.p
        self.y = scale * powers.sum(axis=self.axes, keepdims=True) ** (1 / self.p)
        return self.y if self.keepdims else self.y.sum(axis=self.axes)

    def backward(self, dy: Array) -> Array:
        y = np.where(self.y == 0, 1, self.y)
        if self.p == 2:
            return self.spread(dy) * (self.x / y)
        return self.spread(dy) * np.sign(self.x) * (np.abs(self.x) / y) ** (self.p - 1)
