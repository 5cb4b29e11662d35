"""GRU: the gated recurrent unit, in both of its conventions, as a cell and over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layers.recurrent.cell import Cell
from handgrad.layers.recurrent.over_time import OverTime
from handgrad.layers.recurrent.recurrence import logistic


class GRUCell(Cell):
    """h' = z · h + (1 − z) · n: one step of the gated recurrent unit.

    [z r] = σ(x @ Wx + h @ Wh + b), the first two blocks of H columns; n, the third, by `reset`:
    "after" (PyTorch, cuDNN): n = tanh(x @ Wx + b + r · (h @ Wh + bh)), bh (H) a second bias;
    "before" (Cho et al.): n = tanh(x @ Wx + b + (r · h) @ Wh).
    Shapes: x (N, D), h and h' (N, H), Wx (D, 3H), Wh (H, 3H), b (3H). D is found from the first
    batch, or given as `inputs`.
    Gradient: da = [dh' · (h − n) · z(1 − z), dr · r(1 − r), dh' · (1 − z) · (1 − n²)], dh starts
    from dh' · z. Numbered in `step_backward`; dx, dWx, db from da as in `RNNCell`.
    Raises ShapeError where x or h do not fit, ValueError for another float dtype or `reset`.
    Source: Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014;
    Chetlur et al., "cuDNN", 2014, and its manual (the reset after the product).
    """

    gates = 3

    def __init__(
        self, outputs: int, *, reset: str = "after", inputs: int | None = None,
        init: Any = "xavier", seed: int | None = None,
    ):  # fmt: skip
        super().__init__(outputs, inputs=inputs, init=init, seed=seed)
        self.reset, self.params = reset, convention(self, reset).params

    def build(self, x: Any = None, *others: Any) -> None:
        super().build(x)
        if "b" in self.__dict__ and "bh" in self.params and "bh" not in self.__dict__:
            self.bh = np.zeros(self.outputs, self.b.dtype)

    def step(self, a: Array, *state: Array) -> tuple[Array, Array]:
        (h,), H = state, self.outputs
        zr, n, u = a[:, : 2 * H], a[:, 2 * H :], self.dropped(h)
        zr += u @ self.Wh[:, : 2 * H]  # 1
        zr[...] = logistic(zr)  # 2
        z, r = zr[:, :H], zr[:, H:]
        part, q = RESETS[self.reset].part(self, u, r)  # 3
        n += part
        np.tanh(n, out=n)  # 4
        return n + z * (h - n), q  # 5

    def step_backward(
        self, da: Array, gates: Array, kept: Any, state: Sequence[Array], dstate: Sequence[Array]
    ) -> tuple[Array]:
        (dh,), (h,), H = dstate, state, self.outputs
        z, r, n = (gates[:, k * H : (k + 1) * H] for k in range(3))
        dzr, dn = da[:, : 2 * H], da[:, 2 * H :]
        dz = dh * (h - n)  # undoes 5
        dn[...] = dh * (1 - z) * (1 - n * n)  # undoes 5 and 4
        dr, du = RESETS[self.reset].unpart(self, dn, self.dropped(h), r, kept)  # undoes 3
        dzr[:, :H] = dz * z * (1 - z)  # undoes 2
        dzr[:, H:] = dr * r * (1 - r)
        du = du + dzr @ self.Wh[:, : 2 * H].T  # undoes 1
        return (dh * z + self.dropped(du),)

    def weight_gradients(self, da: Array, gates: Array, h: Array) -> None:
        H = self.outputs
        n_block = RESETS[self.reset].weights(self, da[:, 2 * H :], h, gates[:, H : 2 * H])
        self.dWh = np.concatenate([h.T @ da[:, : 2 * H], n_block], axis=1)


class ResetAfter:
    """n receives r · q, q = u @ Wn + bh, with Wn the third block of Wh: reset after the product."""

    params = ("Wx", "Wh", "b", "bh")

    @staticmethod
    def part(layer: Any, u: Array, r: Array) -> tuple[Array, Array]:
        q = u @ layer.Wh[:, 2 * layer.outputs :] + layer.bh
        return r * q, q

    @staticmethod
    def unpart(layer: Any, dn: Array, u: Array, r: Array, q: Array) -> tuple[Array, Array]:
        return dn * q, (dn * r) @ layer.Wh[:, 2 * layer.outputs :].T

    @staticmethod
    def weights(layer: Any, dn: Array, u: Array, r: Array) -> Array:
        dq = dn * r
        layer.dbh = dq.sum(axis=0)
        return u.T @ dq


class ResetBefore:
    """n receives q @ Wn, q = r · u, with Wn the third block of Wh: reset before the product."""

    params = ("Wx", "Wh", "b")

    @staticmethod
    def part(layer: Any, u: Array, r: Array) -> tuple[Array, Array]:
        q = r * u
        return q @ layer.Wh[:, 2 * layer.outputs :], q

    @staticmethod
    def unpart(layer: Any, dn: Array, u: Array, r: Array, q: Array) -> tuple[Array, Array]:
        dq = dn @ layer.Wh[:, 2 * layer.outputs :].T
        return dq * u, dq * r

    @staticmethod
    def weights(layer: Any, dn: Array, u: Array, r: Array) -> Array:
        return (r * u).T @ dn


RESETS: dict[str, Any] = {"after": ResetAfter, "before": ResetBefore}


def convention(layer: GRUCell, reset: str) -> Any:
    """The convention of this name."""
    if reset not in RESETS:
        raise ValueError(
            f'{type(layer).__name__}: reset must be "after" (PyTorch, cuDNN) or "before" (Cho et '
            f"al.) the product with Wh, got {reset!r}"
        )
    return RESETS[reset]


class GRU(OverTime, GRUCell):
    """The gated recurrent unit over time: hₜ = z · hₜ₋₁ + (1 − z) · n, y = all hₜ.

    The gates, their order in the columns, the weights and `reset` as in `GRUCell`; other
    options, masks and states as `OverTime` says.
    Shapes: x (N, T, D), mask (N, T), h (N, H), y (N, T, H).
    Gradient: that of `GRUCell` for t from the last to the first, where hₜ receives dyₜ and what
    step t + 1 sends back; dx = da @ Wxᵀ, dWx = Σₜ xₜᵀ @ daₜ, db = Σ da.
    Raises ShapeError for length 0, and where x, mask or h do not fit; ValueError for `reset`.
    Source: Cho et al., 2014; Chetlur et al., "cuDNN", 2014, as in `GRUCell`.
    """

    def __init__(
        self, outputs: int, *, reset: str = "after", inputs: int | None = None,
        init: Any = "xavier", stateful: bool = False, return_state: bool = False,
        recurrent_dropout: float = 0.0, seed: int | None = None,
    ):  # fmt: skip
        super().__init__(
            outputs, inputs=inputs, init=init, stateful=stateful, return_state=return_state,
            recurrent_dropout=recurrent_dropout, seed=seed,
        )  # fmt: skip
        self.reset, self.params = reset, convention(self, reset).params
