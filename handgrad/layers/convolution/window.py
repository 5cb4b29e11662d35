"""Windows: where the cells of a kernel or a pool meet an image, for any number of spatial axes.

A `Window` holds the options; `Window.grid` lays it on an image of known sizes and gives a `Grid`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import product
from math import ceil
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, array_module
from handgrad.layers.checks import integer

Sizes = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]  # before and after the image, along each axis


def per_axis(owner: str, name: str, value: Any, rank: int, minimum: int) -> Sizes:
    """One integer for each spatial axis; a single number counts for all of them."""
    values = tuple(value) if isinstance(value, tuple | list) else (value,) * rank
    if len(values) != rank:
        raise ValueError(f"{owner}: {name} needs {rank} integers like the kernel, got {value!r}")
    return tuple(integer(owner, name, v, minimum) for v in values)


def per_side(owner: str, pad: Any, rank: int) -> Pads | None:
    """(before, after) for each spatial axis; None for "same".

    pad is "same", a number, or for each axis a number or a pair (before, after).
    """
    if isinstance(pad, str):
        if pad != "same":
            raise ValueError(f'{owner}: pad must be "same" or integers, got {pad!r}')
        return None
    sides = tuple(pad) if isinstance(pad, tuple | list) else (pad,) * rank
    if len(sides) != rank:
        raise ValueError(f"{owner}: pad needs {rank} integers or pairs, as kernel has, got {pad!r}")
    pairs = (per_axis(owner, "pad", side, 2, 0) for side in sides)
    return tuple((before, after) for before, after in pairs)


@dataclass(frozen=True)
class Grid:
    """A window laid on an image: cell k of output o reads the image at o·stride + k·dilation − pad.

    The pad before the image is what the formula means; nothing is read outside the image.
    """

    sizes: Sizes  # of the image
    kernel: Sizes
    stride: Sizes
    dilation: Sizes
    pad: Pads
    outputs: Sizes

    def taps(self) -> Iterator[tuple[Sizes, tuple[Any, ...], tuple[Any, ...]]]:
        """For each cell of the kernel in C order: the cell, and slices of the image and of the
        output that select, element by element, what it reads and where that goes."""
        for cell in product(*map(range, self.kernel)):
            pairs = [meet(self, axis, k) for axis, k in enumerate(cell)]
            yield cell, (..., *(p[0] for p in pairs)), (..., *(p[1] for p in pairs))

    def counts(self, *, padding: bool) -> Array:
        """The cells of each window that lie inside the image, or inside the image and its pad."""
        lines = []
        for i, (before, after) in enumerate(self.pad):
            at = np.arange(self.outputs[i])[:, None] * self.stride[i]
            at = at + np.arange(self.kernel[i]) * self.dilation[i] - before
            low, high = (-before, self.sizes[i] + after) if padding else (0, self.sizes[i])
            lines.append(((low <= at) & (at < high)).sum(axis=1))
        return reduce(np.multiply.outer, lines)

    def padded(self, x: Array) -> Array:
        """x with zeros around it, as far as the window reaches; x itself where it stays inside."""
        sides = []
        for i, size in enumerate(self.sizes):
            last = (self.outputs[i] - 1) * self.stride[i] + (self.kernel[i] - 1) * self.dilation[i]
            before = self.pad[i][0]
            sides.append((before, max(0, last + 1 - before - size)))
        if not np.any(sides):
            return x
        return array_module(x).pad(x, [(0, 0)] * (x.ndim - len(sides)) + sides)

    def view(self, x: Array) -> Array:
        """Every window of a padded x (N, C, *sizes) as a view (N, C, *kernel, *outputs)."""
        steps = x.strides[2:]
        within = (s * d for s, d in zip(steps, self.dilation))
        between = (s * d for s, d in zip(steps, self.stride))
        return array_module(x).lib.stride_tricks.as_strided(
            x, (*x.shape[:2], *self.kernel, *self.outputs), (*x.strides[:2], *within, *between)
        )


def meet(grid: Grid, axis: int, k: int) -> tuple[slice, slice]:
    """The slices of one axis where cell k lies inside the image: 0 ≤ o·stride + at < size."""
    stride, at = grid.stride[axis], k * grid.dilation[axis] - grid.pad[axis][0]
    first = max(0, ceil(-at / stride))
    stop = min(grid.outputs[axis], ceil((grid.sizes[axis] - at) / stride))
    if first >= stop:
        return slice(0, 0), slice(0, 0)
    start = first * stride + at
    return slice(start, start + (stop - first - 1) * stride + 1, stride), slice(first, stop)


def lay(
    size: int, reach: int, stride: int, pad: tuple[int, int] | None, ceil_mode: bool
) -> tuple[tuple[int, int], int]:
    """The pad of one axis, and the number of windows along it: 0 where none fits."""
    if pad is None:
        need = max(0, (ceil(size / stride) - 1) * stride + reach - size)
        pad = need // 2, need - need // 2
    room = size + sum(pad) - reach
    if room < 0 or size < 1:
        return pad, 0
    count = room // stride + 1
    over = ceil_mode and room % stride and count * stride < size + pad[0]
    return pad, count + 1 if over else count


class Window:
    """kernel, stride, pad and dilation of a layer, checked, one number for each spatial axis.

    Raises ValueError, in the name of `owner`, for what is not an integer or too small.
    """

    def __init__(self, owner: str, kernel: Any, stride: Any, pad: Any, dilation: Any = 1):
        rank = len(kernel) if isinstance(kernel, tuple | list) else 2
        self.owner = owner
        self.kernel = per_axis(owner, "kernel", kernel, rank, 1)
        self.stride = per_axis(owner, "stride", stride, rank, 1)
        self.dilation = per_axis(owner, "dilation", dilation, rank, 1)
        self.pad = per_side(owner, pad, rank)
        self.reach = tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation))

    def require_image(self, shape: Sizes) -> None:
        """Raise ShapeError unless the shape is (N, C) and one size for each axis of the kernel."""
        rank = len(self.kernel)
        if len(shape) != 2 + rank:
            axes = {1: "(N, C, T)", 2: "(N, C, H, W)"}.get(rank, f"{2 + rank} axes")
            raise ShapeError(
                f"{self.owner}: x must be {axes} for kernel {self.kernel}, got shape {shape}; "
                "the kernel needs one size for each axis after (N, C)"
            )

    def grid(self, sizes: Sizes, *, ceil_mode: bool = False) -> Grid:
        """The grid on an image of these sizes.

        "same" pads so that ⌈size / stride⌉ outputs come, the odd zero after the image. With
        `ceil_mode` a last window may reach over the end, if it starts before the end.
        """
        axes = zip(sizes, self.reach, self.stride, self.pad or [None] * len(sizes))
        laid = [lay(*axis, ceil_mode) for axis in axes]
        pads, outputs = tuple(pad for pad, _ in laid), tuple(count for _, count in laid)
        if min(outputs) < 1:
            raise ShapeError(
                f"{self.owner}: the kernel reaches over {self.reach} elements, more than the "
                f"image {sizes} with pad {pads}; use a smaller kernel or more pad"
            )
        return Grid(sizes, self.kernel, self.stride, self.dilation, pads, outputs)

    def place_under(self, outputs: Sizes, extra: Sizes) -> Grid:
        """The grid that has these outputs, on the shortest image made `extra` longer."""
        sizes = []
        for i, (count, stride, reach) in enumerate(zip(outputs, self.stride, self.reach)):
            if self.pad is None:
                sizes.append(count * stride)
            else:
                sizes.append((count - 1) * stride + reach - sum(self.pad[i]) + extra[i])
        return self.grid(tuple(sizes))
