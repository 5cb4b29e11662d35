"""The same elements in another order or shape: Reshape, Flatten, Transpose, Flip."""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array, ShapeError
from handgrad.layer import Layer
from handgrad.layers.checks import normal_axes


class Reshape(Layer):
    """The same elements in another shape, C order; one length may be -1.

    Shapes: x (…), y the given shape.
    Gradient: dx = dy in x's shape.
    Raises ShapeError where the number of elements differs.
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
    """All axes but the first made one: an image becomes a vector.

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


class Flip(Layer):
    """x in reverse order along axes: None for all, an integer, or several. Shapes: x, y (any).

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
