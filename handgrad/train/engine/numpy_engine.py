"""NumPyEngine: every update layer by layer, as the layers' own Python says."""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import Array
from handgrad.compile.program import SLICE
from handgrad.layers import Loss, counted
from handgrad.layers.loss.targets import as_taken
from handgrad.train.diverge import DivergenceError, backward_origin, forward_origin
from handgrad.train.engine.interface import Engine
from handgrad.train.engine.state import TrainState
from handgrad.train.engine.task import Pair, Task, Updates, summed, together


class Gradients(NamedTuple):
    """What an optimizer reads of a network, with gradients that were summed elsewhere."""

    parameters: Array
    gradients: Array
    layout: list[Any]
    frozen: frozenset[str]


class NumPyEngine(Engine):
    """Updates one after the other, in Python.

    The gradient of an update is Σ Dₖ·gₖ / Σ Dₖ over its batches k, Dₖ being the denominator of
    the batch's loss: that of all its samples at once.
    """

    def __init__(self, reason: str = ""):
        self.reason = reason

    def prepare(self, task: Task, state: TrainState) -> None:
        super().prepare(task, state)
        self._done: list[dict[str, Pair]] = []  # what updates measured that are not handed over
        self._failed: DivergenceError | None = None  # with which the next update ended

    def describe(self) -> str:
        """NumPy, and why not something faster."""
        return f"NumPy ({self.reason})" if self.reason else "NumPy"

    def advance(self, limit: int) -> Updates:
        state, until = self.state, time.perf_counter() + SLICE
        limit = min(limit, state.until_copy, self.task.updates - state.position)
        try:
            while self._failed is None and len(self._done) < limit:
                self._done.append(self.update(state.position + len(self._done)))
                if time.perf_counter() > until:
                    break
        except DivergenceError as error:
            self._failed = error
        if self._failed is not None and not self._done:
            raise self._failed
        return self.finish()

    def finish(self) -> Updates:
        done, self._done = self._done, []
        return Updates.of(done)

    def update(self, position: int) -> dict[str, Pair]:
        """One update of the present epoch; what was measured."""
        state, network = self.state, self.state.network
        gradients, sums = self.gradients(position)
        # The sum of squares is one fast pass; where it overflows, each element is looked at.
        if not math.isfinite(np.dot(gradients, gradients)) and not np.isfinite(gradients).all():
            raise DivergenceError(self.not_finite(), backward_origin(network))
        flat = self.flat
        state.optimizer.step(Gradients(flat.parameters, gradients, flat.layout, flat.frozen))
        return sums

    def not_finite(self) -> str:
        """What to say of a gradient that is not."""
        return "a gradient is no longer finite"

    def gradients(self, position: int) -> tuple[Array, dict[str, Pair]]:
        """The gradient of an update's batches together, and what was measured."""
        epoch = self.state.epoch
        batches = self.task.batches(epoch, position)
        number = self.task.number(epoch, position)
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
    if isinstance(loss, Loss):  # one that does not divide by its weights says nothing
        return float(vars(loss).get("denominator", samples))
    return float(getattr(loss, "denominator", samples))


def measured(task: Any, y: Array, t: Array) -> dict[str, Pair]:
    """The metrics of some outputs: ignored labels are left out."""
    y, t = counted(task.loss, y, t)
    n = t.size if t.dtype.kind in "iu" else len(t)
    return {
        m.__name__: (float(m(as_taken(m, task.loss, y), t)) * n, n) if n else (0.0, 0)
        for m in task.metrics
    }


def _first(gradients: Any) -> Array:
    """The gradient of y: a loss returns (dy, None), the books' return dy alone."""
    dy: Array = gradients[0] if isinstance(gradients, tuple | list) else gradients
    return dy
