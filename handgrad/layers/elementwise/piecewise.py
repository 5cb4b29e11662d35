"""Functions made of pieces: Abs, Maximum, Minimum, Clip, Where."""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array, as_float
from handgrad.layer import Layer
from handgrad.layers.checks import require_equal_shapes


class Abs(Layer):
    """y = |x|. Shapes: x, y (any). Integers become float64.

    Gradient: dx = dy · sign x.
    At x = 0: the derivative counts as 0, the subgradient of least norm.
    """

    def forward(self, x: Array) -> Array:
        self.x = as_float(x)
        return np.abs(self.x)

    def backward(self, dy: Array) -> Array:
        return dy * np.sign(self.x)


class Maximum(Layer):
    """y = the larger of a and b, elementwise. Shapes: a, b, y (any, equal).

    Gradient: dy goes to the larger, 0 to the other.
    At a tie: the first, a, gets all of dy, as Max gives it to the first.
    Raises ShapeError for unequal shapes.
    """

    def forward(self, a: Array, b: Array) -> Array:
        require_equal_shapes(self, a, b)
        self.first = a >= b
        return np.maximum(a, b)

    def backward(self, dy: Array) -> tuple[Array, Array]:
        return np.where(self.first, dy, 0), np.where(self.first, 0, dy)


class Minimum(Layer):
    """y = the smaller of a and b, elementwise. Shapes: a, b, y (any, equal).

    Gradient: dy goes to the smaller, 0 to the other.
    At a tie: the first, a, gets all of dy.
    Raises ShapeError for unequal shapes.
    """

    def forward(self, a: Array, b: Array) -> Array:
        require_equal_shapes(self, a, b)
        self.first = a <= b
        return np.minimum(a, b)

    def backward(self, dy: Array) -> tuple[Array, Array]:
        return np.where(self.first, dy, 0), np.where(self.first, 0, dy)


class Where(Layer):
    """y = a where the condition is true, else b. Shapes: condition, a, b, y (any, equal).

    Gradient: dy goes to the one that was chosen, 0 to the other; none for the condition.
    Raises ShapeError for unequal shapes.
    """

    linear = True

    def forward(self, condition: Array, a: Array, b: Array) -> Array:
        require_equal_shapes(self, condition, a, b)
        self.chosen = np.asarray(condition, bool)
        return np.where(self.chosen, a, b)

    def backward(self, dy: Array) -> tuple[None, Array, Array]:
        return None, np.where(self.chosen, dy, 0), np.where(self.chosen, 0, dy)


class Clip(Layer):
    """y = x, cut to [low, high]; None for no limit. Shapes: x, y (any). Integers become float64.

    Gradient: dx = dy where low ≤ x ≤ high, else 0.
    At a limit: the derivative of the inside, 1.
    Raises ValueError where low > high, or both are None.
    """

    def __init__(self, low: float | None, high: float | None):
        one_sided = (low is None) != (high is None)
        if not one_sided and not (low is not None and high is not None and low <= high):
            raise ValueError(f"Clip: limits with low ≤ high are needed, got {low} and {high}")
        self.low, self.high = low, high

    def forward(self, x: Array) -> Array:
        x = as_float(x)
        low = -np.inf if self.low is None else self.low
        high = np.inf if self.high is None else self.high
        self.inside = (x >= low) & (x <= high)
        return np.clip(x, low, high)

    def backward(self, dy: Array) -> Array:
        return np.where(self.inside, dy, 0)
