"""Recurrence: what all recurrent layers share, their weights and the interface of one step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, Stream, as_float
from handgrad.layer import Layer
from handgrad.layers.checks import require_dtype, require_positive
from handgrad.layers.init import initialize, require_rule


class Recurrence(Layer):
    """Base: the weights, and one step in time as two methods, one below the other.

    `step(a, *state)` → (*next state, kept): a = x @ Wx + b is its own to change, and ends up as
    the values of the gates; `kept` is one more array that the way back needs, or None.
    `step_backward(da, gates, kept, state, dstate)` → the gradients of `state`; fills da, that of a.
    Shapes: x (N, D), each array of state (N, H), a (N, G·H), Wx (D, G·H), Wh (H, G·H), b (G·H);
    G = `gates` blocks of H = `outputs` columns. D is found from the first batch, or given as
    `inputs`.
    Gradient: dx = da @ Wxᵀ, dWx = xᵀ @ da, db = Σ da, dWh by `weight_gradients`.
    """

    params: tuple[str, ...] = ("Wx", "Wh", "b")
    gates = 1
    states: tuple[str, ...] = ("h",)
    drop: Array | None = None  # what multiplies h where it enters Wh: a mask of dropout

    def __init__(
        self, outputs: int, *, inputs: int | None = None, init: Any = "xavier",
        seed: int | None = None,
    ):  # fmt: skip
        require_positive(self, outputs=outputs, inputs=inputs)
        require_rule(self, init)
        self.outputs, self.inputs, self.init, self.seed = outputs, inputs, init, seed
        if seed is not None:
            self.stream = Stream(seed)

    def build(self, x: Any = None, *others: Any) -> None:
        if "Wx" in self.__dict__ or (x is None and self.inputs is None):
            return
        x = np.empty((0, self.inputs or 0)) if x is None else as_float(x)
        self.inputs, dtype = self.inputs or x.shape[-1], self.dtype or x.dtype
        D, H, columns = self.inputs, self.outputs, self.gates * self.outputs
        self.Wx = initialize(self.init, (D, columns), D, H, self.draw(), dtype)
        self.Wh = initialize(self.init, (H, columns), H, H, self.draw(), dtype)
        self.b = np.zeros(columns, dtype)

    def step(self, a: Array, *state: Array) -> tuple[Any, ...]:
        """The next state, and what `step_backward` needs; a becomes the gates."""
        raise NotImplementedError(f"{type(self).__name__} has no step")

    def step_backward(
        self, da: Array, gates: Array, kept: Any, state: Sequence[Array], dstate: Sequence[Array]
    ) -> tuple[Array, ...]:
        """The gradients of the state before the step; fills da."""
        raise NotImplementedError(f"{type(self).__name__} has no step_backward")

    def weight_gradients(self, da: Array, gates: Array, h: Array) -> None:
        """Set dWh from rows of any number of steps: h entered as h @ Wh, and was added to a."""
        self.dWh = h.T @ da

    def dropped(self, h: Array) -> Array:
        """h as Wh sees it, and just so the gradient that comes back."""
        return h if self.drop is None else h * self.drop


def logistic(x: Array) -> Array:
    """1 / (1 + e⁻ˣ) as ½ · tanh(x / 2) + ½: in one pass, without overflow."""
    y = np.tanh(x * 0.5)
    y *= 0.5
    y += 0.5
    return y


def accept_input(layer: Any, x: Any, letters: str, axes: int) -> Array:
    """x as real numbers of the parameters' dtype, once its shape is seen to be right."""
    x = as_float(x, layer.Wx.dtype)
    if x.ndim != axes or x.shape[-1] != len(layer.Wx):
        raise ShapeError(
            f"{type(layer).__name__}: x must be {letters} with D = {len(layer.Wx)}, got {x.shape}"
        )
    require_dtype(layer, "x", x, layer.Wx.dtype)
    return x


def accept_state(layer: Any, state: Sequence[Any], batch: int) -> tuple[Array, ...]:
    """The arrays of state, once their shapes are seen to be (N, H)."""
    name, dtype = type(layer).__name__, layer.Wx.dtype
    if len(state) != len(layer.states):
        raise ValueError(f"{name}: the state is {', '.join(layer.states)}; got {len(state)} arrays")
    arrays = tuple(as_float(s, dtype) for s in state)
    for letter, array in zip(layer.states, arrays):
        if array.shape != (batch, layer.outputs):
            raise ShapeError(
                f"{name}: {letter} must be (N, H) = {(batch, layer.outputs)}, got {array.shape}; "
                "a state of another batch needs reset_state() or a new one"
            )
        require_dtype(layer, letter, array, dtype)
    return arrays
