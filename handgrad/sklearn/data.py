"""Samples as dense arrays, or made dense batch by batch; equal samples merged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.utils.validation import _check_sample_weight

from handgrad.arrays import Array
from handgrad.sklearn.scaling import SHARE, Scaling
from handgrad.train import Trainer

_MERGED = 1000  # samples up to which equal ones are looked for
LARGEST = 1 << 28  # bytes of a sparse matrix that is made dense as a whole
_AT_ONCE = 1 << 26  # bytes of what is made dense of a larger one at a time


def is_sparse(X: Any) -> bool:
    """Whether X is a sparse matrix."""
    return hasattr(X, "toarray")


def dense(X: Any) -> Array:
    """A sparse matrix as an array, an array as it is."""
    return X.toarray() if is_sparse(X) else X


def small(X: Any) -> Any:
    """X dense, but for a sparse matrix that would be large: that as rows (CSR)."""
    if is_sparse(X) and X.shape[0] * X.shape[1] * 4 > LARGEST:
        return X.tocsr()
    return dense(X)


def too_large(X: Any, what: str) -> str:
    """The error for a sparse matrix that something needs dense as a whole."""
    size = X.shape[0] * X.shape[1] * 4
    return (
        f"{what}: a sparse matrix {X.shape} would take {size / 1e9:.1f} GB as the dense array that "
        "it needs; TruncatedSVD(n_components=100) brings it to fewer columns"
    )


def parts(X: Any) -> Iterator[Any]:
    """Samples that are sparse in parts of a few, dense; an array as a whole."""
    if isinstance(X, np.ndarray):
        yield X
        return
    X, some = X if isinstance(X, Rows) else X.tocsr(), max(1, _AT_ONCE // (8 * X.shape[1]))
    for i in range(0, X.shape[0], some):
        yield dense(X[i : i + some])


class Rows:
    """Scaled samples of a sparse matrix (N, D), dense where they are asked for.

    All start as scaled zeros, and what is stored is scaled and put in its place.
    """

    ndim, dtype = 2, np.dtype(np.float32)

    def __init__(self, X: Any, scaling: Scaling):
        if not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
        self.X, self.scaling, self.shape = X, scaling, X.shape
        self.zeros = scaling(np.zeros((1, X.shape[1])))

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, rows: Any) -> Array:
        some = self.X[rows].tocoo()
        z = self.zeros.repeat(some.shape[0], axis=0)
        z[some.row, some.col] = self.scaling.at(some.col)(some.data)
        return z

    def take(self, rows: Array, axis: int = 0) -> Rows:
        """Some of the samples, still sparse."""
        return Rows(self.X[rows], self.scaling)


class RowsTrainer(Trainer):
    """A trainer that makes each batch dense when its turn has come."""

    def _take_data(self, x: Any, t: Any, weights: Any, validation: Any, seed: int) -> None:
        self.x, self.t, self.weights, self.validation = x, t, weights, None


def trainer_of(network: Any, x: Any, t: Array, **options: Any) -> Trainer:
    """A trainer on samples, which may be `Rows`."""
    if isinstance(x, Rows):  # whose batches are made anew each time, as are augmented ones
        return RowsTrainer(network, x, t, augment=lambda batch, number: batch, **options)
    return Trainer(network, x, t, **options)


def scaling_of(X: Any, weights: Array | None, codes: list[int]) -> Scaling:
    """The scaling of the columns of X, which may be sparse; those of `codes` are not measured."""
    found = _of_sparse(X, weights) if is_sparse(X) else Scaling.measured(X, weights)
    found.width[codes] = 0
    return found.alike().filled()


def _of_sparse(X: Any, weights: Array | None) -> Scaling:
    """`Scaling.measured` of a sparse matrix.

    A column in which fewer samples than SHARE are not zero has equal quartiles and no outliers, so
    its sum and its range are all that is needed. The others are made dense, some at a time.
    """
    total = X.shape[0] if weights is None else float(weights.sum())
    weighted = X if weights is None else X.multiply(weights[:, None]).tocsr()
    filled = (X != 0).astype(np.float64)
    share = (filled.sum(axis=0) if weights is None else weights @ filled) / total
    low, high = (m.toarray().reshape(-1).astype(np.float64) for m in (X.min(axis=0), X.max(axis=0)))
    center = np.asarray(weighted.sum(axis=0), np.float64).reshape(-1) / total
    width = (high - low) / 2
    width[width <= 1e-12 * np.maximum(-low, high)] = 0
    found = Scaling.none(X.shape[1])._replace(center=center, width=width)
    many = np.flatnonzero(np.asarray(share).reshape(-1) >= SHARE)
    by_columns, some = X.tocsc(), max(1, _AT_ONCE // (8 * X.shape[0]))
    for i in range(0, len(many), some):
        columns = many[i : i + some]
        for array, measured in zip(
            found, Scaling.measured(by_columns[:, columns].toarray(), weights)
        ):
            array[columns] = measured
    return found


def merged(
    X: Any, Y: Array, weights: Array | None, together: bool = True
) -> tuple[Any, Array, Array | None]:
    """Samples without those of weight 0; up to 1,000 are sorted, and equal ones made one.

    What is learned is the same by the meaning of weights. Sorting makes it so to the bit for small
    data: neither repeating a sample instead of weighting it, nor another order, changes anything.
    together: whether to make equal ones one, which changes their number.
    """
    if weights is not None and not weights.all():
        kept = weights > 0
        X, Y, weights = X[kept], Y[kept], weights[kept]
    if len(Y) <= _MERGED and not is_sparse(X):
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


def checked_weights(weights: Any, X: Any) -> Array | None:
    """Weights of the samples in float64; ValueError where there is not one ≥ 0 for each."""
    if weights is None:
        return None
    array: Array = _check_sample_weight(weights, X, dtype=np.float64)
    if not (array >= 0).all() or not array.any():
        raise ValueError("sample_weight: numbers >= 0 that are not all 0 are needed")
    return array
