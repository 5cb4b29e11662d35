"""Elementwise operators of one array: functions, activations, conversions of dtype."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.interop.onnx.operators.registry import operator
from handgrad.interop.onnx.tensors import dtype_of
from handgrad.layers.elementwise.error_function import cdf_and_pdf, erf


def unary(*names: str, since: int = 1) -> Callable[..., Any]:
    """Enter a function of one array, whose result has the dtype of its argument."""

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(x: Any, *, consumed_inputs: Any = None) -> Any:
            return np.asarray(function(x)).astype(x.dtype, copy=False)

        operator(*names, since=since)(run)
        return function

    return enter


for name, function in {
    "Abs": np.abs, "Neg": np.negative, "Sign": np.sign, "Ceil": np.ceil, "Floor": np.floor,
    "Round": np.rint, "Sqrt": np.sqrt, "Exp": np.exp, "Log": np.log, "Sin": np.sin, "Cos": np.cos,
    "Tan": np.tan, "Asin": np.arcsin, "Acos": np.arccos, "Atan": np.arctan, "Sinh": np.sinh,
    "Cosh": np.cosh, "Asinh": np.arcsinh, "Acosh": np.arccosh, "Atanh": np.arctanh,
    "Tanh": np.tanh,
}.items():  # fmt: skip
    unary(name)(function)


@unary("Reciprocal")
def reciprocal(x):
    return 1 / x


@unary("Erf")
def error_function(x):
    return erf(x if x.dtype.kind == "f" else x.astype(np.float64))


@unary("Identity")
def identity(x):
    return x


@operator("IsNaN", since=9)
def is_nan(x):
    return np.isnan(x)


@operator("IsInf", since=10)
def is_inf(x, *, detect_negative=1, detect_positive=1):
    return np.isinf(x) & np.where(x < 0, bool(detect_negative), bool(detect_positive))


# -- activations --------------------------------------------------------------------------------


@unary("Sigmoid")
def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


@unary("Relu")
def relu(x):
    return np.maximum(x, 0)


@unary("Softplus")
def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


@unary("Softsign")
def softsign(x):
    return x / (1 + np.abs(x))


@unary("Mish", since=18)
def mish(x):
    return x * np.tanh(softplus(x))


@unary("HardSwish", since=14)
def hard_swish(x):
    return x * np.clip(x / 6 + 0.5, 0, 1)


@operator("Swish", since=24)
def swish(x, *, alpha=1.0):
    """x · sigmoid(alpha · x)."""
    return (x * sigmoid(alpha * x)).astype(x.dtype)


@operator("Gelu", since=20)
def gelu(x, *, approximate="none"):
    """x · Φ(x); or with the tanh that comes close to it."""
    if approximate == "tanh":
        inner = np.sqrt(2 / np.pi) * (x + 0.044715 * x * x * x)
        return (0.5 * x * (1 + np.tanh(inner))).astype(x.dtype)
    return (x * cdf_and_pdf(x)[0]).astype(x.dtype)


@operator("LeakyRelu")
def leaky_relu(x, *, alpha=0.01, consumed_inputs=None):
    return np.where(x < 0, alpha * x, x).astype(x.dtype)


@operator("ThresholdedRelu", since=10)
def thresholded_relu(x, *, alpha=1.0):
    return np.where(x > alpha, x, 0).astype(x.dtype)


@operator("Elu")
def elu(x, *, alpha=1.0, consumed_inputs=None):
    return np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x).astype(x.dtype)


@operator("Celu", since=12)
def celu(x, *, alpha=1.0):
    return np.where(x < 0, alpha * np.expm1(np.minimum(x, 0) / alpha), x).astype(x.dtype)


def selu_with(alpha: float, gamma: float) -> Callable[..., Any]:
    """γ · x, and γ · α · (exp x − 1) below zero."""

    def run(x: Any, *, alpha: float = alpha, gamma: float = gamma, consumed_inputs: Any = None
            ) -> Any:  # fmt: skip
        return (gamma * np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x)).astype(x.dtype)

    return run


operator("Selu")(selu_with(1.6732, 1.0507))
operator("Selu", since=6)(selu_with(1.67326319217681884765625, 1.05070102214813232421875))


@operator("HardSigmoid")
def hard_sigmoid(x, *, alpha=0.2, beta=0.5, consumed_inputs=None):
    return np.clip(alpha * x + beta, 0, 1).astype(x.dtype)


@operator("PRelu")
def prelu(x, slope, *, consumed_inputs=None):
    if slope.ndim == 1 and slope.size > 1:
        slope = slope.reshape(-1, *[1] * (x.ndim - 2))
    return np.where(x < 0, slope * x, x).astype(x.dtype)


@operator("PRelu", since=7)
def prelu_broadcast(x, slope):
    return np.where(x < 0, slope * x, x).astype(x.dtype)


@operator("Shrink", since=9)
def shrink(x, *, bias=0.0, lambd=0.5):
    return np.where(x < -lambd, x + bias, np.where(x > lambd, x - bias, 0)).astype(x.dtype)


@operator("Clip")
def clip_between(x, *, min=-np.inf, max=np.inf, consumed_inputs=None):
    return np.clip(x, min, max).astype(x.dtype)


@operator("Clip", since=11)
def clip(x, low=None, high=None):
    """x, at least `low`, then at most `high`."""
    x = x if low is None else np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


# -- dtypes -------------------------------------------------------------------------------------

BY_NAME = {"FLOAT": 1, "UINT8": 2, "INT8": 3, "UINT16": 4, "INT16": 5, "INT32": 6, "INT64": 7,
           "BOOL": 9, "FLOAT16": 10, "DOUBLE": 11, "UINT32": 12, "UINT64": 13}  # fmt: skip


def converted(x: Any, dtype: Any) -> Any:
    """x in another dtype; of floats outside an integer's range nothing is promised."""
    if x.dtype == object:
        return (
            np.array([float(bytes(v)) for v in x.flat], np.float64).reshape(x.shape).astype(dtype)
        )
    if x.dtype.kind == "f" and np.dtype(dtype).kind == "u":
        return np.where(x < 0, x.astype(np.int64).astype(dtype), x.astype(dtype))
    return x.astype(dtype)


@operator("Cast")
def cast_by_name(x, *, to):
    return converted(x, dtype_of(BY_NAME.get(to, -1)))


@operator("Cast", since=6)
def cast(x, *, to, saturate=1, round_mode="up"):
    """Elements of another type; saturate and round_mode matter to floats of 8 bits alone."""
    return converted(x, dtype_of(to))


@operator("CastLike", since=15)
def cast_like(x, like, *, saturate=1, round_mode="up"):
    return converted(x, like.dtype)


@operator("BitCast", since=26)
def bit_cast(x, *, to):
    """The same bits read as another type of the same size."""
    dtype = dtype_of(to)
    if dtype.itemsize != x.dtype.itemsize:
        raise ValueError(f"{x.dtype} and {dtype} differ in size")
    return np.ascontiguousarray(x).view(dtype).reshape(x.shape)
