"""Pooling: the maximum remembers its cells in a byte each; a mean of whole images is one window."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from handgrad.compile.builder import Builder
from handgrad.compile.lowering.images import enter, require_two_axes, two, windows
from handgrad.compile.lowering.registry import Lowering, lowers
from handgrad.compile.trace import Node
from handgrad.compile.values import BatchDim, NotNative, Size, Value
from handgrad.layers import AveragePooling, GlobalAveragePooling, GlobalMaxPooling, MaxPooling
from handgrad.layers.convolution.window import Grid, Window

MOST_CELLS = 255


def words(size: Size) -> Size:
    """Words that hold as many bytes."""
    return BatchDim(-(-size.count // 4)) if isinstance(size, BatchDim) else -(-size // 4)


def tiles(grid: Grid) -> bool:
    """Whether windows lie side by side, without padding and within the image."""
    fits = all(k * n <= size for k, n, size in zip(grid.kernel, grid.outputs, grid.sizes))
    return grid.stride == grid.kernel and not np.any(grid.pad) and fits


def most(b: Builder, node: Node, grid: Grid, y: Value) -> Value:
    """A row: the maximum of each window, and its first cell."""
    x = node.inputs[0]
    if prod(grid.kernel) > MOST_CELLS:
        raise NotNative(f"{node.name}: a window has more than {MOST_CELLS} cells")
    place, indexed = enter(b, x)
    node.kept |= {"grid": grid, "y": y, "which": b.value((words(y.size),))}
    shape = windows(grid, x.shape[0], x.shape[1])
    b.row("max_pooling", *shape, place, indexed, y, node.kept["which"])
    return y


def most_back(b: Builder, node: Node, dy: Value) -> Value:
    """A row: dy to the cell where the maximum was, times the slope of what made x."""
    x, dx = node.inputs[0], b.value(node.inputs[0].shape, last=True)
    code, made, options = b.slope(x, last=True)
    dx.sloped = made is not None
    saved = node.kept["y"] if dx.sloped else None  # x at its maximum is y
    b.row(
        "max_pooling_gradient", *windows(node.kept["grid"], x.shape[0], x.shape[1]), dy, False, dx,
        node.kept["which"], code, saved, reals=options,
    )  # fmt: skip
    return dx


@lowers(MaxPooling)
class LowerMaxPooling(Lowering):
    """The maximum of each window; in the row of the convolution before it, where that can be."""

    def forward(self, b: Builder, node: Node) -> Value:
        require_two_axes(node)
        x = node.inputs[0]
        sizes: Any = x.shape[2:]
        grid = node.layer.window.place(sizes, ceil_mode=node.layer.ceil_mode)
        y = b.value(node.outputs[0].shape, last=True)
        if not (tiles(grid) and x.uses == 1 and x.made_by and "pool" in x.made_by.kept):
            return most(b, node, grid, y)
        node.kept |= {"grid": grid, "y": y, "which": b.value((words(y.size),))}
        x.made_by.kept["pool"](y, *two(grid.kernel), node.kept["which"])
        x.made_by.kept["pooled"] = node
        return y

    def backward(self, b: Builder, node: Node, dy: Value) -> Value:
        maker = node.inputs[0].made_by
        if maker is None or maker.kept.get("pooled") is not node or maker.wants[0]:
            return most_back(b, node, b.last(dy))
        node.kept["dy"] = b.last(dy)  # the convolution's own gradient reads it
        dx = b.value(node.inputs[0].shape, last=True)
        dx.sloped = True
        return dx


@lowers(GlobalMaxPooling)
class LowerGlobalMaxPooling(Lowering):
    """The maximum of one window, the whole image."""

    def forward(self, b: Builder, node: Node) -> Value:
        require_two_axes(node)
        sizes: Any = node.inputs[0].shape[2:]
        grid = Window(node.name, sizes, 1, 0).place(sizes)
        return most(b, node, grid, b.value(node.outputs[0].shape))

    def backward(self, b: Builder, node: Node, dy: Value) -> Value:
        return most_back(b, node, b.plain(dy))


def average(b: Builder, x: Value, grid: Grid, y: Value, padding: tuple) -> None:
    """A row: the mean of each window."""
    place, indexed = enter(b, x)
    shape = windows(grid, x.shape[0], x.shape[1])
    b.row("average_pooling", *shape, place, indexed, y, *padding)


def average_back(b: Builder, x: Value, grid: Grid, dy: Value, padding: tuple) -> Value:
    """A row: dy to each cell of its window; the gradient."""
    dx = b.value(x.shape, last=True)
    code, saved, options = b.slope(x, last=True)
    dx.sloped = saved is not None
    b.row(
        "average_pooling_gradient", *windows(grid, x.shape[0], x.shape[1]), dy, False, dx, *padding,
        code, saved, reals=options,
    )  # fmt: skip
    return dx


@lowers(AveragePooling)
class LowerAveragePooling(Lowering):
    """The mean of each window."""

    def forward(self, b: Builder, node: Node) -> Value:
        require_two_axes(node)
        layer, x = node.layer, node.inputs[0]
        sizes: Any = x.shape[2:]
        grid = layer.window.place(sizes, ceil_mode=layer.ceil_mode)
        after = [after for _, after in grid.pad]
        padding = (*[0] * (2 - len(after)), *after, layer.count_padding)
        node.kept |= {"grid": grid, "padding": padding}
        y = b.value(node.outputs[0].shape, last=True)
        average(b, x, grid, y, padding)
        return y

    def backward(self, b: Builder, node: Node, dy: Value) -> Value:
        return average_back(b, node.inputs[0], node.kept["grid"], b.last(dy), node.kept["padding"])


WHOLE = 0, 0, True  # the padding of a window that is the image


@lowers(GlobalAveragePooling)
class LowerGlobalAveragePooling(Lowering):
    """The mean of one window, the whole image."""

    def forward(self, b: Builder, node: Node) -> Value:
        require_two_axes(node)
        x = node.inputs[0]
        sizes: Any = x.shape[2:]
        node.kept["grid"] = grid = Window(node.name, sizes, 1, 0).place(sizes)
        y = b.value(node.outputs[0].shape)
        average(b, x, grid, y, WHOLE)
        return y

    def backward(self, b: Builder, node: Node, dy: Value) -> Value:
        return average_back(b, node.inputs[0], node.kept["grid"], b.plain(dy), WHOLE)
