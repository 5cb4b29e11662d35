"""CosineSimilarity: how far two vectors point the same way."""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array, as_float
from handgrad.layer import Layer
from handgrad.layers.checks import normal_axes, require_equal_shapes


class CosineSimilarity(Layer):
    """y = Σ a · b / (|a| · |b|) along one axis, each length being at least ε.

    Shapes: a, b (…, D, …) alike, y (…) without the axis.
    Gradient: with â = a / |a| and b̂ = b / |b|: da = dy · (b̂ − y · â) / |a|, db = dy ·
    (â − y · b̂) / |b|.
    At |a| ≤ ε: the length counts as the constant ε, so da = dy · b̂ / ε.
    Raises ShapeError where a and b differ in shape, or lack the axis.
    Source: Salton, Wong & Yang, "A vector space model for automatic indexing", 1975.
    """

    def __init__(self, axis: int = -1, eps: float = 1e-8):
        self.axis, self.eps = axis, eps

    def forward(self, a: Array, b: Array) -> Array:
        require_equal_shapes(self, a, b)
        a, b = as_float(a), as_float(b)
        (self.along,) = normal_axes(self, a)
        self.a, self.length_a, self.free_a = self._unit(a)
        self.b, self.length_b, self.free_b = self._unit(b)
        y = (self.a * self.b).sum(axis=self.along, keepdims=True)
        self.y = y
        return y.sum(axis=self.along)

    def _unit(self, x: Array) -> tuple[Array, Array, Array]:
        """x / |x|, |x|, and whether |x| is above ε."""
        squares = (x**2).sum(axis=self.along, keepdims=True)
        free = squares > self.eps**2
        length = np.sqrt(np.where(free, squares, self.eps**2))
        return x / length, length, free

    def backward(self, dy: Array) -> tuple[Array, Array]:
        dy = as_float(dy)
        dy = dy.reshape(self.y.shape)
        da = dy * (self.b - self.y * self.a * self.free_a) / self.length_a
        db = dy * (self.a - self.y * self.b * self.free_b) / self.length_b
        return da, db
