"""Cell: one step of a recurrent layer, by itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layers.recurrent.recurrence import Recurrence, accept_input, accept_state


class Cell(Recurrence):
    """Base: from an input and a state to the next state.

    Shapes: x (N, D), each array of state (N, H).
    Gradient: of x and of the state before, from those of the state after.
    """

    def forward(self, x: Array, *state: Any) -> Any:
        self.build(x)
        x = accept_input(self, x, "(N, D)", 2)
        self.x, self.state = x, accept_state(self, state, len(x))
        self.a = x @ self.Wx + self.b
        *following, self.kept = self.step(self.a, *self.state)
        return following[0] if len(following) == 1 else tuple(following)

    def backward(self, *dstate: Array) -> Any:
        da = np.empty_like(self.a)
        dprevious = self.step_backward(da, self.a, self.kept, self.state, dstate)
        self.dWx, self.db = self.x.T @ da, da.sum(axis=0)
        self.weight_gradients(da, self.a, self.dropped(self.state[0]))
        return da @ self.Wx.T, *dprevious
