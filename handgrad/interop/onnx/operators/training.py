"""Operators that learn: update rules. The gradient is found in `gradient.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.interop.onnx.operators.registry import TRAINING, operator


def columns(values: tuple[Any, ...], kinds: int) -> list[tuple[Any, ...]]:
    """(X, G, …) for each tensor, from all X, then all G, and so on."""
    if len(values) % kinds:
        raise ValueError(f"{len(values)} tensors cannot be cut into {kinds} equal parts")
    n = len(values) // kinds
    return list(zip(*(values[i * n : (i + 1) * n] for i in range(kinds))))


def rows(results: list[tuple[Any, ...]], values: tuple[Any, ...]) -> tuple[Any, ...]:
    """All new X, then all new states, in the dtype of what came in."""
    return tuple(v.astype(values[0].dtype) for column in zip(*results) for v in column)


@operator("Adagrad", domain=TRAINING)
def adagrad(rate, count, *values, decay_factor=0.0, epsilon=1e-6, norm_coefficient=0.0):
    step = rate / (1 + count * decay_factor)
    results = []
    for x, g, h in columns(values, 3):
        g = norm_coefficient * x + g
        h = h + g * g
        results.append((x - step * g / (np.sqrt(h) + epsilon), h))
    return rows(results, values)


@operator("Adam", domain=TRAINING)
def adam(rate, count, *values, alpha=0.9, beta=0.999, epsilon=1e-6, norm_coefficient=0.0,
         norm_coefficient_post=0.0):  # fmt: skip
    if count > 0:
        rate = rate * np.sqrt(1 - beta**count) / (1 - alpha**count)
    results = []
    for x, g, v, h in columns(values, 4):
        g = norm_coefficient * x + g
        v, h = alpha * v + (1 - alpha) * g, beta * h + (1 - beta) * g * g
        x = (1 - norm_coefficient_post) * (x - rate * v / (np.sqrt(h) + epsilon))
        results.append((x, v, h))
    return rows(results, values)


@operator("Momentum", domain=TRAINING)
def momentum(rate, count, *values, alpha, beta, mode, norm_coefficient):
    beta = beta if count > 0 else 1
    results = []
    for x, g, v in columns(values, 3):
        g = norm_coefficient * x + g
        v = alpha * v + beta * g
        results.append((x - rate * (g + alpha * v if mode == "nesterov" else v), v))
    return rows(results, values)
