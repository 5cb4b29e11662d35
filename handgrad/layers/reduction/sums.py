"""Sums and products along axes: Sum, Mean, CumSum, Prod. Integers become float64."""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array, as_float
from handgrad.layer import Layer
from handgrad.layers.checks import normal_axes, require_length
from handgrad.layers.reduction.base import Reduction


class Sum(Reduction):
    """y = Σ x along axes, all of them by default. Shapes: x (any), y without the axes, or 1 there.

    Gradient: dx = dy, copied along the axes: every summand counts once.
    Raises ShapeError where x lacks an axis.
    """

    linear = True

    def forward(self, x: Array) -> Array:
        return self.start(x).sum(axis=self.axes, keepdims=self.keepdims)

    def backward(self, dy: Array) -> Array:
        return np.broadcast_to(self.spread(dy), self.shape)


class Mean(Reduction):
    """y = Σ x / n along axes, n elements each. Shapes: x (any), y without the axes, or 1 there.

    Gradient: dx = dy / n, copied along the axes.
    Raises ShapeError where x lacks an axis, or n is 0.
    """

    linear = True

    def forward(self, x: Array) -> Array:
        x = self.start(x)
        require_length(self, x, self.axes)
        return x.mean(axis=self.axes, keepdims=self.keepdims)

    def backward(self, dy: Array) -> Array:
        return np.broadcast_to(self.spread(dy) / self.count, self.shape)


class CumSum(Layer):
    """yᵢ = x₀ + … + xᵢ along one axis. Shapes: x, y (any). Integers become float64.

    Gradient: dxᵢ = dyᵢ + … + dyₙ: xᵢ is in every sum from the i-th on.
    Raises ShapeError where x lacks the axis.
    """

    linear = True

    def __init__(self, axis: int = -1):
        self.axis = axis

    def forward(self, x: Array) -> Array:
        x = as_float(x)
        normal_axes(self, x)
        return np.cumsum(x, axis=self.axis)

    def backward(self, dy: Array) -> Array:
        return np.flip(np.cumsum(np.flip(dy, self.axis), axis=self.axis), self.axis)


class Prod(Reduction):
    """y = Π x along axes, all of them by default. Shapes: x (any), y without the axes, or 1 there.

    Gradient: dxᵢ = dy · Π_{j≠i} xⱼ, from the products before i and after i, never by dividing
    y / xᵢ: so it is exact where some x are 0.
    Raises ShapeError where x lacks an axis.
    """

    def forward(self, x: Array) -> Array:
        x = self.start(x)
        kept = tuple(a for a in range(x.ndim) if a not in self.axes)
        self.order = kept + self.axes
        moved = x.transpose(self.order)
        self.moved = moved.shape
        self.rows = moved.reshape((*moved.shape[: len(kept)], self.count))
        return x.prod(axis=self.axes, keepdims=self.keepdims)

    def backward(self, dy: Array) -> Array:
        one = np.ones((*self.rows.shape[:-1], 1), self.rows.dtype)
        before = np.cumprod(np.concatenate((one, self.rows), axis=-1), axis=-1)[..., :-1]
        after = np.cumprod(np.concatenate((one, np.flip(self.rows, -1)), axis=-1), axis=-1)
        others = before * np.flip(after[..., :-1], -1)
        return self.spread(dy) * others.reshape(self.moved).transpose(np.argsort(self.order))
