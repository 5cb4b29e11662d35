"""What NumPy's functions do on tensors: the list of rules, beside those of operators.py.

`enter_rules` puts them into `handgrad.tensor.numpy_rules`, and on Tensor the methods that arrays
have too. So plain array code, a layer's own among it, also runs on tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from handgrad.layer import apply
from handgrad.layers.activation import Tanh
from handgrad.layers.einsum import Einsum
from handgrad.layers.elementwise import (
    Abs,
    Arccos,
    Arccosh,
    Arcsin,
    Arcsinh,
    Arctan,
    Arctanh,
    Clip,
    Cos,
    Cosh,
    Expm1,
    Log1p,
    Maximum,
    Minimum,
    Sin,
    Sinh,
    Tan,
    Where,
)
from handgrad.layers.operators import common_shape, elementwise, operands, plain, stretch
from handgrad.layers.reduction import CumSum, Norm, Prod, Std, Var
from handgrad.layers.shape import (
    Concat,
    Flip,
    Gather,
    Pad,
    Reshape,
    Split,
    Stack,
    Tile,
    Transpose,
)
from handgrad.layers.shape.indexing import recorder
from handgrad.tensor import Tensor, numpy_rules

_UNARY: dict[Callable[..., Any], type] = {
    np.sin: Sin, np.cos: Cos, np.tan: Tan, np.arcsin: Arcsin, np.arccos: Arccos,
    np.arctan: Arctan, np.sinh: Sinh, np.cosh: Cosh, np.tanh: Tanh, np.arcsinh: Arcsinh,
    np.arccosh: Arccosh, np.arctanh: Arctanh, np.log1p: Log1p, np.expm1: Expm1,
    np.absolute: Abs, np.fabs: Abs,
}  # fmt: skip

# Nothing flows back through these: they give plain arrays, as comparisons do.
_PLAIN: tuple[Callable[..., Any], ...] = (
    np.sign, np.floor, np.ceil, np.rint, np.trunc, np.isfinite, np.isnan, np.isinf, np.signbit,
    np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.full_like, np.empty_like,
    np.argmax, np.argmin, np.argsort, np.any, np.all, np.count_nonzero, np.nonzero,
    np.array_equal, np.allclose,
)  # fmt: skip

# NumPy functions that arrays, and so tensors, also have as methods.
_METHODS = (
    "all", "any", "argmax", "argmin", "argsort", "clip", "cumsum", "min", "prod", "ravel",
    "squeeze", "std", "swapaxes", "var",
)  # fmt: skip


def _tensors(xs: Sequence[Any]) -> list[Tensor]:
    """All as tensors, in the dtype of the first that is one."""
    dtype = next(x.dtype for x in xs if isinstance(x, Tensor))
    return [
        x if isinstance(x, Tensor) else Tensor(np.asarray(x, dtype), requires_grad=False)
        for x in xs
    ]


def _where(condition: Any, a: Any, b: Any) -> Any:
    noted = isinstance(condition, Tensor) and recorder.get() is not None
    if not isinstance(a, Tensor) and not isinstance(b, Tensor) and not noted:
        return np.where(plain(condition), a, b)
    a, b = operands(a, b)
    shape = common_shape("Where", np.shape(condition), a.shape, b.shape)
    chosen = stretch(condition, shape) if noted else np.broadcast_to(plain(condition), shape)
    return apply(Where(), chosen, stretch(a, shape), stretch(b, shape))


def _clip(x: Any, low: Any = None, high: Any = None) -> Tensor:
    """Elements kept between two limits; see Clip."""
    if all(limit is None or isinstance(limit, int | float | np.number) for limit in (low, high)):
        return apply(Clip(low, high), x)
    x = x if low is None else np.maximum(low, x)
    return x if high is None else np.minimum(high, x)


def _concatenate(xs: Sequence[Any], axis: int = 0) -> Tensor:
    return apply(Concat(axis), *_tensors(xs))


def _stack(xs: Sequence[Any], axis: int = 0) -> Tensor:
    return apply(Stack(axis), *_tensors(xs))


def _split(x: Tensor, parts: Any, axis: int = 0) -> list[Tensor]:
    return list(apply(Split(parts if np.ndim(parts) == 0 else tuple(parts), axis), x))


def _pad(x: Tensor, width: Any, mode: str = "constant", *, constant_values: float = 0) -> Tensor:
    return apply(Pad(width, mode, constant_values), x)


def _cumsum(x: Tensor, axis: int | None = None) -> Tensor:
    """The sums so far along an axis; see CumSum."""
    return apply(CumSum(0), x.reshape(-1)) if axis is None else apply(CumSum(axis), x)


def _cumprod(x: Tensor, axis: int) -> Tensor:
    """The products so far, one multiplication after the other."""
    products: list[Any] = []
    for row in _moveaxis(x, axis, 0):
        products.append(products[-1] * row if products else row)
    return _stack(products, axis)


def _prod(x: Tensor, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    """The product over all axes or some; see Prod."""
    return apply(Prod(axis, keepdims=keepdims), x)


def _var(x: Tensor, axis: Any = None, *, ddof: int = 0, keepdims: bool = False) -> Tensor:
    """The variance over all axes or some; see Var."""
    return apply(Var(axis, ddof=ddof, keepdims=keepdims), x)


def _std(x: Tensor, axis: Any = None, *, ddof: int = 0, keepdims: bool = False) -> Tensor:
    """The standard deviation over all axes or some; see Std."""
    return apply(Std(axis, ddof=ddof, keepdims=keepdims), x)


def _min(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The minimum over all axes or some; see Max."""
    return -np.max(-x, axis=axis, keepdims=keepdims)


