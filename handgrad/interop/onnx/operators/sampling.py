"""Images read at any position: grids, regions, and convolutions whose kernel bends."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from handgrad.interop.onnx.operators.registry import operator
from handgrad.interop.onnx.operators.resize import bell
from handgrad.interop.onnx.operators.shape import sized
from handgrad.interop.onnx.operators.windows import ones, padding


def reflected(index: Any, n: int, corners: int) -> Any:
    """An index outside brought back as in a mirror: at the last pixels, or at their outer edges."""
    if n == 1:
        return np.zeros_like(index)
    span = 2 * (n - 1) if corners else 2 * n
    index = index % span
    top = span - index if corners else span - 1 - index
    return np.where(index < n, index, top)


def sample(
    image: Any, at: Any, mode: str = "linear", outside: str = "zeros", corners: int = 0
) -> Any:
    """image (C, *size) at the positions `at` (axes, …), in pixels: (C, …)."""
    sizes = image.shape[1:]
    offsets: tuple[int, ...]
    if mode == "nearest":
        at, offsets = np.rint(at), (0,)
    else:
        offsets = (0, 1) if mode == "linear" else (-1, 0, 1, 2)
    base = np.floor(at).astype(np.int64)
    y = np.zeros((image.shape[0], *at.shape[1:]), np.result_type(image.dtype, np.float32))
    for shift in product(offsets, repeat=len(sizes)):
        weight, key = np.ones(at.shape[1:]), []
        for a, n in enumerate(sizes):
            index = base[a] + shift[a]
            if mode != "nearest":
                weight = weight * bell(mode, at[a] - index, -0.75)
            if outside == "zeros":
                weight = weight * ((index >= 0) & (index < n))
            elif outside == "reflection":
                index = reflected(index, n, corners)
            key.append(np.clip(index, 0, n - 1))
        y += (image[(slice(None), *key)] * weight).astype(y.dtype)
    return y


MODES = {"bilinear": "linear", "bicubic": "cubic"}


@operator("GridSample", since=16)
def grid_sample(x, grid, *, align_corners=0, mode="linear", padding_mode="zeros"):
    """x at the positions of the grid, which run from −1 to 1 over the image."""
    sizes = np.array(x.shape[2:])
    at = grid[..., ::-1].astype(np.float64)  # the grid names the last axis first
    at = (at + 1) / 2 * (sizes - 1) if align_corners else ((at + 1) * sizes - 1) / 2
    mode = MODES.get(mode, mode)
    return np.stack([
        sample(image, np.moveaxis(p, -1, 0), mode, padding_mode, align_corners)
        for image, p in zip(x, at)
    ]).astype(x.dtype)  # fmt: skip


@operator("AffineGrid", since=20)
def affine_grid(theta, size, *, align_corners=0):
    """The grid on which an affine map reads an image."""
    lengths = sized(size)[2:]
    axes = []
    for n in lengths:
        steps = np.arange(n, dtype=np.float64)
        line = steps * 2 / max(n - 1, 1) - 1 if align_corners else (2 * steps + 1) / n - 1
        axes.append(line)
    mesh = np.meshgrid(*axes, indexing="ij")[::-1]
    points = np.stack([*mesh, np.ones(lengths)], -1)
    return np.einsum("...p,nqp->n...q", points, theta).astype(theta.dtype)


@operator("RoiAlign", since=10)
def roi_align_10(x, rois, batch, *, mode="avg", output_height=1, output_width=1, sampling_ratio=0,
                 spatial_scale=1.0):  # fmt: skip
    return roi_align(
        x, rois, batch, coordinate_transformation_mode="output_half_pixel", mode=mode,
        output_height=output_height, output_width=output_width, sampling_ratio=sampling_ratio,
        spatial_scale=spatial_scale,
    )  # fmt: skip


@operator("RoiAlign", since=16)
def roi_align(x, rois, batch, *, coordinate_transformation_mode="half_pixel", mode="avg",
              output_height=1, output_width=1, sampling_ratio=0, spatial_scale=1.0):  # fmt: skip
    """The mean (or largest) of samples in each cell of each region."""
    half = coordinate_transformation_mode == "half_pixel"
    out = (output_height, output_width)
    y = np.zeros(sized((len(rois), x.shape[1], *out)), x.dtype)
    for i, (roi, n) in enumerate(zip(rois.astype(np.float64), batch)):
        corners = roi[[1, 0, 3, 2]] * spatial_scale - 0.5 * half
        start, extent = corners[:2], corners[2:] - corners[:2]
        if not half:
            extent = np.maximum(extent, 1)
        lines = []
        for a in range(2):
            count = sampling_ratio or max(1, int(np.ceil(extent[a] / out[a])))
            steps = (np.arange(out[a] * count) + 0.5) / count
            lines.append((start[a] + steps * extent[a] / out[a]).reshape(out[a], count))
        y[i] = cells(x[int(n)], lines, mode)
    return y


def cells(image: Any, lines: list[Any], mode: str) -> Any:
    """Samples of the image at all crossings of the lines, joined by cell."""
    shape = (lines[0].shape[0], lines[1].shape[0], lines[0].shape[1], lines[1].shape[1])
    at = np.stack([np.broadcast_to(lines[0][:, None, :, None], shape),
                   np.broadcast_to(lines[1][None, :, None, :], shape)])  # fmt: skip
    sizes = np.array(image.shape[1:]).reshape(2, 1, 1, 1, 1)
    valid = ((at >= -1) & (at <= sizes)).all(0)
    at = np.clip(at, 0, sizes - 1)
    if mode == "avg":
        return (sample(image, at) * valid).mean((-2, -1))
    base = np.minimum(np.floor(at).astype(int), np.maximum(sizes - 2, 0))
    parts = []
    for dy, dx in product((0, 1), repeat=2):
        w = bell("linear", at[0] - base[0] - dy, 0) * bell("linear", at[1] - base[1] - dx, 0)
        high, wide = (
            np.minimum(base[a] + d, image.shape[1 + a] - 1) for a, d in ((0, dy), (1, dx))
        )
        parts.append(image[:, high, wide] * w)
    return (np.max(parts, 0) * valid).max((-2, -1))


@operator("DeformConv", since=19)
def deform_conv(x, w, offset, b=None, mask=None, *, dilations=None, group=1, kernel_shape=None,
                offset_group=1, pads=None, strides=None):  # fmt: skip
    """A convolution whose every tap is moved by an offset of its own."""
    axes, kernel = x.ndim - 2, w.shape[2:]
    strides, dilations = ones(strides, axes), ones(dilations, axes)
    around = padding(x.shape[2:], kernel, strides, dilations, pads, "NOTSET")
    out, n = offset.shape[2:], x.shape[0]
    moves = offset.reshape(n, offset_group, *kernel, axes, *out)
    share = None if mask is None else mask.reshape(n, offset_group, *kernel, *out)
    taps = np.zeros((n, x.shape[1], *kernel, *out), np.float64)
    each = x.shape[1] // offset_group
    for i, g, *k in np.ndindex(n, offset_group, *kernel):
        start = [kk * d - p[0] for kk, d, p in zip(k, dilations, around)]
        lines = [s + np.arange(m) * step for s, m, step in zip(start, out, strides)]
        grid = np.stack(np.meshgrid(*lines, indexing="ij"))
        at = grid + moves[(i, g, *k)]
        channels = slice(g * each, (g + 1) * each)
        value = sample(x[i, channels], at)
        taps[(i, channels, *k)] = value if share is None else value * share[(i, g, *k)]
    flat = taps.reshape(n, group, -1, int(np.prod(out)))
    filters = w.reshape(group, w.shape[0] // group, -1)
    y = np.einsum("gfk,ngko->ngfo", filters, flat).reshape(n, w.shape[0], *out)
    y = y if b is None else y + b.reshape(-1, *[1] * axes)
    return y.astype(x.dtype)
