"""The windows of an image written out as columns of a matrix, and columns added up again."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, array_module
from handgrad.layers.convolution.window import Grid, Window

BLOCK = 2**19  # elements of the columns made at once: few enough for a cache


def im2col(input_data: Array, filter_h: int, filter_w: int, stride: int = 1, pad: int = 0) -> Array:
    """The windows of images as rows of a matrix, in the images' dtype.

    Shapes: input_data (N, C, H, W), result (N·OH·OW, C·filter_h·filter_w).
    Raises ShapeError where the filter is larger than the padded image.
    Source: Saito, "Deep Learning from Scratch", section 7.4.2.
    """
    window = Window("im2col", (filter_h, filter_w), stride, pad)
    window.require_image(input_data.shape)
    grid = window.grid(input_data.shape[2:])
    view = grid.view(grid.padded(input_data))
    return view.transpose(0, 4, 5, 1, 2, 3).reshape(-1, prod(view.shape[1:4]))


def col2im(
    col: Array,
    input_shape: tuple[int, int, int, int],
    filter_h: int,
    filter_w: int,
    stride: int = 1,
    pad: int = 0,
) -> Array:
    """Each element of im2col's rows added to the pixel that it came from: im2col's gradient.

    Shapes: col (N·OH·OW, C·filter_h·filter_w), result input_shape (N, C, H, W).
    Raises ShapeError where col has not the shape that im2col gives for input_shape.
    Source: Saito, "Deep Learning from Scratch", section 7.4.2.
    """
    window = Window("col2im", (filter_h, filter_w), stride, pad)
    window.require_image(tuple(input_shape))
    n, c, *sizes = input_shape
    grid = window.grid(tuple(sizes))
    expected = (n * prod(grid.outputs), c * prod(grid.kernel))
    if col.shape != expected:
        raise ShapeError(f"col2im: col must be {expected} for these images, got {col.shape}")
    cells = col.reshape(n, *grid.outputs, c, *grid.kernel).transpose(0, 3, 4, 5, 1, 2)
    images = array_module(col).zeros(input_shape, col.dtype)
    fold(cells, images, grid)
    return images


def fold(cells: Array, images: Array, grid: Grid) -> None:
    """Add cells (N, C, *kernel, *outputs) to the pixels (N, C, *sizes) that they were read from."""
    for cell, pixels, outputs in grid.taps():
        key: tuple[Any, ...] = (slice(None), slice(None), *cell)
        images[pixels] += cells[key][outputs]


def blocks(x: Array, grid: Grid) -> Iterator[slice]:
    """Slices of the batch whose columns have about BLOCK elements, or one image."""
    per_image = x.shape[1] * prod(grid.kernel) * prod(grid.outputs)
    step = max(1, BLOCK // per_image)
    return (slice(i, i + step) for i in range(0, len(x), step))


def columns(x: Array, grid: Grid, groups: int) -> Array:
    """The windows of each image as columns: x (N, C, *sizes), (N, groups, C/groups·kernel, O)."""
    cells = x.shape[1] // groups * prod(grid.kernel)
    return grid.view(grid.padded(x)).reshape(len(x), groups, cells, prod(grid.outputs))


def all_columns(x: Array, grid: Grid, groups: int) -> Array:
    """The windows of all images side by side: x (N, C, *sizes), (groups, C/groups·kernel, N·O)."""
    cells = x.shape[1] // groups * prod(grid.kernel)
    windows = np.moveaxis(grid.view(grid.padded(x)), 0, 1 + len(grid.kernel))
    return windows.reshape(groups, cells, len(x) * prod(grid.outputs))


def all_rows(dy: Array, groups: int) -> Array:
    """dy (N, F, *outputs) with one row for each filter: (groups, F/groups, N·O)."""
    return dy.swapaxes(0, 1).reshape(groups, dy.shape[1] // groups, -1)
