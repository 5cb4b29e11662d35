"""The proof that opens a training: backprop against numerical differentiation, and their times.

Numerical differentiation is simple, and needs two forward passes for every parameter; backprop
gets all gradients from one backward pass. Where both agree, the backward passes are right.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.arrays import Array, Stream

STEP = 1e-5  # balances h² against rounding / h in float64


@dataclass(frozen=True)
class Row:
    """One parameter: how many entries were compared, and the largest difference."""

    path: str
    shape: tuple[int, ...]
    compared: int
    error: float


@dataclass(frozen=True)
class Proof:
    """What was compared, how well it agrees, and how long each way takes for all entries.

    `worst`: the largest |backprop − numerical| of a parameter, divided by the largest entry of
    its gradient.
    """

    rows: list[Row]
    worst: float
    numerical_seconds: float
    backprop_seconds: float
    tolerance: float = 1e-6

    @property
    def right(self) -> bool:
        """Whether every parameter agrees."""
        return self.worst < self.tolerance

    @property
    def times_faster(self) -> float:
        """How many times longer numerical differentiation takes."""
        return self.numerical_seconds / self.backprop_seconds

    def __str__(self) -> str:
        width = max(len("parameter"), *(len(row.path) for row in self.rows))
        lines = [f"{'parameter'.ljust(width)}  {'compared':>9}  relative error"]
        for row in self.rows:
            mark = "right" if row.error < self.tolerance else "WRONG"
            lines.append(f"{row.path.ljust(width)}  {row.compared:>9,}  {row.error:.1e}  {mark}")
        return "\n".join(lines)


def prove_network(network: Any, x: Any, t: Any, loss: Any, *, limit: int = 20_000) -> Proof:
    """Compare the gradient of loss(network(x), t) for every parameter, in float64 on a copy.

    g[i] ≈ (L(p + h eᵢ) − L(p − h eᵢ)) / 2h, with a smaller h where a kink may lie within.
    Above `limit` parameters a random choice of so many is compared, at least one of each array.
    The network is in evaluation mode, so that nothing random is in the way; it is not changed.
    """
    network = network.astype(np.float64).eval()
    x = np.asarray(x, np.float64) if np.asarray(x).dtype.kind == "f" else np.asarray(x)

    def value() -> float:
        return float(loss.forward(network.forward(x), t))

    def backprop() -> Array:
        value()
        gradients = loss.backward()
        network.backward(gradients[0] if isinstance(gradients, tuple) else gradients)
        return network.gradients.copy()

    analytic = backprop()
    backprop_seconds = min(_seconds(backprop) for _ in range(5))
    parameters = network.parameters
    rows, spent, compared = [], 0.0, 0
    for path, start, stop, shape in network.layout:
        size = stop - start
        count = min(size, max(1, size * limit // max(len(parameters), 1)))
        chosen = start + np.sort(Stream(0, start).generator().choice(size, count, replace=False))
        began = time.perf_counter()
        numeric = np.array([_difference_quotient(value, parameters, i, STEP) for i in chosen])
        spent += time.perf_counter() - began
        compared += count
        scale = max(abs(numeric).max(), abs(analytic[chosen]).max(), 1e-8)
        difference = abs(analytic[chosen] - numeric) / scale
        for k in np.flatnonzero(difference > 1e-7):
            closer = _difference_quotient(value, parameters, chosen[k], STEP / 100)
            difference[k] = min(difference[k], abs(analytic[chosen[k]] - closer) / scale)
        rows.append(Row(path, shape, count, float(difference.max())))
    spent *= len(parameters) / max(compared, 1)
    worst = max((row.error for row in rows), default=0.0)
    return Proof(rows, worst, spent, backprop_seconds)


def _difference_quotient(value: Any, parameters: Array, i: int, h: float) -> float:
    kept = parameters[i]
    parameters[i] = kept + h
    above = value()
    parameters[i] = kept - h
    below = value()
    parameters[i] = kept
    return (above - below) / (2 * h)


def _seconds(function: Any) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began
