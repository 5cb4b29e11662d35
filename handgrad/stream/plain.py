"""PlainSteps: updates and predictions layer by layer, as the layers' own Python says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layer import Layer, walk
from handgrad.network import Network
from handgrad.optim import Optimizer
from handgrad.stream.running import Running
from handgrad.train.engine import NumPyEngine, Task, TrainState
from handgrad.train.guards import training_mode


class PlainSteps:
    """One update for each batch: the one that `fit` makes of it."""

    def __init__(self, network: Network, loss: Any, optimizer: Optimizer, running: Running):
        self.network, self.loss, self.running = network, loss, running
        self._state = TrainState(network, optimizer)
        self._engine = NumPyEngine()
        self._layers = [layer for _, layer in walk(network) if isinstance(layer, Layer)]

    def update(self, x: Array, t: Array, weights: Array | None) -> float:
        """One update; the loss before it. What it raises, it raises before anything has changed."""
        self._engine.prepare(self.task(x, t, weights), self._state)
        with training_mode(self.network), np.errstate(all="ignore"), self.whole():
            sums = self._engine.update(0)
        self.running.add({name: ([a], [b]) for name, (a, b) in sums.items()})
        above, below = sums["loss"]
        return float(above / below) if below else 0.0

    def measure(self, x: Array, t: Array, weights: Array | None) -> None:
        """Forward and backward alone, for what they raise."""
        self._engine.prepare(self.task(x, t, weights), self._state)
        with training_mode(self.network), np.errstate(all="ignore"), self.whole():
            self._engine.measure(np.arange(len(x)), 0)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """After an error, running statistics and random streams are as they were."""
        layers = self._layers
        streams = [s for layer in layers if (s := getattr(layer, "stream", None)) is not None]
        buffers = [getattr(layer, name) for layer in layers for name in layer.buffers]
        steps, before = [s.step for s in streams], [buffer.copy() for buffer in buffers]
        try:
            yield
        except Exception:
            for stream, step in zip(streams, steps):
                stream.step = step
            for buffer, kept in zip(buffers, before):
                buffer[...] = kept
            raise

    def task(self, x: Array, t: Array, weights: Array | None = None) -> Task:
        """These samples as all that there is to train on, in one batch."""
        n = len(x)
        return Task(
            self.loss, x, t, lambda epoch: np.arange(n), n, weights=weights,
            metrics=self.running.metrics,
        )  # fmt: skip

    def refresh(self) -> None:
        """Nothing is kept from one update to the next."""

    def flush(self) -> None:
        """All that was measured is in `running` already."""

    def because(self, reason: str) -> None:
        """Say why there is nothing faster."""
        self._engine.reason = reason

    def describe(self) -> str:
        """NumPy, and why not something faster."""
        return self._engine.describe()
