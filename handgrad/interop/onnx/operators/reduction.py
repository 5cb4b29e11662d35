"""Reductions, cumulative sums, and where the largest element lies.

Axes are an attribute at first, an input from opset 13 (ReduceSum) or 18 (the others) on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.interop.onnx.operators.registry import operator


def log_sum_exp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log Σ exp x without overflow."""
    top = x.max(axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    result = np.log(np.exp(x - top).sum(axis=axis, keepdims=True)) + top
    return result if keepdims else np.squeeze(result, axis)


def extreme(function: Callable[..., Any], sign: int) -> Callable[..., Any]:
    """The largest or smallest element; that of nothing is the end of the dtype's range."""

    def run(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        if x.dtype.kind == "b":
            initial: Any = sign < 0
        elif x.dtype.kind == "f":
            initial = x.dtype.type(-sign * np.inf)
        else:
            initial = np.iinfo(x.dtype).min if sign > 0 else np.iinfo(x.dtype).max
        return function(x, axis=axis, keepdims=keepdims, initial=initial)

    return run


def total(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return x.sum(axis=axis, keepdims=keepdims, dtype=x.dtype)


def average(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The mean; of integers without its fraction."""
    if x.dtype.kind == "f":
        return x.mean(axis=axis, keepdims=keepdims, dtype=x.dtype)
    count = x.size // max(1, total(x, axis).size)
    return total(x, axis, keepdims) // max(1, count)


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceSum": total,
    "ReduceMean": average,
    "ReduceProd": lambda x, axis, keepdims: x.prod(axis=axis, keepdims=keepdims, dtype=x.dtype),
    "ReduceMax": extreme(np.max, 1),
    "ReduceMin": extreme(np.min, -1),
    "ReduceL1": lambda x, axis, keepdims: total(np.abs(x), axis, keepdims),
    "ReduceL2": lambda x, axis, keepdims: np.sqrt(total(x * x, axis, keepdims)),
    "ReduceLogSum": lambda x, axis, keepdims: np.log(total(x, axis, keepdims)),
    "ReduceLogSumExp": log_sum_exp,
    "ReduceSumSquare": lambda x, axis, keepdims: total(x * x, axis, keepdims),
}


def reduced(function: Callable[..., Any], x: Any, axes: Any, keepdims: int) -> Any:
    """The reduction along axes (None: all), in the dtype of x."""
    axis = None if axes is None else tuple(int(a) for a in axes)
    if axis is None:
        axis = tuple(range(x.ndim))
    return np.asarray(function(x, axis, bool(keepdims))).astype(x.dtype, copy=False)


def enter(name: str, function: Callable[..., Any]) -> None:
    """Enter a reduction, in both of its forms."""

    def by_attribute(x: Any, *, axes: Any = None, keepdims: int = 1) -> Any:
        return reduced(function, x, axes, keepdims)

    def by_input(x: Any, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
                 ) -> Any:  # fmt: skip
        if axes is not None and not axes.size:
            axes = None
        if axes is None and noop_with_empty_axes:
            return reduced(function, x, (), keepdims)
        return reduced(function, x, axes, keepdims)

    operator(name)(by_attribute)
    operator(name, since=13 if name == "ReduceSum" else 18)(by_input)


for name, function in REDUCTIONS.items():
    enter(name, function)


def arg(function: Callable[..., Any]) -> Callable[..., Any]:
    """The index of the largest (or smallest) element: the first one, or the last."""

    def run(x: Any, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Any:
        if select_last_index:
            index = x.shape[axis] - 1 - function(np.flip(x, axis), axis=axis)
        else:
            index = function(x, axis=axis)
        return np.asarray(np.expand_dims(index, axis) if keepdims else index, np.int64)

    return run


operator("ArgMax")(arg(np.argmax))
operator("ArgMin")(arg(np.argmin))


def cumulative(function: Callable[..., Any], first: int) -> Callable[..., Any]:
    """Sums or products so far along an axis, with or without the present element."""

    def run(x: Any, axis: Any, *, exclusive: int = 0, reverse: int = 0) -> Any:
        a = int(np.asarray(axis).reshape(()))
        x = np.moveaxis(x, a, 0)
        x = x[::-1] if reverse else x
        y = function(x, axis=0, dtype=x.dtype)
        if exclusive:
            y = np.concatenate([np.full_like(y[:1], first), y[:-1]])
        return np.moveaxis(y[::-1] if reverse else y, 0, a)

    return run


operator("CumSum", since=11)(cumulative(np.cumsum, 0))
operator("CumProd", since=26)(cumulative(np.cumprod, 1))


@operator("TopK")
def top_k_fixed(x, *, k, axis=-1):
    return top_k(x, np.asarray(k), axis=axis)


@operator("TopK", since=10)
def top_k(x, k, *, axis=-1, largest=1, sorted=1):
    """The k largest (or smallest) elements and their indices; of equal ones the first."""
    if largest and x.dtype.kind == "f":
        keys = -x
    elif largest:
        keys = np.iinfo(x.dtype).max - x if x.dtype.kind == "u" else ~x
    else:
        keys = x
    order = np.argsort(keys, axis=axis, kind="stable")
    order = np.take(order, np.arange(int(np.asarray(k).reshape(()))), axis=axis)
    return np.take_along_axis(x, order, axis), order.astype(np.int64)


@operator("Hardmax")
def hardmax_flat(x, *, axis=1):
    return flattened(hardmax, x, axis)


@operator("Hardmax", since=13)
def hardmax(x, *, axis=-1):
    """1 at the first largest element along the axis, 0 elsewhere."""
    index = np.expand_dims(x.argmax(axis=axis), axis)
    y = np.zeros_like(x)
    np.put_along_axis(y, index, 1, axis)
    return y


def flattened(function: Callable[..., Any], x: Any, axis: int) -> Any:
    """As before opset 13: x as a matrix, cut at the axis, the function along each of its rows."""
    rows = int(np.prod(x.shape[: axis % x.ndim if axis < 0 else axis]))
    return function(x.reshape(rows, -1), axis=-1).reshape(x.shape)


@operator("Softmax")
def softmax_flat(x, *, axis=1):
    return flattened(softmax, x, axis)


@operator("Softmax", since=13)
def softmax(x, *, axis=-1):
    """exp x / Σ exp x along the axis."""
    e = np.exp(x - x.max(axis=axis, keepdims=True, initial=-np.inf))
    return (e / e.sum(axis=axis, keepdims=True)).astype(x.dtype)


@operator("LogSoftmax")
def log_softmax_flat(x, *, axis=1):
    return flattened(log_softmax, x, axis)


@operator("LogSoftmax", since=13)
def log_softmax(x, *, axis=-1):
    return (x - log_sum_exp(x, axis, True)).astype(x.dtype)
