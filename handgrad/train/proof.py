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
from handgrad.protocols import LossLike

STEPS = (1e-5, 1e-7, 1e-3)  # the usual one; nearer, for kinks; further, for large losses
TOLERANCE = 1e-6
ROUNDINGS = 8  # of the loss, in units of ε: it is a sum of rounded terms
COARSE = 5e-3  # rounding of more than this share of the gradient leaves nothing to be told


@dataclass(frozen=True)
class Row:
    """One parameter: how many entries were compared, and the largest difference.

    error: |backprop − numerical| divided by the largest entry of the gradient; rounding: how much
    of it the rounding of the loss may make, in the same unit.
    """

    path: str
    shape: tuple[int, ...]
    compared: int
    error: float
    rounding: float = 0.0

    @property
    def verdict(self) -> str:
        """right, WRONG, or cannot tell."""
        if self.error > TOLERANCE + self.rounding:
            return "WRONG"
        return "right" if self.error <= TOLERANCE or self.rounding <= COARSE else "cannot tell"


@dataclass(frozen=True)
class Proof:
    """What was compared, how well it agrees, and how long each way takes for all entries.

    `worst`: the largest relative error of a parameter, see `Row`.
    """

    rows: list[Row]
    worst: float
    numerical_seconds: float
    backprop_seconds: float

    @property
    def right(self) -> bool:
        """Whether every parameter agrees, as far as the rounding of the loss lets it be told."""
        return all(row.verdict != "WRONG" for row in self.rows)

    @property
    def times_faster(self) -> float:
        """How many times longer numerical differentiation takes."""
        return self.numerical_seconds / self.backprop_seconds

    def __str__(self) -> str:
        width = max(len("parameter"), *(len(row.path) for row in self.rows))
        lines = [f"{'parameter'.ljust(width)}  {'compared':>9}  relative error"]
        for row in self.rows:
            mark = row.verdict
            if row.error > TOLERANCE and mark != "WRONG":
                mark += f" (rounding of the loss: {row.rounding:.1e})"
            lines.append(f"{row.path.ljust(width)}  {row.compared:>9,}  {row.error:.1e}  {mark}")
        return "\n".join(lines)


def prove_network(network: Any, x: Any, t: Any, loss: LossLike, *, limit: int = 20_000) -> Proof:
    """Compare the gradient of loss(network(x), t) for every parameter, in float64 on a copy.

    g[i] ≈ (L(p + h eᵢ) − L(p − h eᵢ)) / 2h, with a smaller h where a kink may lie within, and a
    larger one where the rounding of L, ε |L| / h, would hide the difference: a loss of 1e11 has
    an error of 1e-5 itself. Where a kink lies at p itself (a bias of 0 under a ReLU, where x is
    0), whatever lies between the derivatives of both sides is right.
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
        derivatives = [_differences(value, parameters, i, STEPS[0]) for i in chosen]
        spent += time.perf_counter() - began
        compared += count
        numeric = np.array([derivative for derivative, _ in derivatives])
        scale = max(abs(numeric).max(), abs(analytic[chosen]).max(), 1e-8)
        entries = [_closest(value, parameters, i, analytic[i], scale, derivative)
                    for i, derivative in zip(chosen, derivatives)]  # fmt: skip
        error, rounding = max(
            entries, key=lambda pair: (pair[0] > TOLERANCE + pair[1], pair[1] > COARSE, pair[0])
        )
        rows.append(Row(path, shape, count, error, rounding))
    spent *= len(parameters) / max(compared, 1)
    worst = max((row.error for row in rows), default=0.0)
    return Proof(rows, worst, spent, backprop_seconds)


def _closest(
    value: Any, parameters: Array, i: int, wanted: float, scale: float, first: tuple[float, float]
) -> tuple[float, float]:
    """The error of one entry and its rounding, relative to scale, at the step that tells most."""
    found = []
    for h in STEPS:
        derivative, rounding = first if h == STEPS[0] else _differences(value, parameters, i, h)
        found.append((abs(wanted - derivative) / scale, rounding / scale))
        if found[-1][0] <= TOLERANCE:
            return found[-1]
    low, high = _sides(value, parameters, i, STEPS[0])
    outside, rounding = max(low - wanted, wanted - high, 0.0) / scale, 4 * found[0][1]
    if outside <= TOLERANCE and rounding <= TOLERANCE:
        return outside, rounding
    telling = [pair for pair in found if pair[1] <= COARSE]
    agreeing = [pair for pair in telling if pair[0] <= TOLERANCE + pair[1]]
    near = [pair for pair in found[:2] if pair in telling]  # a kink may lie within the last step
    return min(agreeing or near or found[:1])


def _differences(value: Any, parameters: Array, i: int, h: float) -> tuple[float, float]:
    """The derivative by central differences, and how much the rounding of the loss makes of it."""
    kept = parameters[i]
    parameters[i] = kept + h
    above = value()
    parameters[i] = kept - h
    below = value()
    parameters[i] = kept
    rounding = ROUNDINGS * np.finfo(np.float64).eps * max(abs(above), abs(below)) / h
    return (above - below) / (2 * h), rounding


def _sides(value: Any, parameters: Array, i: int, h: float) -> tuple[float, float]:
    """The derivatives to the left and to the right, the lower one first; they differ at a kink."""
    kept, at, sides = parameters[i], value(), []
    for step in (h, -h):
        parameters[i] = kept + step
        near = value()
        parameters[i] = kept + 2 * step
        sides.append((4 * near - 3 * at - value()) / (2 * step))
        parameters[i] = kept
    return min(sides), max(sides)


def _seconds(function: Any) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began
