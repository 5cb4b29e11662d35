"""RNN, LSTM and GRU in C: masks of steps, and states that are given, returned or kept."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

from handgrad.compile.trace import Node
from handgrad.compile.values import Value
from handgrad.interop.c.forms import Form, exports, input_gradient, ints, output
from handgrad.interop.c.products import affine, affine_backward
from handgrad.interop.c.writer import Writer
from handgrad.layers import GRU, LSTM, RNN

NAMES = {1: "rnn", 3: "gru", 4: "lstm"}  # by the number of gates


@dataclass
class Steps:
    """What forward leaves for backward. mask: of steps; drop: of h before Wh, and memory for it.

    first: the state before the first step. kept: gates and what else a step makes, y the last.
    """

    mask: Value | None
    drop: tuple[Value | None, Value | None]
    first: list[Any]
    kept: list[Value]


@exports(RNN, LSTM, GRU)
class RecurrentForm(Form):
    """x Wx + b of all steps as one product, then the steps; backward the same in reverse."""

    integers = (1,)  # the mask

    def forward(self, c: Writer, node: Node) -> Any:
        layer, x, mask = node.layer, node.inputs[0], (*node.inputs, None)[1]
        (N, T, D), H, G, k = ints(x.shape), layer.outputs, layer.gates, node.number
        a, y = c.value((N, T, G * H), f"a{k}"), output(c, node)
        affine(c, (N * T, D, G * H), x, layer.Wx, layer.b, a)
        steps = Steps(mask, self.drop(c, node), self.first(c, node), [])
        if G == 3:
            steps.kept.append(c.value((H,), f"zero{k}"))
        if G > 1:
            steps.kept += [c.value((N, T, G * H), f"gates{k}"),
                           c.value((N, T, H), f"{'q' if G == 3 else 'c'}{k}")]  # fmt: skip
        steps.kept.append(y)
        Wh = c.memory.weight(layer.Wh)
        weights = (Wh, self.bh(c, layer)) if G == 3 else (Wh,)
        first = N, T, H, mask, *steps.drop, *steps.first
        c.call(f"{NAMES[G]}_forward", *first, a, *weights, *steps.kept)
        node.record = steps
        return (y, *self.last(c, node, steps)) if layer.return_state else self.kept(c, node, steps)

    def first(self, c: Writer, node: Node) -> list[Any]:
        """The state before the first step: given, left by the call before, or none."""
        layer, given = node.layer, node.inputs[2:]
        if given or not layer.stateful:
            return given or [None] * len(layer.states)
        N, H = ints(node.inputs[0].shape)[0], layer.outputs
        held = [c.memory.state(layer, letter, node.path, (N, H)) for letter in layer.states]
        if not c.trains:
            return held
        before = [c.value((N, H), f"before_{letter}{node.number}") for letter in layer.states]
        for value, address in zip(before, held):  # backward needs what forward writes over
            c.call("memcpy", value, address, f"sizeof(float) * {N * H}")
        return before

    def kept(self, c: Writer, node: Node, steps: Steps) -> Value:
        """y, and the last state where the next call finds it."""
        layer, y = node.layer, steps.kept[-1]
        if layer.stateful:
            N, T, H = ints(y.shape)
            for letter, states in zip(layer.states, steps.kept[::-1]):
                held = c.memory.state(layer, letter, node.path, (N, H))
                c.call("last_step", N, T, H, states, held)
        return y

    def last(self, c: Writer, node: Node, steps: Steps) -> list[Value]:
        """The last state as outputs."""
        N, T, H = ints(self.kept(c, node, steps).shape)
        found = [c.value((N, H), f"last_{letter}{node.number}") for letter in node.layer.states]
        for value, states in zip(found, steps.kept[::-1]):
            c.call("last_step", N, T, H, states, value)
        return found

    def drop(self, c: Writer, node: Node) -> tuple[Value | None, Value | None]:
        """The mask (N, H) of h in training, and memory for a masked h; None where there is none."""
        ratio, (N, _, _), H = node.layer.recurrent_dropout, node.inputs[0].shape, node.layer.outputs
        if not c.trains or not ratio:
            return None, None
        m = c.value((N, H), f"m{node.number}")
        least = f"UINT64_C({ceil(ratio * 2**32)})"
        key = c.draw(node.layer.draw())
        c.call("dropout_mask", N * H, least, 1 / (1 - ratio), *key, m)
        return m, c.value((H,), f"u{node.number}")

    def backward(self, c: Writer, node: Node, *dy: Any) -> Any:
        layer, steps, m, k = node.layer, node.record, c.memory, node.number
        (N, T, D), H, G = ints(node.inputs[0].shape), layer.outputs, layer.gates
        dlast = dy[1:] or (None,) * len(layer.states)
        given = range(2, len(node.inputs))
        dfirst = [input_gradient(c, node, i) for i in given] or [None] * len(layer.states)
        names = {1: ("dh", "du"), 3: ("dh", "du", "dq"), 4: ("dh", "du", "dc")}[G]
        memory = [c.value((H,), f"{name}{k}") for name in names]
        da, dx = c.value((N, T, G * H), f"da{k}"), input_gradient(c, node)
        weights: list[Any] = [m.weight(layer.Wh)]
        gradients = [m.gradient(layer.Wh)]
        if G == 3:
            weights.append(self.bh(c, layer))
            gradients.append(m.gradient(layer.bh) if "bh" in layer.params else None)
        c.call(
            f"{NAMES[G]}_backward", N, T, H, steps.mask, *steps.drop, *steps.first, *weights,
            *steps.kept, dy[0], *dlast, *memory, da, *gradients, *dfirst,
        )  # fmt: skip
        affine_backward(c, (N * T, D, G * H), node.inputs[0], layer.Wx, layer.b, da, dx)
        return (dx, None, *dfirst)

    def bh(self, c: Writer, layer: Any) -> str | None:
        """The second bias of a GRU that resets after the product."""
        return c.memory.weight(layer.bh) if "bh" in layer.params else None
