"""Dropout for sequences: one mask for all steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, Stream, array_module, as_float
from handgrad.layer import Layer
from handgrad.layers.checks import is_number


class VariationalDropout(Layer):
    """Dropout that switches off the same elements at every step: one mask for each sequence.

    y[n, t, d] = x[n, t, d] · m[n, d], m = 0 with probability `ratio`, else 1 / (1 − ratio), from
    the layer's stream. In evaluation mode y = x. Integer x is converted to float64.
    Shapes: x, y (N, T, D), m (N, D).
    Gradient: dx = dy · m, with the mask of the forward.
    Raises ValueError for a ratio outside [0, 1), ShapeError where x is not (N, T, D).
    Source: Gal & Ghahramani, "A theoretically grounded application of dropout in recurrent neural
    networks", NIPS 2016.
    """

    def __init__(self, ratio: float = 0.5, *, seed: int | None = None):
        if not is_number(ratio) or not 0 <= ratio < 1:
            raise ValueError(f"VariationalDropout: ratio must lie in [0, 1), got {ratio!r}")
        self.ratio, self.seed = ratio, seed
        if seed is not None:
            self.stream = Stream(seed)

    def forward(self, x: Array) -> Array:
        x = as_float(x)
        if x.ndim != 3:
            raise ShapeError(f"VariationalDropout: x must be (N, T, D), got {x.shape}")
        self.mask = None
        if not self.training:
            return x
        like = np.empty_like(x, shape=(len(x), 1, x.shape[2]))
        self.mask = draw_mask(self, self.ratio, like)
        return x * self.mask

    def backward(self, dy: Array) -> Array:
        return dy if self.mask is None else dy * self.mask


def draw_mask(layer: Any, ratio: float, like: Array) -> Array:
    """Zero with probability `ratio`, else 1 / (1 − ratio): one word of the stream per element."""
    keep = layer.draw().bits(like.size) >= ratio * 2**32
    mask = keep.reshape(like.shape) * like.dtype.type(1 / (1 - ratio))
    return array_module(like).asarray(mask)
