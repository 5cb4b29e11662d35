"""Losses: the terms and dy in one row, the sum of the terms in another, shares in a third.

Where all elements count 1, no row for shares is needed: D is then how many there are.
"""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.compile.builder import Argument, Builder
from handgrad.compile.lowering.registry import LossLowering, Measured, lowers
from handgrad.compile.sharding import ShardedBuilder
from handgrad.compile.values import Address, BatchDim, NotNative, Value, times
from handgrad.layers import (
    Affine,
    BinaryCrossEntropy,
    Hinge,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    PolicyGradient,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    SumSquaredError,
)

_PIECE = 1 << 13  # terms of one sum in native/loss.cpp
_LEAST, _MOST = 1e-15, 1e15  # weights whose products, sums and reciprocals float32 can hold
_NAMES: dict[type, str] = {
    MeanSquaredError: "squared", SumSquaredError: "half_squared", MeanAbsoluteError: "absolute",
    Huber: "huber", SigmoidCrossEntropy: "sigmoid_cross_entropy",
    BinaryCrossEntropy: "cross_entropy", Hinge: "hinge",
}  # fmt: skip


@lowers(SoftmaxCrossEntropy, PolicyGradient)
class LowerSoftmaxCrossEntropy(LossLowering):
    """dy = m (p − t) for labels t, each row of scores by itself."""

    def loss(
        self, b: Builder, layer: Any, y: Value, t: Value, weights: Address | None, step: Measured
    ) -> Value:
        y = b.plain(b.gathered(y))
        if not t.integer:
            raise NotNative("SoftmaxCrossEntropy: the targets are probabilities")
        if t.shape != y.shape[:-1] or y.shape[0] != BatchDim(1):
            raise NotNative(f"SoftmaxCrossEntropy: labels {t.shape} for scores {y.shape}")
        classes, ignored = y.shape[-1], layer.ignore_index
        if isinstance(classes, BatchDim):
            raise NotNative("SoftmaxCrossEntropy: classes that grow with the batch")
        ignores = ignored is not None and -(2**31) <= ignored < 2**31  # labels have 32 bits
        labels = {
            "samples": BatchDim(1), "each": t.row, "classes": classes, "labels": t.owner.rows,
            "indexed": True, "ignores": ignores, "ignore": ignored if ignores else None,
        }  # fmt: skip
        table = None
        if layer.class_weights is not None:
            table = b.array(storable(layer, "class_weights", layer.class_weights, (classes,)))
        shares, counts = shared_out(b, layer, labels, weights, table, step)
        dy = y if _free(y) else b.value(y.shape)
        terms, right = b.value(t.shape), b.value(t.shape)
        b.row(
            "softmax_loss", **labels, scores=y, shares=shares, dy=dy, terms=terms, right=right,
            smoothing=layer.label_smoothing, class_weights=table if layer.label_smoothing else None,
        )  # fmt: skip
        b.later(
            "step_loss", count=times(*t.shape), each=1, terms=terms, right=right,
            losses=step.losses, rights=step.right, **counts,
        )  # fmt: skip
        return dy


def _free(y: Value) -> bool:
    """Whether the gradient may overwrite y: nothing reads y any more."""
    made = y.made_by
    alone = y.whole is None and y.uses == 1 and made is not None and not made.fused
    return alone and type(made.layer) is Affine


@lowers(*_NAMES)
class LowerElementwiseLoss(LossLowering):
    """A term for each element of y and t, and its derivative."""

    def loss(
        self, b: Builder, layer: Any, y: Value, t: Value, weights: Address | None, step: Measured
    ) -> Value:
        name = type(layer).__name__
        if t.integer or t.shape != y.shape:
            raise NotNative(f"{name}: targets {t.shape} for outputs {y.shape}, or integers")
        elements = {"samples": BatchDim(1), "each": t.row, "classes": 1, "indexed": True}
        shares, counts = shared_out(b, layer, elements, weights, None, step)
        y, t = b.plain(b.gathered(y)), b.gathered(t)
        size = times(*y.shape)
        mean = shares is None and type(layer) is not SumSquaredError
        dy = b.value(y.shape)
        sums = b.value((BatchDim(-(-y.row // _PIECE)) if b.part is None else b.part.count,))
        b.row(
            "loss_terms", count=size, loss=_NAMES[type(layer)], y=y, t=t, dy=dy, sums=sums,
            shares=shares, mean=mean, delta=layer.delta if type(layer) is Huber else 0.0,
        )  # fmt: skip
        b.later(
            "step_loss", count=size, each=_PIECE, terms=sums, losses=step.losses, mean=mean,
            **counts,
        )  # fmt: skip
        return dy


def shared_out(
    b: Builder, layer: Any, elements: dict[str, Any], weights: Address | None,
    table: Address | None, step: Measured,
) -> tuple[Value | None, dict[str, Argument]]:  # fmt: skip
    """What each element counts, None where all count 1 / D alike and D is their number or 1; and
    what the row that sums the loss is then to store, D and the count."""
    undivided = type(layer) is SumSquaredError
    mean_weight = 1.0 if layer.signed else layer.normalizer
    if mean_weight is not None and not 0 < mean_weight < inf:
        raise NotNative(f"{type(layer).__name__}: normalizer {mean_weight}, not a positive number")
    divisor = "one" if undivided else "sum" if mean_weight is None else "count"
    b.divisor = divisor
    stored: dict[str, Argument] = {"counted": step.counted}
    if not undivided:  # else D stays 1
        stored["denominators"] = step.denominators
    if isinstance(b, ShardedBuilder):
        stored = {"tail": b.tail("loss")}
    alike = weights is None and table is None and not elements.get("ignores")
    if alike and (undivided or mean_weight in (None, 1)):
        return None, stored
    shares = b.value((BatchDim(1), elements["each"]))
    if b.part is not None:
        stored["weighed"] = b.value((b.part.count, 2))
    b.early(
        "shares", **elements, sample_weights=weights, class_weights=table, shares=shares,
        smooths=table is not None and layer.label_smoothing > 0, divisor=divisor,
        mean_weight=mean_weight or 1.0, **{k: v for k, v in stored.items() if k != "tail"},
    )  # fmt: skip
    return shares, stored if b.part is not None else {}


def storable(layer: Any, name: str, weights: Any, shape: tuple[int, ...]) -> Array:
    """Weights as kernels read them; NotNative, so that NumPy says what is wrong, where they are
    not of this shape, or so far from 1 that float32 would lose them."""
    weights = np.asarray(weights, np.float64)
    sizes = np.abs(weights)
    if weights.shape != shape or not (layer.signed or (weights >= 0).all()):
        raise NotNative(f"{type(layer).__name__}: {name} that do not fit")
    if not ((sizes == 0) | (sizes >= _LEAST) & (sizes <= _MOST)).all():
        raise NotNative(
            f"{type(layer).__name__}: {name} from {weights.min():g} to {weights.max():g}, not 0 "
            f"or from {_LEAST:g} to {_MOST:g}"
        )
    single: Array = weights.astype(np.float32)
    return single
