"""Numerical differentiation, the books' way: central differences with a fixed step."""

from collections.abc import Callable

import numpy as np

from handgrad.arrays import Array, as_float

STEP = 1e-4


def numerical_gradient(f: Callable[[Array], float], x: Array) -> Array:
    """(f(x + h) − f(x − h)) / 2h for each element of x, h = 10⁻⁴.

    The elements are changed in place, one after another, and set back: f may look at x itself
    instead of at its argument. Integers, which cannot move by h, are converted first.
    """
    return central_differences(f, as_float(x))


def central_differences(f: Callable[[Array], float], x: Array) -> Array:
    """`numerical_gradient` in the dtype of x, whatever it is."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        value = x[index]
        x[index] = value + STEP
        above = f(x)
        x[index] = value - STEP
        below = f(x)
        x[index] = value
        gradient[index] = (above - below) / (2 * STEP)
    return gradient


def numerical_gradient_2d(f: Callable[[Array], float], X: Array) -> Array:
    """`numerical_gradient` at each row of X (N, D), f being a function of a row."""
    X = as_float(X)
    if X.ndim == 1:
        return numerical_gradient(f, X)
    return np.array([numerical_gradient(f, row) for row in X])
