"""Activations: functions of each element alone. Softmax, which is not, is in softmax.py.

Each converts integers to float64 and says in `initial_weights` which weights suit the layer
before it (see init.py).
"""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array, as_float
from handgrad.layer import Layer, apply
from handgrad.layers.special import normal
from handgrad.tensor import Tensor


def sigmoid(x: Array) -> Array:
    """1 / (1 + e⁻ˣ), written with e^−|x|, which cannot overflow; recorded on a tensor."""
    if isinstance(x, Tensor):
        return apply(Sigmoid(), x)
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


def softplus(x: Array) -> Array:
    """ln(1 + eˣ), written with e^−|x|, which cannot overflow; recorded on a tensor."""
    if isinstance(x, Tensor):
        return apply(Softplus(), x)
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


class Step(Layer):
    """y = 1 where x > 0, else 0. Shapes: x, y (any).

    Gradient: dx = 0: the function is flat, so nothing in front of a Step can learn.
    At x = 0: y = 0, and dx = 0 although the slope does not exist.
    Source: Rosenblatt, "The perceptron", 1958; Saito, "Deep Learning from Scratch", section 3.2.
    """

    def forward(self, x: Array) -> Array:
        x = as_float(x)
        return (x > 0).astype(x.dtype)

    def backward(self, dy: Array) -> Array:
        return np.zeros_like(dy)


class Sigmoid(Layer):
    """y = 1 / (1 + e⁻ˣ). Shapes: x, y (any).

    Gradient: dx = dy · y · (1 − y): the derivative is a function of y alone.
    Source: Saito, "Deep Learning from Scratch", section 5.5.2.
    """

    def forward(self, x: Array) -> Array:
        self.y = sigmoid(as_float(x))
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy * self.y * (1 - self.y)


class Tanh(Layer):
    """y = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ). Shapes: x, y (any).

    Gradient: dx = dy · (1 − y²).
    Source: LeCun et al., "Efficient BackProp", 1998.
    """

    def forward(self, x: Array) -> Array:
        self.y = np.tanh(as_float(x))
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy * (1 - self.y**2)


class ReLU(Layer):
    """y = max(x, 0). Shapes: x, y (any).

    Gradient: dx = dy where x > 0, else 0.
    At x = 0: the slope counts as 0, the least of the subgradients in length.
    Source: Nair & Hinton, "Rectified linear units", ICML 2010; Saito, "Deep Learning from
    Scratch", section 5.5.1.
    """

    initial_weights = "he"

    def forward(self, x: Array) -> Array:
        self.y = np.maximum(as_float(x), 0)
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy * (self.y > 0)


class LeakyReLU(Layer):
    """y = x where x > 0, else slope · x. Shapes: x, y (any).

    Gradient: dx = dy where x > 0, else slope · dy.
    At x = 0: the left slope.
    Source: Maas et al., "Rectifier nonlinearities improve neural network acoustic models", 2013.
    """

    initial_weights = "he"

    def __init__(self, slope: float = 0.01):
        self.slope = slope

    def forward(self, x: Array) -> Array:
        x = as_float(x)
        self.positive = x > 0
        return np.where(self.positive, x, self.slope * x)

    def backward(self, dy: Array) -> Array:
        return np.where(self.positive, dy, self.slope * dy)


class ELU(Layer):
    """y = x where x > 0, else α · (eˣ − 1). Shapes: x, y (any).

    Gradient: dx = dy where x > 0, else dy · α · eˣ.
    At x = 0: the left slope α, which differs from the right one unless α = 1.
    Source: Clevert et al., "Fast and accurate deep network learning by ELUs", ICLR 2016.
    """

    initial_weights = "he"

    def __init__(self, alpha: float = 1.0):
        self.alpha = alpha

    def forward(self, x: Array) -> Array:
        self.x = as_float(x)
        return np.maximum(self.x, 0) + self.alpha * np.expm1(np.minimum(self.x, 0))

    def backward(self, dy: Array) -> Array:
        return dy * np.where(self.x > 0, 1, self.alpha * np.exp(np.minimum(self.x, 0)))


