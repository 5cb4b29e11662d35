"""Exponential and logarithm, and the forms that keep their precision near 0."""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array, array_module, as_float
from handgrad.layer import Layer


class Exp(Layer):
    """y = eˣ, elementwise. Shapes: x, y (any).

    Gradient: dx = dy · y.
    """

    def forward(self, x: Array) -> Array:
        self.y = array_module(x).exp(x)
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy * self.y


class Expm1(Layer):
    """y = eˣ − 1, exact for small x too. Shapes: x, y (any).

    Gradient: dx = dy · eˣ = dy · (y + 1).
    """

    def forward(self, x: Array) -> Array:
        self.y = np.expm1(as_float(x))
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy * (self.y + 1)


class Log(Layer):
    """y = ln x, elementwise, for x > 0. Shapes: x, y (any).

    Gradient: dx = dy / x.
    At x = 0, y is −∞ and below NaN, with NumPy's warning.
    """

    def forward(self, x: Array) -> Array:
        self.x = x
        return array_module(x).log(x)

    def backward(self, dy: Array) -> Array:
        return dy / self.x


class Log1p(Layer):
    """y = ln(1 + x), exact for small x too. Shapes: x, y (any).

    Gradient: dx = dy / (1 + x).
    At x = −1, y is −∞ and below NaN, with NumPy's warning.
    """

    def forward(self, x: Array) -> Array:
        self.x = as_float(x)
        return np.log1p(self.x)

    def backward(self, dy: Array) -> Array:
        return dy / (1 + self.x)
