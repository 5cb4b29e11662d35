"""Task: what is trained, on what, and how; and Updates: what some of its updates measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.parallel import Alone, Ranks, Shards
from handgrad.protocols import MetricLike

Pair = tuple[Any, Any]  # a sum and what it is to be divided by: numerator, denominator


@dataclass(frozen=True, eq=False)
class Task:
    """The fixed half of a training; what changes is in `TrainState`.

    An update takes `accumulate` batches of `batch` samples each, in the order that `order(epoch)`
    gives; the last update of an epoch takes what is left. With `shards` each batch is computed in
    shards, those of this process among `ranks`; batch_norm: "global" for the statistics of the
    whole batch, "shard" for those of each shard.
    """

    loss: Any
    x: Array
    t: Array
    order: Callable[[int], Array]
    batch: int
    accumulate: int = 1
    weights: Array | None = None
    metrics: Sequence[MetricLike] = ()
    augment: Callable[[Array, int], Array] | None = None
    threads: int | None = None
    shards: Shards | None = None
    ranks: Ranks = field(default_factory=Alone)
    batch_norm: str = "global"
    _drawn: dict[int, Array] = field(default_factory=dict)  # the order of the present epoch

    @cached_property
    def updates(self) -> int:
        """Updates in an epoch."""
        return -(-len(self.x) // (self.batch * self.accumulate))

    @cached_property
    def divides(self) -> bool:
        """Whether the loss is a mean; one that is a sum is not divided over an epoch either."""
        return together(self.loss, 1.0, 1.0) != 1

    def samples(self, epoch: int) -> Array:
        """All samples in the order of an epoch."""
        if epoch not in self._drawn:
            self._drawn.clear()
            self._drawn[epoch] = self.order(epoch)
        return self._drawn[epoch]

    def batches(self, epoch: int, update: int) -> list[Array]:
        """The samples of each batch of an update."""
        each = self.batch * self.accumulate
        samples = self.samples(epoch)[update * each : (update + 1) * each]
        return [samples[i : i + self.batch] for i in range(0, len(samples), self.batch)]

    def number(self, epoch: int, update: int) -> int:
        """How many batches come before the first of an update."""
        return epoch * -(-len(self.x) // self.batch) + update * self.accumulate


@dataclass
class Updates:
    """What some updates measured, under each name numerators and denominators, one per update.

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
        return cls.of([sums])

    @classmethod
    def of(cls, each: list[dict[str, Pair]]) -> Updates:
        """Updates that each measured a numerator and a denominator under the same names."""
        sums: dict[str, Pair] = {}
        for name in each[0] if each else ():
            above, below = zip(*(measured[name] for measured in each))
            sums[name] = above, below
        return cls(len(each), sums)


def running(before: float, numbers: Any, position: int, updates: int) -> Any:
    """The sum of the epoch after each of these updates: before + n₁ + n₂ + …, one after the other.

    position: how many of the epoch's updates came before; the next epoch begins from 0.
    So the bits of an epoch's sums do not depend on how many updates an engine makes in a call,
    which the clock decides, nor on where a training was interrupted.
    """
    count = len(numbers)
    if count == 1:
        return [before + numbers[0]]
    if position + count <= updates:
        position, updates = 0, count
    epochs = np.zeros((-(-(position + count) // updates), updates))  # adding 0 changes no bit
    these = epochs.reshape(-1)[position : position + count]
    these[:] = numbers
    these[0] += before
    np.add.accumulate(epochs, axis=1, out=epochs)
    return these


def summed(loss: Any, sums: dict[str, Pair], more: dict[str, Pair]) -> dict[str, Pair]:
    """The sums of both; the denominators of the loss are put together as it says."""
    total = {}
    for name, (a, b) in more.items():
        c, d = sums.get(name, (0.0, 0.0))
        total[name] = c + a, together(loss, d, b) if name == "loss" else d + b
    return total


def together(loss: Any, *denominators: float) -> float:
    """By what the losses of several batches together are divided."""
    return loss.together(*denominators) if hasattr(loss, "together") else sum(denominators)
