"""Pooling: the maximum or the mean of each window of an image, or of each whole image.

A window lies anywhere on the image, padding included; the layers go through the cells of the
kernel, and take for each the slices of image and output where it meets the image (`Grid.taps`).
So what lies outside the image is never read.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, array_module, as_float
from handgrad.layer import Layer
from handgrad.layers.convolution.window import Grid, Window
from handgrad.layers.operators import plain
from handgrad.tensor import Tensor


class Pooling(Layer):
    """Base: windows of `kernel` (h, w), (t,), or a number k for (k, k), each channel for itself.

    stride: that of the kernel by default, so that windows do not overlap. pad: a number, one for
    each axis, or pairs (before, after), less than the kernel, so that no window lies outside.
    ceil_mode: a last window may reach over the end of the image.
    """

    def __init__(self, kernel: Any, *, stride: Any = None, pad: Any = 0, ceil_mode: bool = False):
        self.kernel, self.stride, self.pad, self.ceil_mode = kernel, stride, pad, ceil_mode
        name = type(self).__name__
        self.window = Window(name, kernel, kernel if stride is None else stride, pad)
        if any(max(p) >= k for p, k in zip(self.window.pad or (), self.window.kernel)):
            raise ValueError(f"{name}: pad must be below the kernel {kernel}, got {pad}")

    def start(self, x: Array) -> Array:
        """x as real numbers; keeps its shape and the grid on it."""
        x = as_float(x)
        self.window.require_image(x.shape)
        self.x_shape = x.shape
        self.grid = self.window.grid(x.shape[2:], ceil_mode=self.ceil_mode)
        return x


class MaxPooling(Pooling):
    """y[n, c, o] = max of x[n, c, o·stride + k − pad] over the cells k inside the image.

    Padding never wins: it counts as less than every number. Options: see `Pooling`.
    Shapes: x (N, C, H, W), y (N, C, OH, OW) with OH = ⌊(H + pads − KH) / stride⌋ + 1, or ⌈⌉ with
    ceil_mode; the same with one axis T.
    Gradient: dy is added to dx where the maximum stood.
    At a tie: the first in C order gets all of dy, as argmax chooses (NumPy).
    Raises ShapeError where x has other axes or the kernel is larger than the padded image,
    ValueError for options that are not integers, or a pad not below the kernel.
    Source: Saito, "Deep Learning from Scratch", section 7.3.
    """

    def forward(self, x: Array) -> Array:
        x = self.start(x)
        pixels = plain(x)
        y = array_module(pixels).full((*x.shape[:2], *self.grid.outputs), -np.inf, x.dtype)
        for _, inside, outputs in self.grid.taps():
            np.maximum(y[outputs], pixels[inside], out=y[outputs])
        self.on = self.grid, pixels, y
        return AtMaxima(*self.on)(x) if isinstance(x, Tensor) else y

    def backward(self, dy: Array) -> Array:
        return ToMaxima(*self.on)(dy)


class Maxima(Layer):
    """Base: the pixels where the maximum y of each window stands, the first in C order."""

    linear = True

    def __init__(self, grid: Grid, x: Array, y: Array):
        self.grid, self.x, self.y = grid, x, y

    def taps(self) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...], Array]]:
        """For each cell of the kernel: pixels, outputs, and where the maximum of these is first."""
        waiting = array_module(self.y).ones(self.y.shape, bool)
        for _, pixels, outputs in self.grid.taps():
            first = waiting[outputs] & (self.x[pixels] == self.y[outputs])
            waiting[outputs] ^= first
            yield pixels, outputs, first


class ToMaxima(Maxima):
    """dy added to 0 where the maxima stand. Gradient: with g that of dx, g where they stand."""

    def forward(self, dy: Array) -> Array:
        dx = array_module(dy).zeros(self.x.shape, dy.dtype)
        for pixels, outputs, first in self.taps():
            dx[pixels] += dy[outputs] * first
        return dx

    def backward(self, g: Array) -> Array:
        return AtMaxima(self.grid, self.x, self.y)(g)


class AtMaxima(Maxima):
    """z where the maxima stand. Gradient: dz = dy added where they stand."""

    def forward(self, z: Array) -> Array:
        y = array_module(z).zeros(self.y.shape, z.dtype)
        for pixels, outputs, first in self.taps():
            y[outputs] += z[pixels] * first
        return y

    def backward(self, dy: Array) -> Array:
        return ToMaxima(self.grid, self.x, self.y)(dy)


class AveragePooling(Pooling):
    """y[n, c, o] = Σ x[n, c, o·stride + k − pad] / n over the cells k inside the image.

    n counts the cells of the window, those on padding too; with count_padding=False only those
    inside the image. What ceil_mode reaches beyond the padding never counts. See `Pooling`.
    Shapes: x (N, C, H, W), y (N, C, OH, OW) as for MaxPooling; the same with one axis T.
    Gradient: dx[o·stride + k − pad] += dy[o] / n.
    Raises ShapeError where x has other axes or the kernel is larger than the padded image,
    ValueError for options that are not integers, or a pad not below the kernel.
    Source: LeCun et al., "Gradient-based learning applied to document recognition", 1998.
    """

    linear = True

    def __init__(
        self, kernel: Any, *, stride: Any = None, pad: Any = 0, ceil_mode: bool = False,
        count_padding: bool = True,
    ):  # fmt: skip
        super().__init__(kernel, stride=stride, pad=pad, ceil_mode=ceil_mode)
        self.count_padding = count_padding

    def forward(self, x: Array) -> Array:
        x = self.start(x)
        xp = array_module(x)
        y = xp.zeros((*x.shape[:2], *self.grid.outputs), x.dtype)
        for _, pixels, outputs in self.grid.taps():
            y[outputs] += x[pixels]
        self.share = xp.asarray(1 / self.grid.counts(padding=self.count_padding), x.dtype)
        return y * self.share

    def backward(self, dy: Array) -> Array:
        dx = array_module(dy).zeros(self.x_shape, dy.dtype)
        dy = dy * self.share
        for _, pixels, outputs in self.grid.taps():
            dx[pixels] += dy[outputs]
        return dx


def whole_images(layer: Layer, x: Array) -> Array:
    """x (N, C, …) as (N, C, P), all spatial axes made one. Raises ShapeError where P is 0."""
    x = as_float(x)
    if x.ndim < 3 or 0 in x.shape[2:]:
        raise ShapeError(
            f"{type(layer).__name__}: x must be (N, C, …) with at least one element for each "
            f"channel, got shape {x.shape}"
        )
    return x.reshape(*x.shape[:2], prod(x.shape[2:]))


class GlobalMaxPooling(Layer):
    """y[n, c] = max of x[n, c, …], the whole image. Shapes: x (N, C, …), y (N, C).

    Gradient: dx = dy where the maximum stood, else 0.
    At a tie: the first in C order gets all of dy, as argmax chooses (NumPy).
    Raises ShapeError where x has no axis after (N, C), or nothing along it.
    Source: Oquab et al., "Is object localization for free?", CVPR 2015.
    """

    def forward(self, x: Array) -> Array:
        images = whole_images(self, x)
        self.x_shape, self.pixels = np.shape(x), images.shape[2]
        self.first = images.argmax(axis=2)[..., None]
        return np.take_along_axis(images, self.first, axis=2)[..., 0]

    def backward(self, dy: Array) -> Array:
        hit = array_module(dy).arange(self.pixels) == self.first
        return (hit * dy[..., None]).reshape(self.x_shape)


class GlobalAveragePooling(Layer):
    """y[n, c] = mean of x[n, c, …], the whole image. Shapes: x (N, C, …), y (N, C).

    Gradient: dx = dy / P, P being the number of pixels.
    Raises ShapeError where x has no axis after (N, C), or nothing along it.
    Source: Lin et al., "Network in network", ICLR 2014.
    """

    linear = True

    def forward(self, x: Array) -> Array:
        images = whole_images(self, x)
        self.x_shape, self.pixels = np.shape(x), images.shape[2]
        return images.mean(axis=2)

    def backward(self, dy: Array) -> Array:
        each = (dy / self.pixels).reshape(*dy.shape, *[1] * (len(self.x_shape) - 2))
        return array_module(dy).broadcast_to(each, self.x_shape)
