"""Layers that move numbers without changing them: broadcast, reshape, transpose, concat, index."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, array_module
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


class Reshape(Layer):
    """The same numbers in another shape, C order; one length may be -1.

    Shapes: x (…), y the given shape.
    Gradient: dx = dy in x's shape.
    Raises ShapeError where the numbers of elements differ.
    """

    linear = True

    def __init__(self, shape: tuple[int, ...]):
        self.shape = tuple(shape)

    def forward(self, x: Array) -> Array:
        self.x_shape = x.shape
        try:
            return x.reshape(self.shape)
        except ValueError:
            raise ShapeError(
                f"Reshape: {x.size} elements of shape {x.shape} do not fill {self.shape}"
            ) from None

    def backward(self, dy: Array) -> Array:
        return dy.reshape(self.x_shape)


class Flatten(Layer):
    """All axes but the first made one: an image becomes a row.

    Shapes: x (N, …), y (N, D) with D the product of the rest.
    Gradient: dx = dy in x's shape.
    Raises ShapeError for an array without axes.
    """

    linear = True

    def forward(self, x: Array) -> Array:
        if not x.ndim:
            raise ShapeError("Flatten: x needs a batch axis (N, …), got a scalar of shape ()")
        self.x_shape = x.shape
        return x.reshape(len(x), int(np.prod(x.shape[1:])))

    def backward(self, dy: Array) -> Array:
        return dy.reshape(self.x_shape)


class Transpose(Layer):
    """Axes in another order; all of them reversed by default.

    y = x.transpose(axes): axis i of y is axis axes[i] of x.
    Shapes: x (…), y the same lengths in the new order.
    Gradient: dx = dy with the axes put back, in the inverse order.
    Raises ShapeError where axes does not name each axis of x once.
    """

    linear = True

    def __init__(self, axes: tuple[int, ...] | None = None):
        self.axes = None if axes is None else tuple(axes)

    def forward(self, x: Array) -> Array:
        order = range(x.ndim)[::-1] if self.axes is None else self.axes
        self.order = [a % x.ndim if -x.ndim <= a < x.ndim else a for a in order]
        if sorted(self.order) != list(range(x.ndim)):
            raise ShapeError(
                f"Transpose: axes {self.axes} must name each of the {x.ndim} axes of x, shape "
                f"{x.shape}, once"
            )
        return x.transpose(self.order)

    def backward(self, dy: Array) -> Array:
        return dy.transpose(np.argsort(self.order))


class Concat(Layer):
    """Arrays joined along an existing axis.

    Shapes: each x (…, Dᵢ, …), equal but for that axis; y (…, ΣDᵢ, …).
    Gradient: dy cut where the inputs met.
    Raises ShapeError where another axis differs.
    """

    linear = True

    def __init__(self, axis: int = -1):
        self.axis = axis

    def forward(self, *xs: Array) -> Array:
        try:
            y = array_module(*xs).concatenate(xs, axis=self.axis)
        except ValueError:
            raise ShapeError(
                f"Concat: shapes must be equal but for axis {self.axis}, got "
                f"{', '.join(str(np.shape(x)) for x in xs) or 'nothing'}"
            ) from None
        self.cuts = np.cumsum([x.shape[self.axis] for x in xs])[:-1]
        return y

    def backward(self, dy: Array) -> tuple[Array, ...]:
        return tuple(array_module(dy).split(dy, self.cuts, axis=self.axis))


class Index(Layer):
    """x[key] for any NumPy key: integers, slices, arrays of indices, masks.

    Shapes: x (…), y that of x[key].
    Gradient: dx = 0 but at key, where dy is added: an element read twice gets both gradients.
    Raises ShapeError where the key lies outside x.
    """

    linear = True

    def __init__(self, key: Any):
        self.key = key

    def forward(self, x: Array) -> Array:
        self.x_shape, self.xp = x.shape, array_module(x)
        try:
            return x[self.key]
        except IndexError as error:
            raise ShapeError(f"Index: {error}; x has shape {x.shape}") from None

    def backward(self, dy: Array) -> Array:
        dx = self.xp.zeros(self.x_shape, dy.dtype)
        self.xp.add.at(dx, self.key, dy)
        return dx
