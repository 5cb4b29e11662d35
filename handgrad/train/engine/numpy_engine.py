"""NumPyEngine: every update layer by layer, as the layers' own Python says."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import Array
from handgrad.layers import counted
from handgrad.train.diverge import DivergenceError, backward_origin, forward_origin
from handgrad.train.engine.interface import Engine
from handgrad.train.engine.task import Pair, Updates, summed, together


class Gradients(NamedTuple):
    """What an optimizer reads of a network, with gradients that were summed elsewhere."""

    parameters: Array
    gradients: Array
    layout: list[Any]
    frozen: frozenset[str]


class NumPyEngine(Engine):
    """One update in each call.

    The gradient of an update is Σ Dₖ·gₖ / Σ Dₖ over its batches k, Dₖ being the denominator of
    the batch's loss: that of all its samples at once.
    """

    def __init__(self, reason: str = ""):
        self.reason = reason

    def describe(self) -> str:
        """NumPy, and why not something faster."""
        return f"NumPy ({self.reason})" if self.reason else "NumPy"

    def advance(self, limit: int) -> Updates:
        state, network = self.state, self.state.network
        gradients, sums = self.gradients(self.task.batches(state.epoch, state.position))
        # The sum of squares is one fast pass; where it overflows, each element is looked at.
        if not math.isfinite(np.dot(gradients, gradients)) and not np.isfinite(gradients).all():
            raise DivergenceError("a gradient is no longer finite", backward_origin(network))
        flat = self.flat
        state.optimizer.step(Gradients(flat.parameters, gradients, flat.layout, flat.frozen))
        return Updates.one(sums)

    def gradients(self, batches: list[Array]) -> tuple[Array, dict[str, Pair]]:
        """The gradient of some batches together, and what was measured."""
        number = self.task.number(self.state.epoch, self.state.position)
        sums = self.measure(batches[0], number)
        gradients = self.flat.collect()
        if len(batches) == 1:
            return gradients, sums
        whole = sums["loss"][1]
        total = gradients * np.float64(whole)
        for i, samples in enumerate(batches[1:], 1):
            more = self.measure(samples, number + i)
            total += self.flat.collect() * np.float64(more["loss"][1])
            whole = together(self.task.loss, whole, more["loss"][1])
            sums = summed(self.task.loss, sums, more)
        return (total / (whole or 1)).astype(gradients.dtype), sums

    def measure(self, samples: Array, number: int) -> dict[str, Pair]:
        """Forward and backward for some samples: what was measured.

        The gradients are in the network after it, and `flat` is its arrays.
        """
        task, network, optimizer = self.task, self.state.network, self.state.optimizer
        x, t = task.x[samples], task.t[samples]
        if task.augment is not None:
            x = task.augment(x, number)
        y = network.forward(x)
        weights = () if task.weights is None else (task.weights[samples],)
        value = float(task.loss.forward(y, t, *weights))
        if not math.isfinite(value):
            raise DivergenceError(f"the loss became {value}", forward_origin(network, x))
        network.backward(_first(task.loss.backward()))
        self.flat = network.flat
        if optimizer.l2:
            value += optimizer.penalty(network)
        whole = denominator(task.loss, len(samples))
        sums = {"loss": (value * whole, whole)}
        return sums | measured(task, y, t) if task.metrics else sums


def denominator(loss: Any, samples: int) -> float:
    """By what a loss has divided its sum; the number of samples where it does not say."""
    return float(getattr(loss, "denominator", samples))


def measured(task: Any, y: Array, t: Array) -> dict[str, Pair]:
    """The metrics of some outputs: ignored labels are left out."""
    y, t = counted(task.loss, y, t)
    n = t.size if t.dtype.kind in "iu" else len(t)
    return {m.__name__: (float(m(y, t)) * n, n) if n else (0.0, 0) for m in task.metrics}


def _first(gradients: Any) -> Array:
    """The gradient of y: a loss returns (dy, None), the books' return dy alone."""
    dy: Array = gradients[0] if isinstance(gradients, tuple | list) else gradients
    return dy
