"""The hyperbolic functions and their inverses, elementwise. Tanh is among the activations.

Each converts integers to float64.
"""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array, as_float
from handgrad.layer import Layer


class Sinh(Layer):
    """y = (eˣ − e⁻ˣ) / 2. Shapes: x, y (any).

    Gradient: dx = dy · cosh x.
    """

    def forward(self, x: Array) -> Array:
        self.x = as_float(x)
        return np.sinh(self.x)

    def backward(self, dy: Array) -> Array:
        return dy * np.cosh(self.x)


class Cosh(Layer):
    """y = (eˣ + e⁻ˣ) / 2. Shapes: x, y (any).

    Gradient: dx = dy · sinh x.
    """

    def forward(self, x: Array) -> Array:
        self.x = as_float(x)
        return np.cosh(self.x)

    def backward(self, dy: Array) -> Array:
        return dy * np.sinh(self.x)


class Arcsinh(Layer):
    """y = ln(x + √(x² + 1)). Shapes: x, y (any).

    Gradient: dx = dy / √(1 + x²).
    """

    def forward(self, x: Array) -> Array:
        self.x = as_float(x)
        return np.arcsinh(self.x)

    def backward(self, dy: Array) -> Array:
        return dy / np.hypot(1, self.x)


class Arccosh(Layer):
    """y = ln(x + √(x² − 1)), for x ≥ 1. Shapes: x, y (any).

    Gradient: dx = dy / √(x² − 1), infinite at x = 1.
    Below 1, y is NaN, with NumPy's warning.
    """

    def forward(self, x: Array) -> Array:
        self.x = as_float(x)
        return np.arccosh(self.x)

    def backward(self, dy: Array) -> Array:
        return dy / (np.sqrt(self.x - 1) * np.sqrt(self.x + 1))


class Arctanh(Layer):
    """y = ½ · ln((1 + x) / (1 − x)), for −1 < x < 1. Shapes: x, y (any).

    Gradient: dx = dy / (1 − x²).
    At ±1, y is infinite and beyond NaN, with NumPy's warning.
    """

    def forward(self, x: Array) -> Array:
        self.x = as_float(x)
        return np.arctanh(self.x)

    def backward(self, dy: Array) -> Array:
        return dy / ((1 - self.x) * (1 + self.x))
