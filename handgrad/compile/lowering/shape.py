"""Layers that move elements: views where the memory stays, copies where the order changes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from handgrad.compile.builder import Builder
from handgrad.compile.lowering.registry import Lowering, lowers
from handgrad.compile.lowering.strided import axes_of, copy, fill, start, strides
from handgrad.compile.trace import Node
from handgrad.compile.values import BatchDim, NotNative, Size, Value
from handgrad.layers import Concat, Flatten, Flip, Index, Pad, Reshape, Split, Stack, Transpose


def like(b: Builder, x: Value, shape: Sequence[Size]) -> Value:
    """A new value in the memory order of x."""
    value = b.value(shape, last=x.last)
    value.integer = x.integer
    return value


def require_batch(node: Node, x: Value, axis: int) -> None:
    """Raise NotNative where an axis grows with the batch."""
    if isinstance(x.shape[axis], BatchDim):
        raise NotNative(f"{node.name} works along the batch")


@lowers(Flatten, Reshape)
class LowerReshape(Lowering):
    """The same memory under another shape."""

    integers = True

    def forward(self, b: Builder, node: Node) -> tuple[Value, None]:
        x, shape = b.plain(node.inputs[0]), node.outputs[0].shape
        if not shape or shape[0] != x.shape[0]:
            x = b.gathered(x)
        return b.view(x, shape), None

    def backward(self, b: Builder, node: Node, record: None, dy: Value) -> Value:
        return b.view(b.plain(dy), node.inputs[0].shape)


@lowers(Transpose)
class LowerTranspose(Lowering):
    """A copy with the axes in another order."""

    integers = True

    def forward(self, b: Builder, node: Node) -> tuple[Value, list[int]]:
        x, y = b.gathered(node.inputs[0]), b.value(node.outputs[0].shape)
        y.integer, axes, rank = x.integer, node.layer.axes, len(x.shape)
        order = list(range(rank))[::-1] if axes is None else [a % rank for a in axes]
        there = strides(x)
        copy(b, x, y, list(zip(y.shape, [there[a] for a in order], strides(y))))
        return y, order

    def backward(self, b: Builder, node: Node, record: list[int], dy: Value) -> Value:
        dx, order = b.value(node.inputs[0].shape), record
        there = strides(dx)
        copy(b, dy, dx, list(zip(dy.shape, strides(dy), [there[a] for a in order])))
        return dx


def join(b: Builder, xs: Sequence[Value], y: Value, axis: int, begins: Sequence[Size]) -> Value:
    """y, made of the xs, each from where it begins along the axis on."""
    for x, begin in zip(xs, begins):
        at = [begin if a == axis else 0 for a in range(len(y.shape))]
        copy(b, x, y, axes_of(x.shape, x, y), target_first=start(strides(y), at))
    return y


def split(b: Builder, x: Value, ys: Sequence[Value], axis: int, begins: Sequence[Size]) -> None:
    """Every y, taken from x from where it begins along the axis on."""
    for y, begin in zip(ys, begins):
        at = [begin if a == axis else 0 for a in range(len(x.shape))]
        copy(b, x, y, axes_of(y.shape, x, y), first=start(strides(x), at))


def begins_of(values: Sequence[Value], axis: int) -> list[Size]:
    """Where each of the values begins, joined along an axis."""
    lengths = [v.shape[axis] for v in values]
    counts = [n.count if isinstance(n, BatchDim) else n for n in lengths]
    begins = [0, *accumulate(counts[:-1])]
    return [BatchDim(n) if n and isinstance(lengths[0], BatchDim) else n for n in begins]


def as_one_order(b: Builder, xs: Sequence[Value]) -> list[Value]:
    """The values, all of them channels last if one is."""
    xs = [b.gathered(x) for x in xs]
    return [b.last(x) for x in xs] if any(x.last for x in xs) else xs


@lowers(Concat)
class LowerConcat(Lowering):
    """A copy of each input into its part."""

    def forward(self, b: Builder, node: Node) -> tuple[Value, None]:
        xs = as_one_order(b, node.inputs)
        y = like(b, xs[0], node.outputs[0].shape)
        axis = node.layer.axis % len(y.shape)
        return join(b, xs, y, axis, begins_of(xs, axis)), None

    def backward(self, b: Builder, node: Node, record: None, dy: Value) -> tuple[Value, ...]:
        axis = node.layer.axis % len(dy.shape)
        dxs = [like(b, dy, x.shape) for x in node.inputs]
        split(b, dy, dxs, axis, begins_of(node.inputs, axis))
        return tuple(dxs)


@lowers(Split)
class LowerSplit(Lowering):
    """A copy of each part."""

    def forward(self, b: Builder, node: Node) -> tuple[tuple[Value, ...], None]:
        x = b.gathered(node.inputs[0])
        ys = [like(b, x, y.shape) for y in node.outputs]
        axis = node.layer.axis % len(x.shape)
        split(b, x, ys, axis, begins_of(ys, axis))
        return tuple(ys), None

    def backward(self, b: Builder, node: Node, record: None, *dys: Any) -> Value:
        outputs = node.outputs
        dys = tuple(fill(b, b.value(y.shape)) if d is None else d for d, y in zip(dys, outputs))
        dys = tuple(as_one_order(b, dys))
        axis = node.layer.axis % len(dys[0].shape)
        return join(b, dys, like(b, dys[0], node.inputs[0].shape), axis, begins_of(dys, axis))


@lowers(Stack)
class LowerStack(Lowering):
    """Inputs joined along an axis of length one that each of them gets."""

    integers = True

    def forward(self, b: Builder, node: Node) -> tuple[Value, None]:
        y = b.value(node.outputs[0].shape)
        axis = node.layer.axis % len(y.shape)
        xs = [b.plain(b.gathered(x)) for x in node.inputs]
        xs = [b.view(x, (*x.shape[:axis], 1, *x.shape[axis:])) for x in xs]
        y.integer = xs[0].integer
        return join(b, xs, y, axis, range(len(xs))), None

    def backward(self, b: Builder, node: Node, record: None, dy: Value) -> tuple[Value, ...]:
        dy, axis = b.plain(dy), node.layer.axis % len(dy.shape)
        dxs = [b.value(x.shape) for x in node.inputs]
        views = [b.view(x, (*x.shape[:axis], 1, *x.shape[axis:])) for x in dxs]
        split(b, dy, views, axis, range(len(dxs)))
        return tuple(dxs)


@lowers(Flip)
class LowerFlip(Lowering):
    """A copy with backward steps."""

    def forward(self, b: Builder, node: Node) -> tuple[Value, None]:
        return self.flip(b, node, b.gathered(node.inputs[0])), None

    def backward(self, b: Builder, node: Node, record: None, dy: Value) -> Value:
        return self.flip(b, node, dy)

    def flip(self, b: Builder, node: Node, x: Value) -> Value:
        y, there, axis = like(b, x, x.shape), strides(x), node.layer.axis
        every = tuple(range(len(x.shape)))
        reversed_ = every if axis is None else tuple(np.atleast_1d(axis) % len(x.shape))
        first = 0
        axes = []
        for a, (length, s, t) in enumerate(axes_of(x.shape, x, y)):
            if a in reversed_:
                require_batch(node, x, a)
                length, s = int(length), int(there[a])  # type: ignore[arg-type]
                first, s = first + (length - 1) * s, -s
            axes.append((length, s, t))
        copy(b, x, y, axes, first=first)
        return y


@lowers(Pad)
class LowerPad(Lowering):
    """A filled array, and x inside it."""

    def forward(self, b: Builder, node: Node) -> tuple[Value, Size]:
        layer, x = node.layer, b.gathered(node.inputs[0])
        if layer.mode != "constant":
            raise NotNative(f"{node.name} in mode {layer.mode!r}")
        margins = np.broadcast_to(layer.pad, (len(x.shape), 2)).tolist()
        for axis, (before, after) in enumerate(margins):
            if before or after:
                require_batch(node, x, axis)
        y = fill(b, like(b, x, node.outputs[0].shape), layer.value)
        first = start(strides(y), [before for before, _ in margins])
        copy(b, x, y, axes_of(x.shape, x, y), target_first=first)
        return y, first

    def backward(self, b: Builder, node: Node, record: Size, dy: Value) -> Value:
        dy = b.last(dy) if node.outputs[0].last else b.plain(dy)
        dx = like(b, dy, node.inputs[0].shape)
        copy(b, dy, dx, axes_of(dx.shape, dy, dx), first=record)
        return dx


@lowers(Index)
class LowerIndex(Lowering):
    """Numbers and slices; lists and masks stay with Python."""

    integers = True

    def forward(self, b: Builder, node: Node) -> tuple[Value, None]:
        x, y = b.gathered(node.inputs[0]), b.value(node.outputs[0].shape)
        y.integer = x.integer
        axes, first = self.part(node, x)
        copy(b, x, y, [(n, s, t) for (n, s), t in zip(axes, strides(y), strict=True)], first=first)
        return y, None

    def backward(self, b: Builder, node: Node, record: None, dy: Value) -> Value:
        dy, dx = b.plain(dy), fill(b, b.value(node.inputs[0].shape))
        axes, first = self.part(node, dx)
        back = [(n, t, s) for (n, s), t in zip(axes, strides(dy), strict=True)]
        copy(b, dy, dx, back, target_first=first)
        return dx

    def part(self, node: Node, x: Value) -> tuple[list[tuple[Size, Size]], Size]:
        """Length and stride of each axis that stays, and the word of the first element."""
        key = node.layer.key if isinstance(node.layer.key, tuple) else (node.layer.key,)
        if not all(isinstance(k, int | np.integer | slice) or k is Ellipsis for k in key):
            raise NotNative(f"{node.name} with a key other than integers and slices")
        gap = len(x.shape) - sum(k is not Ellipsis for k in key)
        at = key.index(Ellipsis) if Ellipsis in key else len(key)
        key = (*key[:at], *[slice(None)] * gap, *key[at + 1 :])
        axes: list[tuple[Size, Size]] = []
        indices: list[Size] = []
        for k, length, stride in zip(key, x.shape, strides(x), strict=True):
            if isinstance(length, BatchDim) and k != slice(None):
                raise NotNative(f"{node.name} works along the batch")
            if isinstance(k, slice):
                line = range(length)[k] if isinstance(length, int) else None
                by = line.step if line is not None else 1
                indices.append(line.start if line else 0)
                axes.append((length if line is None else len(line), _scaled(stride, by)))
            else:
                indices.append(int(k) % length)  # type: ignore[operator]
        return axes, start(strides(x), indices)


def _scaled(stride: Size, by: int) -> Size:
    return BatchDim(stride.count * by) if isinstance(stride, BatchDim) else stride * by
