"""What targets mean for a network's outputs: the loss, and the targets as that loss needs them."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError
from handgrad.layer import Layer, is_layer
from handgrad.layers.activation.sigmoidal import Sigmoid
from handgrad.layers.loss.base import ElementwiseLoss, Loss
from handgrad.layers.loss.cross_entropy import ClassLoss, SigmoidCrossEntropy, SoftmaxCrossEntropy
from handgrad.layers.loss.likelihood import BinaryCrossEntropy
from handgrad.layers.loss.regression import MeanSquaredError
from handgrad.layers.loss.targets import check_scores


def meant(t: Any, y: Array, loss: Any = None, last: Any = None) -> tuple[Any, Array]:
    """The loss, and the targets as it needs them, for a network that gives y (N, …).

    Without a loss: real targets are a regression, and so are integers with one output each
    (prices); 0 and 1, or booleans, with one output each are probabilities, which the last layer
    gives if it is a Sigmoid, or else the loss; other integers and booleans are labels.
    Where the loss compares element by element, targets (N) for outputs (N, 1) become a column, and
    (N, 1) for outputs (N) lose it. A class stands for an instance with its usual options.
    Raises ValueError for what is no loss, ShapeError for labels with the score of one class, and
    for real targets that are one for several outputs.
    """
    t = t if hasattr(t, "dtype") else np.asarray(t)
    loss = loss() if isinstance(loss, type) and hasattr(loss, "forward") else loss
    if loss is None:
        loss = _loss_of(t, y, last)
    if not is_layer(loss) or not _takes_two(loss.forward):
        raise ValueError(
            "loss: a loss such as SoftmaxCrossEntropy(), with forward(y, t), is needed, "
            f"got {loss!r}"
        )
    if isinstance(loss, ElementwiseLoss):
        t = _shaped(t, y)
        return loss, t if t.dtype.kind == "f" else t.astype(y.dtype)
    check_scores(loss, y.shape, t)
    labels = isinstance(loss, ClassLoss) and t.dtype.kind == "b"
    return loss, t.astype(np.int64) if labels else t


def value_of(loss: Any, y: Array, t: Array) -> float:
    """The loss of outputs y against t. Raises ValueError where that is not one number."""
    try:
        value = loss.forward(y, t)
    except Exception as error:
        if isinstance(loss, Loss):
            raise
        raise ValueError(
            f"loss: {loss!r} fails on outputs {y.shape} and targets {t.shape}: "
            f"{type(error).__name__}: {error}"
        ) from error
    if np.size(value) != 1:
        raise ValueError(
            f"loss: forward(y, t) must give one number, {loss!r} gives shape {np.shape(value)}"
        )
    return float(value)


def check_metrics(metrics: Any) -> list[Any]:
    """A list of functions (y, t) -> number; a single one is taken too."""
    several = [metrics] if callable(metrics) or isinstance(metrics, str) else list(metrics)
    for metric in several:
        if not callable(metric):
            raise ValueError(
                f"metrics: functions (y, t) -> number, such as accuracy, are needed, got {metric!r}"
            )
    return several


def _takes_two(forward: Callable[..., Any]) -> bool:
    """Whether outputs and targets can be given to it, as to the forward of a loss."""
    try:
        signature(forward).bind(None, None)
    except TypeError:
        return False
    except ValueError:  # written in C, without a signature
        return True
    return True


def _shaped(t: Array, y: Array) -> Array:
    """The targets in the shape of the outputs, where they differ in a last axis of one alone."""
    if (*t.shape[1:], 1) == y.shape[1:]:
        return t[..., None]
    return t[..., 0] if t.shape[1:] == (*y.shape[1:], 1) else t


def _loss_of(t: Array, y: Array, last: Any) -> Layer:
    each = _shaped(t, y).shape[1:] == y.shape[1:]  # one target for each output
    if t.dtype.kind == "f":
        if not each and t.ndim == y.ndim - 1:
            raise ShapeError(
                f"t: real targets {t.shape[1:] or 'of one number'} for outputs {y.shape[1:]} of "
                "each sample; one for each output is a regression, and integers, as "
                "t.astype(int) gives, are labels of classes"
            )
        return MeanSquaredError()
    if not each or (t.dtype.kind != "b" and y.shape[1:] and y.shape[-1] > 1):
        return SoftmaxCrossEntropy()
    if t.min() < 0 or t.max() > 1:
        return MeanSquaredError()
    return BinaryCrossEntropy() if isinstance(last, Sigmoid) else SigmoidCrossEntropy()
