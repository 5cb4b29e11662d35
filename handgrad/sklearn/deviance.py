"""PoissonDeviance: the loss of counts, on logarithms of their means."""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array
from handgrad.layers import ElementwiseLoss


class PoissonDeviance(ElementwiseLoss):
    """The mean of e^y − t · y + t · ln t − t, half of the Poisson deviance, y being ln of the mean.

    Shapes: y and t (N, …) alike, weights (N), loss ().
    Gradient: dy = dloss · (e^y − t) / n.
    At t = 0, t · ln t is 0. Raises as `ElementwiseLoss` says.
    Source: McCullagh, Nelder, "Generalized linear models", 1989, section 2.3.
    """

    def term(self, y: Array, t: Array) -> Array:
        self.mean, self.t = np.exp(y), t
        return self.mean - t * y + t * np.log(np.where(t > 0, t, 1)) - t

    def derivative(self) -> Array:
        return self.mean - self.t
