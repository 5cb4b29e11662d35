"""SoftmaxCrossEntropy, the loss of classification, and the choice of a loss by its targets."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, array_module, as_float
from handgrad.layer import Layer
from handgrad.layers.loss import MeanSquaredError, sample_weights


class SoftmaxCrossEntropy(Layer):
    """The mean of −ln p at the right class, p = softmax(y), where y are scores.

    loss = −Σ m · ln p, where m shares 1 out over samples and classes:
    m = w · v · ((1 − ε) · t + ε / C) / Σ w · v · t, with t one-hot or probabilities, ε =
    label_smoothing, v = class_weights, w = weights of samples, and no share where the label is
    ignore_index.
    Shapes: y (N, …, C); t labels (N, …) or probabilities (N, …, C); weights (N); loss ().
    Gradient: dy = dloss · (p · Σ_c m − m); with labels alone (p − t) / N.
    Raises ShapeError where t or weights do not fit y; ValueError for labels that are not whole
    numbers from 0 to C − 1, probabilities that are negative or do not sum to 1, and where
    nothing is left to learn from: an empty batch, or every label ignored.
    Source: Saito, "Deep Learning from Scratch", section 5.6.3 and appendix A; Szegedy et al.,
    "Rethinking the Inception architecture", CVPR 2016, section 7 (label smoothing).
    """

    def __init__(
        self, *, class_weights: Any = None, label_smoothing: float = 0.0,
        ignore_index: int | None = None,
    ):  # fmt: skip
        if not 0 <= label_smoothing <= 1:
            raise ValueError(
                f"SoftmaxCrossEntropy: label_smoothing must lie in [0, 1], got {label_smoothing}"
            )
        self.class_weights, self.label_smoothing = class_weights, label_smoothing
        self.ignore_index = ignore_index

    def forward(self, y: Array, t: Array, weights: Array | None = None) -> Array:
        y = as_float(y)
        t = targets(y, t, self.ignore_index)
        if weights is not None:
            t = t * sample_weights(self, weights, y)
        self.shape = y.shape
        self.m = self.shares(t.reshape(-1, y.shape[-1]))
        z = y.reshape(self.m.shape)
        z = z - z.max(axis=1, keepdims=True)
        e = np.exp(z)
        total = e.sum(axis=1, keepdims=True)
        self.p = e / total
        return (self.m * np.where(self.m > 0, np.log(total) - z, 0)).sum()

    def backward(self, dloss: Any = 1.0) -> tuple[Array, None]:
        dloss = as_float(dloss).astype(self.p.dtype)
        dy = (self.p * self.m.sum(axis=1, keepdims=True) - self.m) * dloss
        return dy.reshape(self.shape), None

    def shares(self, t: Array) -> Array:
        """m from t (rows, C), whose rows hold the weights of the samples already."""
        v = 1 if self.class_weights is None else class_weights(self.class_weights, t)
        total = (t * v).sum()
        if not total > 0:
            raise ValueError(
                "SoftmaxCrossEntropy: nothing to learn from: the batch is empty, or every label "
                "is ignored or has weight 0"
            )
        if self.label_smoothing:
            even = t.sum(axis=1, keepdims=True) / t.shape[1]
            t = t + self.label_smoothing * (even - t)
        return t * v / total


def targets(y: Array, t: Any, ignore_index: int | None) -> Array:
    """t as probabilities shaped like y, in its dtype; rows of ignored labels are zero."""
    t = t if hasattr(t, "dtype") else np.asarray(t)
    classes = y.shape[-1] if y.ndim > 1 else 0
    if not classes or t.shape not in (y.shape, y.shape[:-1]):
        raise ShapeError(
            "SoftmaxCrossEntropy: y (N, …, C) needs labels t (N, …) or probabilities (N, …, C), "
            f"got y {y.shape} and t {t.shape}"
        )
    if t.ndim == y.ndim:
        return probabilities(as_float(t, y.dtype).astype(y.dtype, copy=False))
    if t.dtype.kind not in "iub":
        raise ValueError(
            f"SoftmaxCrossEntropy: labels must be integers, got {t.dtype}; use t.astype(int), or "
            "probabilities shaped like y"
        )
    hot = t[..., None] == array_module(t).arange(classes)
    learned = t.size
    if ignore_index is not None:
        seen = t != ignore_index
        hot, learned = hot & seen[..., None], np.count_nonzero(seen)
    if np.count_nonzero(hot) != learned:
        raise ValueError(
            f"SoftmaxCrossEntropy: labels must lie from 0 to {classes - 1} or equal ignore_index "
            f"({ignore_index}), got {t.min()} to {t.max()}"
        )
    return hot.astype(y.dtype)


def probabilities(t: Array) -> Array:
    """t itself, once every row has been seen to be a distribution."""
    sums = t.sum(axis=-1)
    if t.size and not (t.min() >= 0 and np.abs(sums - 1).max() < 1e-3):
        raise ValueError(
            "SoftmaxCrossEntropy: probabilities must be ≥ 0 and sum to 1 in each row, got numbers "
            f"from {t.min()} and sums from {sums.min()} to {sums.max()}"
        )
    return t


def class_weights(weights: Any, t: Array) -> Array:
    """The weights of the classes, in the dtype of t (rows, C)."""
    weights = as_float(weights, t.dtype).astype(t.dtype, copy=False)
    if weights.shape != t.shape[1:]:
        raise ShapeError(
            f"SoftmaxCrossEntropy: class_weights must have shape {t.shape[1:]}, got "
            f"{weights.shape}"
        )
    if not (weights.min() >= 0 and weights.max() < np.inf):
        raise ValueError(
            f"SoftmaxCrossEntropy: class_weights must be finite and ≥ 0, got {weights}"
        )
    return weights


def loss_for(t: Any) -> Layer:
    """The usual loss: SoftmaxCrossEntropy for integer targets, MeanSquaredError for real ones."""
    kind = np.asarray(t).dtype.kind if not hasattr(t, "dtype") else t.dtype.kind
    return MeanSquaredError() if kind == "f" else SoftmaxCrossEntropy()
