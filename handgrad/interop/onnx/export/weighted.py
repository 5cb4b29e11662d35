"""Layers with parameters: affine, convolution, normalization, embedding, recurrent."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad import layers as L
from handgrad.interop.onnx.export.builder import Builder, NoForm
from handgrad.interop.onnx.export.emit import emits
from handgrad.interop.onnx.export.traced import Use


@emits(L.Affine)
def affine(b, use, x):
    layer = use.layer
    w = b.weight(layer.W, b.path(use, "W"))
    bias = b.weight(layer.b, b.path(use, "b")) if layer.bias else None
    if use.rank() == 2 and bias is not None:
        return b.node("Gemm", [x[0], w, bias])
    y = b.node("MatMul", [x[0], w])
    return y if bias is None else b.node("Add", [y, bias])


def pads_of(window: Any, sizes: Any, rank: int) -> dict[str, Any]:
    """pads, or auto_pad for "same"."""
    if window.pad is None:
        return {"auto_pad": "SAME_UPPER"}
    return {"pads": [p[0] for p in window.pad] + [p[1] for p in window.pad]}


@emits(L.Convolution)
def convolution(b, use, x):
    layer, window = use.layer, use.layer.window
    inputs = [b.weight(getattr(layer, n), b.path(use, n)) for n in layer.params]
    return b.node(
        "Conv", [x[0], *inputs], kernel_shape=window.kernel, strides=window.stride,
        dilations=window.dilation, group=layer.groups, **pads_of(window, None, 0),
    )  # fmt: skip


@emits(L.TransposedConvolution)
def transposed(b, use, x):
    layer, window = use.layer, use.layer.window
    inputs = [b.weight(getattr(layer, n), b.path(use, n)) for n in layer.params]
    options: dict[str, Any] = {"output_padding": layer.extra} if any(layer.extra) else {}
    if window.pad is None:
        total = [max(0, r - s) for r, s in zip(window.reach, window.stride)]
        extra = [max(0, s - r) for r, s in zip(window.reach, window.stride)]
        options = {"output_padding": extra} if any(extra) else {}
        options["pads"] = [t // 2 for t in total] + [t - t // 2 for t in total]
    else:
        options |= pads_of(window, None, 0)
    return b.node(
        "ConvTranspose", [x[0], *inputs], kernel_shape=window.kernel, strides=window.stride,
        dilations=window.dilation, group=layer.groups, **options,
    )  # fmt: skip


@emits(L.MaxPooling, L.AveragePooling)
def pooling(b, use, x):
    layer, window = use.layer, use.layer.window
    options = {"kernel_shape": window.kernel, "strides": window.stride}
    options |= pads_of(window, None, 0)
    if layer.ceil_mode:
        b.since(10)
        options["ceil_mode"] = 1
    if isinstance(layer, L.MaxPooling):
        return b.node("MaxPool", x, **options)
    since = 19 if layer.ceil_mode else 7
    return b.node("AveragePool", x, count_include_pad=int(layer.count_padding), since=since,
                  **options)  # fmt: skip


@emits(L.GlobalAveragePooling, L.GlobalMaxPooling)
def global_pooling(b, use, x):
    op = "GlobalAveragePool" if isinstance(use.layer, L.GlobalAveragePooling) else "GlobalMaxPool"
    return b.node("Flatten", [b.node(op, x)], axis=1)


def scale_of(b: Builder, use: Use) -> list[str]:
    """γ and β."""
    names = [n for n in ("gamma", "beta") if n in use.layer.params]
    return [b.weight(getattr(use.layer, n), b.path(use, n)) for n in names]


@emits(L.BatchNorm)
def batch_norm(b, use, x):
    layer = use.layer
    running = [b.weight(getattr(layer, n), b.path(use, n)) for n in layer.buffers]
    if b.training:
        y, *moved = b.node("BatchNormalization", [x[0], *scale_of(b, use), *running], outputs=3,
                           epsilon=float(layer.eps), momentum=float(layer.momentum),
                           training_mode=1, since=14)  # fmt: skip
        b.followed |= dict(zip(running, moved))
        return y
    return b.node("BatchNormalization", [x[0], *scale_of(b, use), *running],
                  epsilon=float(layer.eps), momentum=float(layer.momentum), since=7)  # fmt: skip


@emits(L.InstanceNorm)
def instance_norm(b, use, x):
    return b.node("InstanceNormalization", [x[0], *scale_of(b, use)], epsilon=float(use.layer.eps))


@emits(L.GroupNorm)
def group_norm(b, use, x):
    layer, rank = use.layer, use.rank()
    if b.opset >= 21:
        return b.node("GroupNormalization", [x[0], *scale_of(b, use)],
                      epsilon=float(layer.eps), num_groups=layer.groups)  # fmt: skip
    lengths = use.shape()
    if None in lengths[1:]:
        raise NoForm("GroupNorm of an image whose size varies")
    grouped = b.reshape(x[0], [-1, layer.groups, int(np.prod(lengths[1:])) // layer.groups])
    ones, zeros = np.ones(layer.groups, b.dtype), np.zeros(layer.groups, b.dtype)
    y = b.node("InstanceNormalization", [grouped, ones, zeros], epsilon=float(layer.eps))
    y = b.reshape(y, [-1, *lengths[1:]])
    wide = (-1,) + (1,) * (rank - 2)
    gamma = b.weight(layer.gamma.reshape(wide), b.path(use, "gamma"))
    beta = b.weight(layer.beta.reshape(wide), b.path(use, "beta"))
    return b.node("Add", [b.node("Mul", [y, gamma]), beta])


@emits(L.LayerNorm, L.RMSNorm)
def layer_norm(b, use, x):
    layer, rank = use.layer, use.rank()
    axis = layer.axis
    axes = sorted(a % rank for a in ((axis,) if isinstance(axis, int) else axis))
    last = axes == list(range(axes[0], rank))
    centre = isinstance(layer, L.LayerNorm) and not isinstance(layer, L.RMSNorm)
    since = 17 if centre else 23
    if last and b.opset >= since:
        op = "LayerNormalization" if centre else "RMSNormalization"
        return b.node(op, [x[0], *scale_of(b, use)], axis=axes[0] - rank, epsilon=float(layer.eps))
    wide = tuple(layer.gamma.shape[axes.index(a)] if a in axes else 1 for a in range(rank))
    y = x[0]
    if centre:
        y = b.node("Sub", [y, b.reduce("ReduceMean", y, axes, True)])
    var = b.reduce("ReduceMean", b.node("Mul", [y, y]), axes, True)
    y = b.node("Div", [y, b.node("Sqrt", [b.node("Add", [var, b.dtype.type(layer.eps)])])])
    y = b.node("Mul", [y, b.weight(layer.gamma.reshape(wide), b.path(use, "gamma"))])
    if not centre:
        return y
    return b.node("Add", [y, b.weight(layer.beta.reshape(wide), b.path(use, "beta"))])


@emits(L.Embedding)
def embedding(b, use, x):
    return b.node("Gather", [b.weight(use.layer.W, b.path(use, "W")), x[0]], axis=0)


@emits(L.LearnedPosition)
def learned_position(b, use, x):
    steps = use.shape()[1]
    return b.node("Add", [x[0], b.weight(use.layer.P[:steps], b.path(use, "P"))])
