"""Task: what is trained, on what, and how; and Updates: what some of its updates measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.network import Metric

Pair = tuple[Any, Any]  # a sum and what it is to be divided by: numerator, denominator


@dataclass(frozen=True)
class Task:
    """The fixed half of a training; what changes is in `TrainState`.

    An update takes `accumulate` batches of `batch` samples each, in the order that `order(epoch)`
    gives; the last update of an epoch takes what is left.
    """

    loss: Any
    x: Array
    t: Array
    order: Callable[[int], Array]
    batch: int
    accumulate: int = 1
    weights: Array | None = None
    metrics: Sequence[Metric] = ()
    augment: Callable[[Array, int], Array] | None = None
    threads: int | None = None

    @property
    def updates(self) -> int:
        """Updates in an epoch."""
        return -(-len(self.x) // (self.batch * self.accumulate))

    def batches(self, epoch: int, update: int) -> list[Array]:
        """The samples of each batch of an update."""
        each = self.batch * self.accumulate
        samples = self.order(epoch)[update * each : (update + 1) * each]
        return [samples[i : i + self.batch] for i in range(0, len(samples), self.batch)]

    def number(self, epoch: int, update: int) -> int:
        """How many batches come before the first of an update."""
        return epoch * -(-len(self.x) // self.batch) + update * self.accumulate


@dataclass
class Updates:
    """What some updates measured, under each name a numerator and a denominator of each update.

    "loss" is Σ u·ℓ and Σ u, u being what a term counts; a metric is weighted by the number of
    samples, or labels, that it saw. whole: the parameters are those after these updates, and not
    some of them already new.
    """

    count: int = 0
    sums: dict[str, Pair] = field(default_factory=dict)
    whole: bool = True

    @classmethod
    def one(cls, sums: dict[str, Pair]) -> Updates:
        """A single update."""
        return cls(1, {name: (np.array([a]), np.array([b])) for name, (a, b) in sums.items()})

    def part(self, start: int, stop: int) -> Updates:
        """Some of them."""
        cut = {name: (a[start:stop], b[start:stop]) for name, (a, b) in self.sums.items()}
        return Updates(stop - start, cut, self.whole)


def summed(loss: Any, sums: dict[str, Pair], more: dict[str, Pair]) -> dict[str, Pair]:
    """The sums of both; the denominators of the loss are put together as it says."""
    names = {**sums, **more}
    total = {}
    for name in names:
        (a, b), (c, d) = sums.get(name, (0.0, 0.0)), more.get(name, (0.0, 0.0))
        total[name] = a + c, together(loss, b, d) if name == "loss" else b + d
    return total


def together(loss: Any, *denominators: float) -> float:
    """By what the losses of several batches together are divided."""
    return loss.together(*denominators) if hasattr(loss, "together") else sum(denominators)
