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
    running = [b.constant(getattr(layer, n), b.path(use, n))
               for n in ("running_mean", "running_var")]  # fmt: skip
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


# -- recurrent ----------------------------------------------------------------------------------

ORDER = {"RNN": (0,), "GRU": (0, 1, 2), "LSTM": (2, 3, 0, 1)}  # ONNX's blocks, from ours


def onnx_name(layer: Any) -> str:
    """The operator of a recurrent layer."""
    for cls in (L.LSTM, L.GRU, L.RNN):
        if isinstance(layer, cls):
            return cls.__name__
    raise NoForm(f"{type(layer).__name__} inside another recurrent layer")


def weights_of(layer: Any) -> tuple[Any, Any, Any]:
    """W, R and B of one direction, without the axis of directions."""
    name = onnx_name(layer)

    def blocks(v: Any) -> Any:
        size = layer.outputs
        parts = [v[..., k * size : (k + 1) * size] for k in range(len(ORDER[name]))]
        order = ORDER[name] if name != "LSTM" else (2, 3, 0, 1)
        return np.concatenate([parts[i] for i in order], -1)

    b = blocks(layer.b)
    rb = np.zeros_like(b)
    if name == "GRU" and layer.reset == "after":
        rb[2 * layer.outputs :] = layer.bh
    return blocks(layer.Wx).T, blocks(layer.Wh).T, np.concatenate([b, rb])


def options_of(layer: Any) -> dict[str, Any]:
    """The attributes of a recurrent node."""
    after = onnx_name(layer) == "GRU" and layer.reset == "after"
    return {"hidden_size": layer.outputs} | ({"linear_before_reset": 1} if after else {})


@emits(L.RNN, L.LSTM, L.GRU)
def recurrent(b, use, x):
    layer = use.layer
    if len(x) > 1 and x[1]:
        raise NoForm(f"{type(layer).__name__} with a mask")
    states = [b.unsqueeze(s, [0]) for s in x[2:] if s]
    arrays = [a[None] for a in weights_of(layer)]
    weights = [b.weight(a, b.path(use, n)) for a, n in zip(arrays, ("W", "R", "B"))]
    count = len(layer.states) + 1
    turned = b.node("Transpose", [x[0]], perm=[1, 0, 2])
    outputs = b.node(onnx_name(layer), [turned, *weights, None, *states], outputs=count,
                     **options_of(layer))  # fmt: skip
    y = b.node("Transpose", [b.squeeze(outputs[0], [1])], perm=[1, 0, 2])
    if not layer.return_state:
        return y
    return [y, *(b.squeeze(s, [0]) for s in outputs[1:])]


@emits(L.Bidirectional)
def bidirectional(b, use, x):
    layer = use.layer
    ahead, back = layer.ahead, layer.back
    if len(x) > 1 and x[1]:
        raise NoForm("Bidirectional with a mask")
    same = onnx_name(ahead) == onnx_name(back) and options_of(ahead) == options_of(back)
    if not same:
        raise NoForm("Bidirectional of two different layers")
    pairs = zip(weights_of(ahead), weights_of(back))
    weights = [b.weight(np.stack(p), b.path(use, n)) for p, n in zip(pairs, ("W", "R", "B"))]
    turned = b.node("Transpose", [x[0]], perm=[1, 0, 2])
    y = b.node(onnx_name(ahead), [turned, *weights], direction="bidirectional",
               **options_of(ahead))  # fmt: skip
    y = b.node("Transpose", [y], perm=[2, 0, 1, 3])
    return b.reshape(y, [0, 0, 2 * ahead.outputs])


@emits(L.Stacked)
def stacked(b, use, x):
    if len(x) > 1 and x[1]:
        raise NoForm("Stacked with a mask")
    y = x[0]
    for i, layer in enumerate(use.layer.layers):
        inner = Use((layer, layer), use.given, use.shapes, use.outputs, f"{use.path}.{i}")
        emit = recurrent if not isinstance(layer, L.Bidirectional) else bidirectional
        y = emit(b, inner, [y])
    return y
