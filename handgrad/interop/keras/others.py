"""Keras's other layers as ours: dense, shapes, embeddings, recurrent ones, merges."""

from __future__ import annotations

import operator
from math import prod
from typing import Any

import numpy as np

from handgrad import layers
from handgrad.interop.keras.activations import activate
from handgrad.interop.keras.builder import Builder, Convert, Value, need, plain, size, sizes
from handgrad.interop.steps import Ref


def _dense(b: Builder, c: dict[str, Any], x: Value) -> Value:
    units, bias = size(c["units"], "units"), bool(c.get("use_bias", True))
    plain(c, quantization_config=None, lora_rank=None)
    W = b.array("vars/0", None, units)
    layer = layers.Affine(units, inputs=len(W), bias=bias)
    arrays = [("vars/0", W), *([("vars/1", b.array("vars/1", units))] if bias else [])]
    y = b.add(b.weighted(layer, "dense", *arrays), b.given(x))
    return activate(b, c.get("activation"), y)


def _embedding(b: Builder, c: dict[str, Any], x: Value) -> Value:
    plain(c, quantization_config=None)
    W = b.array("vars/0", size_of(c["input_dim"]), size(c["output_dim"], "output_dim"))
    layer = b.weighted(layers.Embedding(*W.shape), "embedding", ("vars/0", W))
    return b.add(layer, b.given(x), rank=x.rank + 1)


def size_of(value: Any) -> int | None:
    """The number of words, which the weights have to have as well."""
    return value if isinstance(value, int) else None


def _layer_norm(b: Builder, c: dict[str, Any], x: Value) -> Value:
    plain(c, center=True, scale=True, rms_scaling=False)
    axis = c.get("axis", -1)
    axes = axis if isinstance(axis, list) else [axis]
    last = sorted(a % x.rank for a in axes)
    need(last == list(range(x.rank - len(axes), x.rank)), f"axis={axis!r}, not the last")
    gamma = b.array("vars/0", *[None] * len(axes))
    beta = b.array("vars/1", *gamma.shape)
    own = tuple(range(-len(axes), 0)) if len(axes) > 1 else -1
    layer = layers.LayerNorm(axis=own, eps=c.get("epsilon", 1e-3))
    return b.add(b.weighted(layer, "scale", ("vars/0", gamma), ("vars/1", beta)), b.given(x))


def _rms(b: Builder, c: dict[str, Any], x: Value) -> Value:
    need(c.get("axis", -1) in (-1, [-1], x.rank - 1, [x.rank - 1]), f"axis={c.get('axis')!r}")
    layer = layers.RMSNorm(eps=c.get("epsilon", 1e-6))
    gamma = b.array("vars/0", None)
    return b.add(b.weighted(layer, "scale", ("vars/0", gamma)), b.given(x))


def _normalization(b: Builder, c: dict[str, Any], x: Value) -> Value:
    axis = c.get("axis", -1)
    axis = axis[0] if isinstance(axis, list | tuple) and len(axis) == 1 else axis
    need(axis in (-1, x.rank - 1) and c.get("mean") is None, f"axis={axis!r}, or a stated mean")
    plain(c, invert=False)
    mean, variance = b.array("vars/0", None), b.array("vars/1", None)
    b.taken.add(f"{b.group}/vars/2")
    layer = layers.Standardize(mean.tolist(), np.maximum(np.sqrt(variance), 1e-7).tolist())
    arrays = [("vars/0", mean), ("vars/1", variance), ("vars/2", np.zeros((), np.int32))]
    return b.add(b.weighted(layer, "normalization", *arrays), b.given(x))


# -- shapes ---------------------------------------------------------------------------------------


def _flatten(b: Builder, c: dict[str, Any], x: Value) -> Value:
    x = b.given(x)
    if c.get("data_format") == "channels_first" and x.rank > 2:  # Keras turns them here
        x = b.add(layers.Transpose((0, *range(2, x.rank), 1)), x)
    return b.add(layers.Flatten(), x, rank=2)


def _reshape(b: Builder, c: dict[str, Any], x: Value) -> Value:
    target = c["target_shape"]
    found = [-1 if n in (-1, None) else size(n, "target_shape") for n in target]
    need(found.count(-1) < 2, f"target_shape={target!r}")
    if -1 in found:
        return b.step(lambda a: _filled(a, found), [Ref(b.given(x).name)], len(found) + 1)
    return b.add(layers.Reshape((-1, *found)), b.given(x), rank=len(found) + 1)


def _filled(a: Any, lengths: list[int]) -> Any:
    """a in this shape after the batch; -1 is what is left, for an empty batch too."""
    known = prod(n for n in lengths if n != -1)
    left = prod(a.shape[1:]) // known
    return a.reshape((a.shape[0], *(left if n == -1 else n for n in lengths)))


