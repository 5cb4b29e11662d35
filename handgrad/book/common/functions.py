"""Functions of arrays that both books' scripts use."""

import numpy as np

from handgrad import layers
from handgrad.arrays import Array
from handgrad.layers.activation import sigmoid as stable_sigmoid

LEAST = 1e-7  # the books add this to a probability before its logarithm


def identity_function(x: Array) -> Array:
    """x itself."""
    return x


def step_function(x: Array) -> Array:
    """1 where x > 0, else 0."""
    return np.array(x > 0, dtype=int)


def sigmoid(x: Array) -> Array:
    """1 / (1 + e⁻ˣ), without overflow."""
    return stable_sigmoid(x)[()]


def sigmoid_grad(x: Array) -> Array:
    """The derivative of the sigmoid, y · (1 − y)."""
    y = sigmoid(x)
    return (1 - y) * y


def relu(x: Array) -> Array:
    """max(x, 0)."""
    return np.maximum(0, x)


def relu_grad(x: Array) -> Array:
    """The derivative of relu. At x = 0: 1, the right derivative."""
    return np.where(x >= 0, np.ones_like(x), np.zeros_like(x))


def softmax(x: Array) -> Array:
    """exp(x) / Σ exp(x) along the last axis; the largest x is subtracted first."""
    return layers.Softmax().forward(x)


def sum_squared_error(y: Array, t: Array) -> float:
    """½ Σ (y − t)²."""
    return 0.5 * np.sum((y - t) ** 2)


def cross_entropy_error(y: Array, t: Array) -> float:
    """The mean over the batch of −ln(p + 10⁻⁷), p being the probability of the right class.

    Shapes: probabilities y (N, C) or (C); t labels (N), or probabilities shaped like y.
    """
    y = y.reshape(-1, y.shape[-1])
    if t.size == y.size:
        return -np.sum(t.reshape(y.shape) * np.log(y + LEAST)) / len(y)
    return -np.sum(np.log(y[np.arange(len(y)), t.reshape(-1)] + LEAST)) / len(y)


def softmax_loss(X: Array, t: Array) -> float:
    """The cross-entropy of scores X (N, C)."""
    return cross_entropy_error(softmax(X), t)
