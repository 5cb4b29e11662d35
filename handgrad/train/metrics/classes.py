"""How often the class is right: y are scores (N, …, K) or class indices (N,), t are labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError
from handgrad.layers import ElementwiseLoss
from handgrad.protocols import LossLike, MetricLike
from handgrad.train.metrics.pairs import (
    class_indices,
    class_pair,
    flattened,
    mean_of,
    weights_of,
    whole,
)


def usual_metrics(loss: LossLike, t: Array) -> list[MetricLike]:
    """accuracy for integer or boolean targets, unless the loss takes targets as real numbers."""
    return [accuracy] if t.dtype.kind in "iub" and not isinstance(loss, ElementwiseLoss) else []


def accuracy(y: Any, t: Any, *, sample_weights: Any = None) -> float:
    """The share of samples whose class is right."""
    y, t = class_pair(y, t)
    return mean_of(y == t, sample_weights)


def top_k_accuracy(y: Any, t: Any, k: int = 5, *, sample_weights: Any = None) -> float:
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
    return mean_of(rank < k, sample_weights)


def confusion_matrix(
    y: Any, t: Any, classes: int | None = None, *, sample_weights: Any = None
) -> Array:
    """C[i, j] = how many samples of class i, or how much weight, was taken for j. Shape (K, K).

    K is `classes`, or else the number of columns of y, or one more than the largest index.
    """
    y, t = flattened(np.asarray(y), np.asarray(t))
    columns = max((a.shape[1] for a in (y, t) if a.ndim == 2), default=0)
    y, t = class_pair(y, t)
    largest = int(max(y.max(), t.max()))
    size = classes or max(columns, largest + 1)
    if largest >= size:
        raise ValueError(f"confusion_matrix: there are {size} classes, but a label is {largest}")
    w = None if sample_weights is None else weights_of(sample_weights, len(t))
    return np.bincount(t * size + y, w, minlength=size**2).reshape(size, size)


@whole
def precision(y: Any, t: Any, average: str | None = "macro", *, sample_weights: Any = None) -> Any:
    """Of the samples taken for a class, the share that is of it; 0 for a class never guessed."""
    confusion = confusion_matrix(y, t, sample_weights=sample_weights)
    return averaged(confusion.diagonal(), confusion.sum(axis=0), confusion, average)


@whole
def recall(y: Any, t: Any, average: str | None = "macro", *, sample_weights: Any = None) -> Any:
    """Of the samples of a class, the share that was taken for it; 0 for a class without samples."""
    confusion = confusion_matrix(y, t, sample_weights=sample_weights)
    return averaged(confusion.diagonal(), confusion.sum(axis=1), confusion, average)


@whole
def f1(y: Any, t: Any, average: str | None = "macro", *, sample_weights: Any = None) -> Any:
    """The harmonic mean of precision and recall: 2 · both / (guessed + true); 0 for 0 / 0."""
    confusion = confusion_matrix(y, t, sample_weights=sample_weights)
    total = confusion.sum(axis=0) + confusion.sum(axis=1)
    return averaged(2 * confusion.diagonal(), total, confusion, average)


@whole
def balanced_accuracy(y: Any, t: Any, *, sample_weights: Any = None) -> float:
    """The mean recall of the classes that t has: what guessing one class gets is 1 / K."""
    confusion = confusion_matrix(y, t, sample_weights=sample_weights)
    total = confusion.sum(axis=1)
    return float((confusion.diagonal()[total > 0] / total[total > 0]).mean())


def averaged(part: Array, whole: Array, confusion: Array, average: str | None) -> Any:
    """part / whole of each class, 0 for 0 / 0; "macro" is the mean over classes that occur."""
    ratio = np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
    if average is None:
        return ratio
    if average != "macro":
        raise ValueError(f"average must be 'macro' or None (one for each class), got {average!r}")
    occurs = confusion.sum(axis=0) + confusion.sum(axis=1) > 0
    return float(ratio[occurs].mean())
