"""Loss: what all losses share, the weighted mean of terms; and those of one term per element.

`forward(y, t, weights=None)` gives one number, of y's dtype; `backward(dloss)` the gradient of y,
and None for t, which is data. `weights` (N) are weights of the samples.
"""

from __future__ import annotations

from math import inf, prod
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, as_float
from handgrad.layer import Layer


def sample_weights(loss: Any, weights: Any, shape: tuple[int, ...]) -> Array:
    """The weights in float64, shaped (N, 1, …) to multiply an array of the given shape.

    Raises ShapeError unless there is one for each sample, ValueError unless all are ≥ 0 and they
    have a finite sum.
    """
    name = type(loss).__name__
    weights = as_float(weights, np.float64).astype(np.float64, copy=False)
    if weights.shape != shape[:1]:
        raise ShapeError(
            f"{name}: weights must have shape {shape[:1]}, got {weights.shape}; one weight "
            "for each sample is needed"
        )
    signed = loss.signed and np.isfinite(weights).all()
    if weights.size and not (signed or (weights.min() >= 0 and weights.sum() < inf)):
        raise ValueError(
            f"{name}: weights must be finite and ≥ 0, got values from {weights.min()} to "
            f"{weights.max()} with the sum {weights.sum()}"
        )
    return weights.reshape(weights.shape + (1,) * (len(shape) - 1))


def require_weight(loss: Any, total: float) -> float:
    """The sum of all weights itself, once it is seen that there is something to learn from."""
    if not 0 < total < inf:
        raise ValueError(
            f"{type(loss).__name__}: nothing to learn from: the batch is empty, or every label is "
            f"ignored or has weight 0 (the weights sum to {total})"
        )
    return total


class Loss(Layer):
    """Base: a weighted sum of terms over D, `denominator` after forward.

    loss = Σ uᵢ · termᵢ / D over the counted elements i; u = weight of the sample · weight of its
    class, 1 where none are given; ignored labels are not counted.
    D = Σ u of the batch where `normalizer` is None: weights compare the samples of one batch
    alone, and cancel in a batch of one. D = count · ū where `normalizer` is ū: with ū =
    mean_weight(t, weights) = Σ u / N over a data set of N elements, element i moves the
    parameters in proportion to uᵢ · N / Σ u, whatever the batch size.
    Batches with gradients gₖ have together the gradient Σ gₖ · Dₖ / together(D₁, D₂, …), and so
    has the loss: a mean over batches, accumulated parts or processes is that of all elements.
    Shapes: y and t (N, …), weights (N), loss ().
    Gradient: dloss · uᵢ / D · ∂termᵢ / ∂y.
    Raises ShapeError for weights that are not (N), ValueError unless they are finite and ≥ 0, or
    where nothing is left to learn from; with a normalizer the loss is then 0.
    """

    normalizer: float | None = None
    signed = False  # whether weights of samples may be negative
    denominator = 0.0

    def mean_weight(
        self, t: Any, weights: Any = None, y_shape: tuple[int, ...] | None = None
    ) -> float:
        """ū = Σ u / count over a data set, to be its `normalizer`; 1 without weights.

        y_shape: of the outputs for t or a part of t; tells one-hot integers from labels.
        """
        if weights is None:
            return 1.0
        return require_weight(
            self, float(sample_weights(self, weights, np.shape(t)[:1]).sum())
        ) / len(t)

    def together(self, *denominators: float) -> float:
        """D of several batches taken as one."""
        return sum(denominators)

    def divisor(self, total: float, count: int) -> float:
        """D for Σ u = total over `count` elements, which it keeps; ∞ where nothing counts."""
        if self.normalizer is None:
            self.denominator = require_weight(self, float(total))
        elif 0 < self.normalizer < inf:
            self.denominator = count * float(self.normalizer)
        else:
            raise ValueError(
                f"{type(self).__name__}: normalizer must be a positive number, as mean_weight "
                f"gives it, or None, got {self.normalizer}"
            )
        return self.denominator or inf

    def weigh(self, y: Array, weights: Array | None, elements: int = 1) -> Any:
        """u / D for samples of so many elements: one number for all, or (N, 1, …); keeps D."""
        if weights is None:
            count = prod(y.shape[:1]) * elements
            return y.dtype.type(1 / self.divisor(count, count))
        w = sample_weights(self, weights, y.shape)
        return (w / self.divisor(float(w.sum()) * elements, w.size * elements)).astype(y.dtype)


class ElementwiseLoss(Loss):
    """Base: the weighted mean of `term(y, t)` over all elements, each with its sample's weight.

    loss = Σ wₙ · termₙₖ / D, D = K · Σ wₙ for K elements per sample; all wₙ = 1 where none are
    given; `Loss` says what a normalizer changes.
    Shapes: y and t (N, …) alike, weights (N), loss ().
    Gradient: dy = dloss · derivative · wₙ / D.
    Raises ShapeError where t does not fit y, and as `Loss` says. Integers become real numbers, t
    takes the dtype of y.
    """

    def term(self, y: Array, t: Array) -> Array:
        """The loss of each element; keeps what `derivative` needs."""
        raise NotImplementedError(f"{type(self).__name__} has no term")

    def derivative(self) -> Array:
        """The derivative of `term` with respect to y."""
        raise NotImplementedError(f"{type(self).__name__} has no derivative")

    def forward(self, y: Array, t: Array, weights: Array | None = None) -> Array:
        y = as_float(y)
        t = as_float(t, y.dtype).astype(y.dtype, copy=False)
        if y.shape != t.shape:
            column = y.shape == (*t.shape, 1)
            raise ShapeError(
                f"{type(self).__name__}: t must have the shape of y, {y.shape}, got {t.shape}"
                + ("; t[..., None] would do" if column else "")
            )
        self.scale = self.weigh(y, weights, prod(y.shape[1:]))
        terms = self.term(y, t)
        if weights is None:
            with np.errstate(over="ignore"):
                total = terms.sum() * self.scale
            if -inf < total < inf:
                return total
        return (terms * self.scale).sum()  # slower, but where the mean is finite it is found

    def backward(self, dloss: Any = 1.0) -> tuple[Array, None]:
        derivative = self.derivative()
        return derivative * (as_float(dloss).astype(derivative.dtype) * self.scale), None
