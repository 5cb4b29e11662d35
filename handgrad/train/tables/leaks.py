"""Columns that tell the target nearly by themselves: a second label, the answer in other words."""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array
from handgrad.train.tables.frame import Column

BINS = 100
CERTAIN = 0.998
LEAST = 50  # rows below which nothing can be told


def tells(column: Column, rows: Array, t: Array) -> bool:
    """Whether a column determines t, classes (N,) or values (N, M), nearly for certain.

    The rows are divided by the column's value, or, of many numbers, into BINS parts by rank: t is
    told where the most frequent class of each part, or its mean, or a straight line, is right for
    nearly all of it; and where classes hardly alternate among the rows in the numbers' order.
    """
    parts = _parts(column, rows)
    count = int(parts.max(initial=0)) + 1
    if len(rows) < LEAST or not 1 < count <= len(rows) / 4:
        return False
    if t.ndim == 2:
        held = None if column.values is None else column.values[rows]
        straight = [] if held is None or np.isnan(held).any() else [
            _correlation(held, one) for one in t.T
        ]  # fmt: skip
        return max(*(_explained(parts, count, one) for one in t.T), *straight, 0.0) > CERTAIN
    classes = int(t.max()) + 1
    if np.bincount(t).max() >= CERTAIN * len(t) or count * classes > 10**7:
        return False
    if column.values is not None and len(np.unique(column.values[rows])) > count:
        sorted_t = t[np.lexsort((t, column.values[rows]))]
        runs = 1 + np.count_nonzero(np.diff(sorted_t))
        return bool(runs - classes <= 2 * (1 - CERTAIN) * len(t))
    table = np.bincount(parts * classes + t, minlength=count * classes).reshape(count, classes)
    return bool(table.max(axis=1).sum() >= CERTAIN * len(rows))


def _parts(column: Column, rows: Array) -> Array:
    """The part (N,) of each row, from 0."""
    if column.codes is not None:
        return np.unique(column.codes[rows], return_inverse=True)[1]
    assert column.values is not None
    values = column.values[rows]
    different, at = np.unique(values, return_inverse=True)
    bins = min(BINS, len(rows) // 10)
    return at if len(different) <= bins else at * bins // len(different)


def _explained(parts: Array, count: int, t: Array) -> float:
    """The share of the variance of t that the means of the parts explain."""
    sizes = np.maximum(np.bincount(parts, minlength=count), 1)
    means = np.bincount(parts, t, count) / sizes
    return 1 - float(np.square(t - means[parts]).sum() / np.square(t - t.mean()).sum())


def _correlation(values: Array, t: Array) -> float:
    a, b = values - values.mean(), t - t.mean()
    scale = float(np.sqrt(np.square(a).sum() * np.square(b).sum()))
    return abs(float((a * b).sum())) / scale if scale > 0 else 0.0
