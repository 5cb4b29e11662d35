"""SumForm: a loss as sums over some samples, to be divided when the sums of all are there."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layer import shallow_clone
from handgrad.layers import Loss
from handgrad.train.engine.numpy_engine import denominator


class SumForm:
    """Σ u·term, what the loss would divide it by, and the gradient of the sum.

    handgrad's losses are not divided at all. A loss of your own gives a mean, which is multiplied
    by its `denominator`, or by the number of samples where it has none.
    """

    def __init__(self, loss: Any):
        self.loss = shallow_clone(loss)
        self._asked = False
        if isinstance(loss, Loss):
            self._usual = self.loss.divisor
            self.loss.divisor = self._divisor

    def forward(self, y: Array, t: Array, *weights: Array) -> tuple[float, float]:
        """The numerator, and the denominator D."""
        self._asked = False
        if isinstance(self.loss, Loss):
            vars(self.loss).pop("denominator", None)
        value = float(self.loss.forward(y, t, *weights))
        D = denominator(self.loss, len(t))
        self.factor = 1.0 if self._asked else D
        return (value * self.factor if self.factor else 0.0), D

    def backward(self) -> Array:
        """The gradient of the numerator with respect to y."""
        gradients = self.loss.backward()
        dy: Array = gradients[0] if isinstance(gradients, tuple | list) else gradients
        if not self.factor:  # a mean of nothing may be 0 / 0
            return np.zeros_like(dy)
        return dy if self.factor == 1 else dy * dy.dtype.type(self.factor)

    def _divisor(self, total: float, count: int) -> float:
        """In the place of `Loss.divisor`: D is kept, and nothing is divided by it."""
        self._asked = True
        try:
            self._usual(total, count)
        except ValueError:
            if total or self.loss.normalizer is not None:
                raise
            self.loss.denominator = 0.0  # nothing counts here; among other samples, some may
        return 1.0
