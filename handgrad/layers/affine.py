"""Affine: the fully connected layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, Stream, as_float
from handgrad.layer import Layer
from handgrad.layers.checks import require_positive
from handgrad.layers.init import choose, initialize, require_rule


class Affine(Layer):
    """y = x @ W + b, on the last axis.

    Shapes: x (…, D), W (D, M), b (M), y (…, M). D is found from the first batch, or given as
    `inputs`. W starts as `init` says (the next layer decides by default, see `init.choose`),
    b at zero. A float x needs W's dtype; integers are converted to it.
    Gradient: dx = dy @ Wᵀ, dW = xᵀ @ dy, db = Σ dy over all axes but the last. The sum, because
    the one b was copied to every sample: b enters as ones(N, 1) @ b, and onesᵀ @ dy = dy.sum(0).
    Raises ShapeError where the last axis of x is not D, ValueError for x of another float dtype.
    Source: Saito, "Deep Learning from Scratch", section 5.6.2.
    """

    def __init__(
        self, outputs: int, *, inputs: int | None = None, bias: bool = True, init: Any = None,
        seed: int | None = None,
    ):  # fmt: skip
        require_positive(self, outputs=outputs, inputs=inputs)
        require_rule(self, init)
        self.outputs, self.inputs, self.bias = outputs, inputs, bias
        self.init, self.seed = init, seed
        self.params = ("W", "b") if bias else ("W",)
        if seed is not None:
            self.stream = Stream(seed)

    def build(self, x: Any = None) -> None:
        if "W" not in self.__dict__:
            if x is None and self.inputs is None:
                return
            x = np.empty((0, self.inputs or 0)) if x is None else as_float(x)
            self.inputs, dtype = self.inputs or x.shape[-1], self.dtype or x.dtype
            how = choose(self.followed_by) if self.init is None else self.init
            shape = (self.inputs, self.outputs)
            self.W = initialize(how, shape, self.inputs, self.outputs, self.draw(), dtype)
        if self.bias and "b" not in self.__dict__:
            self.b = np.zeros(self.outputs, self.W.dtype)

    def forward(self, x: Array) -> Array:
        self.build(x)
        x = as_float(x, self.W.dtype)
        if not x.ndim or x.shape[-1] != len(self.W):
            raise ShapeError(f"Affine: the last axis of x must be {len(self.W)}, got {x.shape}")
        if x.dtype != self.W.dtype:
            raise ValueError(f"Affine: x is {x.dtype} but W is {self.W.dtype}; convert one of them")
        self.x = x
        y = x @ self.W
        if self.bias:
            y += self.b
        return y

    def backward(self, dy: Array) -> Array | None:
        rows = dy.reshape(-1, dy.shape[-1])
        self.dW = self.x.reshape(-1, len(self.W)).T @ rows
        if self.bias:
            self.db = rows.sum(axis=0)
        return dy @ self.W.T if self.needs_input_grad else None
