"""The maximum along axes, and its smooth form, log-sum-exp. Integers become float64."""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array, array_module
from handgrad.layers.checks import require_length
from handgrad.layers.reduction.base import Reduction


class Max(Reduction):
    """y = max x along axes, all of them by default. Shapes: x (any), y without the axes, or 1.

    Gradient: dx = dy at the maximum, 0 elsewhere.
    At a tie: the first in C order gets all of dy, as argmax chooses (NumPy).
    Raises ShapeError where x lacks an axis, or has nothing along it.
    """

    def forward(self, x: Array) -> Array:
        x = self.start(x)
        require_length(self, x, self.axes)
        kept = tuple(a for a in range(x.ndim) if a not in self.axes)
        self.order = kept + self.axes
        rows = x.transpose(self.order)
        self.inner = rows.shape
        rows = rows.reshape(*rows.shape[: len(kept)], self.count)
        self.first = rows.argmax(axis=-1)[..., None]
        y = np.take_along_axis(rows, self.first, axis=-1)
        return self.spread(y) if self.keepdims else y[..., 0]

    def backward(self, dy: Array) -> Array:
        hit = array_module(dy).arange(self.count) == self.first
        hit = hit.reshape(self.inner).transpose(np.argsort(self.order))
        return np.where(hit, self.spread(dy), 0)


class LogSumExp(Reduction):
    """y = ln Σ exp(x) along axes; the largest x is taken out first, so nothing overflows.

    Shapes: x (any), y without the axes, or 1 there.
    Gradient: dx = dy · exp(x − y), the softmax.
    Raises ShapeError where x lacks an axis, or has nothing along it.
    Source: Blanchard, Higham & Higham, "Accurately computing the log-sum-exp and softmax
    functions", 2021.
    """

    def forward(self, x: Array) -> Array:
        x = self.start(x)
        require_length(self, x, self.axes)
        largest = x.max(axis=self.axes, keepdims=True)
        e = np.exp(x - largest)
        total = e.sum(axis=self.axes, keepdims=True)
        self.softmax = e / total
        y = np.log(total) + largest
        return y if self.keepdims else y.sum(axis=self.axes)

    def backward(self, dy: Array) -> Array:
        return self.spread(dy) * self.softmax
