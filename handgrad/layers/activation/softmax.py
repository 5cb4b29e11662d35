"""Softmax, its logarithm, and sparsemax: scores become probabilities along one axis."""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array, as_float
from handgrad.layer import Layer
from handgrad.layers.checks import normal_axes, require_length
from handgrad.tensor import Tensor


class Softmax(Layer):
    """yᵢ = exp(xᵢ) / Σₖ exp(xₖ) along one axis; the largest x is subtracted first.

    Shapes: x, y (any), for instance (N, C) with the axis -1.
    Gradient: dx = y · (dy − Σₖ dyₖ · yₖ).
    Raises ShapeError where x lacks the axis or has nothing along it.
    Source: Bridle, "Probabilistic interpretation of feedforward classification network outputs",
    1990; Saito, "Deep Learning from Scratch", section 3.5.
    """

    def __init__(self, axis: int = -1):
        self.axis = axis

    def forward(self, x: Array) -> Array:
        x = as_float(x)
        require_length(self, x, normal_axes(self, x))
        e = np.exp(x - x.max(axis=self.axis, keepdims=True))
        self.y = e / e.sum(axis=self.axis, keepdims=True)
        return self.y

    def backward(self, dy: Array) -> Array:
        return self.y * (dy - (dy * self.y).sum(axis=self.axis, keepdims=True))


class LogSoftmax(Layer):
    """yᵢ = xᵢ − ln Σₖ exp(xₖ) along one axis; the largest x is subtracted first.

    Shapes: x, y (any), for instance (N, C) with the axis -1.
    Gradient: dx = dy − exp(y) · Σₖ dyₖ.
    Raises ShapeError where x lacks the axis or has nothing along it.
    Source: Blanchard, Higham & Higham, "Accurately computing the log-sum-exp and softmax
    functions", 2021.
    """

    def __init__(self, axis: int = -1):
        self.axis = axis

    def forward(self, x: Array) -> Array:
        x = as_float(x)
        require_length(self, x, normal_axes(self, x))
        x = x - x.max(axis=self.axis, keepdims=True)
        self.y = x - np.log(np.exp(x).sum(axis=self.axis, keepdims=True))
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy - np.exp(self.y) * dy.sum(axis=self.axis, keepdims=True)


class Sparsemax(Layer):
    """y = max(x − τ, 0) along one axis, τ such that Σ y = 1: the distribution nearest to x.

    τ = (Σ_S x − 1) / |S|, where S are the k largest x, k as large as k · x₍ₖ₎ + 1 > Σ of them.
    Shapes: x, y (any), for instance (N, C) with the axis -1.
    Gradient: dx = dy − mean of dy over S on S, else 0.
    At x = τ: outside S, so that the derivative is 0.
    Raises ShapeError where x lacks the axis or has nothing along it.
    Source: Martins & Astudillo, "From softmax to sparsemax", ICML 2016.
    """

    def __init__(self, axis: int = -1):
        self.axis = axis

    def forward(self, x: Array) -> Array:
        x = as_float(x)
        require_length(self, x, normal_axes(self, x))
        x = x - x.max(axis=self.axis, keepdims=True)
        self.on = support(x.data if isinstance(x, Tensor) else x, self.axis)
        self.size = self.on.sum(axis=self.axis, keepdims=True)
        tau = ((x * self.on).sum(axis=self.axis, keepdims=True) - 1) / self.size
        return (x - tau) * self.on

    def backward(self, dy: Array) -> Array:
        dy = dy * self.on
        return (dy - dy.sum(axis=self.axis, keepdims=True) / self.size) * self.on


def support(x: Array, axis: int) -> Array:
    """Where sparsemax of x is above 0: as ones and zeros of x's dtype."""
    falling = -np.sort(-np.moveaxis(x, axis, -1), axis=-1)
    k = np.arange(1, falling.shape[-1] + 1)
    sums = falling.cumsum(axis=-1)
    count = (1 + k * falling > sums).sum(axis=-1, keepdims=True)
    tau = (np.take_along_axis(sums, count - 1, axis=-1) - 1) / count
    return np.asarray(x > np.moveaxis(tau, -1, axis), x.dtype)
