"""Words as vectors by counting: co-occurrence, positive mutual information, fewer dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, Stream


def co_occurrence(corpus: Any, words: int, window: int = 1) -> Array:
    """C[i, j]: how often word j stands at most `window` positions from word i.

    Shapes: corpus (T,) of numbers below `words`, C int32 (words, words), symmetric.
    Raises ValueError for a number outside the vocabulary or a window below 1.
    Source: Saito, "Deep Learning from Scratch 2", section 2.3.4.
    """
    corpus = np.asarray(corpus)
    if window < 1:
        raise ValueError(f"co_occurrence: window must be at least 1, got {window}")
    if corpus.size and not 0 <= corpus.min() <= corpus.max() < words:
        raise ValueError(
            f"co_occurrence: words must lie from 0 to {words - 1}, got {corpus.min()} to "
            f"{corpus.max()}"
        )
    counts = np.zeros((words, words), np.int32)
    for distance in range(1, min(window, len(corpus) - 1) + 1):
        np.add.at(counts, (corpus[:-distance], corpus[distance:]), 1)
    return counts + counts.T


def ppmi(counts: Array, eps: float = 1e-8) -> Array:
    """max(0, log₂(C[i, j] · ΣC / (Σᵢ C[i, j] · Σⱼ C[i, j]) + eps)); 0 for a word never seen.

    Shapes: counts and result (V, V); float32.
    Source: Church & Hanks, "Word association norms, mutual information, and lexicography", 1990.
    """
    counts = np.asarray(counts)
    each = counts.sum(axis=0, dtype=np.float64)
    shares = each / max(each.sum(), 1)
    result = np.zeros(counts.shape, np.float32)
    for row, count, total in zip(result, counts, each):
        expected = shares * total
        ratio = np.divide(count, expected, out=np.zeros_like(each), where=expected > 0)
        row[:] = np.maximum(np.log2(ratio + eps), 0)
    return result


def truncated_svd(
    matrix: Array, dimension: int, *, iterations: int = 5, seed: int = 0
) -> tuple[Array, Array, Array]:
    """U (M, k), S (k,), Vt (k, N): the k largest singular values and their vectors.

    The range of the matrix is found from its product with random vectors, sharpened by power
    iterations; exact where k + 10 reaches the smaller side.
    Raises ValueError for a dimension that the matrix does not have.
    Source: Halko, Martinsson, Tropp, "Finding structure with randomness", SIAM Review 2011.
    """
    least = min(matrix.shape)
    if not 1 <= dimension <= least:
        raise ValueError(
            f"truncated_svd: dimension must lie from 1 to {least} for a matrix {matrix.shape}, "
            f"got {dimension}"
        )
    width = min(dimension + 10, least)
    start = Stream(seed).generator().standard_normal((matrix.shape[1], width))
    basis = np.linalg.qr(matrix @ start.astype(matrix.dtype))[0]
    for _ in range(iterations):
        basis = np.linalg.qr(matrix @ np.linalg.qr(matrix.T @ basis)[0])[0]
    U, S, Vt = np.linalg.svd(basis.T @ matrix, full_matrices=False)
    return (basis @ U)[:, :dimension], S[:dimension], Vt[:dimension]
