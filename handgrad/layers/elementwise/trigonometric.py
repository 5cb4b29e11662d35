"""The trigonometric functions and their inverses, elementwise, in radians.

Each converts integers to float64.
"""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array, as_float
from handgrad.layer import Layer


class Sin(Layer):
    """y = sin x. Shapes: x, y (any).

    Gradient: dx = dy · cos x.
    """

    def forward(self, x: Array) -> Array:
        self.x = as_float(x)
        return np.sin(self.x)

    def backward(self, dy: Array) -> Array:
        return dy * np.cos(self.x)


class Cos(Layer):
    """y = cos x. Shapes: x, y (any).

    Gradient: dx = −dy · sin x.
    """

    def forward(self, x: Array) -> Array:
        self.x = as_float(x)
        return np.cos(self.x)

    def backward(self, dy: Array) -> Array:
        return -dy * np.sin(self.x)


class Tan(Layer):
    """y = tan x. Shapes: x, y (any).

    Gradient: dx = dy · (1 + y²).
    """

    def forward(self, x: Array) -> Array:
        self.y = np.tan(as_float(x))
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy * (1 + self.y**2)


class Arcsin(Layer):
    """y = the angle from −π/2 to π/2 whose sine is x, for −1 ≤ x ≤ 1. Shapes: x, y (any).

    Gradient: dx = dy / √(1 − x²), infinite at x = ±1.
    Beyond ±1, y is NaN, with NumPy's warning.
    """

    def forward(self, x: Array) -> Array:
        self.x = as_float(x)
        return np.arcsin(self.x)

    def backward(self, dy: Array) -> Array:
        return dy / np.sqrt((1 - self.x) * (1 + self.x))


class Arccos(Layer):
    """y = the angle from 0 to π whose cosine is x, for −1 ≤ x ≤ 1. Shapes: x, y (any).

    Gradient: dx = −dy / √(1 − x²), infinite at x = ±1.
    Beyond ±1, y is NaN, with NumPy's warning.
    """

    def forward(self, x: Array) -> Array:
        self.x = as_float(x)
        return np.arccos(self.x)

    def backward(self, dy: Array) -> Array:
        return -dy / np.sqrt((1 - self.x) * (1 + self.x))


class Arctan(Layer):
    """y = the angle from −π/2 to π/2 whose tangent is x. Shapes: x, y (any).

    Gradient: dx = dy / (1 + x²), divided twice by √(1 + x²), which cannot overflow.
    """

    def forward(self, x: Array) -> Array:
        self.x = as_float(x)
        return np.arctan(self.x)

    def backward(self, dy: Array) -> Array:
        length = np.hypot(1, self.x)
        return dy / length / length
