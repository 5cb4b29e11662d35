"""RNN, GRU and LSTM nodes as layers of ours, whose first axis is the batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad import layers as L
from handgrad.interop.onnx.convert.forms import Form, Seen, form

DEFAULTS = {"RNN": ["tanh"], "GRU": ["sigmoid", "tanh"], "LSTM": ["sigmoid", "tanh", "tanh"]}
ORDER = {"RNN": (0,), "GRU": (0, 1, 2), "LSTM": (2, 3, 0, 1)}  # our blocks f g i o among i o f c


@form("RNN", "GRU", "LSTM")
def recurrent(seen: Seen) -> Form | None:
    """The layer, where the node computes what it computes; its input turned to (N, T, D)."""
    op, direction = seen.node.op, seen.get("direction", "forward")
    count = 2 if direction == "bidirectional" else 1
    names = [a.lower() for a in seen.get("activations") or DEFAULTS[op] * count]
    usual = names == DEFAULTS[op] * count and not seen.get("clip") and not seen.get("input_forget")
    zero = all(not seen.given(i) or is_zero(seen.constant(i)) for i in (5, 6))
    if not usual or not seen.fixed(1, 2, 3) or seen.given(4) or seen.given(7) or not zero:
        return None
    wanted = [bool(n) for n in seen.node.outputs] + [False] * 3
    if wanted[2]:  # the last cell
        return None
    layers = [one(seen, d) for d in range(count)]
    layer = L.Bidirectional(*layers) if count == 2 else layers[0]
    layout, size = seen.get("layout", 0), layers[0].outputs

    def before(x: Any) -> Any:
        x = x if layout else x.transpose(1, 0, 2)
        return x[:, ::-1] if direction == "reverse" else x

    def after(y: Any, x: Any) -> Any:
        n, t = y.shape[:2]
        last = [y[:, -1, :size]] + ([y[:, 0, size:]] if count == 2 else [])
        y = y[:, ::-1] if direction == "reverse" else y
        y = y.reshape(n, t, count, size)
        h = np.stack(last, 1 if layout else 0)
        return y if layout else y.transpose(1, 2, 0, 3), h

    return Form(layer, before=before, after=after, weights=(1, 2, 3))


def is_zero(x: Any) -> bool:
    return x is not None and not np.any(x)


def one(seen: Seen, d: int) -> Any:
    """The layer of one direction, its blocks in our order."""
    op = seen.node.op
    w, r = seen.weight(1)[d], seen.weight(2)[d]
    size, gates = r.shape[-1], len(ORDER[op])

    def blocks(v: Any) -> Any:
        parts = np.split(v, gates)
        return np.concatenate([parts[i] for i in ORDER[op]])

    b = seen.weight(3)[d] if seen.given(3) else np.zeros(2 * gates * size, w.dtype)
    bw, br = blocks(b[: gates * size]), blocks(b[gates * size :])
    if op == "GRU":
        after = bool(seen.get("linear_before_reset", 0))
        layer: Any = L.GRU(size, reset="after" if after else "before", inputs=w.shape[1])
        if after:
            layer.bh = br[2 * size :].copy()
            br = np.concatenate([br[: 2 * size], np.zeros_like(layer.bh)])
    else:
        layer = (L.RNN if op == "RNN" else L.LSTM)(size, inputs=w.shape[1])
    layer.Wx, layer.Wh, layer.b = blocks(w).T, blocks(r).T, bw + br
    return layer
