"""What metrics take: outputs y, targets t and weights, in the shapes in which they are compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from handgrad.arrays import Array, ShapeError, as_float

Metric = TypeVar("Metric", bound=Callable[..., Any])


def whole(metric: Metric) -> Metric:
    """Mark a metric that is no mean over samples."""
    vars(metric)["whole"] = True
    return metric


def of_probabilities(metric: Metric) -> Metric:
    """Mark a metric whose y are probabilities."""
    vars(metric)["takes"] = "probabilities"
    return metric


def weights_of(sample_weights: Any, count: int) -> Array:
    """The weights in float64, 1 where there are none; ValueError unless finite, ≥ 0, not all 0."""
    if sample_weights is None:
        return np.ones(count)
    w = as_float(sample_weights).astype(np.float64).reshape(-1)
    if len(w) != count:
        raise ShapeError(f"sample_weights: {count} are needed, one per sample, got {len(w)}")
    if not (np.isfinite(w).all() and (w >= 0).all() and w.any()):
        raise ValueError("sample_weights: finite numbers ≥ 0, not all 0, are needed")
    return w


def mean_of(values: Array, sample_weights: Any) -> float:
    """The weighted mean over the first axis, and the plain one over all others."""
    each = values.reshape(len(values), -1).mean(axis=1) if values.ndim > 1 else values
    w = weights_of(sample_weights, len(each))
    return float((each * w).sum() / w.sum())


def flattened(y: Array, t: Array) -> tuple[Array, Array]:
    """Scores (N, …, K) as (M, K), with their labels (N, …) as (M,) or one-hot as (M, K)."""
    if y.ndim > 2 and t.shape in (y.shape, y.shape[:-1]):
        return y.reshape(-1, y.shape[-1]), t.reshape(-1, *t.shape[y.ndim - 1 :])
    return y, t


def class_pair(y: Any, t: Any) -> tuple[Array, Array]:
    """The class indices of y and t, of equal length."""
    y, t = flattened(np.asarray(y), np.asarray(t))
    y, t = class_indices(y, "y"), class_indices(t, "t")
    if len(y) != len(t):
        raise ShapeError(f"y and t must have the same length, got {len(y)} and {len(t)}")
    return y, t


def class_indices(a: Any, name: str) -> Array:
    """Class indices (N,) from indices (N,) or from scores or one-hot (N, K), K ≥ 2."""
    a = np.asarray(a)
    if a.size and a.ndim == 2 and a.shape[1] > 1:
        best: Array = a.argmax(axis=1)
        return best
    integers = a.dtype.kind in "iub" or (a.dtype.kind == "f" and (a % 1 == 0).all())
    if not a.size or a.ndim != 1 or not integers or a.min() < 0:
        raise ShapeError(
            f"{name} must be scores (N, K) with K ≥ 2 or class indices (N,), "
            f"got shape {a.shape} of {a.dtype}"
            + (f" from {a.min()}; leave ignored labels out by handgrad.layers.counted(loss, y, t)"
               if integers and a.size and a.min() < 0 else "")
        )  # fmt: skip
    indices: Array = a.astype(np.int64)
    return indices


def columns_pair(name: str, y: Any, t: Any) -> tuple[Array, Array]:
    """y (N, K) in float64 and t (N, K) of 0 and 1: what each class got, and whether it was right.

    Of two classes, the second alone stays: then K = 1.
    """
    y, t = flattened(np.asarray(y), np.asarray(t))
    y = as_float(y).astype(np.float64)
    y = y[:, None] if y.ndim == 1 else y
    if y.ndim != 2 or not y.size:
        raise ShapeError(f"{name}: y must be (N,), (N, 1) or (N, K), got shape {y.shape}")
    if not np.isfinite(y).all():
        raise ValueError(f"{name}: y must be finite, got {y[~np.isfinite(y)][0]}")
    K = y.shape[1]
    if t.shape == y.shape or (K == 1 and t.ndim == 1):
        right = np.asarray(t, np.float64).reshape(len(t), K)
    else:
        labels = class_indices(t, f"{name}: t")
        if labels.max() >= K:
            raise ShapeError(f"{name}: y has {K} columns, but a label is {labels.max()}")
        right = np.eye(K)[labels]
    if len(right) != len(y):
        raise ShapeError(f"{name}: y and t must have one length, got {len(y)} and {len(right)}")
    wrong = right[~np.isin(right, (0, 1))]
    if wrong.size:
        raise ValueError(
            f"{name}: t must be labels, or 0 and 1 for each column of y (one: of class 1), got "
            f"{wrong[0]:g}"
        )
    one_hot = K == 2 and (right.sum(axis=1) == 1).all()
    return (y[:, 1:], right[:, 1:]) if one_hot else (y, right)


def value_pair(y: Any, t: Any) -> tuple[Array, Array]:
    """y and t as columns (N, M) of float64, of the same shape, so that nothing broadcasts."""
    y, t = (as_float(a).astype(np.float64) for a in (y, t))
    columns = [a[:, None] if a.ndim == 1 else a for a in (y, t)]
    if columns[0].shape != columns[1].shape or not t.size:
        raise ShapeError(f"y and t must have the same shape, got {y.shape} and {t.shape}")
    return columns[0], columns[1]
