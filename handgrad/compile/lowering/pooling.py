"""Pooling: the maximum remembers its cells in a byte each; a mean of whole images is one window."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from handgrad.compile.builder import Builder
from handgrad.compile.lowering.registry import Lowering, lowers
from handgrad.compile.lowering.windows import images, require_two_axes, two, windows
from handgrad.compile.trace import Node
from handgrad.compile.values import NO_EPILOGUE, BatchDim, Epilogue, NotNative, Size, Value
from handgrad.layers import AveragePooling, GlobalAveragePooling, GlobalMaxPooling, MaxPooling
from handgrad.layers.convolution.window import Grid, Window

MAX_CELLS = 255


@dataclass
class Maxima:
    """The maximum of each window, and which of its cells that was first."""

    grid: Grid
    y: Value
    which: Value


@dataclass
class Averages:
    """Windows, and how their padding counts."""

    grid: Grid
    padding: dict[str, int]


# The padding of a window that is the image.
WHOLE = {"pad_bottom": 0, "pad_right": 0, "padded": True}


def maxima_of(b: Builder, grid: Grid, y: Value) -> Maxima:
    """Memory for the maxima y and for the cells that they come from, a byte for each."""
    size: Size = y.size
    words = BatchDim(-(-size.count // 4)) if isinstance(size, BatchDim) else -(-size // 4)
    return Maxima(grid, y, b.value((words,)))


def tiles(grid: Grid) -> bool:
    """Whether windows lie side by side, without padding and within the image."""
    fits = all(k * n <= size for k, n, size in zip(grid.kernel, grid.outputs, grid.sizes))
    return grid.stride == grid.kernel and not np.any(grid.pad) and fits


def max_pooling(b: Builder, node: Node, grid: Grid, y: Value) -> Maxima:
    """A row: the maximum of each window, and its first cell."""
    x = node.inputs[0]
    if prod(grid.kernel) > MAX_CELLS:
        raise NotNative(f"{node.name}: a window has more than {MAX_CELLS} cells")
    source, indexed = images(b, x)
    record = maxima_of(b, grid, y)
    b.row(
        "max_pooling", **windows(grid, x.shape[0], x.shape[1]), x=source, indexed=indexed, y=y,
        which=record.which,
    )  # fmt: skip
    return record


def max_pooling_dx(
    b: Builder, record: Maxima, dy: Value, dx: Value, epilogue: Epilogue = NO_EPILOGUE
) -> Value:
    """A row: dy to the cell where the maximum was, back through the epilogue of what made x, of
    which the maximum is y."""
    dx.through_epilogue = epilogue.applies
    if epilogue.applies:
        epilogue = epilogue._replace(saved=record.y)
    b.row(
        "max_pooling_gradient", **windows(record.grid, dx.shape[0], dx.shape[1]), dy=dy, dx=dx,
        which=record.which, **epilogue.arguments,
    )  # fmt: skip
    return dx


@lowers(MaxPooling)
class LowerMaxPooling(Lowering):
    """The maximum of each window."""

    def forward(self, b: Builder, node: Node) -> tuple[Value, Maxima]:
        require_two_axes(node)
        y = b.value(node.outputs[0].shape, last=True)
        return y, max_pooling(b, node, self.windows(node), y)

    def backward(self, b: Builder, node: Node, record: Maxima, dy: Value) -> Value:
        x = node.inputs[0]
        dx = b.value(x.shape, last=True)
        return max_pooling_dx(b, record, b.last(dy), dx, b.derivative(x, last=True))

    def windows(self, node: Node) -> Grid:
        """Where the windows of a node lie."""
        sizes: Any = node.inputs[0].shape[2:]
        grid: Grid = node.layer.window.grid(sizes, ceil_mode=node.layer.ceil_mode)
        return grid


@lowers(GlobalMaxPooling)
class LowerGlobalMaxPooling(Lowering):
    """The maximum of one window, the whole image."""

    def forward(self, b: Builder, node: Node) -> tuple[Value, Maxima]:
        require_two_axes(node)
        sizes: Any = node.inputs[0].shape[2:]
        grid = Window(node.name, sizes, 1, 0).grid(sizes)
        y = b.value(node.outputs[0].shape)
        return y, max_pooling(b, node, grid, y)

    def backward(self, b: Builder, node: Node, record: Maxima, dy: Value) -> Value:
        x = node.inputs[0]
        dx = b.value(x.shape, last=True)
        return max_pooling_dx(b, record, b.plain(dy), dx, b.derivative(x, last=True))


def average(b: Builder, x: Value, record: Averages, y: Value) -> None:
    """A row: the mean of each window."""
    source, indexed = images(b, x)
    shape = windows(record.grid, x.shape[0], x.shape[1])
    b.row("average_pooling", **shape, x=source, indexed=indexed, y=y, **record.padding)


def average_dx(b: Builder, x: Value, record: Averages, dy: Value) -> Value:
    """A row: dy to each cell of its window; the gradient."""
    dx, epilogue = b.value(x.shape, last=True), b.derivative(x, last=True)
    dx.through_epilogue = epilogue.applies
    b.row(
        "average_pooling_gradient", **windows(record.grid, x.shape[0], x.shape[1]), dy=dy, dx=dx,
        **record.padding, **epilogue.arguments,
    )  # fmt: skip
    return dx


@lowers(AveragePooling)
class LowerAveragePooling(Lowering):
    """The mean of each window."""

    def forward(self, b: Builder, node: Node) -> tuple[Value, Averages]:
        require_two_axes(node)
        layer, x = node.layer, node.inputs[0]
        sizes: Any = x.shape[2:]
        grid = layer.window.grid(sizes, ceil_mode=layer.ceil_mode)
        bottom, right = two(tuple(after for _, after in grid.pad), 0)
        padding = {"pad_bottom": bottom, "pad_right": right, "padded": layer.count_padding}
        record = Averages(grid, padding)
        y = b.value(node.outputs[0].shape, last=True)
        average(b, x, record, y)
        return y, record

    def backward(self, b: Builder, node: Node, record: Averages, dy: Value) -> Value:
        return average_dx(b, node.inputs[0], record, b.last(dy))


@lowers(GlobalAveragePooling)
class LowerGlobalAveragePooling(Lowering):
    """The mean of one window, the whole image."""

    def forward(self, b: Builder, node: Node) -> tuple[Value, Averages]:
        require_two_axes(node)
        x = node.inputs[0]
        sizes: Any = x.shape[2:]
        record = Averages(Window(node.name, sizes, 1, 0).grid(sizes), WHOLE)
        y = b.value(node.outputs[0].shape)
        average(b, x, record, y)
        return y, record

    def backward(self, b: Builder, node: Node, record: Averages, dy: Value) -> Value:
        return average_dx(b, node.inputs[0], record, b.plain(dy))
