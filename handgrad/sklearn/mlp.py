"""The network of an estimator: made from sizes, and as coefs_ and intercepts_ on raw data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layers import (
    ELU,
    GELU,
    SELU,
    Affine,
    BatchNorm,
    ColumnEmbedding,
    Dropout,
    LeakyReLU,
    Mish,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from handgrad.network import Sequential
from handgrad.sklearn.scaling import Scaling
from handgrad.train.heads import head_layers

ACTIVATIONS: dict[str, Any] = {
    "identity": None, "logistic": Sigmoid, "tanh": Tanh, "relu": ReLU, "elu": ELU, "gelu": GELU,
    "leaky_relu": LeakyReLU, "mish": Mish, "selu": SELU, "silu": SiLU, "softplus": Softplus,
}  # fmt: skip

Weights = tuple[list[Array], list[Array]]  # coefs_, intercepts_


def initial(units: Sequence[int], activations: Sequence[str], random: Any) -> Weights:
    """Uniform weights and biases in ±√(6 / (fan_in + fan_out)), with 2 for 6 before a logistic
    function: the rule of scikit-learn, and its numbers for the same random state.

    Source: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010.
    """
    coefs, intercepts = [], []
    for i, (before, after) in enumerate(zip(units, units[1:])):
        factor = 2 if activations and activations[min(i, len(activations) - 1)] == "logistic" else 6
        bound = np.sqrt(factor / (before + after))
        coefs.append(random.uniform(-bound, bound, (before, after)))
        intercepts.append(random.uniform(-bound, bound, after))
    return coefs, intercepts


def network_of(
    weights: Weights, activations: Sequence[str], *, dropout: float = 0.0,
    batch_norm: bool = False, seed: int = 0, dtype: Any = np.float32,
    first: ColumnEmbedding | None = None, heads: Sequence[int] = (),
) -> Sequential:  # fmt: skip
    """Affine, BatchNorm, activation, Dropout for each hidden layer, and an Affine; behind `first`,
    where there is one, and before the layers of `heads`, the classes of several targets."""
    layers: list[Any] = [] if first is None else [first]
    inputs = len(weights[0][0])
    if first is not None:
        inputs -= len(first.columns) * (first.hidden - 1)
    for i, (W, b) in enumerate(zip(*weights)):
        affine = Affine(W.shape[1], inputs=W.shape[0])
        affine.W, affine.b = np.array(W, dtype), np.array(b, dtype)
        layers.append(affine)
        if i == len(weights[0]) - 1:
            break
        if batch_norm:
            layers.append(BatchNorm())
        if ACTIVATIONS[activations[i]] is not None:
            layers.append(ACTIVATIONS[activations[i]]())
        if dropout:
            layers.append(Dropout(dropout))
    network = Sequential(*layers, *head_layers(heads), seed=seed, dtype=dtype)
    return network.build(np.zeros((1, inputs), dtype))


def raw_weights(network: Any, inputs: Scaling, outputs: Scaling, log: bool = False) -> Weights:
    """coefs_ and intercepts_ that take raw inputs and give raw outputs, in float64.

    Scaling of the inputs, batch normalization and scaling of the targets are affine, so they go
    into the layers beside them. log: the outputs are logarithms of what is scaled.
    """
    coefs: list[Array] = []
    intercepts: list[Array] = []
    for layer in network.members:
        if isinstance(layer, Affine):
            coefs.append(np.array(layer.W, np.float64))
            intercepts.append(np.array(layer.b, np.float64))
        elif isinstance(layer, BatchNorm):
            factor = layer.gamma / np.sqrt(layer.running_var.astype(np.float64) + layer.eps)
            coefs[-1] *= factor
            intercepts[-1] = (intercepts[-1] - layer.running_mean) * factor + layer.beta
    coefs[0] /= inputs.width[:, None]
    intercepts[0] -= inputs.center @ coefs[0]
    if log:
        intercepts[-1] += np.log(outputs.width)
    else:
        coefs[-1] *= outputs.width
        intercepts[-1] = intercepts[-1] * outputs.width + outputs.center
    return coefs, intercepts


def scaled_weights(weights: Weights, inputs: Scaling, outputs: Scaling, log: bool) -> Weights:
    """The reverse of `raw_weights`, for a network without batch normalization."""
    coefs, intercepts = ([np.array(a, np.float64) for a in arrays] for arrays in weights)
    if log:
        intercepts[-1] -= np.log(outputs.width)
    else:
        coefs[-1] /= outputs.width
        intercepts[-1] = (intercepts[-1] - outputs.center) / outputs.width
    intercepts[0] += inputs.center @ coefs[0]
    coefs[0] *= inputs.width[:, None]
    return coefs, intercepts


def scores(x: Array, weights: Weights, activations: Sequence[str]) -> Array:
    """The outputs of the last layer, before its activation, for raw x (N, D)."""
    for i, (W, b) in enumerate(zip(*weights)):
        x = np.asarray(x @ W)
        x += b
        if i < len(weights[0]) - 1 and ACTIVATIONS[activations[i]] is not None:
            x = ACTIVATIONS[activations[i]]()(x)
    return x


def sparse_scores(
    X: Any, inputs: Scaling | None, weights: Weights, activations: Sequence[str]
) -> Array:
    """The same for a sparse matrix, of which only what is stored is multiplied.

    Outliers are clipped; so are zeros, whose part is in the intercepts.
    """
    (coefs, intercepts), X = weights, X.tocsr().copy()
    X.sum_duplicates()
    zeros = np.zeros((1, X.shape[1]), X.dtype)
    if inputs is not None:
        zeros = inputs.clip(zeros)
        X.data = inputs.at(X.indices).clip(X.data) - zeros[0][X.indices]
    first = intercepts[0] + (zeros @ coefs[0])[0]
    return scores(X, (coefs, [first, *intercepts[1:]]), activations)
