"""Samples as dense arrays; equal samples merged, so that weights mean repetition to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array

_MERGED = 1000  # samples up to which equal ones are looked for
_LARGEST = 1 << 31  # bytes of a sparse matrix once it is dense in float32


def dense(X: Any) -> Array:
    """A sparse matrix as an array. Raises ValueError where it would be larger than 2 GB."""
    if not hasattr(X, "toarray"):
        return X
    size = X.shape[0] * X.shape[1] * 4
    if size > _LARGEST:
        raise ValueError(
            f"X: a sparse matrix {X.shape} would take {size / 1e9:.1f} GB as the dense array that "
            "training needs; TruncatedSVD(n_components=100) brings it to fewer columns"
        )
    found: Array = X.toarray()
    return found


def merged(
    X: Array, Y: Array, weights: Array | None, together: bool = True
) -> tuple[Array, Array, Array | None]:
    """Samples without those of weight 0; up to 1,000 are sorted, and equal ones made one.

    What is learned is the same by the meaning of weights. Sorting makes it so to the bit for small
    data: neither repeating a sample instead of weighting it, nor another order, changes anything.
    together: whether to make equal ones one, which changes their number.
    """
    if weights is not None and not weights.all():
        kept = weights > 0
        X, Y, weights = X[kept], Y[kept], weights[kept]
    if len(X) <= _MERGED:
        both = np.concatenate([X, Y], axis=1, dtype=np.float64)
        rows = np.lexsort(both.T[::-1])
        if together:
            ordered = both[rows]
            new = np.append(True, (ordered[1:] != ordered[:-1]).any(axis=1))
            sums = np.ones(len(X)) if weights is None else weights[rows]
            weights, rows = np.bincount(np.cumsum(new) - 1, sums), rows[new]
        elif weights is not None:
            weights = weights[rows]
        X, Y = X[rows], Y[rows]
    if weights is not None and (weights == weights[0]).all() and weights[0] == 1:
        weights = None
    return X, Y, weights
