"""Running: the loss and the metrics of a stream, over all of it and over its last updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.protocols import MetricLike
from handgrad.train.engine.task import Pair


class Running:
    """Numerators and denominators, summed since the beginning and over a window of updates.

    Each update is measured by what the network said before it learned from the samples, so that a
    stream tests the network on all of its samples.
    """

    def __init__(self, metrics: Sequence[MetricLike], window: int):
        self.metrics, self.window = metrics, window
        self.count = 0
        self.sums: dict[str, tuple[float, float]] = {}
        self._last: dict[str, Array] = {}  # numerators and denominators (2, window) by name

    def add(self, measured: Mapping[str, Pair]) -> None:
        """Enter some updates: under each name their numerators and their denominators."""
        added = 0
        for name, pair in measured.items():
            numbers = np.array(pair, np.float64)
            added = numbers.shape[1]
            before = np.array(self.sums.get(name, (0.0, 0.0)))[:, None]
            # One after the other: the bits do not depend on how many are entered at once.
            total = np.add.accumulate(np.hstack([before, numbers]), axis=1)[:, -1]
            self.sums[name] = float(total[0]), float(total[1])
            last = self._last.setdefault(name, np.zeros((2, self.window)))
            kept = numbers[:, -self.window :]
            where = self.count + added - kept.shape[1] + np.arange(kept.shape[1])
            last[:, where % self.window] = kept
        self.count += added

    def means(self, recent: bool) -> dict[str, float]:
        """The mean of each; of nothing it is NaN."""
        pairs: Mapping[str, Any] = self.sums
        if recent:
            pairs = {name: last.sum(axis=1) for name, last in self._last.items()}
        return {name: float(a / b) if b else np.nan for name, (a, b) in pairs.items()}

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs."""
        return {"count": self.count, "window": self.window, "last": dict(self._last),
                "sums": {name: list(pair) for name, pair in self.sums.items()}}  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave; the window is as long as it was then."""
        self.count, self.window = state["count"], state["window"]
        self.sums = {name: (a, b) for name, (a, b) in state["sums"].items()}
        self._last = {name: np.array(last) for name, last in state["last"].items()}
