"""Recurrent layers: the input's part of all steps as one product, then one row through time."""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.compile.builder import Builder
from handgrad.compile.lowering.dropout import MOST_SEED, counter
from handgrad.compile.lowering.products import gradients, product, product_dW, product_dx
from handgrad.compile.lowering.registry import Lowering, lowering_of, lowers
from handgrad.compile.trace import Node
from handgrad.compile.values import BatchDim, NotNative, Size, Value, times
from handgrad.layers import GRU, LSTM, RNN, Bidirectional, Stacked, VariationalDropout
from handgrad.layers.recurrent.recurrence import accept_state

KERNELS = {RNN: "rnn", LSTM: "lstm", GRU: "gru"}


@lowers(RNN, LSTM, GRU)
class LowerOverTime(Lowering):
    """x @ Wx + b of all steps, then h through the steps; backward the same the other way round.

    y, column: h may become columns of a wider y. back: from the last step to the first.
    """

    def forward(
        self, b: Builder, node: Node, y: Value | None = None, column: int = 0, back: bool = False
    ) -> Any:
        layer, x, k = node.layer, b.plain(b.gathered(node.inputs[0])), node.kept
        require_native(node)
        N, T, _ = x.shape
        H, states = layer.hidden, len(layer.states)
        k |= {"x": x, "column": column, "back": back, "before": b.value((N, T, states * H))}
        k["a"] = b.value((N, T, layer.gates * H))  # becomes the gates, and then da
        k["kept"] = b.value((N, T, H)) if layer.gates == 3 else None
        product(b, times(N, T), x, layer.Wx, layer.b, k["a"])
        y = y or b.value(node.outputs[0].shape)
        first = [b.plain(s) for s in node.inputs[2:]]
        k["last"] = [b.value(v.shape) for v in node.outputs[1:]]
        if layer.stateful:
            first = remembered(b, node)
        self.row(b, node, "", y, first, k["last"])
        return (y, *k["last"]) if layer.return_state else y

    def backward(self, b: Builder, node: Node, *dy: Any, dx: Value | None = None) -> Any:
        layer, k = node.layer, node.kept
        for value, place in zip(k["last"], k.get("remembered", ())):
            b.row("copy", value.size, value, place)
        N, T, _ = k["x"].shape
        first = [b.value((N, layer.hidden)) if wanted else None for wanted in node.wants[2:]]
        dh, *last = [None if d is None else b.plain(d) for d in dy]
        self.row(b, node, "_backward", dh, first, last)
        da, before, rows = k["a"], k["before"], times(N, T)
        product_dW(b, rows, k["x"], da, layer.Wx, layer.b)
        if layer.gates == 3:
            gru_dWh(b, node, rows)
        else:
            product_dW(b, rows, before, da, layer.Wh, None, before.shape[2])
        if node.wants[0]:
            dx = product_dx(b, rows, da, layer.Wx, k["x"], dx)
        return (dx, None, *first)

    def row(
        self, b: Builder, node: Node, way: str, y: Value | None, first: list, last: list
    ) -> None:
        """The row through all steps."""
        layer, k = node.layer, node.kept
        (N, T, _), H = k["x"].shape, layer.hidden
        step, column = (H, 0) if y is None else (y.shape[2], k["column"])
        bias = b.parameter(layer.bh) if resets_after(layer) else None
        b.row(
            KERNELS[type(layer)] + way, N, T, H, k["back"], k["a"], b.parameter(layer.Wh),
            k["before"], y, step, column, *two(first), *two(last), bias, k["kept"],
        )  # fmt: skip


def gru_dWh(b: Builder, node: Node, rows: Size) -> None:
    """The blocks of z and r are hᵀ @ da; that of n depends on where the reset acts."""
    layer, H, da, before = node.layer, node.layer.hidden, node.kept["a"], node.kept["before"]
    after = resets_after(layer)
    dWh, dbh, add = gradients(b, layer.Wh, layer.bh if after else None)
    if dWh is None:
        return
    b.row("weights", H, 2 * H, rows, before, 0, H, False, da, 3 * H, 0, dWh, 3 * H, None, 0, 0, add)
    x, dn, step = before, node.kept["kept"], H
    if not after:
        x, dn, step = node.kept["kept"], b.view(da, da.shape, 2 * H), 3 * H
    b.row("weights", H, H, rows, x, 0, H, False, dn, step, 0, dWh + 2 * H, 3 * H, dbh, 0, 0, add)


def resets_after(layer: Any) -> bool:
    """Whether a GRU multiplies by r after the product with Wh: then it has a second bias."""
    return "bh" in layer.params


def two(arrays: list) -> tuple:
    """h and c, None for what there is not."""
    return (*arrays, None, None)[:2]


