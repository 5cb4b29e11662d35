"""Convolutions and pools: a window that slides over an image with any number of axes."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from handgrad.interop.onnx.operators.registry import operator
from handgrad.interop.onnx.operators.shape import sized
from handgrad.layers.convolution.correlation import Correlate, CorrelateDx
from handgrad.layers.convolution.window import Window


def padding(
    image: Any, kernel: Any, strides: Any, dilations: Any, pads: Any, auto_pad: str
) -> list[tuple[int, int]]:
    """(before, after) for each axis."""
    axes = len(kernel)
    if auto_pad in ("", "NOTSET"):
        pads = [0] * 2 * axes if pads is None else [int(p) for p in pads]
        return list(zip(pads[:axes], pads[axes:]))
    if auto_pad == "VALID":
        return [(0, 0)] * axes
    found = []
    for n, k, s, d in zip(image, kernel, strides, dilations):
        whole = max(0, (-(-n // s) - 1) * s + (k - 1) * d + 1 - n)
        small, large = whole // 2, whole - whole // 2
        found.append((small, large) if auto_pad == "SAME_UPPER" else (large, small))
    return found


def ones(values: Any, axes: int) -> list[int]:
    """One number for each axis, 1 where none is given."""
    return [1] * axes if values is None else [int(v) for v in values]


def correlate(x: Any, w: Any, strides: Any, pads: Any, dilations: Any, group: int) -> Any:
    """The convolution, by that of the layers.

    float32 is summed in float64: equal filters give equal results then, however the matrix product
    is cut into blocks.
    """
    window = Window("Conv", w.shape[2:], tuple(strides), tuple(pads), tuple(dilations))
    if x.shape[1] != w.shape[1] * group or w.shape[0] % group:
        raise ValueError(f"{x.shape[1]} channels do not fit filters {w.shape} in {group} groups")
    wide = [a.astype(np.float64) if a.dtype == np.float32 else a for a in (x, w)]
    return Correlate(window.grid(x.shape[2:]), group)(*wide).astype(x.dtype)


@operator("Conv")
def conv(x, w, b=None, *, auto_pad="NOTSET", dilations=None, group=1, kernel_shape=None,
         pads=None, strides=None):  # fmt: skip
    """Σ w · x under the window, for each filter."""
    axes = x.ndim - 2
    strides, dilations = ones(strides, axes), ones(dilations, axes)
    around = padding(x.shape[2:], w.shape[2:], strides, dilations, pads, auto_pad)
    y = correlate(x, w, strides, around, dilations, group)
    return y if b is None else y + b.reshape(-1, *[1] * axes)


@operator("ConvTranspose")
def conv_transpose(x, w, b=None, *, auto_pad="NOTSET", dilations=None, group=1, kernel_shape=None,
                   output_padding=None, output_shape=None, pads=None, strides=None):  # fmt: skip
    """Each pixel of x stamps its filter onto y."""
    axes = x.ndim - 2
    kernel = w.shape[2:]
    strides, dilations = ones(strides, axes), ones(dilations, axes)
    extra = [0] * axes if output_padding is None else output_padding
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
    whole = [(n - 1) * s + r for n, s, r in zip(x.shape[2:], strides, reach)]
    if output_shape is None and auto_pad.startswith("SAME"):
        output_shape = [n * s for n, s in zip(x.shape[2:], strides)]
    if output_shape is not None:
        total = [f + e - m for f, e, m in zip(whole, extra, output_shape[-axes:])]
        half = [(t // 2, t - t // 2) if t > 0 else (0, t) for t in total]
        around = half if auto_pad == "SAME_UPPER" else [(max(p), min(p)) for p in half]
    else:
        around = padding(x.shape[2:], kernel, strides, dilations, pads, auto_pad)
    full = sized([f + e + max(0, -p[1]) for f, e, p in zip(whole, extra, around)])
    window = Window("ConvTranspose", kernel, tuple(strides), 0, tuple(dilations))
    slack = tuple(n - f for n, f in zip(full, whole))
    y = CorrelateDx(window.place_under(x.shape[2:], slack), group)(x, w)
    ends = [f + e - p[1] for f, e, p in zip(whole, extra, around)]
    y = y[(..., *(slice(max(p[0], 0), n) for p, n in zip(around, ends)))]
    return y if b is None else y + b.reshape(-1, *[1] * axes)


def windows(x: Any, kernel: Any, strides: Any, dilations: Any) -> Any:
    """A view (N, C, *out, *kernel) of the windows of an image that is already padded."""
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
    axes = tuple(range(2, x.ndim))
    view = np.lib.stride_tricks.sliding_window_view(x, reach, axes)
    key = [slice(None), slice(None), *(slice(None, None, s) for s in strides)]
    return view[(*key, *(slice(None, None, d) for d in dilations))]


def pooled(
    x: Any, fill: Any, kernel: Any, strides: Any, dilations: Any, pads: Any, auto_pad: str,
    ceil_mode: int,
) -> tuple[Any, Any, list[tuple[int, int]]]:  # fmt: skip
    """The windows of x and those of its validity: 1 in the image, 0.5 in its pads, 0 beyond."""
    axes = x.ndim - 2
    kernel = [int(k) for k in kernel]
    strides, dilations = ones(strides, axes), ones(dilations, axes)
    around = padding(x.shape[2:], kernel, strides, dilations, pads, auto_pad)
    beyond = []
    for n, k, s, d, (before, after) in zip(x.shape[2:], kernel, strides, dilations, around):
        room = n + before + after - (k - 1) * d - 1
        if ceil_mode and room % s and -(-room // s) * s < n + before:
            beyond.append(-(-room // s) * s - room)
        else:
            beyond.append(0)
    sized([*x.shape[:2], *(n + b + a for n, (b, a) in zip(x.shape[2:], around))])
    valid = np.ones(x.shape[2:])
    valid = np.pad(valid, around, constant_values=0.5)
    valid = np.pad(valid, [(0, b) for b in beyond])
    whole = [(0, 0), (0, 0), *((b, a + e) for (b, a), e in zip(around, beyond))]
    padded = np.pad(x, whole, constant_values=fill)
    seen = windows(padded, kernel, strides, dilations)
    return seen, windows(valid[None, None], kernel, strides, dilations), around


def inner(axes: int) -> tuple[int, ...]:
    return tuple(range(-axes, 0))


@operator("AveragePool")
def average_pool(x, *, kernel_shape, auto_pad="NOTSET", ceil_mode=0, count_include_pad=0,
                 dilations=None, pads=None, strides=None):  # fmt: skip
    """The mean of each window, over the image alone or its pads too."""
    seen, valid, _ = pooled(x, 0, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    last = inner(x.ndim - 2)
    count = (valid > (0 if count_include_pad else 0.5)).sum(last)
    return (seen.sum(last) / np.maximum(count, 1)).astype(x.dtype)


@operator("LpPool")
def lp_pool(x, *, kernel_shape, auto_pad="NOTSET", ceil_mode=0, dilations=None, p=2, pads=None,
            strides=None):  # fmt: skip
    seen, _, _ = pooled(x, 0, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    return ((np.abs(seen) ** p).sum(inner(x.ndim - 2)) ** (1 / p)).astype(x.dtype)


@operator("MaxPool")
def max_pool(x, *, kernel_shape, auto_pad="NOTSET", ceil_mode=0, dilations=None, pads=None,
             storage_order=0, strides=None, node):  # fmt: skip
    """The largest element of each window; the first of equal ones gives the index."""
    low = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    axes, image = x.ndim - 2, x.shape[2:]
    seen, _, around = pooled(x, low, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    y = seen.max(inner(axes))
    if node.outputs < 2:
        return y
    out, kernel = seen.shape[2 : 2 + axes], seen.shape[2 + axes :]
    first = np.unravel_index(seen.reshape(*y.shape, -1).argmax(-1), kernel)
    at: Any = []
    for i, (k, s, d) in enumerate(zip(first, ones(strides, axes), ones(dilations, axes))):
        steps = np.arange(out[i]).reshape([-1 if j == i else 1 for j in range(axes)])
        at.append(steps * s + k * d - around[i][0])
    order: Any = "F" if storage_order else "C"
    inside: Any = tuple(np.clip(a, 0, n - 1) for a, n in zip(at, image))
    flat: Any = np.ravel_multi_index(inside, image, order=order)  # type: ignore[call-overload]
    planes = np.arange(prod(x.shape[:2])).reshape(*x.shape[:2], *[1] * axes)
    return y, (flat + planes * prod(image)).astype(np.int64)


@operator("MaxUnpool", since=9)
def max_unpool(x, indices, output_shape=None, *, kernel_shape, pads=None, strides=None):
    """x at the indices of the image that was pooled, 0 elsewhere."""
    axes = x.ndim - 2
    strides = ones(strides, axes)
    around = padding(x.shape[2:], kernel_shape, strides, [1] * axes, pads, "NOTSET")
    image = [(n - 1) * s - b - a + k
             for n, s, k, (b, a) in zip(x.shape[2:], strides, kernel_shape, around)]  # fmt: skip
    small = sized([*x.shape[:2], *image])
    at = np.unravel_index(indices.reshape(-1), small)
    y = np.zeros(small if output_shape is None else sized(output_shape), x.dtype)
    y[at] = x.reshape(-1)
    return y


@operator("GlobalAveragePool")
def global_average_pool(x):
    return x.mean(inner(x.ndim - 2), keepdims=True, dtype=np.float64).astype(x.dtype)


@operator("GlobalMaxPool")
def global_max_pool(x):
    return x.max(inner(x.ndim - 2), keepdims=True)


@operator("GlobalLpPool")
def global_lp_pool(x, *, p=2):
    powers = (np.abs(x) ** p).sum(inner(x.ndim - 2), keepdims=True)
    return (powers ** (1 / p)).astype(x.dtype)


@operator("Col2Im", since=18)
def col2im(x, image_shape, block_shape, *, dilations=None, pads=None, strides=None):
    """Columns of blocks put back where they came from; what overlaps is added."""
    axes = len(image_shape)
    strides, dilations = ones(strides, axes), ones(dilations, axes)
    kernel = [int(k) for k in block_shape]
    around = padding(image_shape, kernel, strides, dilations, pads, "NOTSET")
    image = sized([int(n) + b + a for n, (b, a) in zip(image_shape, around)])
    out = [(n - (k - 1) * d - 1) // s + 1
           for n, k, d, s in zip(image, kernel, dilations, strides)]  # fmt: skip
    columns = x.reshape(x.shape[0], -1, *kernel, *out)
    y = np.zeros((*columns.shape[:2], *image), x.dtype)
    for k in np.ndindex(*kernel):
        at: Any = [...]
        at += [slice(i * d, i * d + (n - 1) * s + 1, s)
               for i, d, n, s in zip(k, dilations, out, strides)]  # fmt: skip
        y[tuple(at)] += columns[(slice(None), slice(None), *k)]
    middle: Any = (..., *(slice(b, n - a) for n, (b, a) in zip(image, around)))
    return y[middle]


@operator("CausalConvWithState", since=27)
def causal_conv(x, w, b=None, past=None, *, activation="none"):
    """Each channel under its own filter that sees no later step; and the last steps, to go on."""
    steps = w.shape[-1] - 1
    past = np.zeros((*x.shape[:2], steps), x.dtype) if past is None else past
    whole = np.concatenate([past, x], -1)
    view = np.lib.stride_tricks.sliding_window_view(whole, steps + 1, -1)
    y = np.einsum("nctk,ck->nct", view, w[:, 0])
    y = y if b is None else y + b[:, None]
    if activation in ("silu", "swish"):
        y = y / (1 + np.exp(-y))
    return y.astype(x.dtype), whole[..., whole.shape[-1] - steps :]
