"""MatMul: the product of matrices, or of stacks of them."""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array, ShapeError
from handgrad.layer import Layer


class MatMul(Layer):
    """y = a @ b for matrices, or stacks of them. Shapes: a (…, N, K), b (…, K, M), y (…, N, M).

    Gradient: da = dy @ bᵀ, db = aᵀ @ dy: the only products whose shapes fit.
    Raises ShapeError for fewer than two axes, inner lengths or leading axes that differ.
    Source: Saito, "Deep Learning from Scratch", section 5.6.1.
    """

    def forward(self, a: Array, b: Array) -> Array:
        fits = (
            min(np.ndim(a), np.ndim(b)) >= 2
            and a.shape[-1] == b.shape[-2]
            and a.shape[:-2] == b.shape[:-2]
        )
        if not fits:
            raise ShapeError(
                f"MatMul: shapes (…, N, K) and (…, K, M) are needed, got {np.shape(a)} and "
                f"{np.shape(b)}"
            )
        self.a, self.b = a, b
        return a @ b

    def backward(self, dy: Array) -> tuple[Array, Array]:
        return dy @ self.b.swapaxes(-1, -2), self.a.swapaxes(-1, -2) @ dy
