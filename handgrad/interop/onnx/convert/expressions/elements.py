"""Elementwise operators, activations and products."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from handgrad.interop.onnx.convert.expressions.table import (
    EXPRESSIONS,
    NoExpression,
    expression,
    number,
)
from handgrad.layer import apply
from handgrad.layers import LogSoftmax, Softmax
from handgrad.layers.operators import plain
from handgrad.tensor import Tensor


def binary(name: str, function: Callable[[Any, Any], Any]) -> None:
    """Enter an operator of two arrays; b stretched from an axis on, as before opset 7."""

    def run(a: Any, b: Any, *, axis: int | None = None, broadcast: int = 0) -> Any:
        if broadcast and axis is not None and b.ndim:
            b = b.reshape(b.shape + (1,) * (a.ndim - axis % a.ndim - b.ndim))
        return function(a, b)

    EXPRESSIONS[name] = run


binary("Add", lambda a, b: a + b)
binary("Sub", lambda a, b: a - b)
binary("Mul", lambda a, b: a * b)
binary("Div", lambda a, b: a / b)
binary("Pow", lambda a, b: power(a, b))


def power(a: Any, b: Any) -> Any:
    """a to the power of b; squares and square roots by their own layers."""
    if not isinstance(b, Tensor) and np.size(b) == 1:
        exponent = float(np.asarray(b).reshape(()))
        if exponent == 2:
            return a * a
        if exponent == 0.5:
            return np.sqrt(a)
        return a**exponent
    return a**b


for name, function in {"Max": np.maximum, "Min": np.minimum, "Sum": np.add}.items():
    EXPRESSIONS[name] = lambda *xs, function=function: reduce(function, xs)


@expression("Mean")
def mean_of(*xs):
    return reduce(np.add, xs) / len(xs)


@expression("Identity", "Cast")
def same(x, **options):
    return x


@expression("CastLike")
def cast_like(x, like, **options):
    if not isinstance(x, Tensor):
        return np.asarray(x).astype(like.dtype)
    if like.dtype.kind != "f":
        raise NoExpression
    return x


@expression("Reciprocal")
def reciprocal(x):
    return 1 / x


@expression("Where")
def where(condition, a, b):
    return np.where(plain(condition), a, b)


@expression("Clip")
def clip(x, min=None, max=None):
    return x if min is None and max is None else np.clip(x, number(min), number(max))


@expression("Swish")
def swish(x, *, alpha=1.0):
    return x / (1 + np.exp(-alpha * x))


@expression("SwiGLU")
def swiglu(a, b, *, alpha=1.0):
    return swish(a, alpha=alpha) * b


@expression("HardSigmoid")
def hard_sigmoid(x, *, alpha=0.2, beta=0.5):
    return np.clip(alpha * x + beta, 0, 1)


@expression("ThresholdedRelu")
def thresholded_relu(x, *, alpha=1.0):
    return x * (x > alpha)


@expression("PRelu")
def prelu(x, slope, *, node):
    if node.opset < 7 and slope.ndim == 1 and slope.size > 1:
        slope = slope.reshape((-1,) + (1,) * (x.ndim - 2))
    return np.maximum(x, 0) + slope * np.minimum(x, 0)


@expression("Shrink")
def shrink(x, *, bias=0.0, lambd=0.5):
    return (x + bias) * (x < -lambd) + (x - bias) * (x > lambd)


@expression("Softmax")
def softmax(x, *, axis=None, node):
    return along(Softmax, x, axis, node)


@expression("LogSoftmax")
def log_softmax(x, *, axis=None, node):
    return along(LogSoftmax, x, axis, node)


def along(cls: Any, x: Any, axis: int | None, node: Any) -> Any:
    """The layer along the axis; before opset 13 along all axes from there on."""
    if node.opset >= 13:
        return apply(cls(-1 if axis is None else axis), x)
    axis = (1 if axis is None else axis) % x.ndim
    if axis == x.ndim - 1:
        return apply(cls(-1), x)
    rows = int(np.prod(x.shape[:axis]))
    return apply(cls(-1), x.reshape(rows, -1)).reshape(x.shape)


@expression("MatMul")
def matmul(a, b):
    return a @ b


@expression("Gemm")
def gemm(a, b, c=None, *, alpha=1.0, beta=1.0, transA=0, transB=0, broadcast=0):
    y = (a.T if transA else a) @ (b.T if transB else b)
    y = y if alpha == 1 else alpha * y
    return y if c is None else y + (c if beta == 1 else beta * c)


@expression("Einsum")
def einsum(*xs, equation):
    return np.einsum(equation.replace(" ", ""), *xs)
