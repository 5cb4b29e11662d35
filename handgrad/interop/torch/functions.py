"""Functions and methods of tensors that a traced forward may call, as our layers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import layers
from handgrad.interop.steps import Unsupported

ANYTHING = object()
# Options that change nothing at these values; at others they are told to have no counterpart.
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "inplace": (ANYTHING,), "_stacklevel": (ANYTHING,), "dtype": (None,),
    "dilation": (1, (1, 1)), "ceil_mode": (False,), "count_include_pad": (True,),
    "divisor_override": (None,), "return_indices": (False,), "alpha": (1, 1.0),
}  # fmt: skip


def call_of(node: Any, args: Any, options: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    """What a node of the graph calls, and with what. Raises Unsupported."""
    target = node.target
    name = target if isinstance(target, str) else getattr(target, "__name__", str(target))
    name = name.strip("_").removeprefix("i") if name.startswith("__") else name
    if node.op == "get_attr":
        raise Unsupported(f"{target}, a parameter outside of a module of torch.nn")
    if name not in FUNCTIONS:
        raise Unsupported(f"{node.op.removeprefix('call_')} {name} has no counterpart")
    function = FUNCTIONS[name]
    taken = inspect.signature(function).parameters
    options = {n: v for n, v in options.items() if n in taken or not _neutral(n, v)}
    try:
        inspect.signature(function).bind(*args, **options)
    except TypeError:
        told = ", ".join(f"{n}={v!r}" for n, v in options.items() if n not in taken)
        raise Unsupported(f"{name}: {told or 'these arguments'}") from None
    return function, args, options


def _neutral(name: str, value: Any) -> bool:
    values = NEUTRAL.get(name, ())
    return ANYTHING in values or any(value == known and type(value) is type(known)
                                     for known in values)  # fmt: skip


def _listed(values: Any) -> tuple[int, ...]:
    return tuple(values[0]) if len(values) == 1 and isinstance(values[0], tuple | list) else values


def _shape(a: Any) -> tuple[int, ...]:
    return tuple(int(n) for n in a.shape)


def _viewed(a: Any, *sizes: Any) -> Any:
    return a.reshape(_listed(sizes))


def _flattened(a: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    shape = _shape(a)
    end = end_dim % len(shape)
    start = start_dim % len(shape)
    return a.reshape((*shape[:start], -1, *shape[end + 1 :]))


def _swapped(a: Any, first: int, second: int) -> Any:
    axes = list(range(len(_shape(a))))
    axes[first], axes[second] = axes[second], axes[first]
    return layers.Transpose(tuple(axes))(a)


def _with_one(shape: Any, dim: int) -> tuple[int, ...]:
    at = dim % (len(shape) + 1)
    return (*shape[:at], 1, *shape[at:])


def _reduced(cls: Any) -> Callable[..., Any]:
    def call(a: Any, dim: Any = None, keepdim: bool = False) -> Any:
        axis = tuple(dim) if isinstance(dim, list | tuple) else dim
        return cls(axis=axis, keepdims=keepdim)(a)

    return call


def _clamped(a: Any, min: Any = None, max: Any = None) -> Any:
    """By numbers; by tensors, as the maximum and the minimum of both."""
    if all(limit is None or isinstance(limit, int | float) for limit in (min, max)):
        return layers.Clip(min, max)(a)
    a = a if min is None else np.maximum(a, min)
    return a if max is None else np.minimum(a, max)


def _plain(cls: Any) -> Callable[..., Any]:
    return lambda a: cls()(a)


def _pooled_to_one(a: Any, output_size: Any) -> Any:
    if output_size not in (1, (1, 1)):
        raise ValueError(f"from_torch: adaptive_avg_pool2d to {output_size}; 1 alone has a layer")
    return layers.Mean(axis=(-2, -1), keepdims=True)(a)


PLAIN: dict[str, Any] = {
    "relu": layers.ReLU, "sigmoid": layers.Sigmoid, "tanh": layers.Tanh, "exp": layers.Exp,
    "log": layers.Log, "sqrt": layers.Sqrt, "abs": layers.Abs, "silu": layers.SiLU,
    "selu": layers.SELU, "mish": layers.Mish, "softplus": layers.Softplus,
    "relu6": layers.ReLU6, "sin": layers.Sin, "cos": layers.Cos,
    "hardswish": layers.HardSwish, "hardsigmoid": layers.HardSigmoid,
}  # fmt: skip
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: _plain(cls) for name, cls in PLAIN.items()},
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
    "truediv": lambda a, b: a / b, "div": lambda a, b: a / b, "neg": lambda a: -a,
    "pow": lambda a, b: a**b, "matmul": lambda a, b: a @ b, "bmm": lambda a, b: a @ b,
    "getitem": lambda a, at: a[at], "contiguous": lambda a: a,
    "size": lambda a, dim=None: a.shape if dim is None else a.shape[dim],
    "getattr": lambda a, name: getattr(a, name),
    "flatten": _flattened, "view": _viewed, "reshape": _viewed,
    "permute": lambda a, *axes: layers.Transpose(_listed(axes))(a),
    "transpose": _swapped,
    "cat": lambda xs, dim=0: layers.Concat(axis=dim)(*xs),
    "mean": _reduced(layers.Mean), "sum": _reduced(layers.Sum),
    "amax": _reduced(layers.Max),
    "softmax": lambda a, dim=-1: layers.Softmax(axis=dim)(a),
    "log_softmax": lambda a, dim=-1: layers.LogSoftmax(axis=dim)(a),
    "gelu": lambda a, approximate="none": layers.GELU(approximate=approximate)(a),
    "leaky_relu": lambda a, negative_slope=0.01: layers.LeakyReLU(negative_slope)(a),
    "elu": lambda a, alpha=1.0: layers.ELU(alpha)(a),
    "max_pool2d": lambda a, kernel_size, stride=None, padding=0: layers.MaxPooling(
        kernel_size, stride=stride, pad=padding)(a),
    "avg_pool2d": lambda a, kernel_size, stride=None, padding=0: layers.AveragePooling(
        kernel_size, stride=stride, pad=padding)(a),
    "adaptive_avg_pool2d": _pooled_to_one,
    "clamp": _clamped, "clip": _clamped,
    "clamp_min": lambda a, min: _clamped(a, min),
    "clamp_max": lambda a, max: _clamped(a, None, max),
    "maximum": np.maximum, "minimum": np.minimum,
    "unsqueeze": lambda a, dim: layers.Reshape(_with_one(a.shape, dim))(a),
}  # fmt: skip
