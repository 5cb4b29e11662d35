"""Checks of arguments that many layers share: axes, sizes, shapes, dtypes, indices."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError
from handgrad.layer import Layer


def normal_axes(layer: Any, x: Array) -> tuple[int, ...]:
    """The layer's `axis` (None for all, an integer, or several) as sorted integers from 0.

    Raises ShapeError where x lacks an axis, or one is named twice.
    """
    axis, n = layer.axis, x.ndim
    if axis is None:
        return tuple(range(n))
    given = (axis,) if not isinstance(axis, tuple | list) else axis
    axes = sorted({a % n for a in given if -n <= a < n})
    if len(axes) != len(given):
        raise ShapeError(
            f"{type(layer).__name__}: axis {axis} must name axes of x, each once, got shape "
            f"{x.shape}"
        )
    return tuple(axes)


def require_length(layer: Any, x: Array, axes: tuple[int, ...]) -> None:
    """Raise ShapeError where x has nothing along one of the axes."""
    if any(x.shape[a] == 0 for a in axes):
        raise ShapeError(
            f"{type(layer).__name__}: axis {layer.axis} needs at least one element, got shape "
            f"{x.shape}"
        )


def is_integer(value: Any) -> bool:
    """Whether it is an integer; True and False are none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether it is a finite real number; True and False are none."""
    return is_integer(value) or (isinstance(value, float | np.floating) and bool(isfinite(value)))


def require_number(layer: Layer, **values: Any) -> None:
    """Raise ValueError unless each is a finite number."""
    for name, value in values.items():
        if not is_number(value):
            raise ValueError(
                f"{type(layer).__name__}: {name} must be a finite number, got {value!r}"
            )


def require_positive(layer: Layer, **sizes: int | None) -> None:
    """Raise ValueError unless each size is a positive integer, or None."""
    for name, size in sizes.items():
        if size is not None and (not is_integer(size) or size < 1):
            raise ValueError(
                f"{type(layer).__name__}: {name} must be a positive integer, got {size!r}"
            )


def require_dtype(layer: Layer, name: str, x: Array, dtype: Any) -> None:
    """Raise ValueError where x has another dtype than the parameters."""
    if x.dtype != dtype:
        raise ValueError(
            f"{type(layer).__name__}: {name} is {x.dtype} but the parameters are {dtype}; "
            "convert one of them"
        )


def require_equal_shapes(layer: Layer, *inputs: Any) -> None:
    """Raise ShapeError where the shapes differ."""
    shapes = [np.shape(x) for x in inputs]
    if len(set(shapes)) > 1:
        raise ShapeError(
            f"{type(layer).__name__}: all inputs need one shape, got "
            f"{' and '.join(map(str, shapes))}; put a Broadcast before the smaller, as "
            "the operators on tensors do"
        )


def integer(owner: str, name: str, value: Any, minimum: int) -> int:
    """value, if it is an integer from `minimum` on. Raises ValueError otherwise."""
    if not is_integer(value) or value < minimum:
        raise ValueError(f"{owner}: {name} must be an integer ≥ {minimum}, got {value!r}")
    return int(value)


def integers_below(layer: Layer, indices: Any, length: int) -> Array:
    """The indices as an array. Raises ValueError unless they are integers below `length`."""
    indices = np.asarray(indices)
    if indices.dtype.kind not in "iu":
        raise ValueError(f"{type(layer).__name__}: indices must be integers, got {indices.dtype}")
    if indices.size and not (indices.min() >= 0 and indices.max() < length):
        raise ValueError(
            f"{type(layer).__name__}: indices must lie from 0 to {length - 1}, got "
            f"{indices.min()} to {indices.max()}"
        )
    return indices
