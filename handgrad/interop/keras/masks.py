"""Masks of steps: how Keras computes them in its graphs, and what it does with them.

A mask is an array of booleans (N, T), True where there is data; no gradient goes through it. In a
file of a functional model the masks are operations of the graph; in a chain they go along from
layer to layer, and are followed here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.interop.keras import images
from handgrad.interop.keras.builder import Builder, Convert, Value, need
from handgrad.interop.steps import Ref

# Layers behind which the mask of what they took still holds; behind others there is none.
PASSING = frozenset({
    "Activation", "ReLU", "PReLU", "LeakyReLU", "ELU", "GroupNormalization", "SpatialDropout1D",
    "Dense", "TimeDistributed", "LayerNormalization", "Normalization", "Dropout", "Rescaling",
    "Identity", "Embedding", "Masking",
})  # fmt: skip
ASKING = frozenset({"SimpleRNN", "LSTM", "GRU", "Bidirectional", "GlobalAveragePooling1D"})
OTHERWISE = frozenset({"Softmax", "BatchNormalization", "Sequential", "Functional", "Model"})


def different(x: Any, value: float) -> Any:
    """x != value, also of tensors."""
    return (x < value) | (x > value)


def _zeros(x: Any) -> Any:
    return np.zeros(x.shape, bool)


# An operation of a mask, by its configuration: a function of arrays, and how many axes it adds.
OPERATIONS: dict[str, Any] = {
    "NotEqual": lambda c: (different, 0),
    "ConvertToTensor": lambda c: (lambda m: m, 0),
    "ZerosLike": lambda c: (_zeros, 0),
    "LogicalOr": lambda c: (np.logical_or, 0),
    "LogicalAnd": lambda c: (np.logical_and, 0),
    "LogicalNot": lambda c: (np.logical_not, 0),
    "ExpandDims": lambda c: (lambda m: np.expand_dims(m, c["axis"]), 1),
    "Any": lambda c: (lambda m: m.any(axis=c["axis"], keepdims=bool(c.get("keepdims"))),
                      0 if c.get("keepdims") else -1),
    "Concatenate": lambda c: (lambda *ms: np.concatenate(ms, axis=c["axis"]), 0),
}  # fmt: skip


def operation(b: Builder, kind: str, c: dict[str, Any], args: list[Any]) -> Value:
    """A step by an operation on masks."""
    function, more = OPERATIONS[kind](c)
    given = [b.given(x) if isinstance(x, Value) else x for x in args]
    ranks = [x.rank for x in given if isinstance(x, Value)]
    need(bool(ranks) and all(isinstance(x, Value | int | float) for x in given), f"{kind} of these")
    return b.step(function, [Ref(x.name) if isinstance(x, Value) else x for x in given],
                  max(ranks) + more)  # fmt: skip


def begun(b: Builder, kind: str, c: dict[str, Any], x: Value) -> Value | None:
    """The mask that a layer of a chain makes, if it makes one."""
    if kind == "Embedding" and c.get("mask_zero"):
        return operation(b, "NotEqual", {}, [x, 0])
    if kind == "Masking":
        found = operation(b, "NotEqual", {}, [x, c.get("mask_value", 0.0)])
        return operation(b, "Any", {"axis": -1}, [found])
    return None


def after(kind: str, c: dict[str, Any], mask: Value | None) -> Value | None:
    """The mask behind a layer of a chain."""
    inner = c["layer"]["config"] if kind == "Bidirectional" else c
    holds = kind in PASSING or (kind in ASKING and inner.get("return_sequences"))
    return mask if holds else None


def _where(x: Any, mask: Any) -> Any:
    """x where there is data, else 0."""
    return x * mask[..., None].astype(x.dtype)


def silenced(b: Builder, y: Value, mask: Value, zero: bool, given: bool) -> Value:
    """The outputs of a recurrent layer at steps without data: 0 if `zero`.

    Else that of the step before, as here; before the first, Keras has 0 though a state be given.
    """
    if not (zero or given):
        return y
    now = mask if zero else b.step(lambda m: np.maximum.accumulate(m, axis=1), [Ref(mask.name)], 2)
    return b.step(_where, [Ref(y.name), Ref(now.name)], y.rank)


def _masking(b: Builder, c: dict[str, Any], x: Value) -> Value:
    mask = begun(b, "Masking", c, x)
    assert mask is not None
    return b.step(_where, [Ref(b.given(x).name), Ref(mask.name)], x.rank)


def _mean(x: Any, mask: Any) -> Any:
    """The mean over the steps with data."""
    counts = mask.sum(axis=1)[:, None, None]
    return (x * (mask[..., None] / counts).astype(x.dtype)).sum(axis=1)


def _pooled(b: Builder, c: dict[str, Any], x: Value, *, mask: Value | None = None) -> Value:
    if mask is None:
        y: Value = images.CONVERT["GlobalAveragePooling1D"](b, c, x)
        return y
    need(not c.get("keepdims") and c.get("data_format") != "channels_first", "keepdims with a mask")
    return b.step(_mean, [Ref(b.given(x).name), Ref(mask.name)], 2)


CONVERT: dict[str, Convert] = {"Masking": _masking, "GlobalAveragePooling1D": _pooled}
