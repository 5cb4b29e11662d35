"""Elementwise operators of two or more arrays: arithmetic, comparisons, logic, bits.

Before opset 7 the second array was stretched only with `broadcast=1`, from `axis` on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from handgrad.interop.onnx.operators.registry import operator


def stretched(a: Any, b: Any, axis: int | None) -> Any:
    """b with axes behind it, so that its first axis is a's axis `axis`."""
    if axis is None or b.ndim == 0:
        return b
    behind = a.ndim - axis % max(a.ndim, 1) - b.ndim
    return b.reshape(b.shape + (1,) * behind)


def binary(*names: str) -> Callable[..., Any]:
    """Enter a function of two arrays, as opset 7 has it and as it was before."""

    def enter(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def old(
            a: Any, b: Any, *, axis: int | None = None, broadcast: int = 0,
            consumed_inputs: Any = None,
        ) -> Any:  # fmt: skip
            if not broadcast and a.shape != b.shape:
                raise ValueError("broadcast=1 is needed for arrays of different shapes")
            return function(a, stretched(a, b, axis))

        operator(*names, since=7)(function)
        operator(*names)(old)
        return function

    return enter


@binary("Add")
def add(a, b):
    return a + b


@binary("Sub")
def sub(a, b):
    return a - b


@binary("Mul")
def mul(a, b):
    return a * b


@binary("Div")
def div(a, b):
    """a / b; of integers the quotient without its fraction, towards zero."""
    if a.dtype.kind == "f":
        return a / b
    quotient = np.floor_divide(a, b)
    if a.dtype.kind == "i":
        quotient = quotient + ((a % np.where(b == 0, 1, b) != 0) & ((a < 0) != (b < 0)))
    return quotient.astype(a.dtype)


@binary("Pow")
def power(a, b):
    """a to the power of b, in the dtype of a."""
    if a.dtype.kind in "iu" and b.dtype.kind in "iu" and (b < 0).any():
        a, dtype = a.astype(np.float64), a.dtype
        return np.power(a, b).astype(dtype)
    return np.power(a, b).astype(a.dtype)


for name, function in {
    "And": np.logical_and, "Or": np.logical_or, "Xor": np.logical_xor, "Equal": np.equal,
    "Less": np.less, "Greater": np.greater,
}.items():  # fmt: skip
    binary(name)(lambda a, b, function=function: function(a, b))


@operator("LessOrEqual", since=12)
def less_equal(a, b):
    return a <= b


@operator("GreaterOrEqual", since=12)
def greater_equal(a, b):
    return a >= b


@operator("Mod", since=10)
def mod(a, b, *, fmod=0):
    """The remainder, with the sign of b; with that of a for fmod=1."""
    return np.fmod(a, b) if fmod else np.mod(a, b)


@operator("BitShift", since=11)
def bit_shift(a, b, *, direction):
    return np.left_shift(a, b) if direction == "LEFT" else np.right_shift(a, b)


@operator("BitwiseAnd", since=18)
def bitwise_and(a, b):
    return a & b


@operator("BitwiseOr", since=18)
def bitwise_or(a, b):
    return a | b


@operator("BitwiseXor", since=18)
def bitwise_xor(a, b):
    return a ^ b


@operator("BitwiseNot", since=18)
def bitwise_not(x):
    return ~x


@operator("Not")
def logical_not(x):
    return np.logical_not(x)


def several(name: str, function: Callable[[Any, Any], Any]) -> None:
    """Enter a function of any number of arrays."""

    def run(first: Any, *others: Any, consumed_inputs: Any = None) -> Any:
        return reduce(function, others, first)

    operator(name)(run)


several("Sum", np.add)
several("Max", np.maximum)
several("Min", np.minimum)


@operator("Mean")
def mean(first, *others, consumed_inputs=None):
    """The mean of all arrays, element by element."""
    total = reduce(np.add, others, first)
    return total / np.asarray(1 + len(others), total.dtype)


@operator("Where", since=9)
def where(condition, a, b):
    return np.where(condition, a, b)


@operator("SwiGLU", since=28)
def swiglu(a, b, *, alpha=1.0):
    """a · sigmoid(alpha · a) · b."""
    return (a / (1 + np.exp(-alpha * a)) * b).astype(a.dtype)
