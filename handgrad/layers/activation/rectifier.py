"""Rectifiers: x where it is positive, and little below. ReLU and its relatives.

Each converts integers to float64 and says in `initial_weights` which weights suit the layer
before it (see init.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, as_float
from handgrad.layer import Layer, apply
from handgrad.layers.activation.sigmoidal import sigmoid
from handgrad.layers.checks import is_number, require_number
from handgrad.tensor import Tensor


class ReLU(Layer):
    """y = max(x, 0). Shapes: x, y (any).

    Gradient: dx = dy where x > 0, else 0.
    At x = 0: the derivative counts as 0, the subgradient of least norm.
    Source: Nair & Hinton, "Rectified linear units", ICML 2010; Saito, "Deep Learning from
    Scratch", section 5.5.1.
    """

    initial_weights = "he"

    def forward(self, x: Array) -> Array:
        self.y = np.maximum(as_float(x), 0)
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy * (self.y > 0)


class ReLU6(Layer):
    """y = min(max(x, 0), 6). Shapes: x, y (any).

    Gradient: dx = dy where 0 < x < 6, else 0.
    At x = 0 and x = 6: the derivative counts as 0, the subgradient of least norm.
    Source: Krizhevsky, "Convolutional deep belief networks on CIFAR-10", 2010.
    """

    initial_weights = "he"

    def forward(self, x: Array) -> Array:
        self.y = np.clip(as_float(x), 0, 6)
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy * ((self.y > 0) & (self.y < 6))


class LeakyReLU(Layer):
    """y = x where x > 0, else alpha · x. Shapes: x, y (any).

    Gradient: dx = dy where x > 0, else alpha · dy.
    At x = 0: the left derivative.
    Source: Maas et al., "Rectifier nonlinearities improve neural network acoustic models", 2013.
    """

    initial_weights = "he"

    def __init__(self, alpha: float = 0.01):
        require_number(self, alpha=alpha)
        self.alpha = alpha

    def forward(self, x: Array) -> Array:
        x = as_float(x)
        self.positive = x > 0
        return np.where(self.positive, x, self.alpha * x)

    def backward(self, dy: Array) -> Array:
        return np.where(self.positive, dy, self.alpha * dy)


class PReLU(Layer):
    """y = x where x > 0, else a · x, the coefficient a being learned.

    Shapes: x, y (N, C, …); a (1), or with `per_channel` (C), found from the first batch. a starts
    at `init`.
    Gradient: dx = dy where x > 0, else a · dy; da = Σ dy · x over all x ≤ 0 that share it.
    At x = 0: the left derivative.
    Raises ShapeError where x has no channels, or not C; ValueError for init that is no number.
    Source: He et al., "Delving deep into rectifiers", ICCV 2015.
    """

    params = ("a",)
    initial_weights = "he"

    def __init__(self, *, per_channel: bool = False, init: float = 0.25):
        if not isinstance(init, int | float | np.number):
            raise ValueError(f"PReLU: init is the first coefficient, a number, got {init!r}")
        self.per_channel, self.init = per_channel, init

    def build(self, x: Any = None) -> None:
        if "a" in self.__dict__ or (x is None and self.per_channel):
            return
        if self.per_channel and np.ndim(x) < 2:
            raise ShapeError(f"PReLU: x (N, C, …) needs a channel axis, got shape {np.shape(x)}")
        dtype = self.dtype or (np.float64 if x is None else as_float(x).dtype)
        self.a = np.full(x.shape[1] if self.per_channel else 1, self.init, dtype)

    def forward(self, x: Array) -> Array:
        self.build(x)
        self.x = as_float(x, self.a.dtype)
        return np.where(self.x > 0, self.x, self._slope() * self.x)

    def backward(self, dy: Array) -> Array:
        below = np.where(self.x > 0, 0, dy * self.x)
        shared = tuple(a for a in range(below.ndim) if not (self.per_channel and a == 1))
        self.da = below.sum(axis=shared).reshape(self.a.shape)
        return np.where(self.x > 0, dy, self._slope() * dy)

    def _slope(self) -> Array:
        if not self.per_channel:
            return self.a.reshape(()) if self.x.ndim == 0 else self.a
        if self.x.ndim < 2 or self.x.shape[1] != len(self.a):
            raise ShapeError(f"PReLU: x needs {len(self.a)} channels (N, C, …), got {self.x.shape}")
        return self.a.reshape((len(self.a),) + (1,) * (self.x.ndim - 2))


class ELU(Layer):
    """y = x where x > 0, else α · (eˣ − 1). Shapes: x, y (any).

    Gradient: dx = dy where x > 0, else dy · α · eˣ.
    At x = 0: the left derivative α, which differs from the right one unless α = 1.
    Source: Clevert et al., "Fast and accurate deep network learning by ELUs", ICLR 2016.
    """

    initial_weights = "he"

    def __init__(self, alpha: float = 1.0):
        require_number(self, alpha=alpha)
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
    At x = 0: the left derivative λα.
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


class CELU(Layer):
    """y = x where x > 0, else α · (exp(x / α) − 1). Shapes: x, y (any).

    Gradient: dx = dy where x > 0, else dy · exp(x / α): the derivative is 1 on both sides of 0.
    Raises ValueError unless α > 0.
    Source: Barron, "Continuously differentiable exponential linear units", 2017.
    """

    initial_weights = "he"

    def __init__(self, alpha: float = 1.0):
        if not is_number(alpha) or alpha <= 0:
            raise ValueError(f"CELU: alpha must be positive, got {alpha!r}")
        self.alpha = alpha

    def forward(self, x: Array) -> Array:
        self.x = as_float(x)
        below = self.alpha * np.expm1(np.minimum(self.x, 0) / self.alpha)
        return np.maximum(self.x, 0) + below

    def backward(self, dy: Array) -> Array:
        return dy * np.exp(np.minimum(self.x, 0) / self.alpha)


def softplus(x: Array) -> Array:
    """ln(1 + eˣ), written with e^−|x|, which cannot overflow; recorded on a tensor."""
    if isinstance(x, Tensor):
        return apply(Softplus(), x)
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


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
