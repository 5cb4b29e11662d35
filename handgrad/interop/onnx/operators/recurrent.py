"""RNN, GRU and LSTM over time, in both directions, with lengths and peepholes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from handgrad.interop.onnx.operators import elementwise as e
from handgrad.interop.onnx.operators.registry import operator

ACTIVATIONS: dict[str, tuple[Callable[..., Any], float, float]] = {  # function, alpha, beta
    "relu": (lambda x, a, b: np.maximum(x, 0), 0, 0),
    "tanh": (lambda x, a, b: np.tanh(x), 0, 0),
    "sigmoid": (lambda x, a, b: e.sigmoid(x), 0, 0),
    "affine": (lambda x, a, b: a * x + b, 1, 0),
    "leakyrelu": (lambda x, a, b: np.where(x >= 0, x, a * x), 0.01, 0),
    "thresholdedrelu": (lambda x, a, b: np.where(x >= a, x, 0), 1, 0),
    "scaledtanh": (lambda x, a, b: a * np.tanh(b * x), 1, 1),
    "hardsigmoid": (lambda x, a, b: np.clip(a * x + b, 0, 1), 0.2, 0.5),
    "elu": (lambda x, a, b: np.where(x >= 0, x, a * np.expm1(x)), 1, 0),
    "softsign": (lambda x, a, b: x / (1 + np.abs(x)), 0, 0),
    "softplus": (lambda x, a, b: e.softplus(x), 0, 0),
}


def functions(names: Any, alphas: Any, betas: Any, default: list[str], directions: int
              ) -> list[Callable[..., Any]]:  # fmt: skip
    """The activations of each direction in turn; alphas and betas go to those that use them."""
    names = names or default * directions
    alphas, betas = iter(alphas or ()), iter(betas or ())
    made = []
    for name in names:
        run, alpha, beta = ACTIVATIONS[name.lower()]
        a = next(alphas, alpha) if alpha else 0
        b = next(betas, beta) if beta or name.lower() == "affine" else 0
        made.append(lambda x, run=run, a=a, b=b: run(x, a, b))
    return made


def over_time(
    cell: Callable[..., Any], x: Any, lengths: Any, states: list[Any], direction: str, layout: int,
    count: int,
) -> tuple[Any, ...]:  # fmt: skip
    """Y and the last states; cell(d, x_t, states) gives the states of direction d."""
    if layout:
        x, states = x.swapaxes(0, 1), [s.swapaxes(0, 1) for s in states]
    steps, batch = x.shape[:2]
    lengths = np.full(batch, steps) if lengths is None else lengths
    y = np.zeros((steps, count, batch, states[0].shape[-1]), x.dtype)
    last = [np.empty_like(s) for s in states]
    for d in range(count):
        backwards = direction == "reverse" or d == 1
        now = [s[d] for s in states]
        for t in reversed(range(steps)) if backwards else range(steps):
            going = (t < lengths)[:, None]
            new = cell(d, x[t], now)
            now = [np.where(going, n, o).astype(x.dtype) for n, o in zip(new, now)]
            y[t, d] = np.where(going, now[0], 0)
        for whole, one in zip(last, now):
            whole[d] = one
    if layout:
        return y.transpose(2, 0, 1, 3), *(s.swapaxes(0, 1) for s in last)
    return y, *last


def setting(x: Any, r: Any, b: Any, h: Any, gates: int, layout: int) -> tuple[int, int, Any, Any]:
    """Directions, hidden size, biases (zero where left out), first state."""
    count, size = r.shape[0], r.shape[-1]
    batch = x.shape[0 if layout else 1]
    b = np.zeros((count, 2 * gates * size), x.dtype) if b is None else b
    shape = (batch, count, size) if layout else (count, batch, size)
    return count, size, b, np.zeros(shape, x.dtype) if h is None else h


def gates_of(v: Any, count: int) -> Iterator[Any]:
    yield from np.split(v, count, axis=-1)


def clipped(v: Any, clip: float | None) -> Any:
    return v if clip is None else np.clip(v, -clip, clip)


@operator("RNN")
def rnn(x, w, r, b=None, lengths=None, h=None, *, activation_alpha=None, activation_beta=None,
        activations=None, clip=None, direction="forward", hidden_size=None, layout=0,
        output_sequence=None):  # fmt: skip
    """h = f(x·Wᵀ + h·Rᵀ + b)."""
    count, _, b, h = setting(x, r, b, h, 1, layout)
    f = functions(activations, activation_alpha, activation_beta, ["Tanh"], count)

    def cell(d: int, x: Any, states: list[Any]) -> list[Any]:
        bw, br = gates_of(b[d], 2)
        return [f[d](clipped(x @ w[d].T + states[0] @ r[d].T + bw + br, clip))]

    return over_time(cell, x, lengths, [h], direction, layout, count)


@operator("GRU")
def gru(x, w, r, b=None, lengths=None, h=None, *, activation_alpha=None, activation_beta=None,
        activations=None, clip=None, direction="forward", hidden_size=None, layout=0,
        linear_before_reset=0, output_sequence=None):  # fmt: skip
    """Gates z, r and the candidate, in this order; the reset before or after the product."""
    count, _, b, h = setting(x, r, b, h, 3, layout)
    f = functions(activations, activation_alpha, activation_beta, ["Sigmoid", "Tanh"], count)

    def cell(d: int, x: Any, states: list[Any]) -> list[Any]:
        before, (bw, br) = states[0], gates_of(b[d], 2)
        xz, xr, xh = gates_of(x @ w[d].T + bw, 3)
        rz, rr, rh = np.split(r[d], 3)
        bz, bx, bh = gates_of(br, 3)
        gate, act = f[2 * d], f[2 * d + 1]
        z = gate(clipped(xz + before @ rz.T + bz, clip))
        reset = gate(clipped(xr + before @ rr.T + bx, clip))
        if linear_before_reset:
            candidate = act(clipped(xh + reset * (before @ rh.T + bh), clip))
        else:
            candidate = act(clipped(xh + (reset * before) @ rh.T + bh, clip))
        return [(1 - z) * candidate + z * before]

    return over_time(cell, x, lengths, [h], direction, layout, count)


@operator("LSTM")
def lstm(x, w, r, b=None, lengths=None, h=None, c=None, p=None, *, activation_alpha=None,
         activation_beta=None, activations=None, clip=None, direction="forward",
         hidden_size=None, input_forget=0, layout=0, output_sequence=None):  # fmt: skip
    """Gates i, o, f and the candidate, in this order; peepholes show them the cell."""
    count, size, b, h = setting(x, r, b, h, 4, layout)
    c = np.zeros_like(h) if c is None else c
    p = np.zeros((count, 3 * size), x.dtype) if p is None else p
    f = functions(activations, activation_alpha, activation_beta, ["Sigmoid", "Tanh", "Tanh"],
                  count)  # fmt: skip

    def cell(d: int, x: Any, states: list[Any]) -> list[Any]:
        (before, old), (bw, br), (pi, po, pf) = states, gates_of(b[d], 2), gates_of(p[d], 3)
        i, o, forget, candidate = gates_of(x @ w[d].T + before @ r[d].T + bw + br, 4)
        gate, act, out = f[3 * d : 3 * d + 3]
        i = gate(clipped(i + pi * old, clip))
        forget = 1 - i if input_forget else gate(clipped(forget + pf * old, clip))
        new = forget * old + i * act(clipped(candidate, clip))
        o = gate(clipped(o + po * new, clip))
        return [o * out(new), new]

    return over_time(cell, x, lengths, [h, c], direction, layout, count)
