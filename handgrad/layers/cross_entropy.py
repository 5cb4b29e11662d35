"""SoftmaxCrossEntropy, the loss of classification, and the choice of a loss by its targets."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, array_module, as_float
from handgrad.layer import Layer
from handgrad.layers.loss import MeanSquaredError, sample_weights
from handgrad.tensor import Tensor


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
        self.shape = y.shape
        self.at, self.m, self.total = share_out(self, y, t, weights)
        z = y.reshape(-1, y.shape[-1])
        z = z - z.max(axis=1, keepdims=True)
        e = np.exp(z)
        sums = e.sum(axis=1, keepdims=True)
        self.p = e / sums
        return (self.m * (np.log(sums) - z)[self.at]).sum()

    def backward(self, dloss: Any = 1.0) -> tuple[Array, None]:
        dloss = as_float(dloss).astype(self.p.dtype)
        dy = self.p * (dloss * self.total)
        if isinstance(dy, Tensor):
            m = np.zeros(dy.shape, dy.dtype)
            m[self.at] = self.m
            dy = dy - dloss * m
        else:
            dy[self.at] -= dloss * self.m
        return dy.reshape(self.shape), None


def share_out(loss: Any, y: Array, t: Any, weights: Array | None) -> tuple[Any, Array, Array]:
    """Where m lies among the rows of scores, m there, and Σ_c m as a column."""
    t = t if hasattr(t, "dtype") else np.asarray(t)
    (rows, classes), m = targets(loss, y, t)
    n, v = prod(y.shape[:-1]), None
    alike = weights is None and loss.class_weights is None and not loss.label_smoothing
    if alike and 0 < len(rows) == t.size == n:  # a label in every row: the usual case
        each = y.dtype.type(1 / n)
        return (rows, classes), each, each
    if weights is not None:
        w = np.broadcast_to(sample_weights(loss, weights, y)[..., 0], y.shape[:-1])
        m = m * w.reshape(-1)[rows]
    if loss.class_weights is not None:
        v = class_weights(loss, y)
    share = m if v is None else m * v[classes]
    whole = share.sum()
    if not whole > 0:
        raise ValueError(
            f"{type(loss).__name__}: nothing to learn from: the batch is empty, or every label is "
            "ignored or has weight 0"
        )
    if loss.label_smoothing:
        t = np.zeros_like(y, shape=(n, y.shape[-1]))
        t[rows, classes] = m
        t += loss.label_smoothing * (t.mean(axis=1, keepdims=True) - t)
        share = (t if v is None else t * v) / whole
        return ..., share, share.sum(axis=1, keepdims=True)
    share = share / whole
    return (rows, classes), share, np.bincount(rows, share, n).astype(y.dtype)[:, None]


def targets(loss: Any, y: Array, t: Array) -> tuple[tuple[Array, Array], Array]:
    """Rows and classes at which t is not 0, and t there, in the dtype of y.

    A row is one set of C scores; where its label is ignored, it does not occur.
    """
    n = y.shape[-1] if y.ndim > 1 else 0
    name, ignore_index = type(loss).__name__, loss.ignore_index
    if not n or t.shape not in (y.shape, y.shape[:-1]):
        raise ShapeError(
            f"{name}: y (N, …, C) needs labels t (N, …) or probabilities (N, …, C), got "
            f"y {y.shape} and t {t.shape}"
        )
    if t.ndim == y.ndim:
        t = probabilities(name, as_float(t, y.dtype)).reshape(-1, n)
        rows, classes = t.nonzero()
        return (rows, classes), t[rows, classes].astype(y.dtype)
    if t.dtype.kind not in "iub":
        raise ValueError(
            f"{name}: labels must be integers, got {t.dtype}; use t.astype(int), or "
            "probabilities shaped like y"
        )
    xp, labels = array_module(t), t.reshape(-1)
    rows = xp.arange(labels.size)
    if ignore_index is not None:
        rows = rows[labels != ignore_index]
        labels = labels[rows]
    classes = labels.astype(np.intp, copy=False)
    if labels.size and classes.view(np.uintp).max() >= n:  # seen unsigned, -1 is a huge number
        raise ValueError(
            f"{name}: labels must lie from 0 to {n - 1}, or equal ignore_index "
            f"({ignore_index}), got {labels.min()} to {labels.max()}"
        )
    return (rows, classes), xp.ones(len(rows), y.dtype)


def probabilities(name: str, t: Array) -> Array:
    """t itself, once every row has been seen to be a distribution."""
    sums = t.sum(axis=-1)
    if t.size and not (t.min() >= 0 and np.abs(sums - 1).max() < 1e-3):
        raise ValueError(
            f"{name}: probabilities must be ≥ 0 and sum to 1 in each row, got numbers from "
            f"{t.min()} and sums from {sums.min()} to {sums.max()}"
        )
    return t


def class_weights(loss: Any, y: Array) -> Array:
    """The weights of the C classes in the dtype of y."""
    name = type(loss).__name__
    weights = as_float(loss.class_weights, y.dtype).astype(y.dtype, copy=False)
    if weights.shape != y.shape[-1:]:
        raise ShapeError(
            f"{name}: class_weights must have shape {y.shape[-1:]}, got {weights.shape}"
        )
    if not (weights.min() >= 0 and weights.max() < np.inf):
        raise ValueError(f"{name}: class_weights must be finite and ≥ 0, got {weights}")
    return weights


def loss_for(t: Any) -> Layer:
    """The usual loss: SoftmaxCrossEntropy for integer targets, MeanSquaredError for real ones."""
    kind = np.asarray(t).dtype.kind if not hasattr(t, "dtype") else t.dtype.kind
    return MeanSquaredError() if kind == "f" else SoftmaxCrossEntropy()
