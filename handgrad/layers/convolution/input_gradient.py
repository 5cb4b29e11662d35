"""What the windows on an image send back to it, added up where they overlap: two ways.

`cell_by_cell` serves every grid. `in_one_sum` serves windows at every pixel: lay the padded image
flat, and put every output where its window begins. Cell k of a window lies off(k) elements
further on, whatever the window, so pixel m gets Σ cells[k, m − off(k)] over k: a sum over a view
in which row k is shifted by off(k). What a shifted row reads before its own start is the end of
the row before it, where no window begins and all is 0.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from handgrad.arrays import Array, array_module
from handgrad.layers.convolution.unfold import blocks, fold
from handgrad.layers.convolution.window import Grid, Sizes


def send_back(filters: Array, dy: Array, dx: Array, grid: Grid) -> None:
    """Write into dx what filters @ dy brings to each pixel.

    Shapes: filters (groups, C/groups·kernel, F/groups), dy (N, F, *outputs), dx (N, C, *sizes).
    """
    few_between = prod(padded_sizes(grid)) <= 3 * prod(grid.outputs)
    way = in_one_sum if set(grid.stride) == {1} and few_between else cell_by_cell
    way(filters, dy, dx, grid)


def cell_by_cell(filters: Array, dy: Array, dx: Array, grid: Grid) -> None:
    """Each cell of the kernel by itself, at all the pixels that it meets."""
    dx[...] = 0
    rows = dy.reshape(len(dy), len(filters), filters.shape[2], prod(grid.outputs))
    for part in blocks(dx, grid):
        cells = filters @ rows[part]
        cells = cells.reshape(-1, dx.shape[1], *grid.kernel, *grid.outputs)
        fold(cells, dx[part], grid)


def in_one_sum(filters: Array, dy: Array, dx: Array, grid: Grid) -> None:
    """All cells at once, for windows of stride 1."""
    parts, sizes = list(blocks(dx, grid)), padded_sizes(grid)
    longest = max((len(dx[part]) for part in parts), default=0)
    flat = array_module(dy).zeros((longest, dy.shape[1], *sizes), dy.dtype)
    begin = flat[(..., *map(slice, grid.outputs))]  # the rest of flat stays 0
    pads = zip(grid.pad, grid.sizes)
    inside: tuple[Any, ...] = (..., *(slice(p, p + size) for (p, _), size in pads))
    for part in parts:
        n = len(dx[part])
        begin[:n] = dy[part]
        cells = filters @ flat[:n].reshape(n, len(filters), filters.shape[2], prod(sizes))
        cells = cells.reshape(n, dx.shape[1], *grid.kernel, prod(sizes))
        dx[part] = shifted(cells, grid).reshape(n, dx.shape[1], *sizes)[inside]


def shifted(cells: Array, grid: Grid) -> Array:
    """Σ cells[k, m − off(k)] over k: cells (N, C, *kernel, pixels), result (N, C, pixels)."""
    steps = np.cumprod((cells.itemsize, *padded_sizes(grid)[:0:-1]))[::-1]
    strides = [s - d * step for s, d, step in zip(cells.strides[2:], grid.dilation, steps)]
    view = array_module(cells).lib.stride_tricks.as_strided(
        cells, cells.shape, (*cells.strides[:2], *strides, cells.itemsize)
    )
    return view.sum(axis=tuple(range(2, cells.ndim - 1)))


def padded_sizes(grid: Grid) -> Sizes:
    """The sizes of the padded image, as far as windows of stride 1 reach."""
    axes = zip(grid.outputs, grid.kernel, grid.dilation)
    return tuple(count + (k - 1) * dilation for count, k, dilation in axes)
