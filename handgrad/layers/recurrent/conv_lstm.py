"""ConvLSTM: an LSTM whose input, state and gates are images."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, Stream, as_float
from handgrad.layer import Layer
from handgrad.layers.activation import sigmoid
from handgrad.layers.checks import require_dtype, require_positive
from handgrad.layers.convolution.correlation import Correlate, CorrelateDW, CorrelateDx, channel_sum
from handgrad.layers.convolution.window import Window
from handgrad.layers.init import initialize, require_rule


class ImageRecurrence(Layer):
    """Base: the options and weights of a recurrent layer whose input and state are images.

    kernel: (h, w), (t,), or a number k for (k, k). The channels C of x are found from the first
    batch, or given as `inputs`. Wx and Wh start as `init` says, b at 0, but for f at 1.
    """

    params = ("Wx", "Wh", "b")

    def __init__(
        self, outputs: int, kernel: Any = 3, *, inputs: int | None = None, init: Any = "xavier",
        return_state: bool = False, seed: int | None = None,
    ):  # fmt: skip
        self.window = Window(type(self).__name__, kernel, 1, "same")
        require_positive(self, outputs=outputs, inputs=inputs)
        require_rule(self, init)
        self.outputs, self.kernel, self.inputs, self.init = outputs, kernel, inputs, init
        self.return_state, self.seed = return_state, seed
        if seed is not None:
            self.stream = Stream(seed)

    def build(self, x: Any = None, *state: Any) -> None:
        if "Wx" in self.__dict__ or (x is None and self.inputs is None):
            return
        if x is not None:
            require_steps(self, np.shape(x))
        self.inputs = C = self.inputs or int(np.shape(x)[2])
        dtype = self.dtype or (np.float64 if x is None else as_float(x).dtype)
        F, kernel, how = self.outputs, self.window.kernel, self.init
        fan_out, rng = prod(kernel) * F, self.draw()
        self.Wx = initialize(how, (4 * F, C, *kernel), prod(kernel) * C, fan_out, rng, dtype)
        self.Wh = initialize(how, (4 * F, F, *kernel), fan_out, fan_out, rng, dtype)
        self.b = np.zeros(4 * F, dtype)
        self.b[:F] = 1


class ConvLSTM(ImageRecurrence):
    """cₜ = f · cₜ₋₁ + i · g, hₜ = o · tanh(cₜ), y = all hₜ: an LSTM with * in place of products.

    [f g i o] = xₜ * Wx + hₜ₋₁ * Wh + b, four blocks of F = `outputs` channels in this order, then σ
    for f, i and o, and tanh for g; * is the Convolution with pad "same". Without the peepholes of
    the source. The first h and c are 0 where none are given; return_state: the outputs are y and
    the last h and c. Options: see `ImageRecurrence`.
    Shapes: x (N, T, C, H, W), h and c (N, F, H, W), y (N, T, F, H, W), Wx (4F, C, KH, KW), Wh
    (4F, F, KH, KW), b (4F); the same with one spatial axis, or more.
    Gradient: numbered in `backward`.
    Raises ShapeError where x, h or c do not fit, or T is 0; ValueError for another float dtype.
    Source: Shi et al., "Convolutional LSTM network: a machine learning approach for precipitation
    nowcasting", NIPS 2015.
    """

    def forward(self, x: Array, *state: Array) -> Any:
        self.build(x)
        self.x, *now = accept(self, x, state)
        self.on = self.window.grid(self.x.shape[3:]), 1
        a = apart(Correlate(*self.on)(joined(self.x), self.Wx, self.b), self.x)
        (h, c), self.given, self.steps, y = now, bool(state), [], []
        for t in range(a.shape[1]):
            before = h, c
            gates = np.split(a[:, t] + Correlate(*self.on)(h, self.Wh), 4, axis=1)  # 1
            f, g, i, o = sigmoid(gates[0]), np.tanh(gates[1]), sigmoid(gates[2]), sigmoid(gates[3])
            c = f * c + i * g  # 2
            s = np.tanh(c)
            h = o * s  # 3
            self.steps.append((*before, f, g, i, o, s))
            y.append(h)
        return (np.stack(y, axis=1), h, c) if self.return_state else np.stack(y, axis=1)

    def backward(self, dy: Array, *dlast: Array) -> Any:
        (dh, dc), backwards = dlast or (0, 0), []
        for t in reversed(range(len(self.steps))):
            _, c, f, g, i, o, s = self.steps[t]
            dh = dh + dy[:, t]  # h went into y and into the next step
            dc = dc + dh * o * (1 - s * s)  # undoes 3
            parts = dc * c * f * (1 - f), dc * i * (1 - g * g), dc * g * i * (1 - i)  # undoes 2
            da = np.concatenate((*parts, dh * s * o * (1 - o)), axis=1)
            dh, dc = CorrelateDx(*self.on)(da, self.Wh), dc * f  # undoes 1; 2
            backwards.append(da)
        da = joined(np.stack(backwards[::-1], axis=1))
        h = joined(np.stack([step[0] for step in self.steps], axis=1))
        self.dWx, self.db = CorrelateDW(*self.on)(joined(self.x), da), channel_sum(da)
        self.dWh = CorrelateDW(*self.on)(h, da)
        dx = apart(CorrelateDx(*self.on)(da, self.Wx), self.x)
        return (dx, dh, dc) if self.given else dx


def joined(x: Array) -> Array:
    """(N, T, …) as (N·T, …): all steps as one batch."""
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])


def apart(x: Array, like: Array) -> Array:
    """(N·T, …) as (N, T, …)."""
    return x.reshape(*like.shape[:2], *x.shape[1:])


def require_steps(layer: ImageRecurrence, shape: tuple[int, ...]) -> None:
    """Raise ShapeError unless x is a sequence of images for the kernel."""
    axes = len(layer.window.kernel)
    if len(shape) != 3 + axes or not shape[1]:
        raise ShapeError(
            f"{type(layer).__name__}: x must be (N, T, C) and {axes} spatial axes, as the kernel "
            f"has, with T ≥ 1, got shape {shape}"
        )


def accept(layer: ImageRecurrence, x: Any, state: tuple[Any, ...]) -> tuple[Array, Array, Array]:
    """x and the first h and c, once they are seen to fit."""
    x = as_float(x, layer.Wx.dtype)
    require_steps(layer, x.shape)
    if x.shape[2] != layer.inputs:
        raise ShapeError(
            f"{type(layer).__name__}: x must have {layer.inputs} channels, got shape {x.shape}"
        )
    shape = (len(x), layer.outputs, *x.shape[3:])
    h, c = (as_float(s, layer.Wx.dtype) for s in state or (np.zeros(shape, x.dtype),) * 2)
    if not h.shape == c.shape == shape:
        raise ShapeError(
            f"{type(layer).__name__}: h and c must be {shape}, got {h.shape} and {c.shape}"
        )
    for name, array in (("x", x), ("h", h), ("c", c)):
        require_dtype(layer, name, array, layer.Wx.dtype)
    return x, h, c
