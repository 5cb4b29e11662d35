"""Images: at another size, and under a window that slides."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.interop.onnx.convert.expressions.table import NoExpression, expression
from handgrad.interop.onnx.operators.resize import positions, rounded, weights_of
from handgrad.interop.onnx.operators.windows import ones, padding
from handgrad.layer import apply
from handgrad.layers import Index
from handgrad.layers.convolution.correlation import Correlate
from handgrad.layers.convolution.window import Window
from handgrad.layers.operators import operands, plain
from handgrad.tensor import Tensor


@expression("Upsample", "Resize")
def resize(x, *inputs, mode="nearest", node, **attributes):
    """Along each axis an index (nearest) or a matrix; without regions of interest."""
    scales, targets, options = sizes_of(x, inputs, attributes, node)
    for a, (scale, out) in enumerate(zip(scales, targets)):
        n = x.shape[a]
        if out == n and scale == 1:
            continue
        at = positions(options["coordinates"], n, out, scale, (0.0, 1.0))
        if mode == "nearest":
            index = np.clip(rounded(at, options["nearest"]), 0, n - 1).astype(np.int64)
            x = apply(Index((*[slice(None)] * a, index)), x)
            continue
        matrix = weights_of(at, n, mode, attributes.get("cubic_coeff_a", -0.75), 1.0,
                            bool(attributes.get("exclude_outside", 0)))  # fmt: skip
        x = np.moveaxis(np.moveaxis(x, a, -1) @ matrix.T.astype(x.dtype), -1, a)
    return x


def sizes_of(x: Any, inputs: Any, attributes: dict[str, Any], node: Any) -> tuple[Any, ...]:
    """Scales, lengths and the rule of positions, from every opset's form."""
    old = node.opset < 11 or node.node.op == "Upsample"
    scales = attributes.get("scales") or inputs[0 if old else 1]
    sizes: Any = inputs[2] if len(inputs) > 2 else None
    usual = {"axes": None, "antialias": 0, "keep_aspect_ratio_policy": "stretch"}
    cropped = attributes.get("coordinate_transformation_mode") == "tf_crop_and_resize"
    if cropped or any(attributes.get(k, v) != v for k, v in usual.items()):
        raise NoExpression
    if scales is None or not np.size(scales):
        targets = [int(n) for n in sizes]
        scales = [m / n for m, n in zip(targets, x.shape)]
    else:
        scales = [float(s) for s in scales]
        targets = [int(np.floor(n * s)) for n, s in zip(x.shape, scales)]
    options = {
        "coordinates": attributes.get(
            "coordinate_transformation_mode", "asymmetric" if old else "half_pixel"
        ),
        "nearest": attributes.get("nearest_mode", "floor" if old else "round_prefer_floor"),
    }
    return scales, targets, options


@expression("Conv")
def conv(x, w, b=None, *, auto_pad="NOTSET", dilations=None, group=1, kernel_shape=None,
         pads=None, strides=None):  # fmt: skip
    axes, kernel = x.ndim - 2, w.shape[2:]
    strides, dilations = ones(strides, axes), ones(dilations, axes)
    around = padding(x.shape[2:], kernel, strides, dilations, pads, auto_pad)
    window = Window("Conv", tuple(kernel), tuple(strides), tuple(around), tuple(dilations))
    y = apply(Correlate(window.grid(x.shape[2:]), group), *operands(x, w))
    return y if b is None else y + b.reshape((-1,) + (1,) * axes)


def seen_by(x: Any, fill: float, kernel: Any, strides: Any, dilations: Any, pads: Any,
            auto_pad: str) -> Any:  # fmt: skip
    """The windows of x (N, C, *out, *kernel), by indices."""
    axes = x.ndim - 2
    strides, dilations = ones(strides, axes), ones(dilations, axes)
    around = padding(x.shape[2:], kernel, strides, dilations, pads, auto_pad)
    if any(map(any, around)):
        x = np.pad(x, [(0, 0), (0, 0), *around], "constant", constant_values=fill)
    key = []
    for a, (n, k, s, d) in enumerate(zip(x.shape[2:], kernel, strides, dilations)):
        out = (n - (k - 1) * d - 1) // s + 1
        index = np.arange(out)[:, None] * s + np.arange(k) * d
        shape = [1] * 2 * axes
        shape[a], shape[axes + a] = out, k
        key.append(index.reshape(shape))
    return x[(slice(None), slice(None), *key)]


@expression("MaxPool")
def max_pool(x, *, kernel_shape, auto_pad="NOTSET", ceil_mode=0, dilations=None, pads=None,
             storage_order=0, strides=None, node):  # fmt: skip
    if ceil_mode or node.outputs > 1:
        raise NoExpression
    views = seen_by(x, -np.inf, kernel_shape, strides, dilations, pads, auto_pad)
    return views.max(tuple(range(-len(kernel_shape), 0)))


@expression("AveragePool")
def average_pool(x, *, kernel_shape, auto_pad="NOTSET", ceil_mode=0, count_include_pad=0,
                 dilations=None, pads=None, strides=None):  # fmt: skip
    if ceil_mode:
        raise NoExpression
    last = tuple(range(-len(kernel_shape), 0))
    views = seen_by(x, 0.0, kernel_shape, strides, dilations, pads, auto_pad)
    inside = np.full((1, 1, *x.shape[2:]), 1.0, x.dtype)
    counted = np.asarray(plain(seen_by(Tensor(inside), float(count_include_pad), kernel_shape,
                                       strides, dilations, pads, auto_pad))).sum(last)  # fmt: skip
    return views.sum(last) / counted
