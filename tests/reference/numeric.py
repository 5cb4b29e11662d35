"""Central differences, written as plainly as they can be: the judge of every backward."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def central_difference(value: Callable[[], float], x: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """The gradient of value() with respect to the float64 array x that it reads; x is put back."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        kept = x[index]
        x[index] = kept + step
        above = value()
        x[index] = kept - step
        below = value()
        x[index] = kept
        gradient[index] = (above - below) / (2 * step)
    return gradient