def _norm(x: Tensor, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tensor:
    of_vector = x.ndim == 1 if axis is None else isinstance(axis, int)
    if ord == np.inf and of_vector:
        return np.max(np.abs(x), axis=axis, keepdims=keepdims)
    if of_vector or ord in (None, "fro"):
        return apply(Norm(ord if isinstance(ord, int | float) else 2, axis, keepdims=keepdims), x)
    raise TypeError(
        f"np.linalg.norm with ord={ord!r} has no gradient rule for matrices; the Frobenius norm "
        "and the norms of vectors have"
    )


def _einsum(subscripts: str, *xs: Any, optimize: Any = True) -> Tensor:
    return apply(Einsum(subscripts), *_tensors(xs))


def _moveaxis(x: Tensor, source: int, destination: int) -> Tensor:
    order = [a for a in range(x.ndim) if a != source % x.ndim]
    order.insert(destination % x.ndim, source % x.ndim)
    return apply(Transpose(tuple(order)), x)


def _swapaxes(x: Tensor, a: int, b: int) -> Tensor:
    """Two axes exchanged; see Transpose."""
    order = list(range(x.ndim))
    order[a], order[b] = order[b], order[a]
    return apply(Transpose(tuple(order)), x)


def _squeeze(x: Tensor, axis: Any = None) -> Tensor:
    """Without the axes of length 1; see Reshape."""
    return apply(Reshape(np.squeeze(x.data, axis).shape), x)


def _ravel(x: Tensor) -> Tensor:
    """The elements along one axis; see Reshape."""
    return apply(Reshape((-1,)), x)


def _expand_dims(x: Tensor, axis: Any) -> Tensor:
    return apply(Reshape(np.expand_dims(x.data, axis).shape), x)


def _astype(x: Tensor, dtype: Any, copy: bool = True) -> Tensor:
    """x itself, when it has this dtype: tensors of a graph share one."""
    if np.dtype(dtype) != x.dtype:
        raise TypeError(
            f"a tensor of {x.dtype} cannot become {np.dtype(dtype)}; convert the data first"
        )
    return x


def _on_arrays(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function on the arrays of tensors: its result has no gradient."""

    @wraps(function)
    def rule(*xs: Any, **options: Any) -> Any:
        return function(*map(plain, xs), **options)

    return rule


def enter_rules() -> None:
    """Make these NumPy functions, and the methods of arrays, work on tensors."""
    for ufunc, cls in _UNARY.items():
        numpy_rules[ufunc] = lambda x, cls=cls: apply(cls(), x)
    for function in _PLAIN:
        numpy_rules[function] = _on_arrays(function)
    numpy_rules.update({
        np.maximum: elementwise(Maximum), np.minimum: elementwise(Minimum),
        np.where: _where, np.clip: _clip, np.concatenate: _concatenate, np.stack: _stack,
        np.split: _split, np.pad: _pad, np.cumsum: _cumsum, np.cumprod: _cumprod,
        np.prod: _prod, np.var: _var, np.std: _std,
        np.min: _min, np.linalg.norm: _norm, np.einsum: _einsum, np.moveaxis: _moveaxis,
        np.swapaxes: _swapaxes, np.squeeze: _squeeze, np.expand_dims: _expand_dims,
        np.ravel: _ravel,
        np.tile: lambda x, times: apply(Tile(times), x),
        np.flip: lambda x, axis=None: apply(Flip(axis), x),
        np.take_along_axis: lambda x, indices, axis: apply(Gather(axis), x, indices),
        np.square: lambda x: x * x,
        np.hypot: lambda a, b: np.sqrt(a * a + b * b),
    })  # fmt: skip
    methods = {name: numpy_rules[getattr(np, name)] for name in _METHODS}
    for name, method in {"astype": _astype, **methods}.items():
        setattr(Tensor, name, method)
