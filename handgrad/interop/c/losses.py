"""Losses and update rules in C."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from handgrad.compile.values import NotNative, Value
from handgrad.interop.c.forms import ints
from handgrad.interop.c.writer import Call, Memory, Writer, literal
from handgrad.layers import (
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    SumSquaredError,
)
from handgrad.optim import SGD, Adam, AdamW
from handgrad.optim.runs import decays, scale_of

_LOSSES: dict[type, str] = {
    SoftmaxCrossEntropy: "softmax_cross_entropy", SigmoidCrossEntropy: "sigmoid_cross_entropy",
    MeanSquaredError: "mean_squared_error", SumSquaredError: "sum_squared_error",
    MeanAbsoluteError: "mean_absolute_error", Huber: "huber",
}  # fmt: skip


def require_loss(loss: Any) -> None:
    """Raise NotNative for a loss, or an option of it, without a form in C."""
    name = type(loss).__name__
    if type(loss) not in _LOSSES:
        raise NotNative(f"{name} (no form in C; there are {_names(_LOSSES)}, or None)")
    options = ["class_weights", "ignore_index", "label_smoothing", "normalizer"]
    if takes_labels(loss):
        options.remove("class_weights")
    for option in options:
        if getattr(loss, option, None) not in (None, 0.0):
            raise NotNative(f"{name} ({option} in C)")


def takes_labels(loss: Any) -> bool:
    """Whether t are labels."""
    return isinstance(loss, SoftmaxCrossEntropy)


def write_loss(c: Writer, loss: Any, y: Value, t: str) -> Value:
    """Append the call of the loss, and return dy."""
    shape = ints(y.shape)
    dy = c.value(shape, "dy")
    sizes = (prod(shape[:-1]), shape[-1]) if takes_labels(loss) else (prod(shape),)
    more: tuple[Any, ...] = (float(loss.delta),) if isinstance(loss, Huber) else ()
    c.label, name = type(loss).__name__, _LOSSES[type(loss)]
    if getattr(loss, "class_weights", None) is not None:
        name, weights = f"weighted_{name}", np.asarray(loss.class_weights, np.float32)
        c.memory.kept.append(weights)
        more = (c.memory.constant(weights, "class_weights"),)
    c.call(name, *sizes, *more, y, t, dy, result="loss")
    return dy


def require_optimizer(optimizer: Any) -> None:
    """Raise NotNative for an optimizer, or an option of it, without a form in C."""
    name = type(optimizer).__name__
    if type(optimizer) not in (SGD, Adam, AdamW):
        raise NotNative(f"{name} (no form in C; there are SGD, Adam, AdamW)")
    for option in ("clip_norm", "clip_value"):
        if getattr(optimizer, option) is not None:
            raise NotNative(f"{name} ({option} in C)")
    if callable(optimizer.lr):
        raise NotNative(f"{name} (a schedule in C; the rate is an argument of update)")


def write_update(memory: Memory, optimizer: Any) -> list[Call]:
    """One call for each parameter that learns."""
    calls = []
    for key, g in memory.gradients.items():
        name, path = memory.weights[key, "w"].name, memory.paths[key]
        does = decays(path, g.array.shape, optimizer.decay_on)
        factor = scale_of(path, optimizer.lr_scale)
        rate = "rate" if factor == 1 else f"{literal(factor)} * rate"
        l2, decay = (float(v) if does else 0.0 for v in (optimizer.l2, optimizer.weight_decay))
        gradient, p = f"s->g.{g.name}", f"w->{name}"
        if isinstance(optimizer, SGD):
            calls.append(Call("sgd", (g.array.size, rate, l2, decay, gradient, p), ""))
            continue
        betas = (repr(float(optimizer.beta1)), repr(float(optimizer.beta2)))
        moments = f"s->m.{g.name}", f"s->v.{g.name}"
        calls.append(Call("adam", (
            g.array.size, rate, l2, decay, *betas, float(optimizer.eps), "s->step", gradient, p,
            *moments,
        ), ""))  # fmt: skip
    return calls


def _names(classes: Any) -> str:
    return ", ".join(cls.__name__ for cls in classes)
