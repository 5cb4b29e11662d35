"""ShardByShard: a native program that computes one shard at a time, where it cannot several."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.compile import NotNative, Training
from handgrad.compile.program import PAUSED, SLICE, words_of
from handgrad.compile.sharding import TAIL
from handgrad.layer import walk
from handgrad.layers import BatchNorm
from handgrad.parallel import Shards, TreeSum
from handgrad.train.engine.numpy_engine import measured
from handgrad.train.engine.sharded import Batch, ShardedEngine
from handgrad.train.engine.state import TrainState
from handgrad.train.engine.sums import SumForm
from handgrad.train.engine.task import Pair, Task
from handgrad.train.metrics import accuracy


def cuts(task: Task, n: int, number: int) -> Iterator[tuple[int, int, int]]:
    """(first, stop, number) of the parts of a batch of n samples that are augmented one by one:
    its shards that are computed here, or all of it."""
    if task.shards is None:
        yield 0, n, number
        return
    borders, count = task.shards.borders(n), task.shards.count
    for i in range(*task.shards.share(task.ranks.rank, task.ranks.size)):
        if borders[i] < borders[i + 1]:
            yield borders[i], borders[i + 1], number * count + i


def measured_by_shards(task: Task, y: Array, t: Array) -> dict[str, Pair]:
    """The metrics of a batch, from the outputs y of the shards here and all targets t."""
    shards, ranks = task.shards, task.ranks
    assert shards is not None
    names = list(dict.fromkeys(m.__name__ for m in task.metrics))
    borders, (first, stop) = shards.borders(len(t)), shards.share(ranks.rank, ranks.size)
    tree, zeros = TreeSum(), np.zeros(2 * len(names))
    for i in range(first, stop):
        begin, end = borders[i], borders[i + 1]
        if begin == end:
            tree.add(zeros, i)
            continue
        found = measured(task, y[begin - borders[first] : end - borders[first]], t[begin:end])
        tree.add(np.array([found[name] for name in names], float).ravel(), i)
    rows = np.array(tree.sums or [zeros])
    ranks.combine(shards, rows)
    return {name: (rows[0, 2 * k], rows[0, 2 * k + 1]) for k, name in enumerate(names)}


class ShardByShard(ShardedEngine):
    """The sums of each shard from a native program, all else as in NumPy.

    For networks with a layer that adds up over its samples in a way of its own, or that runs in
    Python. `prepare` raises NotNative as the program does.
    """

    def __init__(self, reason: str, python: bool):
        super().__init__(reason)
        self.python = python

    def go_on(self, task: Task, state: TrainState) -> None:
        """Make ready again, with the program that there is."""
        super().prepare(task, state)

    def prepare(self, task: Task, state: TrainState) -> None:
        super().prepare(task, state)
        if task.batch_norm == "global" and any(
            isinstance(layer, BatchNorm) for _, layer in walk(state.network)
        ):
            raise NotNative(f"{self.reason}, and statistics of the batch need all shards at once")
        most = -(-min(task.batch, len(task.x)) // self.shards.count)
        x, t, weights = task.x, task.t, task.weights
        if task.augment is not None:  # each shard is made in Python, and is then all the data
            x, t = x[:most].copy(), words_of(t[:most].copy(), "t")
            weights = None if weights is None else weights[:most]
        self.data = x, t
        self.labels = task.t.dtype.kind in "iu"
        self.others = [m for m in task.metrics if m is not accuracy or not self.labels]
        self.program = Training(
            state.network, task.loss, state.optimizer, x, t, batch=most, weights=weights,
            threads=task.threads, watch=self._watch if self.others else None, python=self.python,
            shards=Shards(1), updates=False, batch_norm=task.batch_norm,
        )  # fmt: skip

    def describe(self) -> str:
        return f"{self.program.describe()}, {self.cut}, shard by shard"

    def _shard(
        self, batch: Batch, i: int, network: Any, loss: SumForm, flat: Any
    ) -> tuple[Array, Array]:
        task, count, samples = self.task, self.shards.count, batch.of(i)
        self._now = samples
        n, order = len(samples), samples
        if task.augment is not None:
            x, t = self.data
            x[:n] = task.augment(task.x[samples], batch.number * count + i)
            t[:n], order = task.t[samples], np.arange(n)
            if task.weights is not None and self.program.weights is not None:
                self.program.weights[:n] = task.weights[samples]
        self.program.start(order, np.zeros(1), np.array([n]))
        while (code := self.program.go(SLICE)) == PAUSED:
            pass
        if code:
            batch.carried.begin(batch.start, i)
            super()._shard(batch, i, network, loss, flat)  # says what is wrong
            raise RuntimeError(f"the native program stopped with code {code}")
        size = flat.gradients.size
        assert self.program.sums is not None
        row = self.program.sums[0]
        tail = dict(zip(TAIL, row[size : size + len(TAIL)].astype(float)))
        denominators = np.zeros(count)
        denominators[i] = tail["denominator"]
        pairs = [np.array(self._pair(m, tail), float) for m in task.metrics]
        made = batch.carried.made(batch.start, i, n / len(batch.samples), batch.borders[i] == 0)
        rest = np.concatenate([[tail["loss"]], denominators, *pairs, made])
        return row[:size].copy(), rest

    def _watch(self, y: Array, step: int) -> None:
        """Metrics that are Python functions, of the shard's outputs."""
        self._seen = measured(self.task, y, self.task.t[self._now])

    def _pair(self, metric: Any, tail: dict[str, float]) -> Pair:
        """The numerator and denominator of a metric."""
        if metric in self.others:
            return self._seen[metric.__name__]
        return tail["right"], tail["counted"]
