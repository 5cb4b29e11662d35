"""Losses of rankings: a list of documents for each query, with how relevant each one is.

Lists of different lengths are padded: a t of −∞ stands where there is no document.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, as_float
from handgrad.layers.activation import sigmoid, softplus
from handgrad.layers.loss.base import Loss


def lists(loss: Loss, y: Any, t: Any) -> tuple[Array, Array]:
    """Scores and relevances, once they are seen to be lists of one shape, none without documents.

    Raises ShapeError where they are not (N, G) alike, ValueError for NaN and for an empty list.
    """
    y = as_float(y)
    t = as_float(t, y.dtype).astype(y.dtype, copy=False)
    name = type(loss).__name__
    if y.shape != t.shape or y.ndim != 2:
        raise ShapeError(f"{name}: y and t must be lists (N, G) alike, got {y.shape} and {t.shape}")
    if not (t < np.inf).all():
        raise ValueError(f"{name}: t must be finite, or −∞ where there is no document")
    if not (t > -np.inf).any(axis=1).all():
        raise ValueError(f"{name}: each list needs a document, got one where every t is −∞")
    return y, t


class ListNet(Loss):
    """loss = −Σ wₙ · Σᵢ pᵢ · ln qᵢ / D, with p = softmax(t) and q = softmax(y) over each list.

    p and q are the probabilities that document i is ranked first, by relevances t and scores y;
    D = Σ wₙ, all wₙ = 1 where none are given. Where t = −∞ there is no document.
    Shapes: y and t (N, G) for N lists of G documents, weights (N), loss ().
    Gradient: dy = dloss · wₙ / D · (q − p).
    Raises as `Loss` says; ShapeError where y and t are no lists, ValueError for a list without
    documents, or t that is NaN or ∞.
    Source: Cao et al., "Learning to rank: from pairwise approach to listwise approach", ICML 2007,
    section 4.
    """

    def forward(self, y: Array, t: Array, weights: Array | None = None) -> Array:
        y, t = lists(self, y, t)
        self.share = self.weigh(y, weights)
        e = np.exp(t - t.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        z = np.where(t > -np.inf, y, -np.inf)
        y = y - z.max(axis=1, keepdims=True)
        e = np.exp(z - z.max(axis=1, keepdims=True))
        sums = e.sum(axis=1, keepdims=True)
        self.q = e / sums
        return (self.share * self.p * (np.log(sums) - y)).sum()

    def backward(self, dloss: Any = 1.0) -> tuple[Array, None]:
        return as_float(dloss).astype(self.q.dtype) * self.share * (self.q - self.p), None


class RankNet(Loss):
    """loss = Σ wₙ · mean of ln(1 + e^(yⱼ − yᵢ)) / D over the pairs of a list with tᵢ > tⱼ.

    Only the order of the relevances counts. A list in which all are alike has no pairs: its term
    is 0. D = Σ wₙ, all wₙ = 1 where none are given. Where t = −∞ there is no document.
    Shapes: y and t (N, G) for N lists of G documents, weights (N), loss ().
    Gradient: with P the number of pairs of the list, each adds −dloss · wₙ / D · σ(yⱼ − yᵢ) / P to
    dyᵢ, and takes the same from dyⱼ.
    Raises as `Loss` says; ShapeError where y and t are no lists, ValueError for a list without
    documents, or t that is NaN or ∞.
    Source: Burges et al., "Learning to rank using gradient descent", ICML 2005.
    """

    def forward(self, y: Array, t: Array, weights: Array | None = None) -> Array:
        y, t = lists(self, y, t)
        behind = y[:, None, :] - y[:, :, None]  # yⱼ − yᵢ
        pairs = (t[:, :, None] > t[:, None, :]) & (t > -np.inf)[:, None, :]
        count = np.maximum(pairs.sum(axis=(1, 2), keepdims=True), 1)
        self.share = self.weigh(behind, weights) * (pairs / count).astype(y.dtype)
        self.swapped = sigmoid(behind)
        return (self.share * softplus(behind)).sum()

    def backward(self, dloss: Any = 1.0) -> tuple[Array, None]:
        push = as_float(dloss).astype(self.swapped.dtype) * self.share * self.swapped
        return push.sum(axis=1) - push.sum(axis=2), None
