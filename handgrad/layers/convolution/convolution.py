"""Convolution and its transpose, for images, sequences, or any number of spatial axes."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, Stream, as_float
from handgrad.layer import Layer
from handgrad.layers.checks import require_positive
from handgrad.layers.convolution.correlation import Correlate, CorrelateDW, CorrelateDx, channel_sum
from handgrad.layers.convolution.window import Sizes, Window, per_axis
from handgrad.layers.init import choose, initialize, require_rule


class Filters(Layer):
    """Base: the options, parameters and inputs of a layer whose filters slide over an image.

    kernel: (h, w), (t,) for sequences, or a number k for (k, k). stride, pad and dilation: a
    number, or one for each axis of the kernel; pad also "same", or pairs (before, after).
    The channels C of x are found from the first batch, or given as `inputs`. W starts as `init`
    says (the next layer decides by default, see `init.choose`), b at zero.
    """

    def __init__(
        self, outputs: int, kernel: Any, *, stride: Any = 1, pad: Any = 0, dilation: Any = 1,
        groups: int = 1, inputs: int | None = None, bias: bool = True, init: Any = None,
        seed: int | None = None,
    ):  # fmt: skip
        self.window = Window(type(self).__name__, kernel, stride, pad, dilation)
        require_positive(self, outputs=outputs, inputs=inputs, groups=groups)
        self.outputs, self.inputs, self.groups = outputs, inputs, groups
        require_divisor(self, outputs, "outputs")
        require_rule(self, init)
        self.kernel, self.stride, self.pad, self.dilation = kernel, stride, pad, dilation
        self.bias, self.init, self.seed = bias, init, seed
        self.params = ("W", "b") if bias else ("W",)
        if seed is not None:
            self.stream = Stream(seed)

    weights_shape: Any  # the shape of W, once `inputs` is known

    def build(self, x: Any = None) -> None:
        if "W" in self.__dict__ or (x is None and self.inputs is None):
            return
        if x is not None:
            self.window.require_image(np.shape(x))
        self.inputs = self.inputs or int(np.shape(x)[1])
        require_divisor(self, self.inputs, "the channels of x")
        dtype = self.dtype or (np.float64 if x is None else as_float(x).dtype)
        how = choose(self.followed_by) if self.init is None else self.init
        cells, groups = prod(self.window.kernel), self.groups
        fan_in, fan_out = cells * self.inputs // groups, cells * self.outputs // groups
        self.W = initialize(how, self.weights_shape(), fan_in, fan_out, self.draw(), dtype)
        if self.bias:
            self.b = np.zeros(self.outputs, dtype)

    def enter(self, x: Array) -> Array:
        """x as an image in the dtype of W. Raises ShapeError or ValueError where it is not."""
        self.build(x)
        x = as_float(x, self.W.dtype)
        self.window.require_image(x.shape)
        name = type(self).__name__
        if x.shape[1] != self.inputs:
            raise ShapeError(f"{name}: x must have {self.inputs} channels, got shape {x.shape}")
        if x.dtype != self.W.dtype:
            raise ValueError(f"{name}: x is {x.dtype} but W is {self.W.dtype}; convert one of them")
        return x

    def add_bias(self, y: Array) -> Array:
        """y + b, in place for an array of this layer's own: b is one number for each channel."""
        if self.bias:
            y += self.b.reshape(-1, *[1] * (y.ndim - 2))
        return y


def require_divisor(layer: Filters, n: int, what: str) -> None:
    """Raise ValueError unless the layer's groups divide n."""
    if n % layer.groups:
        raise ValueError(
            f"{type(layer).__name__}: groups must divide {what}, got {layer.groups} and {n}"
        )


