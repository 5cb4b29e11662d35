"""RNN: the plain recurrent layer, as a cell and over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layers.recurrent.cell import Cell
from handgrad.layers.recurrent.over_time import OverTime


class RNNCell(Cell):
    """h' = tanh(x @ Wx + h @ Wh + b): one step of the plain recurrent layer.

    Shapes: x (N, D), h and h' (N, H), Wx (D, H), Wh (H, H), b (H). D is found from the first
    batch, or given as `inputs`.
    Gradient: da = dh' · (1 − h'²); dx = da @ Wxᵀ, dh = da @ Whᵀ, dWx = xᵀ @ da, dWh = hᵀ @ da,
    db = Σ da over the batch.
    Raises ShapeError where x or h do not fit, ValueError for another float dtype.
    Source: Elman, "Finding structure in time", 1990; Saito, "Deep Learning from Scratch 2",
    section 5.3.
    """

    def step(self, a: Array, *state: Array) -> tuple[Array, None]:
        (h,) = state
        a += self.dropped(h) @ self.Wh  # 1
        np.tanh(a, out=a)  # 2
        return a, None

    def step_backward(
        self, da: Array, gates: Array, kept: Any, state: Sequence[Array], dstate: Sequence[Array]
    ) -> tuple[Array]:
        (dh,) = dstate
        np.multiply(dh, 1 - gates**2, out=da)  # undoes 2
        return (self.dropped(da @ self.Wh.T),)  # undoes 1


class RNN(OverTime, RNNCell):
    """The plain recurrent layer over time: hₜ = tanh(xₜ @ Wx + hₜ₋₁ @ Wh + b), y = all hₜ.

    Options, masks and states as `OverTime` says.
    Shapes: x (N, T, D), mask (N, T), h (N, H), y (N, T, H); weights as in `RNNCell`.
    Gradient: daₜ = (dyₜ + daₜ₊₁ @ Whᵀ) · (1 − hₜ²), t from the last to the first;
    dx = da @ Wxᵀ, dWx = Σₜ xₜᵀ @ daₜ, dWh = Σₜ hₜ₋₁ᵀ @ daₜ, db = Σ da.
    Raises ShapeError for length 0, and where x, mask or h do not fit.
    Source: Werbos, "Backpropagation through time", 1990; Saito, "Deep Learning from Scratch 2",
    section 5.4.
    """
