"""The operators of Tensor: + * @ [] and their like, each a call of a layer.

An operand of another shape gets an explicit `Broadcast`, so that its gradient is summed in a step
one can see.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError
from handgrad.layer import Layer, apply
from handgrad.layers.elementwise.arithmetic import Add, Div, Mul, Neg, Pow, Sqrt, Sub
from handgrad.layers.elementwise.exponential import Exp, Log
from handgrad.layers.matmul import MatMul
from handgrad.layers.reduction.maximum import Max
from handgrad.layers.reduction.sums import Mean, Sum
from handgrad.layers.shape.indexing import Index, recorder
from handgrad.layers.shape.repeat import Broadcast
from handgrad.layers.shape.reshape import Reshape, Transpose
from handgrad.tensor import Tensor, numpy_rules, require_comparable


def operands(a: Any, b: Any) -> tuple[Any, Any]:
    """Both as tensors; a number or an array takes the dtype of the tensor beside it."""
    dtype = a.dtype if isinstance(a, Tensor) else b.dtype
    if dtype.kind == "b":  # a comparison that is noted: the other decides, as in NumPy
        dtype = None
    if not isinstance(a, Tensor):
        a = Tensor(np.asarray(a, dtype), requires_grad=False)
    if not isinstance(b, Tensor):
        b = Tensor(np.asarray(b, dtype), requires_grad=False)
    return a, b


def stretch(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """x, with a Broadcast where its shape is another."""
    return x if x.shape == shape else apply(Broadcast(shape), x)


def common_shape(name: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape to which all broadcast. Raises ShapeError where there is none."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        every = " and ".join(map(str, shapes))
        raise ShapeError(f"{name}: shapes {every} do not broadcast together") from None


def elementwise(cls: type[Layer]) -> Callable[[Any, Any], Tensor]:
    """The layer as an operator: on tensors, arrays and numbers, broadcasting as a step."""

    def operator(a: Any, b: Any) -> Tensor:
        a, b = operands(a, b)
        shape = common_shape(cls.__name__, a.shape, b.shape)
        return apply(cls(), stretch(a, shape), stretch(b, shape))

    return operator


def _matmul(a: Any, b: Any) -> Tensor:
    """a @ b with NumPy's rules: a vector is a row on the left and a column on the right."""
    a, b = operands(a, b)
    if not a.ndim or not b.ndim:
        raise ShapeError(f"MatMul: scalars are multiplied by *, got {a.shape} and {b.shape}")
    row, column = a.ndim == 1, b.ndim == 1
    a = a[None, :] if row else a
    b = b[:, None] if column else b
    lead = common_shape("MatMul", a.shape[:-2], b.shape[:-2])
    y = apply(MatMul(), stretch(a, lead + a.shape[-2:]), stretch(b, lead + b.shape[-2:]))
    if row or column:
        key = (..., *((0,) if row else (slice(None),)), *((0,) if column else ()))
        y = y[key]
    return y


def _reshape(x: Tensor, *shape: Any) -> Tensor:
    """The same elements in another shape; see Reshape."""
    return apply(Reshape(shape[0] if len(shape) == 1 and np.ndim(shape[0]) else shape), x)


def _transpose(x: Tensor, *axes: Any) -> Tensor:
    """Axes in another order; see Transpose."""
    if len(axes) == 1 and (axes[0] is None or np.ndim(axes[0])):
        axes = axes[0]
    return apply(Transpose(None if axes is None or not len(axes) else axes), x)


def _reduction(cls: Any) -> Callable[..., Tensor]:
    def operator(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
        return apply(cls(axis=axis, keepdims=keepdims), x)

    operator.__doc__ = f"The layer {cls.__name__} on this tensor, over all axes or some."
    return operator


def plain(x: Any) -> Any:
    """The array of a tensor; anything else as it is."""
    return x.data if isinstance(x, Tensor) else x


_BINARY = {
    "add": (elementwise(Add), np.add),
    "sub": (elementwise(Sub), np.subtract),
    "mul": (elementwise(Mul), np.multiply),
    "truediv": (elementwise(Div), np.divide),
    "pow": (elementwise(Pow), np.power),
    "matmul": (_matmul, np.matmul),
}


_COMPARISONS = {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "eq": np.equal, "ne": np.not_equal,
}  # fmt: skip


_REDUCTIONS: dict[str, tuple[type[Layer], Callable[..., Any]]] = {
    "sum": (Sum, np.sum),
    "mean": (Mean, np.mean),
    "max": (Max, np.max),
}


_UNARY = {np.negative: Neg, np.exp: Exp, np.log: Log, np.sqrt: Sqrt}


def _comparison(ufunc: Any) -> Callable[[Any, Any], Array]:
    """A comparison has no gradient: it gives a plain array of booleans.

    Where a network is written down as a graph, `recorder` notes it.
    """

    def compare(a: Any, b: Any) -> Any:
        if (record := recorder.get()) is not None:
            return record(ufunc, a, b)
        require_comparable()
        result: Array = ufunc(plain(a), plain(b))
        return result

    return compare


def _put_operators_on_tensor() -> None:
    for name, (operator, ufunc) in _BINARY.items():
        setattr(Tensor, f"__{name}__", operator)
        setattr(Tensor, f"__r{name}__", lambda a, b, operator=operator: operator(b, a))
        numpy_rules[ufunc] = operator
    for name, ufunc in _COMPARISONS.items():
        numpy_rules[ufunc] = _comparison(ufunc)
        setattr(Tensor, f"__{name}__", numpy_rules[ufunc])
    for ufunc, cls in _UNARY.items():
        numpy_rules[ufunc] = lambda x, cls=cls: apply(cls(), x)
    for name, (cls, function) in _REDUCTIONS.items():
        numpy_rules[function] = _reduction(cls)
        setattr(Tensor, name, numpy_rules[function])
    members = {
        "__neg__": numpy_rules[np.negative],
        "__hash__": object.__hash__,  # tensors are told apart by identity, == compares elements
        "__getitem__": lambda x, key: apply(Index(plain(key)), x),
        "reshape": _reshape,
        "transpose": _transpose,
        "T": property(_transpose),
    }
    for name, member in members.items():
        setattr(Tensor, name, member)
    numpy_rules[np.reshape] = _reshape
    numpy_rules[np.transpose] = _transpose
    numpy_rules[np.broadcast_to] = lambda x, shape: apply(Broadcast(shape), x)


_put_operators_on_tensor()
