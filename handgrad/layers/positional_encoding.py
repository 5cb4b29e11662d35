"""Positional encodings: attention alone does not know in which order its inputs came."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, Stream, array_module, as_float
from handgrad.layer import Layer
from handgrad.layers.checks import require_dtype, require_positive
from handgrad.layers.init import initialize, require_rule


def sine_table(steps: int, dimension: int) -> Array:
    """P[t, 2i] = sin(t / 10000^(2i / D)), P[t, 2i + 1] = cos(the same), shape (T, D), float64."""
    angle = np.arange(steps)[:, None] / 10_000 ** (np.arange(0, dimension, 2) / dimension)
    table = np.empty((steps, dimension))
    table[:, ::2], table[:, 1::2] = np.sin(angle), np.cos(angle[:, : dimension // 2])
    return table


class SinePosition(Layer):
    """y = x + P, waves of D different lengths: nothing is learned, any length will do.

    P[t, 2i] = sin(t / 10000^(2i / D)), P[t, 2i + 1] = cos(t / 10000^(2i / D)).
    Shapes: x, y (N, T, D). Integer x is converted to float64.
    Gradient: dx = dy.
    Raises ShapeError where x is not (N, T, D).
    Source: Vaswani et al., "Attention is all you need", NIPS 2017, section 3.5.
    """

    def forward(self, x: Array) -> Array:
        x = require_sequence(self, as_float(x))
        return x + array_module(x).asarray(sine_table(*x.shape[1:]), dtype=x.dtype)

    def backward(self, dy: Array) -> Array:
        return dy


class LearnedPosition(Layer):
    """y[:, t] = x[:, t] + P[t]: a learned row for each of `length` positions.

    Shapes: x, y (N, T, D) with T ≤ L = length, P (L, D). D is found from the first batch, or
    given as `inputs`. P starts as `init` says, N(0, 0.02²).
    Gradient: dx = dy; dP[t] = Σ dy[:, t] over the batch, because the one row was copied to all
    sequences; zero where t ≥ T.
    Raises ShapeError where x is not (N, T, D) or longer than L, ValueError for x of another float
    dtype.
    Source: Gehring et al., "Convolutional sequence to sequence learning", ICML 2017, section 3.1;
    Vaswani et al., 2017, section 3.5.
    """

    params = ("P",)

    def __init__(
        self, length: int, *, inputs: int | None = None, init: Any = 0.02,
        seed: int | None = None,
    ):  # fmt: skip
        require_positive(self, length=length, inputs=inputs)
        require_rule(self, init)
        self.length, self.inputs, self.init, self.seed = length, inputs, init, seed
        if seed is not None:
            self.stream = Stream(seed)

    def build(self, x: Any = None) -> None:
        if "P" in self.__dict__ or (x is None and self.inputs is None):
            return
        x = np.empty((0, self.inputs or 0)) if x is None else as_float(x)
        self.inputs = self.inputs or x.shape[-1]
        shape = (self.length, self.inputs)
        self.P = initialize(self.init, shape, *shape, self.draw(), self.dtype or x.dtype)

    def forward(self, x: Array) -> Array:
        self.build(x)
        x = require_sequence(self, as_float(x, self.P.dtype))
        require_dtype(self, "x", x, self.P.dtype)
        self.steps = x.shape[1]
        if self.steps > len(self.P) or x.shape[2] != self.P.shape[1]:
            raise ShapeError(
                f"LearnedPosition: x must be (N, T, D) with T ≤ {len(self.P)} and "
                f"D = {self.P.shape[1]}, got {x.shape}"
            )
        return x + self.P[: self.steps]

    def backward(self, dy: Array) -> Array:
        self.dP = np.pad(dy.sum(axis=0), ((0, len(self.P) - self.steps), (0, 0)))
        return dy


def require_sequence(layer: Layer, x: Array) -> Array:
    """x itself, once it is seen to be (N, T, D)."""
    if x.ndim != 3:
        raise ShapeError(f"{type(layer).__name__}: x must be (N, T, D), got {x.shape}")
    return x
