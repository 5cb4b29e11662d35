"""Recurrent layers as a Scan over the steps: with a mask, where a state stands still; ConvLSTM."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad import layers as L
from handgrad.interop.onnx.export.builder import Builder, value
from handgrad.interop.onnx.export.composite import gru_cell, lstm_cell, rnn_cell
from handgrad.interop.onnx.export.emit import emits
from handgrad.interop.onnx.export.traced import Use
from handgrad.interop.onnx.messages import Message
from handgrad.interop.onnx.tensors import tensor_of

CELLS: tuple[tuple[type, Any], ...] = (
    (L.LSTM, lstm_cell), (L.GRU, gru_cell), (L.RNN, rnn_cell),
)  # fmt: skip


def over_time(b: Builder, use: Use, x: str, mask: str, states: list[str]) -> list[str]:
    """y and the last states; without first states, from zero."""
    b.since(9)
    layer = use.layer
    cell = next(emit for cls, emit in CELLS if isinstance(layer, cls))
    if not states:
        states = [zeros(b, x, layer.outputs)] * len(layer.states)
    inner = Builder(b.opset, b.dtype)
    inner.names, inner.scope, inner.constants = b.names, f"{b.scope}/step", {}
    before = [inner.new(f"{b.scope}:{name}") for name in layer.states]
    step, seen = inner.new(f"{b.scope}:x"), inner.new(f"{b.scope}:mask")
    made = cell(inner, use, [step, *before])
    shown = inner.unsqueeze(seen, [1])
    now = [inner.node("Where", [shown, new, old])
           for new, old in zip([made] if isinstance(made, str) else made, before)]  # fmt: skip
    now.append(inner.node("Identity", [now[0]]))
    row = ("N", layer.outputs)
    graph = Message(
        "Graph", name="step", node=inner.nodes,
        input=[*(value(n, b.dtype, row) for n in before), value(step, b.dtype, ("N", "D")),
               value(seen, np.bool_, ("N",))],
        output=[value(n, b.dtype, row) for n in now],
        initializer=[tensor_of(n, a) for n, a in inner.initializers.items()],
    )  # fmt: skip
    *last, y = b.node(
        "Scan", [*states, x, mask], outputs=len(before) + 1, num_scan_inputs=2, body=graph,
        scan_input_axes=[1, 1], scan_output_axes=[1],
    )  # fmt: skip
    return [y, *last]


@emits(L.ConvLSTM)
def conv_lstm(b: Builder, use: Use, x: list[str]) -> Any:
    """A Scan over the steps of a sequence of images (N, T, C, …)."""
    b.since(9)
    layer, sizes = use.layer, [n or 0 for n in use.shape()[3:]]
    states = [s for s in x[1:] if s] or [zeros(b, x[0], layer.outputs, *sizes)] * 2
    inner = Builder(b.opset, b.dtype)
    inner.names, inner.scope = b.names, f"{b.scope}/step"
    before = [inner.new(f"{b.scope}:{name}") for name in ("h", "c")]
    step = inner.new(f"{b.scope}:x")
    weights = {n: inner.weight(getattr(layer, n), inner.path(use, n)) for n in layer.params}
    options = {"kernel_shape": layer.window.kernel, "auto_pad": "SAME_UPPER"}
    a = inner.node("Add", [inner.node("Conv", [step, weights["Wx"], weights["b"]], **options),
                           inner.node("Conv", [before[0], weights["Wh"]], **options)])  # fmt: skip
    f, g, i, o = inner.split(a, [layer.outputs] * 4, 1)
    f, i, o = (inner.node("Sigmoid", [v]) for v in (f, i, o))
    new = inner.node("Mul", [i, inner.node("Tanh", [g])])
    c = inner.node("Add", [inner.node("Mul", [f, before[1]]), new])
    h = inner.node("Mul", [o, inner.node("Tanh", [c])])
    image = ("N", layer.outputs, *sizes)
    graph = Message(
        "Graph", name="step", node=inner.nodes,
        input=[*(value(n, b.dtype, image) for n in before),
               value(step, b.dtype, ("N", layer.inputs, *sizes))],
        output=[value(n, b.dtype, image) for n in (h, c, inner.node("Identity", [h]))],
        initializer=[tensor_of(n, v) for n, v in inner.initializers.items()],
    )  # fmt: skip
    *last, y = b.node("Scan", [*states, x[0]], outputs=3, num_scan_inputs=1, body=graph,
                      scan_input_axes=[1], scan_output_axes=[1])  # fmt: skip
    return [y, *last] if layer.return_state else y


def zeros(b: Builder, x: str, *sizes: int) -> Any:
    """(N, …) zeros for x (N, …)."""
    batch = b.slice(b.node("Shape", [x]), 0, 0, 1)
    shape = b.node("Concat", [batch, np.array(sizes, np.int64)], axis=0)
    return b.node("Expand", [b.dtype.type(0), shape], since=8)


def backwards(b: Builder, x: str) -> Any:
    """The steps (axis 1) from the last to the first."""
    return b.slice(x, 1, -1, -(2**63) + 1, -1)
