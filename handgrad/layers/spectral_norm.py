"""SpectralNorm: a layer whose matrix stretches no vector."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layer import Layer, is_layer, parameter_names


class SpectralNorm(Layer):
    """The layer inside with W / σ for W, σ being the largest singular value of W as a matrix.

    The rows of the matrix are those of W, its columns all other axes; σ is found anew at each use,
    by the singular value decomposition, so that there is no state. A W of zeros stays as it is.
    Shapes: those of the layer, which has a parameter W, such as Affine or Convolution.
    Gradient: with W̄ = W / σ and singular vectors u and v for σ = uᵀ W v, from the layer's dW̄:
    dW = (dW̄ − Σ(dW̄ · W̄) · u vᵀ) / σ; all others are the layer's own.
    At two largest singular values that are equal: u and v are those of the first.
    Raises ValueError for a layer without W.
    Source: Miyato et al., "Spectral normalization for generative adversarial networks", ICLR 2018,
    equation 12.
    """

    def __init__(self, layer: Any):
        if not is_layer(layer) or "W" not in parameter_names(layer):
            raise ValueError(
                f"SpectralNorm: a layer with a parameter W is needed, as Affine has, got {layer!r}"
            )
        self.layer = layer

    def build(self, *inputs: Any) -> None:
        self.layer.build(*inputs)

    def forward(self, *inputs: Any) -> Any:
        self.build(*inputs)
        W = self.layer.W
        u, sigmas, vt = np.linalg.svd(W.reshape(len(W), -1), full_matrices=False)
        self.sigma = sigmas[0] if sigmas[0] > 0 else W.dtype.type(1)
        self.direction = np.outer(u[:, 0], vt[0]).reshape(W.shape)
        self.divided = W / self.sigma
        with self.normalized():
            return self.layer.forward(*inputs)

    def backward(self, *dy: Any) -> Any:
        self.layer.needs_input_grad = self.needs_input_grad
        with self.normalized():
            dx = self.layer.backward(*dy)
        dW = self.layer.dW
        along: Array = (dW * self.divided).sum()
        self.layer.dW = (dW - along * self.direction) / self.sigma
        return dx

    @contextmanager
    def normalized(self) -> Iterator[None]:
        """Inside, the layer computes with W / σ."""
        W = self.layer.W
        self.layer.W = self.divided
        try:
            yield
        finally:
            self.layer.W = W
