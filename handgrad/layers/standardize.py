"""Standardize: columns of data brought to mean 0 and deviation 1, as a part of the network."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, as_float
from handgrad.layer import Layer

_AT_ONCE = 2**22  # numbers of which the statistics are taken at once


class Standardize(Layer):
    """z = (x − mean) / scale, column by column; saved with the network, not learned.

    As the first layer it lets a network take data as they come. `Standardize.of(x)` measures
    the columns of x: mean, and standard deviation, or 1 where a column is constant.
    Shapes: x, z (N, D); mean, scale (D). Integers are converted to real numbers.
    Gradient: dx = dz / scale.
    Raises ShapeError where x has not D columns, ValueError for a scale that is not positive.
    Source: LeCun et al., "Efficient BackProp", 1998, section 4.3.
    """

    def __init__(self, mean: Any, scale: Any):
        self.mean, self.scale = mean, scale
        self.center, width = as_float(mean), as_float(scale)
        if self.center.shape != width.shape or width.ndim != 1:
            raise ShapeError(
                "Standardize: mean and scale need one number per column, shape (D,), got "
                f"{self.center.shape} and {width.shape}"
            )
        if not (width > 0).all():
            raise ValueError(f"Standardize: scale must be positive, got {width.min()}")
        self.factor = 1 / width

    @classmethod
    def of(cls, x: Array) -> Standardize:
        """The one that fits the columns of x (N, D), in float64, some samples at a time."""
        n, some = len(x), max(1, _AT_ONCE * len(x) // max(1, np.size(x)))
        parts = [slice(i, i + some) for i in range(0, n, some)]
        mean = sum(np.asarray(x[part], np.float64).sum(axis=0) for part in parts) / n
        squares = sum(np.square(x[part] - mean).sum(axis=0) for part in parts)
        largest = np.max([np.abs(x[part]).max(axis=0) for part in parts], axis=0)
        deviation = np.sqrt(squares / n)
        return cls(mean, np.where(deviation <= 1e-12 * largest, 1.0, deviation))

    def __repr__(self) -> str:
        return f"Standardize({len(self.mean)} columns)"

    def forward(self, x: Array) -> Array:
        x = as_float(x, self.dtype)
        if not x.ndim or x.shape[-1] != len(self.center):
            raise ShapeError(
                f"Standardize: x needs {len(self.center)} columns (N, {len(self.center)}), "
                f"got shape {x.shape}"
            )
        return ((x - self.center) * self.factor).astype(x.dtype)

    def backward(self, dz: Array) -> Array:
        return dz * self.factor.astype(dz.dtype)
