"""Softmax and its logarithm: scores become probabilities along one axis."""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array, as_float
from handgrad.layer import Layer
from handgrad.layers.checks import normal_axes, require_length


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
