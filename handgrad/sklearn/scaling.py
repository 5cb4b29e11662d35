"""Scaling inside an estimator: columns robustly centred and brought to deviation 1.

The statistics are the mean and the deviation of what lies within ten quartile deviations of the
median, or five times as far as the 5 % and 95 % quantiles: for data without outliers those of
`Standardize`, and one wrong entry of 1e9 leaves them alone. A column whose quartiles are equal has
half its range for a deviation. Columns of like deviation keep their proportions (`alike`). Robust
scaling and clipping are among the defaults that matter for tables according to Holzmüller,
Grinsztajn, Steinwart, "Better by default", NeurIPS 2024 (arXiv 2407.04491), section 3.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from handgrad.arrays import Array

_FAR = 10.0  # deviations from the median beyond which a value is an outlier, if it also lies
_LONE = 5.0  # so many times as far as nineteen twentieths of the values
_NORMAL = 1.349  # interquartile range of a normal distribution with deviation 1
_LIKE = 5.0  # times the least deviation, up to which columns may well be in one unit
SHARE = 0.05  # of the samples, by which the usual range of a column ends
_LOOKED_AT = 100_000  # samples, evenly spaced


class Scaling(NamedTuple):
    """z = (clip(x, low, high) − center) / width, column by column; all in float64, shape (D)."""

    center: Array
    width: Array
    low: Array
    high: Array

    @classmethod
    def of(cls, x: Array, weights: Array | None = None) -> Scaling:
        """The one that fits the columns of x (N, D); weights (N) count as repeated samples."""
        return cls.measured(x, weights).filled()

    @classmethod
    def measured(cls, x: Array, weights: Array | None = None) -> Scaling:
        """The same, with a width of 0 for a column that does not vary."""
        step = max(1, len(x) // _LOOKED_AT)
        x = np.asarray(x[::step], np.float64)
        w = None if weights is None else weights[::step]
        unit = np.abs(x).max(axis=0)
        unit[unit == 0] = 1
        x = x / unit  # so that no square overflows
        few, quarter, median, three, most = quantiles(x, w, (SHARE, 0.25, 0.5, 0.75, 1 - SHARE))
        reach = _FAR * (three - quarter) / _NORMAL
        below = np.maximum(reach, _LONE * (median - few))
        above = np.maximum(reach, _LONE * (most - median))
        below[below == 0] = above[above == 0] = np.inf
        low, high = median - below, median + above
        kept = np.clip(x, low, high)
        mean = np.average(kept, axis=0, weights=w)
        width = np.sqrt(np.average((kept - mean) ** 2, axis=0, weights=w))
        rare = three == quarter  # most entries are one value: a deviation would blow up the others
        width[rare] = (kept.max(axis=0) - kept.min(axis=0))[rare] / 2
        width[width <= 1e-12] = 0
        with np.errstate(over="ignore"):
            return cls(mean * unit, width * unit, low * unit, high * unit)

    def alike(self) -> Scaling:
        """With one width for all columns, so that their mean square stays 1, where none is more
        than five times another: they may be in one unit, and which varies more says something."""
        widths = self.width[self.width > 0]
        if not widths.size or widths.max() > _LIKE * widths.min():
            return self
        shared = np.linalg.norm(widths / widths.max()) / np.sqrt(widths.size) * widths.max()
        return self._replace(width=np.where(self.width > 0, shared, 0))

    def filled(self) -> Scaling:
        """With the size of its number for the width of a column that does not vary."""
        size = np.where(self.center == 0, 1, np.abs(self.center))
        return self._replace(width=np.where(self.width == 0, size, self.width))

    @classmethod
    def none(cls, columns: int) -> Scaling:
        """The one that changes nothing."""
        far = np.full(columns, np.inf)
        return cls(np.zeros(columns), np.ones(columns), -far, far)

    def clip(self, x: Array) -> Array:
        """x with outliers brought to the bounds; x itself where there are none."""
        if x.size and ((x < self.low) | (x > self.high)).any():
            return np.clip(x, self.low, self.high).astype(x.dtype)
        return x

    def at(self, columns: Array) -> Scaling:
        """That of some columns, or of the column of each of some entries."""
        return Scaling(*(array[columns] for array in self))

    def __call__(self, x: Array) -> Array:
        """x scaled, in float32."""
        z = np.subtract(self.clip(x), self.center, dtype=np.float64)
        z /= self.width
        return np.ascontiguousarray(z, np.float32)


def quantiles(x: Array, weights: Array | None, at: tuple[float, ...]) -> Array:
    """The quantiles of each column; with weights, those of samples that were repeated."""
    if weights is None:
        return np.quantile(x, at, axis=0)
    order = np.argsort(x, axis=0, kind="stable")
    ends = np.cumsum(np.asarray(weights, np.float64)[order], axis=0)
    ordered = np.take_along_axis(x, order, axis=0)
    found = np.empty((len(at), x.shape[1]))
    for i, q in enumerate(at):
        below = ends < q * ends[-1] * (1 - 1e-12)
        found[i] = np.take_along_axis(ordered, below.sum(axis=0)[None], axis=0)[0]
    return found