class SELU(Layer):
    """y = λ · x where x > 0, else λ · α · (eˣ − 1). Shapes: x, y (any).

    λ and α make mean 0 and variance 1 a fixed point from layer to layer.
    Gradient: dx = λ · dy where x > 0, else dy · λ · α · eˣ.
    At x = 0: the left slope λα.
    Source: Klambauer et al., "Self-normalizing neural networks", NIPS 2017, section 2.
    """

    initial_weights = "lecun"
    alpha = 1.6732632423543772
    scale = 1.0507009873554805

    def forward(self, x: Array) -> Array:
        self.x = as_float(x)
        below = self.alpha * np.expm1(np.minimum(self.x, 0))
        return self.scale * (np.maximum(self.x, 0) + below)

    def backward(self, dy: Array) -> Array:
        below = self.alpha * np.exp(np.minimum(self.x, 0))
        return dy * self.scale * np.where(self.x > 0, 1, below)


class Softplus(Layer):
    """y = ln(1 + eˣ), computed as max(x, 0) + ln(1 + e^−|x|). Shapes: x, y (any).

    Gradient: dx = dy / (1 + e⁻ˣ), the sigmoid.
    Source: Dugas et al., "Incorporating second-order functional knowledge", NIPS 2000.
    """

    initial_weights = "he"

    def forward(self, x: Array) -> Array:
        self.x = as_float(x)
        return softplus(self.x)

    def backward(self, dy: Array) -> Array:
        return dy * sigmoid(self.x)


class SiLU(Layer):
    """y = x · s, where s = 1 / (1 + e⁻ˣ). Shapes: x, y (any).

    Gradient: dx = dy · (s + x · s · (1 − s)).
    Source: Elfwing et al., "Sigmoid-weighted linear units", 2018; called swish by Ramachandran
    et al., 2017.
    """

    initial_weights = "he"

    def forward(self, x: Array) -> Array:
        self.x = as_float(x)
        self.s = sigmoid(self.x)
        return self.x * self.s

    def backward(self, dy: Array) -> Array:
        return dy * (self.s + self.x * self.s * (1 - self.s))


class GELU(Layer):
    """y = x · Φ(x), where Φ is the normal distribution function. Shapes: x, y (any).

    approximate="tanh": Φ ≈ ½ · (1 + tanh u), u = √(2/π) · (x + 0.044715 · x³), off by ≤ 5e-4.
    Gradient: dx = dy · (Φ + x · Φ′), where Φ′ is the normal density, or the tanh form's own
    derivative ½ · (1 − tanh² u) · u′.
    Raises ValueError for another word than "none" or "tanh".
    Source: Hendrycks & Gimpel, "Gaussian error linear units", 2016.
    """

    initial_weights = "he"

    def __init__(self, *, approximate: str = "none"):
        if approximate not in ("none", "tanh"):
            raise ValueError(f'GELU: approximate must be "none" or "tanh", got {approximate!r}')
        self.approximate = approximate

    def forward(self, x: Array) -> Array:
        self.x = as_float(x)
        gate = tanh_gate if self.approximate == "tanh" else normal
        self.phi, self.slope = gate(self.x)
        return self.x * self.phi

    def backward(self, dy: Array) -> Array:
        return dy * (self.phi + self.x * self.slope)


def tanh_gate(x: Array) -> tuple[Array, Array]:
    """GELU's approximation of Φ by tanh, and its derivative; both are constant beyond ±10."""
    k, c = float(np.sqrt(2 / np.pi)), 0.044715
    x = np.clip(x, -10, 10)
    tanh = np.tanh(k * (x + c * x**3))
    return 0.5 * (1 + tanh), 0.5 * (1 - tanh**2) * k * (1 + 3 * c * x**2)
