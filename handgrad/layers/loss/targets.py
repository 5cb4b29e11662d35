"""What targets are to a loss: which loss is usual for them, which count, whether scores fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError
from handgrad.layer import Layer
from handgrad.layers.activation.sigmoidal import sigmoid
from handgrad.layers.loss.cross_entropy import ClassLoss, SigmoidCrossEntropy, SoftmaxCrossEntropy
from handgrad.layers.loss.likelihood import NegativeLogLikelihood
from handgrad.layers.loss.regression import MeanSquaredError


def loss_for(t: Any) -> Layer:
    """The usual loss: SoftmaxCrossEntropy for integer targets, MeanSquaredError for real ones."""
    kind = np.asarray(t).dtype.kind if not hasattr(t, "dtype") else t.dtype.kind
    return MeanSquaredError() if kind == "f" else SoftmaxCrossEntropy()


def counted(loss: Any, y: Array, t: Array) -> tuple[Array, Array]:
    """y and t without the elements that the loss ignores, for metrics.

    Where the loss has an ignore_index, whatever t holds, scores y (N, …, C) and labels t (N, …)
    become those of the M counted elements, (M, C) and (M); else both are returned as they are.
    """
    ignored = getattr(loss, "ignore_index", None)
    if ignored is None or np.ndim(t) != np.ndim(y) - 1:
        return y, t
    keep = t != ignored
    return y[keep], t[keep]


def as_taken(metric: Any, loss: Any, y: Array) -> Array:
    """Outputs y as a metric takes them: where it says `takes = "probabilities"`, and the loss is
    one of scores or of logarithms of probabilities, these become probabilities, in float64."""
    if getattr(metric, "takes", None) != "probabilities" or not y.size:
        return y
    if isinstance(loss, SigmoidCrossEntropy):
        return sigmoid(y.astype(np.float64))
    if not isinstance(loss, SoftmaxCrossEntropy | NegativeLogLikelihood):
        return y
    e = np.exp(y - y.max(axis=-1, keepdims=True), dtype=np.float64)
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def check_scores(loss: Any, y_shape: tuple[int, ...], t: Array) -> None:
    """Refuse labels for scores of one class, of which nothing can be learned: p is always 1.

    Raises ShapeError; to be called before training, with the shape of a batch of outputs.
    """
    if not isinstance(loss, ClassLoss) or y_shape[-1:] != (1,):
        return
    raise ShapeError(
        f"{type(loss).__name__}: y {y_shape} has the score of one class, which is right whatever "
        f"is learned, got t {t.shape} of {t.dtype}; give the last layer one output per class (2 "
        "for yes or no), or use SigmoidCrossEntropy with t of 0 and 1 shaped (N, 1), or for "
        "numbers t.astype(float)"
    )
