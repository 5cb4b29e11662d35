"""Functions that keep their precision near 0 (Log1p, Expm1), and the error function.

Each converts integers to float64.
"""

from __future__ import annotations

from math import factorial, pi, sqrt

import numpy as np

from handgrad.arrays import Array, as_float
from handgrad.layer import Layer, apply
from handgrad.layers.gauss import cdf_and_pdf
from handgrad.tensor import Tensor

# erf x = x · Σ cₙ · x²ⁿ, for |x| < ½ to the last digit of float64; highest power first.
_SERIES = [2 / sqrt(pi) * (-1) ** n / (factorial(n) * (2 * n + 1)) for n in range(12)][::-1]


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


class Expm1(Layer):
    """y = eˣ − 1, exact for small x too. Shapes: x, y (any).

    Gradient: dx = dy · eˣ = dy · (y + 1).
    """

    def forward(self, x: Array) -> Array:
        self.y = np.expm1(as_float(x))
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy * (self.y + 1)


class Erf(Layer):
    """y = 2/√π · ∫₀ˣ exp(−t²) dt = 2 · Φ(x·√2) − 1. Shapes: x, y (any).

    For |x| < ½ by its power series, which keeps the relative precision at 0.
    Gradient: dx = dy · 2/√π · exp(−x²).
    Source: Abramowitz & Stegun, "Handbook of mathematical functions", 1964, 7.1.1 and 7.1.5.
    """

    def forward(self, x: Array) -> Array:
        self.x = as_float(x)
        return erf(self.x)

    def backward(self, dy: Array) -> Array:
        bounded = np.clip(self.x, -30, 30)  # exp(−30²) is 0, and larger squares may overflow
        return dy * (2 / sqrt(pi)) * np.exp(-(bounded**2))


def erf(x: Array) -> Array:
    """The error function of real numbers, or recorded on a tensor."""
    if isinstance(x, Tensor):
        return apply(Erf(), x)
    wide = x.astype(np.float64)
    small = np.clip(wide, -0.5, 0.5)
    series = small * np.polyval(_SERIES, small**2)
    y = np.where(np.abs(wide) < 0.5, series, 2 * cdf_and_pdf(wide * sqrt(2))[0] - 1)
    return y.astype(x.dtype)


def normal(x: Array) -> tuple[Array, Array]:
    """The normal distribution function Φ and its density, of an array or recorded on a tensor."""
    if isinstance(x, Tensor):
        return 0.5 + 0.5 * erf(x * sqrt(0.5)), np.exp(-0.5 * x * x) / sqrt(2 * pi)
    return cdf_and_pdf(x)
