"""Layers that put arrays together, take them apart, and enlarge them."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, as_float
from handgrad.layer import Layer
from handgrad.layers.axes import normal_axes


class Stack(Layer):
    """Arrays of one shape laid side by side along a new axis.

    Shapes: each x (…), y (…, K, …) with K inputs at `axis`.
    Gradient: each dx = its slice of dy.
    Raises ShapeError for unequal shapes, no inputs, or an axis that y lacks.
    """

    linear = True

    def __init__(self, axis: int = 0):
        self.axis = axis

    def forward(self, *xs: Array) -> Array:
        try:
            return np.stack(xs, axis=self.axis)
        except ValueError as error:
            raise ShapeError(
                f"Stack: {error}; axis {self.axis}, shapes "
                f"{', '.join(str(np.shape(x)) for x in xs) or 'none'}"
            ) from None

    def backward(self, dy: Array) -> tuple[Array, ...]:
        return tuple(np.moveaxis(dy, self.axis, 0))


class Split(Layer):
    """x cut along one axis: into `parts` equal ones, or at the places of a tuple.

    Shapes: x (…, D, …), each y (…, Dᵢ, …) with ΣDᵢ = D.
    Gradient: dx = the dy joined where x was cut.
    Raises ShapeError where x lacks the axis, D is not divisible by `parts`, or a cut lies
    outside x.
    """

    linear = True

    def __init__(self, parts: int | tuple[int, ...], axis: int = -1):
        self.parts, self.axis = parts, axis

    def forward(self, x: Array) -> tuple[Array, ...]:
        (axis,) = normal_axes(self, x)
        length, parts = x.shape[axis], self.parts
        if isinstance(parts, int | np.integer):
            fits = parts >= 1 and length % parts == 0
        else:
            fits = list(parts) == sorted(parts) and all(0 <= p <= length for p in parts)
        if not fits:
            raise ShapeError(f"Split: axis {self.axis} of shape {x.shape} is not cut by {parts}")
        return tuple(np.split(x, parts, axis=axis))

    def backward(self, *dys: Array) -> Array:
        return np.concatenate(dys, axis=self.axis)


class Pad(Layer):
    """x with a margin: `width` on every side, or (before, after) for each axis.

    Integers become float64.
    mode: "constant" (filled with `value`), "edge" (the border again), "reflect" (mirrored at the
    border), "wrap" (from the other end), as NumPy pads.
    Shapes: x (D₁, …), y (D₁ + before₁ + after₁, …).
    Gradient: dx = dy without the margin; where the margin repeats x, its dy is added to dx.
    Raises ValueError for another mode or a negative width, ShapeError where widths do not fit x.
    """

    def __init__(self, width: Any, mode: str = "constant", value: float = 0.0):
        if mode not in ("constant", "edge", "reflect", "wrap"):
            raise ValueError(f'Pad: mode is "constant", "edge", "reflect" or "wrap", got {mode!r}')
        if np.min(width) < 0:
            raise ValueError(f"Pad: width must not be negative, got {width}")
        self.width, self.mode, self.value = width, mode, value
        self.linear = mode != "constant" or value == 0

    def forward(self, x: Array) -> Array:
        x = as_float(x)
        try:
            margins = np.broadcast_to(self.width, (x.ndim, 2)).tolist()
        except ValueError:
            raise ShapeError(
                f"Pad: width is a number, or (before, after) for each axis of x, shape {x.shape}, "
                f"got {self.width}"
            ) from None
        self.shape = x.shape
        if self.mode == "constant":
            self.places: tuple = tuple(slice(b, b + n) for (b, _), n in zip(margins, x.shape))
            return np.pad(x, margins, constant_values=self.value)
        mode: Any = self.mode
        lines = [np.pad(np.arange(n), m, mode=mode) for n, m in zip(x.shape, margins)]
        self.places = np.ix_(*lines)
        return x[self.places]

    def backward(self, dy: Array) -> Array:
        if self.mode == "constant":
            return dy[self.places]
        dx = np.zeros(self.shape, dy.dtype)
        np.add.at(dx, self.places, dy)
        return dx


class Tile(Layer):
    """x repeated along its axes, `times` each; new axes come in front, as NumPy tiles.

    Shapes: x (D₁, D₂, …), y (k₁·D₁, k₂·D₂, …) for times (k₁, k₂, …).
    Gradient: dx = Σ dy over the copies.
    Raises ValueError where a number is negative.
    """

    linear = True

    def __init__(self, times: int | tuple[int, ...]):
        if np.min(times) < 0:
            raise ValueError(f"Tile: times must not be negative, got {times}")
        self.times = times

    def forward(self, x: Array) -> Array:
        self.shape = x.shape
        return np.tile(x, self.times)

    def backward(self, dy: Array) -> Array:
        times = tuple(np.ravel(self.times).tolist())
        ndim = max(len(times), len(self.shape))
        times = (1,) * (ndim - len(times)) + times
        lengths = (1,) * (ndim - len(self.shape)) + self.shape
        apart = dy.reshape([n for pair in zip(times, lengths) for n in pair])
        return apart.sum(axis=tuple(range(0, 2 * ndim, 2))).reshape(self.shape)


class Flip(Layer):
    """x in reverse order along axes: None for all, a number, or several. Shapes: x, y (any).

    Gradient: dx = dy, reversed again.
    Raises ShapeError where x lacks an axis.
    """

    linear = True

    def __init__(self, axis: int | tuple[int, ...] | None = None):
        self.axis = axis

    def forward(self, x: Array) -> Array:
        self.axes = normal_axes(self, x)
        return np.flip(x, self.axes)

    def backward(self, dy: Array) -> Array:
        return np.flip(dy, self.axes)
