"""Recurrent layers: the input's part of all steps as one product, then one row through time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.compile.builder import Builder
from handgrad.compile.lowering.dropout import MOST_SEED, Mask, drawn
from handgrad.compile.lowering.products import gradients, product, product_dW, product_dx
from handgrad.compile.lowering.registry import Lowering, lowering_of, lowers
from handgrad.compile.trace import Node
from handgrad.compile.values import Address, BatchDim, NotNative, Size, Value, times
from handgrad.layers import GRU, LSTM, RNN, Bidirectional, Stacked, VariationalDropout
from handgrad.layers.recurrent.recurrence import accept_state

KERNELS = {RNN: "rnn", LSTM: "lstm", GRU: "gru"}


@dataclass
class OverTime:
    """What the rows through time share.

    a: x @ Wx + b, which becomes the gates, and then da. before: h of the step before, and c. inner:
    what a GRU keeps besides. column: where h stands in y. back: from the last step to the first.
    last: the state after the last step. carried: where it goes, for the next batch.
    """

    x: Value
    a: Value
    before: Value
    inner: Value | None
    column: int
    back: bool
    last: list[Value]
    carried: list[Address]


@lowers(RNN, LSTM, GRU)
class LowerOverTime(Lowering):
    """x @ Wx + b of all steps, then h through the steps; backward the same the other way round.

    y, column: h may become columns of a wider y. back: from the last step to the first.
    """

    def forward(
        self, b: Builder, node: Node, y: Value | None = None, column: int = 0, back: bool = False
    ) -> tuple[Any, OverTime]:
        layer, x = node.layer, b.plain(b.gathered(node.inputs[0]))
        require_native(node)
        (N, T, _), H, G = x.shape, layer.outputs, layer.gates
        a, before = b.value((N, T, G * H)), b.value((N, T, len(layer.states) * H))
        inner = b.value((N, T, H)) if G == 3 else None
        product(b, times(N, T), x, layer.Wx, layer.b, a)
        y = y or b.value(node.outputs[0].shape)
        first: list[Any] = [b.plain(s) for s in node.inputs[2:]]
        last = [b.value(v.shape) for v in node.outputs[1:]]
        carried = carry(b, node) if layer.stateful else []
        if layer.stateful:
            first, last = carried, last or [b.value((N, H)) for _ in carried]
        record = OverTime(x, a, before, inner, column, back, last, carried)
        self.row(b, node, record, "", y, first, last)
        return (y, *last) if layer.return_state else y, record

    def backward(
        self, b: Builder, node: Node, record: OverTime, *dy: Any, dx: Value | None = None
    ) -> Any:
        layer, x, a, before = node.layer, record.x, record.a, record.before
        for value, address in zip(record.last, record.carried):
            b.row("copy", count=value.size, x=value, y=address)
        N, T, _ = x.shape
        needs = node.needs_input_grad
        first = [b.value((N, layer.outputs)) if needed else None for needed in needs[2:]]
        dh, *last = [None if d is None else b.plain(d) for d in dy]
        self.row(b, node, record, "_backward", dh, first, last)
        rows = times(N, T)
        product_dW(b, rows, x, a, layer.Wx, layer.b)
        if layer.gates == 3:
            gru_dWh(b, node, record, rows)
        else:
            product_dW(b, rows, before, a, layer.Wh, None, len(layer.states) * layer.outputs)
        if needs[0]:
            dx = product_dx(b, rows, a, layer.Wx, x, dx)
        return (dx, None, *first)

    def row(
        self, b: Builder, node: Node, record: OverTime, way: str, y: Value | None, first: list[Any],
        last: list[Any],
    ) -> None:  # fmt: skip
        """The row through all steps."""
        layer, (N, T, _), H = node.layer, record.x.shape, node.layer.outputs
        step, column = (H, 0) if y is None else (y.shape[2], record.column)
        states = {f"first_{s}": v for s, v in zip("hc", first)}
        states |= {f"last_{s}": v for s, v in zip("hc", last)}
        if record.inner is not None:
            bias = b.parameter(layer.bh) if resets_after(layer) else None
            states |= {"bh": bias, "kept": record.inner}
        b.row(
            KERNELS[type(layer)] + way, samples=N, steps=T, units=H, reverse=record.back,
            gates=record.a, Wh=b.parameter(layer.Wh), before=record.before, y=y, y_row=step,
            y_column=column, **states,
        )  # fmt: skip


def gru_dWh(b: Builder, node: Node, record: OverTime, rows: Size) -> None:
    """The blocks of z and r are hᵀ @ da; that of n depends on where the reset acts."""
    layer, H, da, before = node.layer, node.layer.outputs, record.a, record.before
    after = resets_after(layer)
    dWh, dbh, add = gradients(b, layer.Wh, layer.bh if after else None)
    if dWh is None:
        return
    b.row(
        "weights", M=H, N=2 * H, K=rows, x=before, x_row=H, dy=da, dy_row=3 * H, dW=dWh,
        dW_row=3 * H, add=add,
    )  # fmt: skip
    assert record.inner is not None
    x, dn, step = before, record.inner, H
    if not after:
        x, dn, step = record.inner, b.view(da, da.shape, 2 * H), 3 * H
    b.row(
        "weights", M=H, N=H, K=rows, x=x, x_row=H, dy=dn, dy_row=step, dW=dWh + 2 * H,
        dW_row=3 * H, db=dbh, add=add,
    )  # fmt: skip


def resets_after(layer: Any) -> bool:
    """Whether a GRU multiplies by r after the product with Wh: then it has a second bias."""
    return "bh" in layer.params


def require_native(node: Node) -> None:
    """Raise NotNative for options that only Python has."""
    if len(node.given) > 1 and node.given[1] is not None:
        raise NotNative("a mask of steps")
    if node.layer.training and node.layer.recurrent_dropout:
        raise NotNative("recurrent_dropout")


def carry(b: Builder, node: Node) -> list[Address]:
    """Addresses of the state that the batch before left; backward puts this batch's there.

    The layer's memory is read where a run begins, and set after each part of it.
    """
    layer, (data, _) = node.layer, b.segments["x"]
    if not layer.training or data is None or len(data) % b.batch:
        raise NotNative("a state that is carried on, in evaluation or with an incomplete batch")
    held = [np.zeros((b.batch, layer.outputs), np.float32) for _ in layer.states]

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
    return [b.array(array, writable=True) for array in held]


@lowers(Stacked)
class LowerStacked(Lowering):
    """One layer's rows after the other's."""

    def forward(self, b: Builder, node: Node) -> tuple[Value, list[Node]]:
        layer, x = node.layer, node.inputs[0]
        record: list[Node] = []
        for one, drop in zip_longest(layer.layers, layer.between):
            for inside in (one, drop):
                if inside is not None:
                    inner = within(node, inside, x, Value((*x.shape[:2], one.outputs)))
                    x, inner.record = lowering_of(inside).forward(b, inner)
                    record.append(inner)
        return x, record

    def backward(self, b: Builder, node: Node, record: list[Node], dy: Value) -> Any:
        for inner in reversed(record):
            inner.needs_input_grad = node.needs_input_grad[:1] if inner is record[0] else [True]
            dy = of_x(lowering_of(inner.layer).backward(b, inner, inner.record, dy))
        return dy


@lowers(VariationalDropout)
class LowerVariationalDropout(Lowering):
    """One bit for all steps of an element of a sample."""

    def forward(self, b: Builder, node: Node) -> tuple[Value, Mask | None]:
        layer, x = node.layer, node.inputs[0]
        if not layer.training:
            return x, None
        stream, D = layer.draw(), x.shape[2]
        if x.shape[0] != BatchDim(1) or not isinstance(D, int) or not 0 <= stream.seed < MOST_SEED:
            raise NotNative(f"seed {stream.seed}, or sequences that are not the samples")
        bits = b.value((BatchDim(-(-D // 32)),))
        b.row("keep", count=BatchDim(D), mask=bits, **drawn(b, stream, layer.ratio))
        mask = Mask(bits, 1 / (1 - layer.ratio))
        return self.masked(b, mask, b.plain(b.gathered(x))), mask

    def backward(self, b: Builder, node: Node, record: Mask | None, dy: Value) -> Value:
        return dy if record is None else self.masked(b, record, b.plain(dy))

    def masked(self, b: Builder, mask: Mask, x: Value) -> Value:
        """x · m, forward and back."""
        y, (N, T, D) = b.value(x.shape), x.shape
        b.row(
            "masked_steps", samples=N, steps=T, width=D, x=x, mask=mask.bits, y=y,
            factor=mask.factor,
        )  # fmt: skip
        return y


@lowers(Bidirectional)
class LowerBidirectional(Lowering):
    """Both layers write their columns of y; the second adds its dx to the first's."""

    def forward(self, b: Builder, node: Node) -> tuple[Value, list[Node]]:
        layer, y = node.layer, b.value(node.outputs[0].shape)
        record: list[Node] = []
        for one, column, back in (layer.ahead, 0, False), (layer.back, layer.ahead.outputs, True):
            if type(one) not in KERNELS:
                raise NotNative(f"{type(one).__name__} in two directions")
            inner = within(node, one, node.inputs[0], y)
            _, inner.record = lowering_of(one).forward(b, inner, y, column, back)
            record.append(inner)
        return y, record

    def backward(self, b: Builder, node: Node, record: list[Node], dy: Value) -> Any:
        dx = None
        for inner in record:
            inner.needs_input_grad = node.needs_input_grad[:1]
            back = lowering_of(inner.layer).backward
            dx = of_x(back(b, inner, inner.record, dy, dx=dx))
        return dx


def within(node: Node, layer: Any, x: Value, y: Value) -> Node:
    """The use of a layer inside another, on the same mask."""
    return replace(node, layer=layer, inputs=[x], outputs=[y], given=node.given[:2], record=None)


def of_x(gradients: Any) -> Any:
    """The gradient of the first input."""
    return gradients[0] if isinstance(gradients, tuple) else gradients
