"""Dropout: switch off random elements while training."""

from __future__ import annotations

from handgrad.arrays import Array, Stream, array_module, as_float
from handgrad.layer import Layer


class Dropout(Layer):
    """Each element is zero with probability `ratio`; the others grow by 1 / (1 − ratio).

    y = x · m, m = 1 / (1 − ratio) where a random 32-bit word is ≥ ratio · 2³², else 0: the mean
    stays x. One word per element, in C order, from the layer's stream. In evaluation mode y = x.
    Shapes: x, y (any).
    Gradient: dx = dy · m, with the mask of the forward.
    Raises ValueError for a ratio outside [0, 1). Integer x is converted to float64.
    Source: Srivastava et al., "Dropout", JMLR 2014, section 10 (the inverted form).
    """

    def __init__(self, ratio: float = 0.5, *, seed: int | None = None):
        if not 0 <= ratio < 1:
            raise ValueError(f"Dropout: ratio must lie in [0, 1), got {ratio}")
        self.ratio, self.seed = ratio, seed
        if seed is not None:
            self.stream = Stream(seed)

    def forward(self, x: Array) -> Array:
        x = as_float(x)
        self.mask = None
        if not self.training:
            return x
        keep = self.draw().bits(x.size) >= self.ratio * 2**32
        mask = keep.reshape(x.shape) * x.dtype.type(1 / (1 - self.ratio))
        self.mask = array_module(x).asarray(mask)
        return x * self.mask

    def backward(self, dy: Array) -> Array:
        return dy if self.mask is None else dy * self.mask
