"""The axes along which a layer works, counted from the front, and their rules."""

from __future__ import annotations

from typing import Any

from handgrad.arrays import Array, ShapeError


def normal_axes(layer: Any, x: Array) -> tuple[int, ...]:
    """The layer's `axis` (None for all, a number, or several) as sorted numbers from 0.

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
