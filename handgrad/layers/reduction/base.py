"""Reduction: what all sums, products and maxima along axes share. Integers become float64."""

from __future__ import annotations

from math import prod

from handgrad.arrays import Array, as_float
from handgrad.layer import Layer
from handgrad.layers.checks import normal_axes

Axis = int | tuple[int, ...] | None


class Reduction(Layer):
    """Base: along `axis` (None for all, an integer, or several), which `keepdims` leaves as 1."""

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
