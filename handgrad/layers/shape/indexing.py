"""Elements read and added at indices (Index, Gather, ScatterAdd), and layers that find indices."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, array_module
from handgrad.layer import Layer, run_forward
from handgrad.layers.checks import integers_below, normal_axes, require_positive
from handgrad.tensor import Tensor


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
        self.x_shape = x.shape
        try:
            return x[self.key]
        except IndexError as error:
            raise ShapeError(f"Index: {error}; x has shape {x.shape}") from None

    def backward(self, dy: Array) -> Array:
        xp = array_module(dy)
        dx = xp.zeros(self.x_shape, dy.dtype)
        xp.add.at(dx, self.key, dy)
        return dx


class Gather(Layer):
    """Elements of x at indices along one axis: y[i, j] = x[indices[i, j], j] for axis 0.

    Shapes: x (…, D, …), indices (…, K, …) equal but for the axis, y that of the indices.
    Gradient: dx = ScatterAdd of dy: an element read twice gets both gradients.
    Raises ShapeError where the shapes differ in another axis, ValueError for indices that are
    not integers from 0 to D − 1.
    """

    linear = True

    def __init__(self, axis: int = -1):
        self.axis = axis

    def forward(self, x: Array, indices: Array) -> Array:
        (axis,) = normal_axes(self, x)
        self.length = x.shape[axis]
        self.indices = integers_below(self, indices, self.length)
        _require_alike(self, x.shape, self.indices.shape, axis)
        return np.take_along_axis(x, self.indices, axis)

    def backward(self, dy: Array) -> tuple[Array, None]:
        return ScatterAdd(self.length, self.axis)(dy, self.indices), None


class ScatterAdd(Layer):
    """Zeros, to which x is added at indices along one axis: y[indices[i, j], j] += x[i, j].

    Shapes: x, indices (…, K, …), y (…, D, …) with D = `length` at the axis (0 in the formula).
    Gradient: dx = Gather of dy at the indices.
    Raises ShapeError where x and indices differ in shape, ValueError for indices that are not
    integers from 0 to D − 1.
    """

    linear = True

    def __init__(self, length: int, axis: int = -1):
        self.length, self.axis = length, axis

    def forward(self, x: Array, indices: Array) -> Array:
        (axis,) = normal_axes(self, x)
        self.indices = integers_below(self, indices, self.length)
        if x.shape != self.indices.shape:
            raise ShapeError(
                f"ScatterAdd: indices must have the shape of x, {x.shape}, got {self.indices.shape}"
            )
        y = np.zeros((*x.shape[:axis], self.length, *x.shape[axis + 1 :]), x.dtype)
        positions = list(np.ix_(*map(np.arange, x.shape)))
        positions[axis] = self.indices
        np.add.at(y, tuple(positions), x)
        return y

    def backward(self, dy: Array) -> tuple[Array, None]:
        return Gather(self.axis)(dy, self.indices), None


def _require_alike(layer: Layer, x: tuple[Any, ...], indices: tuple[Any, ...], axis: int) -> None:
    if len(x) != len(indices) or any(
        m != n for a, (m, n) in enumerate(zip(x, indices)) if a != axis
    ):
        raise ShapeError(
            f"{type(layer).__name__}: x and indices must have equal shapes but for axis {axis}, "
            f"got {x} and {indices}"
        )


recorder: ContextVar[Callable[..., Any] | None] = ContextVar("recorder", default=None)


class WithoutGradient(Layer):
    """Base of layers whose outputs are integers, or come from them: nothing flows back.

    On tensors they give plain arrays, as comparisons do; where a network is written down as a
    graph, `recorder` notes the use.
    """

    def __call__(self, *inputs: Any) -> Any:
        record = recorder.get()
        if record is not None:
            return record(self, *inputs)
        return run_forward(self, *(x.data if isinstance(x, Tensor) else x for x in inputs))

    def backward(self, dy: Array) -> Array:
        raise ValueError(
            f"{type(self).__name__} has no gradient: its output jumps; leave it out of what is "
            "learned, or read elements of x at its indices with Gather"
        )


class OneHot(WithoutGradient):
    """y[…, c] = 1 at c = the label, else 0, in float64 or the given dtype.

    Shapes: labels (…), y (…, C) with C classes.
    Gradient: none, labels are data.
    Raises ValueError for labels that are not integers from 0 to C − 1.
    """

    def __init__(self, classes: int, dtype: Any = np.float64):
        require_positive(self, classes=classes)
        self.classes, self.dtype = classes, dtype

    def forward(self, labels: Array) -> Array:
        labels = integers_below(self, labels, self.classes)
        return (labels[..., None] == np.arange(self.classes)).astype(self.dtype)


class ArgMax(WithoutGradient):
    """The index of the largest element along one axis. Shapes: x (…, D, …), y (…) without it.

    Gradient: none, an index jumps.
    At a tie: the first (NumPy).
    Raises ShapeError where x lacks the axis.
    """

    def __init__(self, axis: int = -1):
        self.axis = axis

    def forward(self, x: Array) -> Array:
        x = np.asarray(x)
        (axis,) = normal_axes(self, x)
        return x.argmax(axis=axis)


class TopK(WithoutGradient):
    """The indices of the k largest elements along one axis, the largest first.

    `Gather(axis)(x, indices)` reads the elements themselves, and has a gradient.
    Shapes: x (…, D, …), y (…, k, …).
    Gradient: none, an index jumps.
    At a tie: the first in order comes first.
    Raises ShapeError where x lacks the axis, or has fewer than k elements along it.
    """

    def __init__(self, k: int, axis: int = -1):
        require_positive(self, k=k)
        self.k, self.axis = k, axis

    def forward(self, x: Array) -> Array:
        x = np.asarray(x)
        (axis,) = normal_axes(self, x)
        if not 1 <= self.k <= x.shape[axis]:
            raise ShapeError(f"TopK: axis {self.axis} of shape {x.shape} has no {self.k} largest")
        order = np.argsort(-x, axis=axis, kind="stable")
        return np.take(order, np.arange(self.k), axis=axis)
