"""Reductions: the sum, the mean and the maximum along axes. Integers become float64."""

from __future__ import annotations

from math import prod

import numpy as np

from handgrad.arrays import Array, array_module, as_float
from handgrad.layer import Layer
from handgrad.layers.axes import normal_axes, require_length

Axis = int | tuple[int, ...] | None


class Reduction(Layer):
    """Base: along `axis` (None for all, a number, or several), which `keepdims` leaves as 1."""

    def __init__(self, axis: Axis = None, *, keepdims: bool = False):
        self.axis, self.keepdims = axis, keepdims

    def start(self, x: Array) -> Array:
        """x as real numbers; keeps its shape and the axes counted from 0."""
        x = as_float(x)
        self.axes = normal_axes(self, x)
        self.shape, self.dtype = x.shape, x.dtype
        self.count = prod(x.shape[a] for a in self.axes)
        return x

    def spread(self, dy: Array) -> Array:
        """dy with the lost axes put back as ones, in the dtype of x."""
        lengths = tuple(1 if a in self.axes else n for a, n in enumerate(self.shape))
        return as_float(dy).astype(self.dtype, copy=False).reshape(lengths)


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


class Max(Reduction):
    """y = max x along axes, all of them by default. Shapes: x (any), y without the axes, or 1.

    Gradient: dx = dy at the maximum, 0 elsewhere.
    At a tie: the first in C order gets all of dy, as argmax chooses (NumPy).
    Raises ShapeError where x lacks an axis, or has nothing along it.
    """

    def forward(self, x: Array) -> Array:
        x = self.start(x)
        require_length(self, x, self.axes)
        kept = tuple(a for a in range(x.ndim) if a not in self.axes)
        self.order = kept + self.axes
        rows = x.transpose(self.order)
        self.inner = rows.shape
        rows = rows.reshape(*rows.shape[: len(kept)], self.count)
        self.first = rows.argmax(axis=-1)[..., None]
        y = np.take_along_axis(rows, self.first, axis=-1)
        return self.spread(y) if self.keepdims else y[..., 0]

    def backward(self, dy: Array) -> Array:
        hit = array_module(dy).arange(self.count) == self.first
        hit = hit.reshape(self.inner).transpose(np.argsort(self.order))
        return np.where(hit, self.spread(dy), 0)
