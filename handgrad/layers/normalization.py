"""Normalizations: x brought to mean 0 and variance 1, then scaled by γ and shifted by β.

They differ in the axes over which mean and variance are taken:
BatchNorm over the batch, LayerNorm over the elements of a sample, GroupNorm over some channels
of a sample, InstanceNorm over each channel of it. RMSNorm leaves the mean where it is.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, as_float
from handgrad.layer import Layer
from handgrad.layers.checks import integer, is_number, normal_axes

Axes = tuple[int, ...]


def alone(n: int, *sums: Array) -> tuple[Any, ...]:
    """The count and the sums of a batch that is not a part of a larger one."""
    return n, *sums


def moments(x: Array, axes: Axes, whole: Any = alone) -> tuple[Array, Array, Array, int]:
    """mean, x − mean, variance along axes and what was counted: in two passes, so that a large mean
    costs nothing.

    whole: of a count and sums over x, gives those over all that x is a part of.
    """
    count = prod(x.shape[a] for a in axes)
    n, total = whole(count, x.sum(axis=axes, keepdims=True))
    mean = total / max(1, n)  # of nothing, the mean is 0
    centred = x - mean
    n, squares = whole(count, (centred * centred).sum(axis=axes, keepdims=True))
    return mean, centred, squares / max(1, n), n


def normalize(x: Array, axes: Axes, eps: float) -> tuple[Array, Array]:
    """x̂ = (x − mean) · r and r = 1 / √(variance + eps)."""
    _, centred, var, _ = moments(x, axes)
    r = 1 / np.sqrt(var + eps)
    return centred * r, r


def normalize_dx(g: Array, xhat: Array, r: Array, axes: Axes, whole: Any = alone) -> Array:
    """The gradient of x, where g is that of x̂ and every mean is along axes.

    Backwards through x̂ = c · r, r = (mean(c²) + eps)^(−½), c = x − mean(x):
    1. by the factor c:  dc = g · r
    2. by the factor r:  dr = Σ g · c, and r falls by r³ · c / n for each c, so
                         dc −= r³ · c · mean(g · c) = r · x̂ · mean(g · x̂)
    3. by the mean:      dx = dc − mean(dc), in which mean(x̂) = 0
    """
    n, sum_g, sum_gx = whole(
        prod(xhat.shape[a] for a in axes),
        g.sum(axis=axes, keepdims=True),
        (g * xhat).sum(axis=axes, keepdims=True),
    )
    n = max(1, n)
    return r * (g - sum_g / n - xhat * (sum_gx / n))


class Normalization(Layer):
    """Base: y = γ · x̂ + β. γ starts as ones, β as zeros, with sizes from the first batch."""

    params: tuple[str, ...] = ("gamma", "beta")

    def __init__(self, *, eps: float = 1e-5):
        if not is_number(eps) or eps <= 0:
            raise ValueError(f"{type(self).__name__}: eps must be positive, got {eps!r}")
        self.eps = eps

    def scaled_axes(self, x: Array) -> Axes:
        """The axes along which γ and β have an element for each index: the channels, here."""
        if x.ndim < 2:
            raise ShapeError(f"{type(self).__name__}: x must be (N, C, …), got shape {x.shape}")
        return (1,)

    def build(self, x: Any = None) -> None:
        if "gamma" in self.__dict__ or x is None:
            return
        x = as_float(x)
        shape = tuple(x.shape[a] for a in self.scaled_axes(x))
        self.gamma = np.ones(shape, self.dtype or x.dtype)
        if "beta" in self.params:
            self.beta = np.zeros(shape, self.gamma.dtype)

    def start(self, x: Array) -> Array:
        """x as real numbers in the dtype of γ; keeps how γ lies along x."""
        self.build(x)
        x = as_float(x, self.gamma.dtype)
        axes, name = self.scaled_axes(x), type(self).__name__
        self.wide = tuple(n if a in axes else 1 for a, n in enumerate(x.shape))
        self.copied = tuple(a for a in range(x.ndim) if a not in axes)
        if tuple(x.shape[a] for a in axes) != self.gamma.shape:
            raise ShapeError(
                f"{name}: axis {axes} of x must have shape {self.gamma.shape} like gamma, got "
                f"shape {x.shape}"
            )
        if x.dtype != self.gamma.dtype:
            raise ValueError(
                f"{name}: x is {x.dtype} but gamma is {self.gamma.dtype}; convert one of them"
            )
        return x

    def scale(self, xhat: Array) -> Array:
        """γ · x̂ + β."""
        self.xhat = xhat
        return self.gamma.reshape(self.wide) * xhat + self.beta.reshape(self.wide)

    def unscale(self, dy: Array) -> Array:
        """dx̂ = dy · γ; sets dγ = Σ dy · x̂ and dβ = Σ dy along the axes where they were copied."""
        self.dgamma = (dy * self.xhat).sum(axis=self.copied)
        self.dbeta = dy.sum(axis=self.copied)
        return dy * self.gamma.reshape(self.wide)


class BatchNorm(Normalization):
    """y = γ · (x − μ) / √(σ² + eps) + β, μ and σ² of each channel over the batch and the image.

    In training each batch gives μ and σ² (divided by n, not n − 1), and the running statistics
    follow: running ← momentum · running + (1 − momentum) · batch, from 0 and 1 on. In evaluation
    they stand for μ and σ². A batch with a single value per channel has σ² = 0: y = β, dx = 0,
    and the running statistics stay.
    Shapes: x, y (N, C) or (N, C, …); γ, β, running_mean, running_var (C).
    Gradient: with x̂ = (y − β) / γ: dγ = Σ dy · x̂, dβ = Σ dy over all axes but C; in training
    dx = (g − mean(g) − x̂ · mean(g · x̂)) / √(σ² + eps) with g = dy · γ, in evaluation
    dx = g / √(σ² + eps), since μ and σ² are constants there.
    Raises ShapeError where x has fewer than two axes or other channels, ValueError for eps ≤ 0,
    a momentum outside [0, 1], or x of another float dtype than γ.
    Source: Ioffe & Szegedy, "Batch normalization", ICML 2015.
    """

    buffers = ("running_mean", "running_var")
    whole: Any = staticmethod(alone)  # where x is a shard of a batch: from its sums to the batch's

    def __init__(self, *, momentum: float = 0.9, eps: float = 1e-5):
        super().__init__(eps=eps)
        if not 0 <= momentum <= 1:
            raise ValueError(f"BatchNorm: momentum must lie in [0, 1], got {momentum}")
        self.momentum = momentum

    def build(self, x: Any = None) -> None:
        if "gamma" not in self.__dict__ and x is not None:
            super().build(x)
            self.running_mean, self.running_var = np.zeros_like(self.gamma), self.gamma.copy()

    def forward(self, x: Array) -> Array:
        x = self.start(x)
        if self.training:
            mean, centred, var, n = moments(x, self.copied, self.whole)
            if n > 1:
                self.follow(self.running_mean, mean)
                self.follow(self.running_var, var)
        else:
            var = self.running_var.reshape(self.wide).astype(x.dtype, copy=False)
            centred = x - self.running_mean.reshape(self.wide).astype(x.dtype, copy=False)
        self.trained, self.r = self.training, 1 / np.sqrt(var + self.eps)
        return self.scale(centred * self.r)

    def follow(self, running: Array, batch: Array) -> None:
        """Move a running statistic, in place, towards that of the batch by 1 − momentum."""
        running[...] = self.momentum * running + (1 - self.momentum) * batch.reshape(running.shape)

    def backward(self, dy: Array) -> Array:
        g = self.unscale(dy)
        if not self.trained:
            return g * self.r
        return normalize_dx(g, self.xhat, self.r, self.copied, self.whole)


class LayerNorm(Normalization):
    """y = γ · (x − μ) / √(σ² + eps) + β, μ and σ² along `axis` (an integer, or several).

    Each sample for itself: training and evaluation are the same, and so is any batch size.
    Shapes: x, y (…, D); γ, β (D), or the lengths of the axes, in order.
    Gradient: dx = (g − mean(g) − x̂ · mean(g · x̂)) / √(σ² + eps) with x̂ = (y − β) / γ,
    g = dy · γ and means along the axis; dγ = Σ dy · x̂, dβ = Σ dy over the other axes.
    Raises ShapeError where x lacks an axis or has other lengths there, ValueError for eps ≤ 0 or
    x of another float dtype than γ.
    Source: Ba et al., "Layer normalization", 2016.
    """

    def __init__(self, *, axis: int | tuple[int, ...] = -1, eps: float = 1e-5):
        super().__init__(eps=eps)
        self.axis = axis

    def scaled_axes(self, x: Array) -> Axes:
        return normal_axes(self, x)

    def forward(self, x: Array) -> Array:
        x = self.start(x)
        self.axes = self.scaled_axes(x)
        xhat, self.r = normalize(x, self.axes, self.eps)
        return self.scale(xhat)

    def backward(self, dy: Array) -> Array:
        return normalize_dx(self.unscale(dy), self.xhat, self.r, self.axes)


class RMSNorm(LayerNorm):
    """y = γ · x / √(mean(x²) + eps), the mean along `axis` (an integer, or several).

    Shapes: x, y (…, D); γ (D), or the lengths of the axes, in order.
    Gradient: dx = (g − x̂ · mean(g · x̂)) · r with r = 1 / √(mean(x²) + eps), x̂ = x · r and
    g = dy · γ: as LayerNorm, without the mean of g; dγ = Σ dy · x̂ over the other axes.
    Raises ShapeError where x lacks an axis or has other lengths there, ValueError for eps ≤ 0 or
    x of another float dtype than γ.
    Source: Zhang & Sennrich, "Root mean square layer normalization", NeurIPS 2019.
    """

    params = ("gamma",)

    def forward(self, x: Array) -> Array:
        x = self.start(x)
        self.axes = self.scaled_axes(x)
        self.r = 1 / np.sqrt((x * x).mean(axis=self.axes, keepdims=True) + self.eps)
        self.xhat = x * self.r
        return self.gamma.reshape(self.wide) * self.xhat

    def backward(self, dy: Array) -> Array:
        self.dgamma = (dy * self.xhat).sum(axis=self.copied)
        g = dy * self.gamma.reshape(self.wide)
        return self.r * (g - self.xhat * (g * self.xhat).mean(axis=self.axes, keepdims=True))


class GroupNorm(Normalization):
    """y = γ · (x − μ) / √(σ² + eps) + β, μ and σ² over each group of channels of a sample.

    The C channels are cut into `groups` of equal size, in order. One group is LayerNorm of the
    whole image with γ per channel; C groups are InstanceNorm.
    Shapes: x, y (N, C, …); γ, β (C).
    Gradient: dx = (g − mean(g) − x̂ · mean(g · x̂)) / √(σ² + eps) with x̂ = (y − β) / γ,
    g = dy · γ and means over the group; dγ = Σ dy · x̂, dβ = Σ dy over all axes but C.
    Raises ShapeError where x has fewer than two axes or other channels, ValueError where groups
    do not divide C, for eps ≤ 0, or x of another float dtype than γ.
    Source: Wu & He, "Group normalization", ECCV 2018.
    """

    def __init__(self, groups: int, *, eps: float = 1e-5):
        super().__init__(eps=eps)
        self.groups = integer("GroupNorm", "groups", groups, 1)

    def forward(self, x: Array) -> Array:
        x = self.start(x)
        n, c = x.shape[:2]
        if c % self.groups:
            raise ValueError(f"GroupNorm: groups must divide C, got {self.groups} and {c}")
        self.grouped = (n, self.groups, c // self.groups * prod(x.shape[2:]))
        xhat, self.r = normalize(x.reshape(self.grouped), (2,), self.eps)
        return self.scale(xhat.reshape(x.shape))

    def backward(self, dy: Array) -> Array:
        g = self.unscale(dy).reshape(self.grouped)
        return normalize_dx(g, self.xhat.reshape(self.grouped), self.r, (2,)).reshape(dy.shape)


class InstanceNorm(Normalization):
    """y = γ · (x − μ) / √(σ² + eps) + β, μ and σ² over each channel of each sample's image.

    Shapes: x, y (N, C, …) with an axis after C; γ, β (C).
    Gradient: dx = (g − mean(g) − x̂ · mean(g · x̂)) / √(σ² + eps) with x̂ = (y − β) / γ,
    g = dy · γ and means over the image; dγ = Σ dy · x̂, dβ = Σ dy over all axes but C.
    Raises ShapeError where x has fewer than three axes or other channels, ValueError for eps ≤ 0
    or x of another float dtype than γ.
    Source: Ulyanov et al., "Instance normalization", 2016.
    """

    def scaled_axes(self, x: Array) -> Axes:
        if x.ndim < 3:
            raise ShapeError(f"InstanceNorm: x must be (N, C, …) with an image, got {x.shape}")
        return (1,)

    def forward(self, x: Array) -> Array:
        x = self.start(x)
        self.axes = tuple(range(2, x.ndim))
        xhat, self.r = normalize(x, self.axes, self.eps)
        return self.scale(xhat)

    def backward(self, dy: Array) -> Array:
        return normalize_dx(self.unscale(dy), self.xhat, self.r, self.axes)
