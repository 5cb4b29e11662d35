"""Metrics: plain functions from what a network gave, y, and what was right, t, to a number.

Classification: y are scores (N, …, K), of which the highest wins (the first of equals), or class
indices (N,); t are class indices (N, …) or one-hot (N, …, K). Labels that a loss ignores are left
out first: `handgrad.layers.counted`, as training and evaluate do. Regression: y and t are (N,) or
(N, M), and a column (N, 1) is the same as (N,). All raise ShapeError where y and t do not fit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, as_float
from handgrad.layers import ElementwiseLoss
from handgrad.protocols import LossLike, MetricLike


def usual_metrics(loss: LossLike, t: Array) -> list[MetricLike]:
    """accuracy for integer or boolean targets, unless the loss takes targets as real numbers."""
    return [accuracy] if t.dtype.kind in "iub" and not isinstance(loss, ElementwiseLoss) else []


def accuracy(y: Any, t: Any) -> float:
    """The share of samples whose class is right."""
    y, t = class_pair(y, t)
    return float((y == t).mean())


def top_k_accuracy(y: Any, t: Any, k: int = 5) -> float:
    """The share of samples whose right class is among the k highest scores y (N, …, K)."""
    y, t = flattened(np.asarray(y), np.asarray(t))
    t = class_indices(t, "t")
    if y.ndim != 2 or len(y) != len(t) or t.max() >= y.shape[1]:
        raise ShapeError(f"top_k_accuracy needs scores (N, K), got {y.shape} for {len(t)} labels")
    if not 1 <= k <= y.shape[1]:
        raise ValueError(f"top_k_accuracy: k must be from 1 to {y.shape[1]} classes, got {k}")
    right = np.take_along_axis(y, t[:, None], axis=1)
    earlier = np.arange(y.shape[1]) < t[:, None]
    rank = (y > right).sum(axis=1) + ((y == right) & earlier).sum(axis=1)
    return float((rank < k).mean())


def confusion_matrix(y: Any, t: Any, classes: int | None = None) -> Array:
    """C[i, j] = how many samples of class i were taken for class j. Shape (K, K).

    K is `classes`, or else the number of columns of y, or one more than the largest index.
    """
    y, t = flattened(np.asarray(y), np.asarray(t))
    columns = max((a.shape[1] for a in (y, t) if a.ndim == 2), default=0)
    y, t = class_pair(y, t)
    largest = int(max(y.max(), t.max()))
    size = classes or max(columns, largest + 1)
    if largest >= size:
        raise ValueError(f"confusion_matrix: there are {size} classes, but a label is {largest}")
    return np.bincount(t * size + y, minlength=size**2).reshape(size, size)


def precision(y: Any, t: Any, average: str | None = "macro") -> Any:
    """Of the samples taken for a class, the share that is of it; 0 for a class never guessed."""
    confusion = confusion_matrix(y, t)
    return averaged(confusion.diagonal(), confusion.sum(axis=0), confusion, average)


def recall(y: Any, t: Any, average: str | None = "macro") -> Any:
    """Of the samples of a class, the share that was taken for it; 0 for a class without samples."""
    confusion = confusion_matrix(y, t)
    return averaged(confusion.diagonal(), confusion.sum(axis=1), confusion, average)


def f1(y: Any, t: Any, average: str | None = "macro") -> Any:
    """The harmonic mean of precision and recall: 2 · both / (guessed + true); 0 for 0 / 0."""
    confusion = confusion_matrix(y, t)
    total = confusion.sum(axis=0) + confusion.sum(axis=1)
    return averaged(2 * confusion.diagonal(), total, confusion, average)


def mean_squared_error(y: Any, t: Any) -> float:
    """mean (y - t)², over all elements."""
    y, t = value_pair(y, t)
    return float(np.square(y - t).mean())


def mean_absolute_error(y: Any, t: Any) -> float:
    """mean |y - t|, over all elements."""
    y, t = value_pair(y, t)
    return float(np.abs(y - t).mean())


def r2(y: Any, t: Any) -> float:
    """The share of the variance of t that y explains: 1 - Σ(y - t)² / Σ(t - mean t)².

    Taken for each column, then averaged. For a constant column it is 1 if y is right, else 0.
    """
    y, t = value_pair(y, t)
    if len(t) < 2:
        raise ShapeError("r2 needs at least two samples: one has no variance")
    residual = np.square(y - t).sum(axis=0)
    total = np.square(t - t.mean(axis=0)).sum(axis=0)
    share = np.divide(residual, total, out=(residual > 0) * 1.0, where=total > 0)
    return float((1 - share).mean())


def averaged(part: Array, whole: Array, confusion: Array, average: str | None) -> Any:
    """part / whole of each class, 0 for 0 / 0; "macro" is the mean over classes that occur."""
    ratio = np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
    if average is None:
        return ratio
    if average != "macro":
        raise ValueError(f"average must be 'macro' or None (one for each class), got {average!r}")
    occurs = confusion.sum(axis=0) + confusion.sum(axis=1) > 0
    return float(ratio[occurs].mean())


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
    whole = a.dtype.kind in "iub" or (a.dtype.kind == "f" and (a % 1 == 0).all())
    if not a.size or a.ndim != 1 or not whole or a.min() < 0:
        raise ShapeError(
            f"{name} must be scores (N, K) with K ≥ 2 or class indices (N,), "
            f"got shape {a.shape} of {a.dtype}"
            + (f" from {a.min()}; leave ignored labels out by handgrad.layers.counted(loss, y, t)"
               if whole and a.size and a.min() < 0 else "")
        )  # fmt: skip
    indices: Array = a.astype(np.int64)
    return indices


def value_pair(y: Any, t: Any) -> tuple[Array, Array]:
    """y and t as columns (N, M) of float64, of the same shape, so that nothing broadcasts."""
    y, t = (as_float(a).astype(np.float64) for a in (y, t))
    columns = [a[:, None] if a.ndim == 1 else a for a in (y, t)]
    if columns[0].shape != columns[1].shape or not t.size:
        raise ShapeError(f"y and t must have the same shape, got {y.shape} and {t.shape}")
    return columns[0], columns[1]
