"""Whether what is right comes first: scores matter by their order alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, as_float
from handgrad.train.metrics.pairs import (
    columns_pair,
    mean_of,
    of_probabilities,
    weights_of,
    whole,
)


@whole
@of_probabilities
def roc_auc(y: Any, t: Any, average: str | None = "macro", *, sample_weights: Any = None) -> Any:
    """The probability that a sample of a class has a higher score for it than one that is not.

    Ties count half: it is the area under the curve of true by false positives. With two classes
    that of the second; with more, each against the rest, and their mean ("macro") or all (None).
    t may also say 0 or 1 for each column of y, several of them 1.

    Raises ValueError where a class has all the samples, or none.
    Source: Hanley, McNeil, "The meaning and use of the area under a receiver operating
    characteristic (ROC) curve", Radiology 143, 1982.
    """
    y, t = columns_pair("roc_auc", y, t)
    w = weights_of(sample_weights, len(y))
    areas = [_area(score, right, w, c, t) for c, (score, right) in enumerate(zip(y.T, t.T))]
    return _averaged("roc_auc", areas, average)


def _area(score: Array, right: Array, w: Array, column: int, t: Array) -> float:
    tied = np.unique(score, return_inverse=True)[1]  # from the lowest score to the highest
    positive = np.bincount(tied, w * right)
    negative = np.bincount(tied, w * (1 - right))
    P, N = positive.sum(), negative.sum()
    if not (P and N):
        what = "t" if t.shape[1] == 1 else f"column {column} of t"
        has = "no sample of the class" if not P else "no sample of another class"
        raise ValueError(f"roc_auc: {what} has {has}; both are needed to compare scores")
    above = P - np.cumsum(positive) + positive / 2
    return float(negative @ above / (P * N))


@whole
@of_probabilities
def average_precision(
    y: Any, t: Any, average: str | None = "macro", *, sample_weights: Any = None
) -> Any:
    """Σ (Rₙ - Rₙ₋₁) Pₙ, precision P and recall R down to each score, samples of one score at once.

    Classes as in `roc_auc`. Raises ValueError where a class has no samples.
    """
    y, t = columns_pair("average_precision", y, t)
    w = weights_of(sample_weights, len(y))
    means = []
    for c, (score, right) in enumerate(zip(y.T, t.T)):
        tied = np.unique(-score, return_inverse=True)[1]  # from the highest score to the lowest
        found, seen = (np.bincount(tied, v) for v in (w * right, w))
        if not found.any():
            what = "t" if t.shape[1] == 1 else f"column {c} of t"
            raise ValueError(f"average_precision: {what} has no sample of the class to be found")
        seen = np.cumsum(seen)
        precision = np.divide(np.cumsum(found), seen, out=np.zeros(len(seen)), where=seen > 0)
        means.append(float(found @ precision / found.sum()))
    return _averaged("average_precision", means, average)


def ndcg(y: Any, t: Any, k: int | None = None, *, sample_weights: Any = None) -> float:
    """How much of the best order's gain the order by score has: mean DCG / best DCG over samples.

    y (N, K) are the scores of K items for each of N samples, t (N, K) how relevant they are, ≥ 0.
    DCG = Σ t / log₂(rank + 1), the first k ranks alone where k is given; items with one score
    share the mean of their gains. A sample without anything relevant has 0.

    Source: Järvelin, Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002;
    McSherry, Najork, "Computing information retrieval performance measures efficiently in the
    presence of tied scores", ECIR 2008.
    """
    y, t = (as_float(a).astype(np.float64) for a in (y, t))
    if y.shape != t.shape or y.ndim != 2 or y.shape[1] < 2:
        raise ShapeError(
            f"ndcg: y and t must both be (N, K) with K ≥ 2, got {y.shape} and {t.shape}"
        )
    if not (t >= 0).all() or not np.isfinite(y).all():
        raise ValueError("ndcg: t must be ≥ 0 and y finite")
    if k is not None and not (isinstance(k, int | np.integer) and k >= 1):
        raise ValueError(f"ndcg: k must be an integer of at least 1, got {k!r}")
    discount = 1 / np.log2(np.arange(y.shape[1]) + 2)
    discount[len(discount) if k is None else k :] = 0
    best = -np.sort(-t, axis=1) @ discount
    gained = np.array([_gain(*row, discount) for row in zip(y, t)])
    return mean_of(np.divide(gained, best, out=np.zeros(len(best)), where=best > 0), sample_weights)


def _gain(score: Array, relevance: Array, discount: Array) -> float:
    """DCG of one sample, averaged over all orders of tied items."""
    _, tied, counts = np.unique(-score, return_inverse=True, return_counts=True)
    mean = np.bincount(tied, relevance) / counts
    shares = np.add.reduceat(discount, np.cumsum(counts) - counts)
    return float(mean @ shares)


def _averaged(name: str, each: list[float], average: str | None) -> Any:
    if average is None:
        return np.array(each)
    if average != "macro":
        raise ValueError(
            f"{name}: average must be 'macro' or None (one for each class), got {average!r}"
        )
    return float(np.mean(each))
