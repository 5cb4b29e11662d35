"""OverTime: one step applied to every step of a sequence, and backpropagation through time."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError
from handgrad.layers.recurrent.dropout import draw_mask
from handgrad.layers.recurrent.recurrence import Recurrence, accept_input, accept_state
from handgrad.layers.recurrent.state import Memory, accept_mask


class OverTime(Recurrence):
    """Base: y[:, t] = h after step t, where step t starts from the state that t − 1 left.

    The input's part of all steps is one product, x @ Wx + b, and so is each gradient of a weight;
    only h @ Wh goes step by step. Where the mask is False the state stands still, so that
    y[:, -1] is every sequence's last h.
    The first state: the one given; else, where `stateful`, what the call before or `set_state`
    left; else zero. What was left is a constant: backward ends at it (truncated backpropagation).
    recurrent_dropout: one mask (N, H) for the whole sequence on h where it meets Wh (training).
    return_state: the outputs are y and the last state.
    Shapes: x (N, T, D), mask (N, T) of booleans, each array of state (N, H), y (N, T, H).
    Gradient: of x and of a given state: `step_backward` for t = T − 1 … 0, then the products.
    Those of the first state stay in `dstate`, given or not.
    Raises ShapeError for sequences of length 0, and where x, mask or state do not fit; ValueError
    for a sequence whose steps are all masked, where it has no state to go on from.
    """

    def __init__(
        self, outputs: int, *, inputs: int | None = None, init: Any = "xavier",
        stateful: bool = False, return_state: bool = False, recurrent_dropout: float = 0.0,
        seed: int | None = None,
    ):  # fmt: skip
        super().__init__(outputs, inputs=inputs, init=init, seed=seed)
        if not 0 <= recurrent_dropout < 1:
            raise ValueError(
                f"{type(self).__name__}: recurrent_dropout must lie in [0, 1), got "
                f"{recurrent_dropout}"
            )
        self.stateful, self.return_state = stateful, return_state
        self.recurrent_dropout, self.memory = recurrent_dropout, Memory()

    def set_state(self, *state: Array) -> None:
        """Start the next call from this state, h (and c), where `stateful`."""
        self.memory.state = state

    def reset_state(self) -> None:
        """Start the next call from zero."""
        self.memory.state = None

    def forward(self, x: Array, mask: Array | None = None, *state: Any) -> Any:
        self.build(x)
        return through_time(self, x, mask, state)

    def backward(self, *dy: Array) -> Any:
        return back_through_time(self, *dy)


def first_state(layer: OverTime, state: tuple[Any, ...], x: Array) -> tuple[Array, ...]:
    """The state before the first step: given, remembered, or zero."""
    if not state and layer.stateful and layer.memory.state is not None:
        state = layer.memory.state
    if not state:
        zero = np.zeros_like(x, shape=(len(x), layer.outputs))
        return (zero,) * len(layer.states)
    return accept_state(layer, state, len(x))


def through_time(layer: Any, x: Array, mask: Array | None, state: tuple[Any, ...]) -> Any:
    """y, and the last state where asked for; keeps each step's gates and states."""
    x = accept_input(layer, x, "(N, T, D)", 3)
    N, T, _ = x.shape
    if T == 0:
        raise ShapeError(
            f"{type(layer).__name__}: a sequence needs at least one step, got x {x.shape}"
        )
    layer.given = len(state)
    goes_on = layer.stateful or bool(state)
    layer.mask = mask = accept_mask(layer, mask, (N, T), goes_on=goes_on)
    now = first_state(layer, state, x)
    layer.drop = None
    if layer.training and layer.recurrent_dropout:
        layer.drop = draw_mask(layer, layer.recurrent_dropout, now[0])

    layer.x = np.ascontiguousarray(x.transpose(1, 0, 2))  # (T, N, D): a step is one block
    layer.a = layer.x @ layer.Wx
    layer.a += layer.b
    layer.befores, layer.kepts = [], []
    y = np.empty_like(x, shape=(N, T, layer.outputs))
    for t in range(T):
        *following, kept = layer.step(layer.a[t], *now)
        if mask is not None:
            on = mask[:, t, None]
            following = [np.where(on, new, old) for new, old in zip(following, now)]
        layer.befores.append(now)
        layer.kepts.append(kept)
        now = tuple(following)
        y[:, t] = now[0]
    if layer.stateful:
        layer.memory.state = now
    return (y, *now) if layer.return_state else y


def back_through_time(layer: Any, dy: Array, *dlast: Array) -> Any:
    """Gradients of x and of the given state; sets those of the weights, and `dstate`."""
    da, mask = np.empty_like(layer.a), layer.mask
    dstate = dlast or tuple(np.zeros_like(s) for s in layer.befores[0])
    for t in reversed(range(len(da))):
        dnow = (dstate[0] + dy[:, t], *dstate[1:])  # h went into y[:, t] and into step t + 1
        on = None if mask is None else mask[:, t, None]
        through = dnow if on is None else tuple(d * on for d in dnow)
        dstate = layer.step_backward(da[t], layer.a[t], layer.kepts[t], layer.befores[t], through)
        if on is not None:  # where the state stood still, so does its gradient
            dstate = tuple(np.where(on, d, still) for d, still in zip(dstate, dnow))
    layer.dstate = dstate
    rows = da.reshape(-1, da.shape[-1])
    layer.dWx = layer.x.reshape(-1, len(layer.Wx)).T @ rows
    layer.db = rows.sum(axis=0)
    h = layer.dropped(np.stack([before[0] for before in layer.befores]))
    layer.weight_gradients(rows, layer.a.reshape(rows.shape), h.reshape(-1, layer.outputs))
    dx = (da @ layer.Wx.T).transpose(1, 0, 2) if layer.needs_input_grad else None
    if layer.given:
        return dx, None, *dstate
    return dx if mask is None else (dx, None)
