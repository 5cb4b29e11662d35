"""Arrays made larger by copies or a margin: Broadcast, Tile, Pad."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, array_module, as_float
from handgrad.layer import Layer


class Broadcast(Layer):
    """Copy along new axes and along axes of length one, as NumPy broadcasts.

    y[i, n, …] = x[n, …] for every i.
    Shapes: x (…), y the given shape.
    Gradient: what was copied is summed: dx = Σ dy over the copied axes. This is why db of a bias
    is a sum over the batch: b + x is Broadcast, then Add.
    Raises ShapeError where x does not broadcast to the shape.
    Source: Baydin et al., "Automatic differentiation in machine learning", JMLR 2018 (fan-out).
    """

    linear = True

    def __init__(self, shape: tuple[int, ...]):
        self.shape = tuple(shape)

    def forward(self, x: Array) -> Array:
        self.x_shape = np.shape(x)
        try:
            return array_module(x).broadcast_to(x, self.shape)
        except ValueError:
            raise ShapeError(
                f"Broadcast: {self.x_shape} does not broadcast to {self.shape}: counted from the "
                "last, axes must be equal, or 1 in x"
            ) from None

    def backward(self, dy: Array) -> Array:
        new = len(self.shape) - len(self.x_shape)
        stretched = tuple(
            new + i for i, n in enumerate(self.x_shape) if n == 1 and self.shape[new + i] != 1
        )
        if stretched:
            dy = dy.sum(axis=stretched, keepdims=True)
        return dy.sum(axis=tuple(range(new))) if new else dy


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


class Pad(Layer):
    """x with a margin: `pad` on every side, or (before, after) for each axis.

    Integers become float64.
    mode: "constant" (filled with `value`), "edge" (the border again), "reflect" (mirrored at the
    border), "wrap" (from the other end), as NumPy pads.
    Shapes: x (D₁, …), y (D₁ + before₁ + after₁, …).
    Gradient: dx = dy without the margin; where the margin repeats x, its dy is added to dx.
    Raises ValueError for another mode or a negative pad, ShapeError where it does not fit x.
    """

    def __init__(self, pad: Any, mode: str = "constant", value: float = 0.0):
        if mode not in ("constant", "edge", "reflect", "wrap"):
            raise ValueError(f'Pad: mode is "constant", "edge", "reflect" or "wrap", got {mode!r}')
        if np.min(pad) < 0:
            raise ValueError(f"Pad: pad must not be negative, got {pad}")
        self.pad, self.mode, self.value = pad, mode, value
        self.linear = mode != "constant" or value == 0

    def forward(self, x: Array) -> Array:
        x = as_float(x)
        try:
            margins = np.broadcast_to(self.pad, (x.ndim, 2)).tolist()
        except ValueError:
            raise ShapeError(
                f"Pad: pad is a number, or (before, after) for each axis of x, shape {x.shape}, "
                f"got {self.pad}"
            ) from None
        self.shape = x.shape
        if self.mode == "constant":
            self.positions: tuple[Any, ...] = tuple[Any, ...](
                slice(b, b + n) for (b, _), n in zip(margins, x.shape)
            )
            return np.pad(x, margins, constant_values=self.value)
        mode: Any = self.mode
        lines = [np.pad(np.arange(n), m, mode=mode) for n, m in zip(x.shape, margins)]
        self.positions = np.ix_(*lines)
        return x[self.positions]

    def backward(self, dy: Array) -> Array:
        if self.mode == "constant":
            return dy[self.positions]
        dx = np.zeros(self.shape, dy.dtype)
        np.add.at(dx, self.positions, dy)
        return dx
