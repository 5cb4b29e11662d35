"""Activations made of straight pieces or parabolas: ReLU6, PReLU, HardSigmoid, HardSwish.

Each converts integers to float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, as_float
from handgrad.layer import Layer


class ReLU6(Layer):
    """y = min(max(x, 0), 6). Shapes: x, y (any).

    Gradient: dx = dy where 0 < x < 6, else 0.
    At x = 0 and x = 6: the slope counts as 0, the least of the subgradients in length.
    Source: Krizhevsky, "Convolutional deep belief networks on CIFAR-10", 2010.
    """

    initial_weights = "he"

    def forward(self, x: Array) -> Array:
        self.y = np.clip(as_float(x), 0, 6)
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy * ((self.y > 0) & (self.y < 6))


class PReLU(Layer):
    """y = x where x > 0, else a · x, the slope a being learned.

    Shapes: x, y (N, C, …); a (1), or with `per_channel` (C), found from the first batch. a starts
    at `init`.
    Gradient: dx = dy where x > 0, else a · dy; da = Σ dy · x over all x ≤ 0 that share it.
    At x = 0: the left slope.
    Raises ShapeError where x has no channels, or not C; ValueError for init that is no number.
    Source: He et al., "Delving deep into rectifiers", ICCV 2015.
    """

    params = ("a",)
    initial_weights = "he"

    def __init__(self, *, per_channel: bool = False, init: float = 0.25):
        if not isinstance(init, int | float | np.number):
            raise ValueError(f"PReLU: init is the slope to begin with, a number, got {init!r}")
        self.per_channel, self.init = per_channel, init

    def build(self, x: Any = None) -> None:
        if "a" in self.__dict__ or (x is None and self.per_channel):
            return
        if self.per_channel and np.ndim(x) < 2:
            raise ShapeError(f"PReLU: x (N, C, …) needs a channel axis, got shape {np.shape(x)}")
        dtype = self.dtype or (np.float64 if x is None else as_float(x).dtype)
        self.a = np.full(x.shape[1] if self.per_channel else 1, self.init, dtype)

    def forward(self, x: Array) -> Array:
        self.build(x)
        self.x = as_float(x, self.a.dtype)
        return np.where(self.x > 0, self.x, self._slope() * self.x)

    def backward(self, dy: Array) -> Array:
        below = np.where(self.x > 0, 0, dy * self.x)
        shared = tuple(a for a in range(below.ndim) if not (self.per_channel and a == 1))
        self.da = below.sum(axis=shared).reshape(self.a.shape)
        return np.where(self.x > 0, dy, self._slope() * dy)

    def _slope(self) -> Array:
        if not self.per_channel:
            return self.a.reshape(()) if self.x.ndim == 0 else self.a
        if self.x.ndim < 2 or self.x.shape[1] != len(self.a):
            raise ShapeError(f"PReLU: x needs {len(self.a)} channels (N, C, …), got {self.x.shape}")
        return self.a.reshape((len(self.a),) + (1,) * (self.x.ndim - 2))


class HardSigmoid(Layer):
    """y = x / 6 + ½, cut to [0, 1]. Shapes: x, y (any).

    Gradient: dx = dy / 6 where −3 < x < 3, else 0.
    At x = ±3: the slope counts as 0.
    Source: Howard et al., "Searching for MobileNetV3", ICCV 2019, section 5.2.
    """

    def forward(self, x: Array) -> Array:
        self.y = np.clip(as_float(x) / 6 + 0.5, 0, 1)
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy / 6 * ((self.y > 0) & (self.y < 1))


class HardSwish(Layer):
    """y = x · h, where h = x / 6 + ½, cut to [0, 1]. Shapes: x, y (any).

    Gradient: dx = dy · (h + x / 6) where −3 < x < 3, else dy · h.
    At x = ±3: the outer slope, 0 or 1.
    Source: Howard et al., "Searching for MobileNetV3", ICCV 2019, section 5.2.
    """

    initial_weights = "he"

    def forward(self, x: Array) -> Array:
        self.x = as_float(x)
        self.h = np.clip(self.x / 6 + 0.5, 0, 1)
        return self.x * self.h

    def backward(self, dy: Array) -> Array:
        inside = (self.h > 0) & (self.h < 1)
        return dy * (self.h + self.x / 6 * inside)
