"""Images in another size: Resize and PixelShuffle, for any number of spatial axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, array_module, as_float
from handgrad.layer import Layer
from handgrad.layers.checks import integer, is_number


class Resize(Layer):
    """y = A x along each spatial axis: an image of another size, its pixels between those of x.

    `times` larger along each axis (a number, or one for each; the length is rounded down), or of
    the given `sizes`. Pixel o of y lies at s = (o + ½) · H / OH − ½ in x.
    mode="nearest": A[o, ⌊o · H / OH⌋] = 1. mode="linear": A[o, ⌊s⌋] = 1 − (s − ⌊s⌋), A[o, ⌊s⌋ + 1]
    = s − ⌊s⌋, with s kept inside x: bilinear for an image.
    Shapes: x (N, C, H, W), A (OH, H) and (OW, W), y (N, C, OH, OW); the same with one axis, or
    more.
    Gradient: dx = Aᵀ dy along each axis.
    Raises ShapeError where x is not an image with as many axes, ValueError for other options.
    Source: Odena et al., "Deconvolution and checkerboard artifacts", Distill 2016.
    """

    linear = True

    def __init__(self, times: Any = None, *, sizes: Any = None, mode: str = "nearest"):
        if (times is None) == (sizes is None):
            raise ValueError(
                f"Resize: either times or sizes is needed, got times={times!r} and sizes={sizes!r}"
            )
        for t in np.ravel(times if sizes is None else 1).tolist():
            if not is_number(t) or t <= 0:
                raise ValueError(f"Resize: times must be positive numbers, got {times!r}")
        if sizes is not None:
            sizes = tuple(integer("Resize", "sizes", n, 1) for n in sizes)
        if mode not in ("nearest", "linear"):
            raise ValueError(f'Resize: mode must be "nearest" or "linear", got {mode!r}')
        self.times, self.sizes, self.mode = times, sizes, mode

    def forward(self, x: Array) -> Array:
        x = as_float(x)
        each = self.sizes or self.times
        axes = x.ndim - 2 if np.ndim(each) == 0 else np.size(each)
        if x.ndim != 2 + axes or axes < 1 or 0 in x.shape[2:]:
            raise ShapeError(
                f"Resize: x must be (N, C, …) with {axes if axes > 0 else 'some'} spatial axes, "
                f"none empty, got shape {x.shape}"
            )
        outputs = self.sizes or [
            max(1, int(n * t)) for n, t in zip(x.shape[2:], np.broadcast_to(each, axes))
        ]
        self.A = [
            between(n, out, self.mode).astype(x.dtype) for n, out in zip(x.shape[2:], outputs)
        ]
        return along_each(self.A, x)

    def backward(self, dy: Array) -> Array:
        return along_each([A.T for A in self.A], dy)


def between(size: int, outputs: int, mode: str) -> Array:
    """The matrix (outputs, size) that takes a line of pixels to one of another length."""
    o = np.arange(outputs)
    A = np.zeros((outputs, size))
    if mode == "nearest":
        A[o, o * size // outputs] = 1
        return A
    at = np.clip((o + 0.5) * size / outputs - 0.5, 0, size - 1)
    low = np.minimum(at.astype(int), max(0, size - 2))
    A[o, low] = 1 - (at - low)
    A[o, np.minimum(low + 1, size - 1)] += at - low
    return A


def along_each(matrices: list[Array], x: Array) -> Array:
    """Each matrix times x along one of the axes after (N, C)."""
    for axis, A in enumerate(matrices, 2):
        x = np.moveaxis(np.moveaxis(x, axis, -1) @ array_module(x).asarray(A.T), -1, axis)
    return x


class PixelShuffle(Layer):
    """y[n, c, h·r + i, w·r + j] = x[n, c·r² + i·r + j, h, w], r = `times`: channels become pixels.

    A convolution with r² times the channels before it makes images r times larger, without the
    uneven overlap of a transposed one.
    Shapes: x (N, C·r², H, W), y (N, C, H·r, W·r); the same with one axis (C·r), or more.
    Gradient: dx holds dy's pixels, put back.
    Raises ShapeError where x is no image or r² does not divide its channels, ValueError for
    times below 1.
    Source: Shi et al., "Real-time single image and video super-resolution using an efficient
    sub-pixel convolutional neural network", CVPR 2016.
    """

    linear = True

    def __init__(self, times: int):
        self.times = integer("PixelShuffle", "times", times, 1)

    def forward(self, x: Array) -> Array:
        self.x_shape, axes, r = np.shape(x), np.ndim(x) - 2, self.times
        if axes < 1 or self.x_shape[1] % r**axes:
            raise ShapeError(
                f"PixelShuffle: x must be (N, C·{r}^axes, …) with spatial axes, got shape "
                f"{self.x_shape}"
            )
        n, channels, *sizes = self.x_shape
        self.apart = (n, channels // r**axes, *[r] * axes, *sizes)
        self.order = (0, 1, *(a for i in range(2, 2 + axes) for a in (i + axes, i)))
        larger = (n * r for n in sizes)
        return x.reshape(self.apart).transpose(self.order).reshape(*self.apart[:2], *larger)

    def backward(self, dy: Array) -> Array:
        mixed = dy.reshape([self.apart[a] for a in self.order])
        return mixed.transpose(np.argsort(self.order)).reshape(self.x_shape)
