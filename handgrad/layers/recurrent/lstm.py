"""LSTM: long short-term memory, as a cell and over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layers.recurrent.cell import Cell
from handgrad.layers.recurrent.over_time import OverTime
from handgrad.layers.recurrent.recurrence import logistic


class LSTMCell(Cell):
    """c' = f · c + i · g, h' = o · tanh(c'): one step of long short-term memory.

    [f g i o] = x @ Wx + h @ Wh + b, four blocks of H columns in this order, then σ for the gates
    f, i and o, and tanh for g, the new content.
    Shapes: x (N, D), h, c, h', c' (N, H), Wx (D, 4H), Wh (H, 4H), b (4H). D is found from the
    first batch, or given as `inputs`. b starts at zero, but at 1 for f: remember at first.
    Gradient: ds = dc' + dh' · o · (1 − tanh² c'); dc = ds · f; da = [ds · c · f(1 − f),
    ds · i · (1 − g²), ds · g · i(1 − i), dh' · tanh c' · o(1 − o)]; dh = da @ Whᵀ, and dx, dWx,
    dWh, db from da as in `RNNCell`.
    Raises ShapeError where x, h or c do not fit, ValueError for another float dtype.
    Source: Gers, Schmidhuber & Cummins, "Learning to forget", 2000; Jozefowicz et al., "An
    empirical exploration of recurrent network architectures", 2015 (bias of f); Saito, "Deep
    Learning from Scratch 2", section 6.3.
    """

    gates = 4
    states = ("h", "c")

    def build(self, x: Any = None, *others: Any) -> None:
        new = "Wx" not in self.__dict__
        super().build(x)
        if new and "Wx" in self.__dict__:
            self.b[: self.outputs] = 1

    def step(self, a: Array, *state: Array) -> tuple[Array, Array, Array]:
        (h, c), H = state, self.outputs
        a += self.dropped(h) @ self.Wh  # 1
        a[:, :H] = logistic(a[:, :H])  # 2: the gates
        np.tanh(a[:, H : 2 * H], out=a[:, H : 2 * H])
        a[:, 2 * H :] = logistic(a[:, 2 * H :])
        f, g, i, o = (a[:, k * H : (k + 1) * H] for k in range(4))
        c = f * c + i * g  # 3
        s = np.tanh(c)  # 4
        return o * s, c, s  # 5

    def step_backward(
        self, da: Array, gates: Array, kept: Any, state: Sequence[Array], dstate: Sequence[Array]
    ) -> tuple[Array, Array]:
        (dh, dc), (_, c), s, H = dstate, state, kept, self.outputs
        f, g, i, o = (gates[:, k * H : (k + 1) * H] for k in range(4))
        do, ds = dh * s, dh * o  # undoes 5
        dc = dc + ds * (1 - s * s)  # undoes 4
        da[:, :H] = dc * c * f * (1 - f)  # undoes 3 and 2
        da[:, H : 2 * H] = dc * i * (1 - g * g)
        da[:, 2 * H : 3 * H] = dc * g * i * (1 - i)
        da[:, 3 * H :] = do * o * (1 - o)
        return self.dropped(da @ self.Wh.T), dc * f  # undoes 1; 3


class LSTM(OverTime, LSTMCell):
    """Long short-term memory over time: (hₜ, cₜ) from xₜ and (hₜ₋₁, cₜ₋₁), y = all hₜ.

    cₜ = f · cₜ₋₁ + i · g, hₜ = o · tanh(cₜ), with the gates, their order in the columns and the
    weights of `LSTMCell`. Options, masks and states as `OverTime` says; a state is h, c.
    Shapes: x (N, T, D), mask (N, T), h and c (N, H), y (N, T, H).
    Gradient: that of `LSTMCell` for t from the last to the first, where hₜ receives dyₜ and what
    step t + 1 sends back; dx = da @ Wxᵀ, dWx = Σₜ xₜᵀ @ daₜ, dWh = Σₜ hₜ₋₁ᵀ @ daₜ, db = Σ da.
    Raises ShapeError for length 0, and where x, mask, h or c do not fit.
    Source: Hochreiter & Schmidhuber, "Long short-term memory", 1997; Gers et al., 2000; Saito,
    "Deep Learning from Scratch 2", section 6.3.
    """
