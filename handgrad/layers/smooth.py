"""More smooth activations: CELU, Softsign, Mish; and GLU, which gates one half by the other.

Each converts integers to float64.
"""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array, ShapeError, as_float
from handgrad.layer import Layer
from handgrad.layers.activation import sigmoid, softplus
from handgrad.layers.axes import normal_axes


class CELU(Layer):
    """y = x where x > 0, else α · (exp(x / α) − 1). Shapes: x, y (any).

    Gradient: dx = dy where x > 0, else dy · exp(x / α): the slope is 1 on both sides of 0.
    Raises ValueError unless α > 0.
    Source: Barron, "Continuously differentiable exponential linear units", 2017.
    """

    initial_weights = "he"

    def __init__(self, alpha: float = 1.0):
        if not alpha > 0:
            raise ValueError(f"CELU: alpha must be positive, got {alpha}")
        self.alpha = alpha

    def forward(self, x: Array) -> Array:
        self.x = as_float(x)
        below = self.alpha * np.expm1(np.minimum(self.x, 0) / self.alpha)
        return np.maximum(self.x, 0) + below

    def backward(self, dy: Array) -> Array:
        return dy * np.exp(np.minimum(self.x, 0) / self.alpha)


class Softsign(Layer):
    """y = x / (1 + |x|). Shapes: x, y (any).

    Gradient: dx = dy / (1 + |x|)².
    Source: Turian et al., "Quadratic features and deep architectures for chunking", 2009.
    """

    def forward(self, x: Array) -> Array:
        x = as_float(x)
        self.scale = 1 + np.abs(x)
        return x / self.scale

    def backward(self, dy: Array) -> Array:
        return dy / self.scale / self.scale


class Mish(Layer):
    """y = x · tanh(ln(1 + eˣ)). Shapes: x, y (any).

    Gradient: dx = dy · (t + x · (1 − t²) · σ(x)), where t is the tanh, σ the sigmoid.
    Source: Misra, "Mish: a self regularized non-monotonic activation function", BMVC 2020.
    """

    initial_weights = "he"

    def forward(self, x: Array) -> Array:
        self.x = as_float(x)
        self.t = np.tanh(softplus(self.x))
        return self.x * self.t

    def backward(self, dy: Array) -> Array:
        return dy * (self.t + self.x * (1 - self.t**2) * sigmoid(self.x))


class GLU(Layer):
    """y = a · σ(b), a and b being the halves of x along one axis.

    Shapes: x (…, 2·D, …), y (…, D, …).
    Gradient: da = dy · σ(b), db = dy · a · σ(b) · (1 − σ(b)), side by side.
    Raises ShapeError where x lacks the axis, or its length is odd.
    Source: Dauphin et al., "Language modeling with gated convolutional networks", ICML 2017.
    """

    def __init__(self, axis: int = -1):
        self.axis = axis

    def forward(self, x: Array) -> Array:
        x = as_float(x)
        (axis,) = normal_axes(self, x)
        if x.shape[axis] % 2:
            raise ShapeError(f"GLU: axis {self.axis} must have an even length, got shape {x.shape}")
        self.a, b = np.split(x, 2, axis=axis)
        self.gate = sigmoid(b)
        return self.a * self.gate

    def backward(self, dy: Array) -> Array:
        da = dy * self.gate
        return np.concatenate((da, da * self.a * (1 - self.gate)), axis=self.axis)
