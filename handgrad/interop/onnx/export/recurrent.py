"""Recurrent layers as the operators RNN, GRU and LSTM; with a mask as a Scan."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad import layers as L
from handgrad.interop.onnx.export.builder import Builder, NoForm
from handgrad.interop.onnx.export.emit import emits
from handgrad.interop.onnx.export.masked import backwards, over_time
from handgrad.interop.onnx.export.traced import Use

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
    states = [s for s in x[2:] if s]
    if len(x) > 1 and x[1]:
        made = over_time(b, use, x[0], x[1], states)
        return made if layer.return_state else made[0]
    states = [b.unsqueeze(s, [0]) for s in states]
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


def inside(use: Use, layer: Any, name: str) -> Use:
    """The use of a layer inside another one."""
    return Use((layer, layer), use.given, use.shapes, use.outputs, f"{use.path}.{name}".strip("."))


def run(b: Builder, use: Use, layer: Any, name: str, x: list[str]) -> Any:
    """The nodes of an inner layer, its weights under its own name."""
    scope, b.scope = b.scope, f"{b.scope}.{name}".strip(".")
    emit = bidirectional if isinstance(layer, L.Bidirectional) else recurrent
    y = emit(b, inside(use, layer, name), x)
    b.scope = scope
    return y


@emits(L.Bidirectional)
def bidirectional(b, use, x):
    layer = use.layer
    ahead, back = layer.ahead, layer.back
    same = onnx_name(ahead) == onnx_name(back) and options_of(ahead) == options_of(back)
    if not same or (len(x) > 1 and x[1]):
        seen = run(b, use, ahead, "ahead", x)
        coming = backwards(b, run(b, use, back, "back", [backwards(b, v) for v in x if v]))
        return b.node("Concat", [seen, coming], axis=2)
    pairs = zip(weights_of(ahead), weights_of(back))
    weights = [b.weight(np.stack(p), b.path(use, n)) for p, n in zip(pairs, ("W", "R", "B"))]
    turned = b.node("Transpose", [x[0]], perm=[1, 0, 2])
    y = b.node(onnx_name(ahead), [turned, *weights], direction="bidirectional",
               **options_of(ahead))  # fmt: skip
    y = b.node("Transpose", [y], perm=[2, 0, 1, 3])
    return b.reshape(y, [0, 0, 2 * ahead.outputs])


@emits(L.Stacked)
def stacked(b, use, x):
    y, *mask = x
    for i, layer in enumerate(use.layer.layers):
        y = run(b, use, layer, f"layers.{i}", [y, *mask])
    return y
