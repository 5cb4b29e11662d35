"""The curves of a history: how far they fell, rose again, and still move."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import Array


class Curve(NamedTuple):
    """A loss by epoch.

    best: the lowest mean of three epochs, and `at` its middle, counted from 1; last: the mean of
    the last three. jumps: the mean size of a change from epoch to epoch in the second half.
    falling: the share of epochs after the first that were lower than the one before.
    """

    values: Array
    first: float
    best: float
    at: int
    last: float
    jumps: float
    falling: float

    @property
    def fell(self) -> float:
        """By how much of its first value it is lower at the end."""
        return (self.first - self.last) / abs(self.first) if self.first else 0.0

    @property
    def late(self) -> float:
        """The share of the whole fall that came in the second half."""
        half = float(self.values[(len(self.values) - 1) // 2])
        whole = self.first - float(self.values[-1])
        return (half - float(self.values[-1])) / whole if whole else 0.0


def curve_of(history: Any, name: str) -> Curve | None:
    """The curve under a name; None where it was not recorded, or is not finite."""
    if name not in history or not len(history[name]):
        return None
    values = np.array(history[name], float)
    if not np.isfinite(values).all():
        return None
    width = min(3, len(values))
    smooth = np.convolve(values, np.full(width, 1 / width), "valid")
    changes = np.diff(values)
    late = np.abs(changes[len(changes) // 2 :])
    return Curve(
        values, float(values[0]), float(smooth.min()), int(smooth.argmin()) + (width + 1) // 2,
        float(smooth[-1]), float(late.mean()) if late.size else 0.0,
        float((changes < 0).mean()) if changes.size else 0.0,
    )  # fmt: skip
