"""How close real numbers come: y and t are (N,) or (N, M), weights (N)."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import ShapeError
from handgrad.train.metrics.pairs import mean_of, value_pair, weights_of, whole


def mean_squared_error(y: Any, t: Any, *, sample_weights: Any = None) -> float:
    """mean (y - t)², over all elements."""
    y, t = value_pair(y, t)
    return mean_of(np.square(y - t), sample_weights)


@whole
def root_mean_squared_error(y: Any, t: Any, *, sample_weights: Any = None) -> float:
    """√ mean (y - t)² of each column, averaged over the columns."""
    y, t = value_pair(y, t)
    w = weights_of(sample_weights, len(t))
    return float(np.sqrt(w @ np.square(y - t) / w.sum()).mean())


def mean_absolute_error(y: Any, t: Any, *, sample_weights: Any = None) -> float:
    """mean |y - t|, over all elements."""
    y, t = value_pair(y, t)
    return mean_of(np.abs(y - t), sample_weights)


def mean_absolute_percentage_error(y: Any, t: Any, *, sample_weights: Any = None) -> float:
    """mean |y - t| / |t|, over all elements: 0.1 is 10 %. |t| is at least 2.2e-16."""
    y, t = value_pair(y, t)
    share = np.abs(y - t) / np.maximum(np.abs(t), np.finfo(np.float64).eps)
    return mean_of(share, sample_weights)


@whole
def r2(y: Any, t: Any, *, sample_weights: Any = None) -> float:
    """The share of the variance of t that y explains: 1 - Σ(y - t)² / Σ(t - mean t)².

    Taken for each column, then averaged. For a constant column it is 1 if y is right, else 0.
    """
    y, t = value_pair(y, t)
    if len(t) < 2:
        raise ShapeError("r2 needs at least two samples: one has no variance")
    w = weights_of(sample_weights, len(t))
    residual = w @ np.square(y - t)
    total = w @ np.square(t - w @ t / w.sum())
    share = np.divide(residual, total, out=(residual > 0) * 1.0, where=total > 0)
    return float((1 - share).mean())
