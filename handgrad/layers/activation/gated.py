"""Activations that multiply x by a gate: SiLU, GELU, Mish, HardSwish; and, one half of x by the
other, GLU, GEGLU, SwiGLU.

Each converts integers to float64.
"""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array, ShapeError, as_float
from handgrad.layer import Layer
from handgrad.layers.activation.rectifier import softplus
from handgrad.layers.activation.sigmoidal import sigmoid
from handgrad.layers.checks import normal_axes
from handgrad.layers.elementwise.error_function import normal


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
        self.phi, self.dphi = gate(self.x)
        return self.x * self.phi

    def backward(self, dy: Array) -> Array:
        return dy * (self.phi + self.x * self.dphi)


def tanh_gate(x: Array) -> tuple[Array, Array]:
    """GELU's approximation of Φ by tanh, and its derivative; both are constant beyond ±10."""
    k, c = float(np.sqrt(2 / np.pi)), 0.044715
    x = np.clip(x, -10, 10)
    tanh = np.tanh(k * (x + c * x**3))
    return 0.5 * (1 + tanh), 0.5 * (1 - tanh**2) * k * (1 + 3 * c * x**2)


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


class HardSwish(Layer):
    """y = x · h, where h = x / 6 + ½, cut to [0, 1]. Shapes: x, y (any).

    Gradient: dx = dy · (h + x / 6) where −3 < x < 3, else dy · h.
    At x = ±3: the outer derivative, 0 or 1.
    Source: Howard et al., "Searching for MobileNetV3", ICCV 2019, section 5.2.
    """

    initial_weights = "he"

    def forward(self, x: Array) -> Array:
        self.x = as_float(x)
        self.h = np.clip(self.x / 6 + 0.5, 0, 1)
        return self.x * self.h

    def backward(self, dy: Array) -> Array:
        inside = (self.h > 0) & (self.h < 1)
        return dy * (self.h + self.x / 6 * inside)


class GLU(Layer):
    """y = a · σ(b), a and b being the halves of x along one axis.

    Shapes: x (…, 2·D, …), y (…, D, …).
    Gradient: da = dy · σ(b), db = dy · a · σ(b) · (1 − σ(b)), side by side.
    Raises ShapeError where x lacks the axis, or its length is odd.
    Source: Dauphin et al., "Language modeling with gated convolutional networks", ICML 2017.
    """

    def __init__(self, axis: int = -1):
        self.axis = axis

    def gate(self, b: Array) -> tuple[Array, Array]:
        """What multiplies a, and its derivative with respect to b."""
        s = sigmoid(b)
        return s, s * (1 - s)

    def forward(self, x: Array) -> Array:
        x = as_float(x)
        (axis,) = normal_axes(self, x)
        if x.shape[axis] % 2:
            raise ShapeError(
                f"{type(self).__name__}: axis {self.axis} must have an even length, got shape "
                f"{x.shape}"
            )
        self.a, b = np.split(x, 2, axis=axis)
        self.gates, self.dgates = self.gate(b)
        return self.a * self.gates

    def backward(self, dy: Array) -> Array:
        return np.concatenate((dy * self.gates, dy * self.a * self.dgates), axis=self.axis)


class GEGLU(GLU):
    """y = a · b · Φ(b), a and b being the halves of x along one axis: GLU with GELU as its gate.

    Shapes: x (…, 2·D, …), y (…, D, …).
    Gradient: da = dy · b · Φ(b), db = dy · a · (Φ(b) + b · Φ′(b)), side by side; Φ is the normal
    distribution function, Φ′ its density.
    Raises ShapeError where x lacks the axis, or its length is odd.
    Source: Shazeer, "GLU variants improve transformer", 2020.
    """

    def gate(self, b: Array) -> tuple[Array, Array]:
        phi, dphi = normal(b)
        return b * phi, phi + b * dphi


class SwiGLU(GLU):
    """y = a · b · σ(b), a and b being the halves of x along one axis: GLU with SiLU as its gate.

    Shapes: x (…, 2·D, …), y (…, D, …).
    Gradient: da = dy · b · s, db = dy · a · (s + b · s · (1 − s)), side by side, with s = σ(b).
    Raises ShapeError where x lacks the axis, or its length is odd.
    Source: Shazeer, "GLU variants improve transformer", 2020.
    """

    def gate(self, b: Array) -> tuple[Array, Array]:
        s = sigmoid(b)
        return b * s, s + b * s * (1 - s)
