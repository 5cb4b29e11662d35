"""Dropout: switch off random elements, or whole channels, while training."""

from __future__ import annotations

from math import prod

from handgrad.arrays import Array, ShapeError, Stream, array_module, as_float
from handgrad.layer import Layer
from handgrad.layers.checks import is_number


class Dropout(Layer):
    """Each element is zero with probability `ratio`; the others grow by 1 / (1 − ratio).

    y = x · m, m = 1 / (1 − ratio) where a random 32-bit word is ≥ ratio · 2³², else 0: the mean
    stays x. One word per element, in C order, from the layer's stream. In evaluation mode y = x.
    scaled=True is the other form: m = 1 or 0 in training, and y = x · (1 − ratio) in evaluation.
    Shapes: x, y (any).
    Gradient: dx = dy · m, with the mask of the forward.
    Raises ValueError for a ratio outside [0, 1). Integer x is converted to float64.
    Source: Srivastava et al., "Dropout", JMLR 2014, section 10 (the inverted form) and 4 (the
    scaled one); Saito, "Deep Learning from Scratch", section 6.4.3 (scaled).
    """

    def __init__(self, ratio: float = 0.5, *, scaled: bool = False, seed: int | None = None):
        if not is_number(ratio) or not 0 <= ratio < 1:
            raise ValueError(f"{type(self).__name__}: ratio must lie in [0, 1), got {ratio!r}")
        self.ratio, self.scaled, self.seed = ratio, scaled, seed
        if seed is not None:
            self.stream = Stream(seed)

    def mask_shape(self, x: Array) -> tuple[int, ...]:
        """One random word for each element."""
        return x.shape

    def forward(self, x: Array) -> Array:
        x = as_float(x)
        number, shape, self.mask = x.dtype.type, self.mask_shape(x), None
        if self.training:
            keep = self.draw().bits(prod(shape)) >= self.ratio * 2**32
            mask = keep.reshape(shape) * number(1 if self.scaled else 1 / (1 - self.ratio))
            self.mask = array_module(x).asarray(mask)
        elif self.scaled:
            self.mask = number(1 - self.ratio)
        return x if self.mask is None else x * self.mask

    def backward(self, dy: Array) -> Array:
        return dy if self.mask is None else dy * self.mask


class SpatialDropout(Dropout):
    """Each channel of each sample is zero as a whole with probability `ratio`.

    y = x · m as for Dropout, with one random word for each channel: neighbours in an image say
    much the same, so that an element alone would not be missed.
    Shapes: x, y (N, C, …) with an axis after C.
    Gradient: dx = dy · m, with the mask of the forward.
    Raises ShapeError where x has fewer than three axes, ValueError for a ratio outside [0, 1).
    Source: Tompson et al., "Efficient object localization using convolutional networks", CVPR
    2015, section 3.2.
    """

    def mask_shape(self, x: Array) -> tuple[int, ...]:
        if x.ndim < 3:
            raise ShapeError(
                f"SpatialDropout: x must be (N, C, …) with an image, got shape {x.shape}; use "
                "Dropout for (N, D)"
            )
        return (*x.shape[:2], *[1] * (x.ndim - 2))