def _permute(b: Builder, c: dict[str, Any], x: Value) -> Value:
    dims = sizes(c["dims"], "dims", x.rank - 1)
    return b.add(layers.Transpose((0, *dims)), b.given(x))


def _repeated(b: Builder, c: dict[str, Any], x: Value) -> Value:
    apart = b.add(layers.Index((slice(None), None)), x, rank=3)
    return b.add(layers.Tile((1, size(c["n"], "n"), 1)), apart)


def _dropout(b: Builder, c: dict[str, Any], x: Value) -> Value:
    plain(c, noise_shape=None)
    return b.same(layers.Dropout(c["rate"]), x)


def _rescaled(b: Builder, c: dict[str, Any], x: Value) -> Value:
    scale, offset = c["scale"], c.get("offset", 0.0)
    need(all(isinstance(v, int | float) for v in (scale, offset)), f"scale={scale!r}")
    return combined(b, operator.add, combined(b, operator.mul, x, scale), offset)


def picked(b: Builder, x: Value, *key: Any) -> Value:
    """x[key] of integers, slices, None and an ellipsis, as a file states them."""
    keys = tuple(_key(k) for k in key)
    more = sum(k is None for k in keys) - sum(isinstance(k, int) for k in keys)
    return b.add(layers.Index(keys), b.given(x), rank=x.rank + more)


def _key(key: Any) -> Any:
    kind = key.get("class_name") if isinstance(key, dict) else None
    if kind == "__slice__":
        return slice(*(key["config"][name] for name in ("start", "stop", "step")))
    if kind == "__ellipsis__":
        return ...
    need(
        key is None or (isinstance(key, int) and not isinstance(key, bool)), f"the key {key!r:.40}"
    )
    return key


# -- several inputs -------------------------------------------------------------------------------


def alike(b: Builder, xs: tuple[Value, ...]) -> tuple[Value, ...]:
    """The values with their axes in the same order."""
    first = all(x.rank == xs[0].rank for x in xs) and any(x.first for x in xs)
    return tuple(b.moved(x, first) for x in xs)


def combined(b: Builder, function: Any, *xs: Any) -> Value:
    """A step by an operator on values, which may be broadcast, and numbers."""
    values = iter(alike(b, tuple(x for x in xs if isinstance(x, Value))))
    taken = [next(values) if isinstance(x, Value) else x for x in xs]
    found = [x for x in taken if isinstance(x, Value)]
    refs = [Ref(x.name) if isinstance(x, Value) else x for x in taken]
    return b.step(function, refs, max(x.rank for x in found), any(x.first for x in found))


def _merged(function: Any, exactly: int | None = None) -> Convert:
    """Values of which each takes in the next by an operator of two."""

    def convert(b: Builder, c: dict[str, Any], *xs: Value) -> Value:
        need(len(xs) > 1 and exactly in (None, len(xs)), f"{len(xs)} inputs")
        y = xs[0]
        for x in xs[1:]:
            y = combined(b, function, y, x)
        return y

    return convert


def _average(b: Builder, c: dict[str, Any], *xs: Value) -> Value:
    return combined(b, operator.truediv, _merged(operator.add)(b, c, *xs), len(xs))


def _joined(b: Builder, c: dict[str, Any], *xs: Value) -> Value:
    given = alike(b, xs)
    rank, axis = given[0].rank, c.get("axis", -1)
    if not isinstance(axis, int) or not -rank <= axis < rank:
        raise ValueError(f"axis={axis!r} of values with {rank} axes")
    axis %= rank
    if given[0].first and axis:
        axis = 1 if axis == rank - 1 else axis + 1
    return b.add(layers.Concat(axis=axis), *given, first=given[0].first)


CONVERT: dict[str, Convert] = {
    "Dense": _dense,
    "Embedding": _embedding,
    "LayerNormalization": _layer_norm,
    "RMSNormalization": _rms,
    "Normalization": _normalization,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Permute": _permute,
    "RepeatVector": _repeated,
    "Dropout": _dropout,
    "Rescaling": _rescaled,
    "Identity": lambda b, c, x: x,
    "Add": _merged(operator.add),
    "Subtract": _merged(operator.sub, 2),
    "Multiply": _merged(operator.mul),
    "Maximum": _merged(np.maximum),
    "Minimum": _merged(np.minimum),
    "Average": _average,
    "Concatenate": _joined,
}
OPERATORS: dict[str, Any] = {
    "Add": operator.add, "Subtract": operator.sub, "Multiply": operator.mul,
    "Divide": operator.truediv, "TrueDivide": operator.truediv, "Negative": operator.neg,
}  # fmt: skip