class Convolution(Filters):
    """y[n, f, o] = b[f] + Σ W[f, c, k] · x[n, c, o·stride + k·dilation − pad] over c and k.

    x counts as 0 outside the image. With groups, filter f sees only the channels of its group.
    pad="same": ⌈H / stride⌉ outputs, the odd zero after the image. Options: see `Filters`.
    Shapes: x (N, C, H, W), W (F, C/groups, KH, KW), b (F), y (N, F, OH, OW) with
    OH = ⌊(H + pads − (KH − 1)·dilation − 1) / stride⌋ + 1; the same with one axis T, or more.
    Gradient: dx[n, c, o·stride + k·dilation − pad] += W[f, c, k] · dy[n, f, o],
    dW[f, c, k] = Σ x[n, c, o·stride + k·dilation − pad] · dy[n, f, o] over n and o, db = Σ dy
    over all axes but F.
    Raises ShapeError where x has other axes or channels, or the kernel is larger than the padded
    image; ValueError for options that are not integers, groups that do not divide C and F,
    or x of another float dtype than W.
    Source: LeCun et al., "Gradient-based learning applied to document recognition", 1998;
    Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2016.
    """

    def weights_shape(self) -> Sizes:
        """The shape of W: (filters, channels of a group, *kernel)."""
        return (self.outputs, (self.inputs or 0) // self.groups, *self.window.kernel)

    def forward(self, x: Array) -> Array:
        self.x = x = self.enter(x)
        self.on = self.window.grid(x.shape[2:]), self.groups
        return Correlate(*self.on)(x, *(getattr(self, name) for name in self.params))

    def backward(self, dy: Array) -> Array | None:
        self.dW = CorrelateDW(*self.on)(self.x, dy)
        if self.bias:
            self.db = channel_sum(dy)
        return CorrelateDx(*self.on)(dy, self.W) if self.needs_input_grad else None


def longer(window: Window, output_pad: Any) -> Sizes:
    """output_pad as one number for each axis. Raises ValueError unless it is below the stride."""
    extra = per_axis(window.owner, "output_pad", output_pad, len(window.kernel), 0)
    if any(more >= stride for more, stride in zip(extra, window.stride)):
        raise ValueError(
            f"{window.owner}: output_pad must be below the stride {window.stride}, got {output_pad}"
        )
    if window.pad is None and any(extra):
        raise ValueError(f'{window.owner}: output_pad goes with integers for pad, not "same"')
    return extra


class TransposedConvolution(Filters):
    """y[n, f, i·stride + k·dilation − pad] += W[c, f, k] · x[n, c, i]: Convolution's dx, plus b.

    Each pixel of x stamps its filter onto y; what falls outside y is dropped. `output_pad`
    (< stride) adds to the end of y. pad="same": H·stride outputs. Options: see `Filters`.
    Shapes: x (N, C, H, W), W (C, F/groups, KH, KW), b (F), y (N, F, OH, OW) with
    OH = (H − 1)·stride + (KH − 1)·dilation + 1 − pads + output_pad; the same with one axis T.
    Gradient: dx = the Convolution of dy with W, without bias; dW = that Convolution's dW, in
    which dy plays the image and x the gradient; db = Σ dy over all axes but F.
    Raises ShapeError where x has other axes or channels, or the pad leaves nothing of y;
    ValueError as Convolution, and for an output_pad that is not below the stride.
    Source: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2016, ch. 4.
    """

    def __init__(
        self, outputs: int, kernel: Any, *, stride: Any = 1, pad: Any = 0, output_pad: Any = 0,
        dilation: Any = 1, groups: int = 1, inputs: int | None = None, bias: bool = True,
        init: Any = None, seed: int | None = None,
    ):  # fmt: skip
        super().__init__(
            outputs, kernel, stride=stride, pad=pad, dilation=dilation, groups=groups,
            inputs=inputs, bias=bias, init=init, seed=seed,
        )  # fmt: skip
        self.output_pad = output_pad
        self.extra = longer(self.window, output_pad)

    def weights_shape(self) -> Sizes:
        """The shape of W: (channels of x, filters of a group, *kernel)."""
        return (self.inputs or 0, self.outputs // self.groups, *self.window.kernel)

    def forward(self, x: Array) -> Array:
        self.x = x = self.enter(x)
        self.on = self.window.place_under(x.shape[2:], self.extra), self.groups
        return self.add_bias(CorrelateDx(*self.on)(x, self.W))

    def backward(self, dy: Array) -> Array | None:
        self.dW = CorrelateDW(*self.on)(dy, self.x)
        if self.bias:
            self.db = channel_sum(dy)
        return Correlate(*self.on)(dy, self.W) if self.needs_input_grad else None
