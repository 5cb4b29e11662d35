"""Arrays joined along an axis, and cut along it: Concat, Stack, Split."""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array, ShapeError, array_module
from handgrad.layer import Layer
from handgrad.layers.checks import normal_axes, require_positive


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
    """x cut along one axis: into `parts` equal ones, or before the indices of a tuple.

    Shapes: x (…, D, …), each y (…, Dᵢ, …) with ΣDᵢ = D.
    Gradient: dx = the dy joined where x was cut.
    Raises ShapeError where x lacks the axis, D is not divisible by `parts`, or a cut lies
    outside x.
    """

    linear = True

    def __init__(self, parts: int | tuple[int, ...], axis: int = -1):
        if not np.ndim(parts):
            require_positive(self, parts=parts)  # type: ignore[arg-type]
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
