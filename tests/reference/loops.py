"""Layers written as loops over single numbers, with `math` alone: slow and easy to believe."""

from __future__ import annotations

import math

import numpy as np


def elementwise(function, x):
    """function of each number in x."""
    y = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        y[index] = function(float(x[index]))
    return y


ACTIVATIONS = {
    "Step": lambda x: 1.0 if x > 0 else 0.0,
    "Sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "Tanh": math.tanh,
    "ReLU": lambda x: x if x > 0 else 0.0,
    "LeakyReLU": lambda x: x if x > 0 else 0.01 * x,
    "ELU": lambda x: x if x > 0 else math.exp(x) - 1,
    "SELU": lambda x: 1.0507009873554805 * (
        x if x > 0 else 1.6732632423543772 * (math.exp(x) - 1)),
    "Softplus": lambda x: math.log(1 + math.exp(x)),
    "SiLU": lambda x: x / (1 + math.exp(-x)),
    "GELU": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
}  # fmt: skip

DERIVATIVES = {
    "Step": lambda x: 0.0,
    "Sigmoid": lambda x: math.exp(-x) / (1 + math.exp(-x)) ** 2,
    "Tanh": lambda x: 1 / math.cosh(x) ** 2,
    "ReLU": lambda x: 1.0 if x > 0 else 0.0,
    "LeakyReLU": lambda x: 1.0 if x > 0 else 0.01,
    "ELU": lambda x: 1.0 if x > 0 else math.exp(x),
    "SELU": lambda x: 1.0507009873554805 * (1.0 if x > 0 else 1.6732632423543772 * math.exp(x)),
    "Softplus": lambda x: 1 / (1 + math.exp(-x)),
    "SiLU": lambda x: (1 + math.exp(-x) + x * math.exp(-x)) / (1 + math.exp(-x)) ** 2,
    "GELU": lambda x: (1 + math.erf(x / math.sqrt(2))) / 2
    + x * math.exp(-x * x / 2) / math.sqrt(2 * math.pi),
}  # fmt: skip


def softmax(row):
    """Probabilities from one row of scores."""
    top = max(row)
    powers = [math.exp(x - top) for x in row]
    return [p / sum(powers) for p in powers]


def softmax_backward(row, dy):
    """dx of one row through the whole matrix of derivatives, ∂yᵢ/∂xⱼ = yᵢ · (δᵢⱼ − yⱼ)."""
    y = softmax(row)
    n = range(len(y))
    return [sum(dy[i] * y[i] * ((i == j) - y[j]) for i in n) for j in n]


def cross_entropy(y, t, weights=None, class_weights=None, smoothing=0.0, ignore=None):
    """Loss and dy for scores y (N, C) and labels t (N), one sample and one class at a time."""
    n, c = y.shape
    w = [1.0] * n if weights is None else list(weights)
    v = [1.0] * c if class_weights is None else list(class_weights)
    loss, whole, dy = 0.0, 0.0, np.zeros((n, c))
    for i in range(n):
        if t[i] == ignore:
            continue
        p = softmax(list(y[i]))
        whole += w[i] * v[t[i]]
        for k in range(c):
            target = (1 - smoothing) * (k == t[i]) + smoothing / c
            loss -= w[i] * v[k] * target * math.log(p[k])
            for j in range(c):
                dy[i, j] += w[i] * v[k] * target * (p[j] - (j == k))
    return loss / whole, dy / whole


def max_backward(x, dy):
    """dx of the maximum of each row of x (N, D): dy at the first largest."""
    dx = np.zeros(x.shape)
    for i, row in enumerate(x):
        best = 0
        for j, value in enumerate(row):
            if value > row[best]:
                best = j
        dx[i, best] = dy[i]
    return dx


def affine(x, w, b):
    """x @ w + b by three loops."""
    y = np.zeros((len(x), w.shape[1]))
    for i in range(len(x)):
        for j in range(w.shape[1]):
            y[i, j] = b[j] + sum(x[i, k] * w[k, j] for k in range(len(w)))
    return y


def affine_backward(x, w, dy):
    """dx, dW and db: every product x · w of the forward gives to both of its factors."""
    dx, dw, db = np.zeros(x.shape), np.zeros(w.shape), np.zeros(w.shape[1])
    for i in range(len(x)):
        for j in range(w.shape[1]):
            db[j] += dy[i, j]
            for k in range(len(w)):
                dx[i, k] += dy[i, j] * w[k, j]
                dw[k, j] += dy[i, j] * x[i, k]
    return dx, dw, db
