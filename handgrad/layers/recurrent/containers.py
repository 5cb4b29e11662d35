"""Recurrent layers combined: one above the other, or in both directions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from handgrad.arrays import Array, Stream, array_module, as_float
from handgrad.layer import Layer
from handgrad.layers.recurrent.dropout import VariationalDropout


class Stacked(Layer):
    """Recurrent layers one above the other, each reading all steps of the one below.

    y = fₙ(… f₂(f₁(x, mask), mask), mask); `dropout`: a `VariationalDropout` between two layers.
    Shapes: x (N, T, D), mask (N, T) of booleans, y (N, T, H of the last).
    Gradient: backward runs the layers from the last to the first.
    Raises ValueError without layers, or where one has `return_state`.
    Source: Graves et al., "Speech recognition with deep recurrent neural networks", 2013.
    """

    def __init__(self, layers: Sequence[Any], *, dropout: float = 0.0, seed: int | None = None):
        if not isinstance(layers, Iterable):
            raise ValueError(f"Stacked: a list of recurrent layers is needed, got {layers!r}")
        self.layers, self.dropout, self.seed = tuple(layers), dropout, seed
        require_single_output(self, *self.layers)
        self.between = [VariationalDropout(dropout) for _ in self.layers[1:]] if dropout else []
        if seed is not None:
            for number, drop in enumerate(self.between):
                drop.stream = Stream(seed, number)

    @property
    def outputs(self) -> int:
        """Columns of y."""
        return self.layers[-1].outputs

    def build(self, x: Any = None, *others: Any) -> None:
        for layer in self.layers:
            layer.build(x)
            x = None if x is None else np.empty_like(as_float(x), shape=(0, 0, layer.outputs))

    def reset_state(self) -> None:
        """Start every layer's next call from zero."""
        reset_states(self.layers)

    def forward(self, x: Array, mask: Array | None = None) -> Array:
        self.masked = mask is not None
        for i, layer in enumerate(self.layers):
            if i and self.between:
                x = self.between[i - 1].forward(x)
            x = layer.forward(x, mask)
        return x

    def backward(self, dy: Array) -> Any:
        self.layers[0].needs_input_grad = self.needs_input_grad
        for i in reversed(range(len(self.layers))):
            dy = gradient_of_x(self.layers[i], dy)
            if i and self.between:
                dy = self.between[i - 1].backward(dy)
        return (dy, None) if self.masked else dy


class Bidirectional(Layer):
    """Two recurrent layers side by side: one reads from the first step, one from the last.

    y[:, t] = [ahead(x)[:, t], back(x reversed)[:, T − 1 − t]]: what came before, and what comes.
    Shapes: x (N, T, D), mask (N, T) of booleans, y (N, T, H of ahead + H of back).
    Gradient: dy cut in two; dx is the sum of both layers' gradients.
    Raises ValueError where one layer has `return_state`, or both are one.
    Source: Schuster & Paliwal, "Bidirectional recurrent neural networks", 1997.
    """

    def __init__(self, ahead: Any, back: Any):
        require_single_output(self, ahead, back)
        self.ahead, self.back = ahead, back

    @property
    def outputs(self) -> int:
        """Columns of y."""
        return self.ahead.outputs + self.back.outputs

    def build(self, x: Any = None, *others: Any) -> None:
        self.ahead.build(x)
        self.back.build(x)

    def reset_state(self) -> None:
        """Start both layers' next call from zero."""
        reset_states((self.ahead, self.back))

    def forward(self, x: Array, mask: Array | None = None) -> Array:
        self.masked = mask is not None
        seen = self.ahead.forward(x, mask)
        flipped = None if mask is None else np.asarray(mask)[:, ::-1]
        coming = self.back.forward(x[:, ::-1], flipped)[:, ::-1]
        return array_module(seen).concatenate([seen, coming], axis=-1)

    def backward(self, dy: Array) -> Any:
        self.ahead.needs_input_grad = self.back.needs_input_grad = self.needs_input_grad
        dx = gradient_of_x(self.ahead, dy[..., : self.ahead.outputs])
        dx_back = gradient_of_x(self.back, dy[:, ::-1, self.ahead.outputs :])
        dx = dx + dx_back[:, ::-1] if self.needs_input_grad else None
        return (dx, None) if self.masked else dx


def gradient_of_x(layer: Any, dy: Array) -> Any:
    """What backward says of the first input."""
    gradients = layer.backward(dy)
    return gradients[0] if isinstance(gradients, tuple) else gradients


def reset_states(layers: Sequence[Any]) -> None:
    """Start every layer's next call from zero."""
    for layer in layers:
        layer.reset_state()


def require_single_output(layer: Layer, *inner: Any) -> None:
    """Raise ValueError unless there are layers, each once, and each has y as its only output."""
    name = type(layer).__name__
    if not inner:
        raise ValueError(f"{name}: at least one layer is needed, got none")
    if len({id(i) for i in inner}) < len(inner):
        raise ValueError(f"{name}: its layers must be different objects, got one twice")
    for one in inner:
        if getattr(one, "return_state", False):
            raise ValueError(f"{name}: its layers need return_state=False, got {one!r}")
