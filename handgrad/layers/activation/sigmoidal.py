"""Activations shaped like a step: Step, Sigmoid, Tanh, Softsign, HardSigmoid.

Each converts integers to float64.
"""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array, as_float
from handgrad.layer import Layer, apply
from handgrad.tensor import Tensor


def sigmoid(x: Array) -> Array:
    """1 / (1 + e⁻ˣ), written with e^−|x|, which cannot overflow; recorded on a tensor."""
    if isinstance(x, Tensor):
        return apply(Sigmoid(), x)
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


class Step(Layer):
    """y = 1 where x > 0, else 0. Shapes: x, y (any).

    Gradient: dx = 0: the function is flat, so nothing in front of a Step can learn.
    At x = 0: y = 0, and dx = 0 although the derivative does not exist.
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


class HardSigmoid(Layer):
    """y = x / 6 + ½, cut to [0, 1]. Shapes: x, y (any).

    Gradient: dx = dy / 6 where −3 < x < 3, else 0.
    At x = ±3: the derivative counts as 0.
    Source: Howard et al., "Searching for MobileNetV3", ICCV 2019, section 5.2.
    """

    def forward(self, x: Array) -> Array:
        self.y = np.clip(as_float(x) / 6 + 0.5, 0, 1)
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy / 6 * ((self.y > 0) & (self.y < 1))