def require_native(node: Node) -> None:
    """Raise NotNative for options that only Python has."""
    if len(node.given) > 1 and node.given[1] is not None:
        raise NotNative("a mask of steps")
    if node.layer.training and node.layer.recurrent_dropout:
        raise NotNative("recurrent_dropout")


def remembered(b: Builder, node: Node) -> list:
    """Places of the state that the batch before left; backward puts this batch's in them.

    The layer's memory is read where a run begins, and set after each part of it.
    """
    layer, (data, _) = node.layer, b.segments["x"]
    if not layer.training or data is None or len(data) % b.batch:
        raise NotNative("a state that is carried on, in evaluation or with an incomplete batch")
    held = [np.zeros((b.batch, layer.hidden), np.float32) for _ in layer.states]

    def read(steps: int) -> Array:
        state = layer.memory.state
        for i, array in enumerate(held):
            array[...] = 0 if state is None else accept_state(layer, state, b.batch)[i]
        return np.zeros(steps)

    def remember(steps: int) -> None:
        if steps:
            layer.memory.state = tuple(array.copy() for array in held)

    b.step_number(read)
    b.after.append(remember)
    places = node.kept["remembered"] = [b.array(array, writable=True) for array in held]
    if not layer.return_state:
        node.kept["last"] = [b.value((node.inputs[0].shape[0], layer.hidden)) for _ in held]
    return places


@lowers(Stacked)
class LowerStacked(Lowering):
    """One layer's rows after the other's."""

    def forward(self, b: Builder, node: Node) -> Value:
        layer, x = node.layer, node.inputs[0]
        node.kept["inner"] = []
        for one, drop in zip_longest(layer.layers, layer.between):
            for inside in (one, drop):
                if inside is not None:
                    inner = within(node, inside, x, Value((*x.shape[:2], one.hidden)))
                    x = lowering_of(inside).forward(b, inner)
                    node.kept["inner"].append(inner)
        return x

    def backward(self, b: Builder, node: Node, dy: Value) -> Any:
        for inner in reversed(node.kept["inner"]):
            inner.wants = node.wants[:1] if inner is node.kept["inner"][0] else [True]
            dy = of_x(lowering_of(inner.layer).backward(b, inner, dy))
        return dy


@lowers(VariationalDropout)
class LowerVariationalDropout(Lowering):
    """One bit for all steps of an element of a sample."""

    def forward(self, b: Builder, node: Node) -> Value:
        layer, x = node.layer, node.inputs[0]
        if not layer.training:
            return x
        stream, D = layer.draw(), x.shape[2]
        if x.shape[0] != BatchDim(1) or not isinstance(D, int) or not 0 <= stream.seed < MOST_SEED:
            raise NotNative(f"seed {stream.seed}, or sequences that are not the samples")
        mask = b.value((BatchDim(-(-D // 32)),))
        b.row(
            "keep", BatchDim(D), mask, counter(b, stream), stream.seed, stream.layer,
            reals=(layer.ratio * 2**32,),
        )  # fmt: skip
        node.kept |= {"mask": mask, "factor": 1 / (1 - layer.ratio)}
        return self.masked(b, node, b.plain(b.gathered(x)))

    def backward(self, b: Builder, node: Node, dy: Value) -> Value:
        return self.masked(b, node, b.plain(dy)) if "mask" in node.kept else dy

    def masked(self, b: Builder, node: Node, x: Value) -> Value:
        """x · m, forward and back."""
        y = b.value(x.shape)
        b.row("masked_steps", *x.shape, x, node.kept["mask"], y, reals=(node.kept["factor"],))
        return y


@lowers(Bidirectional)
class LowerBidirectional(Lowering):
    """Both layers write their columns of y; the second adds its dx to the first's."""

    def forward(self, b: Builder, node: Node) -> Value:
        layer, y = node.layer, b.value(node.outputs[0].shape)
        node.kept["inner"] = []
        for one, column, back in (layer.ahead, 0, False), (layer.back, layer.ahead.hidden, True):
            if type(one) not in KERNELS:
                raise NotNative(f"{type(one).__name__} in two directions")
            inner = within(node, one, node.inputs[0], y)
            lowering_of(one).forward(b, inner, y, column, back)
            node.kept["inner"].append(inner)
        return y

    def backward(self, b: Builder, node: Node, dy: Value) -> Any:
        dx = None
        for inner in node.kept["inner"]:
            inner.wants = node.wants[:1]
            dx = of_x(lowering_of(inner.layer).backward(b, inner, dy, dx=dx))
        return dx


def within(node: Node, layer: Any, x: Value, y: Value) -> Node:
    """The use of a layer inside another, on the same mask."""
    return replace(node, layer=layer, inputs=[x], outputs=[y], given=node.given[:2], kept={})


def of_x(gradients: Any) -> Any:
    """The gradient of the first input."""
    return gradients[0] if isinstance(gradients, tuple) else gradients
