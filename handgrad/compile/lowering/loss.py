"""Losses: the terms and dy in one row, the sum of the terms in another."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.compile.builder import Builder
from handgrad.compile.lowering.registry import MOST_STEPS, LossLowering, lowers
from handgrad.compile.values import Address, BatchDim, NotNative, Value, times
from handgrad.layers import (
    Affine,
    BinaryCrossEntropy,
    Hinge,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    SumSquaredError,
)

_PIECE = 1 << 13  # terms of one sum in native/loss.cpp
_NAMES: dict[type, str] = {  # of the losses in native/loss.cpp
    MeanSquaredError: "squared",
    SumSquaredError: "half_squared",
    MeanAbsoluteError: "absolute",
    Huber: "huber",
    SigmoidCrossEntropy: "sigmoid_cross_entropy",
    BinaryCrossEntropy: "cross_entropy",
    Hinge: "hinge",
}


@lowers(SoftmaxCrossEntropy)
class LowerSoftmaxCrossEntropy(LossLowering):
    """dy = m (p − t) for labels t, each row of scores by itself."""

    def loss(self, b: Builder, layer: Any, y: Value, t: Value, metrics: Address) -> Value:
        y = b.plain(b.gathered(y))
        if not t.integer:
            raise NotNative("SoftmaxCrossEntropy: the targets are probabilities")
        if t.shape != y.shape[:-1] or y.shape[0] != BatchDim(1):
            raise NotNative(f"SoftmaxCrossEntropy: labels {t.shape} for scores {y.shape}")
        if layer.label_smoothing and layer.class_weights is not None:
            raise NotNative("SoftmaxCrossEntropy: label_smoothing together with class_weights")
        classes, each = y.shape[-1], t.row
        if isinstance(classes, BatchDim):
            raise NotNative("SoftmaxCrossEntropy: classes that grow with the batch")
        labels = {
            "samples": BatchDim(1), "each": each, "classes": classes,
            "labels": t if t.rows is None else t.owner.rows, "indexed": t.rows is not None,
        }  # fmt: skip
        shares = self._shares(b, layer, labels)
        dy = y if _free(y) else b.value(y.shape)
        terms, right = b.value(t.shape), b.value(t.shape)
        b.row(
            "softmax_loss", **labels, scores=y, shares=shares, dy=dy, terms=terms, right=right,
            smoothing=layer.label_smoothing,
        )  # fmt: skip
        b.later(
            "step_loss", count=BatchDim(each), each=1, terms=terms, right=right, losses=metrics,
            rights=metrics + MOST_STEPS,
        )  # fmt: skip
        return dy

    def _shares(self, b: Builder, layer: Any, labels: dict[str, Any]) -> Value | None:
        """What each row counts, where not all count the same."""
        weights, ignored = layer.class_weights, layer.ignore_index
        if weights is None and ignored is None:
            return None
        shares = b.value((BatchDim(labels["each"]),))
        table = None if weights is None else b.array(_class_weights(weights, labels["classes"]))
        b.row(
            "shares", **labels, weights=table, ignores=ignored is not None, ignore=ignored or 0,
            shares=shares,
        )  # fmt: skip
        return shares


def _class_weights(weights: Any, classes: int) -> np.ndarray:
    table = np.ascontiguousarray(weights, np.float32)
    if table.shape != (classes,) or not (table.min() >= 0 and table.max() < np.inf):
        raise NotNative("SoftmaxCrossEntropy: class_weights that do not fit")
    return table


def _free(y: Value) -> bool:
    """Whether the gradient may overwrite y: nothing reads y any more."""
    made = y.made_by
    alone = y.whole is None and y.uses == 1 and made is not None and not made.fused
    return alone and type(made.layer) is Affine


@lowers(*_NAMES)
class LowerElementwiseLoss(LossLowering):
    """A term for each element of y and t, and its derivative."""

    def loss(self, b: Builder, layer: Any, y: Value, t: Value, metrics: Address) -> Value:
        name = type(layer).__name__
        if t.integer or t.shape != y.shape:
            raise NotNative(f"{name}: targets {t.shape} for outputs {y.shape}, or integers")
        y, t = b.plain(b.gathered(y)), b.gathered(t)
        size, mean = times(*y.shape), type(layer) is not SumSquaredError
        dy, sums = b.value(y.shape), b.value((BatchDim(-(-y.row // _PIECE)),))
        delta = layer.delta if type(layer) is Huber else 0.0
        b.row(
            "loss_terms", count=size, loss=_NAMES[type(layer)], y=y, t=t, dy=dy, sums=sums,
            mean=mean, delta=delta,
        )  # fmt: skip
        b.later("step_loss", count=size, each=_PIECE, terms=sums, losses=metrics, mean=mean)
        return dy
