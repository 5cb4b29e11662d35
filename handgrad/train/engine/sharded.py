"""ShardedEngine: each batch in shards, whose sums are the same bits on any number of ranks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import Array
from handgrad.layer import Layer, shallow_clone, slots, walk
from handgrad.layers import BatchNorm, Loss
from handgrad.network.flat import Flat
from handgrad.parallel import Shards, TreeSum
from handgrad.train.diverge import DivergenceError, forward_origin
from handgrad.train.engine.carried import Carried, Start, apart
from handgrad.train.engine.lockstep import Lockstep, Whole
from handgrad.train.engine.numpy_engine import NumPyEngine, measured
from handgrad.train.engine.state import TrainState
from handgrad.train.engine.sums import SumForm
from handgrad.train.engine.task import Pair, Task, summed, together

FOLLOWING = -1  # in the stead of a shard's number: one sample, whose sums do not count


class Batch(NamedTuple):
    """A batch, how many come before it, where its shards begin, and what the network carries."""

    samples: Array
    number: int
    borders: list[int]
    carried: Carried
    start: Start

    def of(self, shard: int) -> Array:
        """The samples of a shard."""
        if shard == FOLLOWING:
            return self.samples[:1]
        return self.samples[self.borders[shard] : self.borders[shard + 1]]


class ShardedEngine(NumPyEngine):
    """Updates in NumPy, from the sums of shards.

    Each shard gives the gradient of its part of the loss's numerator, in the network's dtype, and
    in float64 its numerator, its denominator, the numbers of the metrics and what it made of the
    buffers. Shards are added in the tree of `Shards`, on this rank and then between ranks, and the
    root alone is divided: so weights, ignored labels, uneven and empty shards are exact. The sums
    of accumulated batches are added in their order. With `TrainState.feedback` the gradients are
    added as halves.
    """

    shards: Shards
    rounds = True

    def prepare(self, task: Task, state: TrainState) -> None:
        super().prepare(task, state)
        assert task.shards is not None
        self.shards, ranks = task.shards, task.ranks
        self.loss = shallow_clone(task.loss)
        if isinstance(self.loss, Layer):
            self.loss.draw()  # has a random stream from now on, as the layers of a network have
        self.local = range(*self.shards.share(ranks.rank, ranks.size))
        self.names = list(dict.fromkeys(m.__name__ for m in task.metrics))

    def describe(self) -> str:
        return f"{super().describe()}, {self.cut}"

    @property
    def cut(self) -> str:
        """Into how many shards a batch is cut, and how their gradients travel."""
        halves = self.state.gradients
        return f"{self.shards.count} shards" + (f", gradients in {halves}" if halves else "")

    def gradients(self, position: int) -> tuple[Array, dict[str, Pair]]:
        """The gradient of an update's batches together, and what was measured."""
        task, state = self.task, self.state
        self.flat = state.network.flat
        batches = task.batches(state.epoch, position)
        number = task.number(state.epoch, position)
        total, sums = self.batch(batches[0], number)
        for i, samples in enumerate(batches[1:], 1):
            gradients, more = self.batch(samples, number + i)
            total, sums = total + gradients, summed(task.loss, sums, more)
        numerator, whole = sums["loss"]
        D = self._divide_by(whole)
        if not math.isfinite(value := numerator / D):
            where = forward_origin(state.network, task.x[np.concatenate(batches)])
            raise DivergenceError(f"the loss became {value}", where)
        np.divide(total, total.dtype.type(D), out=self.flat.gradients)
        self.flat.show()
        if state.optimizer.l2:
            sums["loss"] = numerator + state.optimizer.penalty(state.network) * whole, whole
        return self.flat.gradients, sums

    def not_finite(self) -> str:
        feedback = self.state.feedback
        return (feedback.why() if feedback is not None else "") or super().not_finite()

    def _divide_by(self, whole: float) -> float:
        """The denominator, or infinity where nothing counts and that is no error."""
        loss = self.task.loss
        if not whole and isinstance(loss, Loss) and loss.normalizer is None:
            loss.divisor(0.0, 0)  # says what is wrong
        return whole or math.inf

    def batch(self, samples: Array, number: int) -> tuple[Array, dict[str, Pair]]:
        """The gradient of a batch's numerator, and its sums: of all shards, on every rank."""
        network, task, count = self.state.network, self.task, self.shards.count
        carried = Carried(network, self.loss)
        batch = Batch(samples, number, self.shards.borders(len(samples)), carried, carried.start())
        feedback = self.state.feedback
        trees = TreeSum() if feedback is None else feedback.begin(), TreeSum()
        for i, (part, more) in self._parts(batch):
            trees[0].add(part if feedback is None else feedback.leaf(part, i), i)
            trees[1].add(more, i)
        zeros, whole = self._zeros(batch), self.flat.gradients
        if feedback is None:
            gradients = self._root(trees[0], zeros[0])
        else:
            gradients = feedback.root(trees[0], whole.size, whole.dtype)
        rest = self._root(trees[1], zeros[1])
        carried.end(batch.start, rest[1 + count + 2 * len(self.names) :], count)
        said = [D for D, a, b in zip(rest[1:], batch.borders, batch.borders[1:]) if a < b]
        sums: dict[str, Pair] = {"loss": (rest[0], together(task.loss, *said))}
        pairs = rest[1 + count :].reshape(-1)
        sums |= {m: (pairs[2 * k], pairs[2 * k + 1]) for k, m in enumerate(self.names)}
        return gradients, sums

    def _root(self, tree: TreeSum, zeros: Array) -> Array:
        """The sum of all shards, from those of this rank's blocks."""
        one = len(tree.sums) == 1
        rows = tree.sums[0][None] if one else np.array(tree.sums or [zeros])
        self.task.ranks.combine(self.shards, rows)
        row: Array = rows[0]
        return row

    def _zeros(self, batch: Batch) -> tuple[Array, Array]:
        """What a shard without samples adds."""
        buffers = sum(array.size for array in batch.start.buffers)
        rest = np.zeros(1 + self.shards.count + 2 * len(self.names) + 2 * buffers)
        return np.zeros_like(self.flat.gradients), rest

    def _parts(self, batch: Batch) -> Iterator[tuple[int, tuple[Array, Array]]]:
        """The number and the sums of each of this rank's shards, in order."""
        full = [i for i in self.local if len(batch.of(i))]
        network, zeros = self.state.network, self._zeros(batch)
        meets = self.task.batch_norm == "global" and any(
            isinstance(layer, BatchNorm) and layer.training for _, layer in walk(network)
        )
        if meets:
            jobs = {i: partial(self._beside, batch, i) for i in full or [FOLLOWING]}
            done = Lockstep(self.shards, self.task.ranks).run(jobs)
        for i in self.local:
            if i not in full:
                yield i, zeros
            elif meets:
                yield i, done[i]
            else:
                batch.carried.begin(batch.start, i)
                yield i, self._shard(batch, i, network, SumForm(self.loss), self.flat)

    def _beside(self, batch: Batch, i: int, whole: Whole) -> tuple[Array, Array]:
        """The sums of a shard on a clone of the network, whose BatchNorm asks for the batch's."""
        loss = SumForm(self.loss)
        clone = apart(self.state.network, loss.loss)
        for _, layer in walk(clone):
            if isinstance(layer, BatchNorm):
                layer.whole = whole
        batch = batch._replace(carried=Carried(clone, loss.loss))
        batch.carried.begin(batch.start, max(i, 0))
        return self._shard(batch, i, clone, loss, self.flat.beside(slots(clone)))

    def _shard(
        self, batch: Batch, i: int, network: Any, loss: SumForm, flat: Flat
    ) -> tuple[Array, Array]:
        """Forward and backward of a shard: the gradient of its numerator, and all other sums."""
        task, count, samples = self.task, self.shards.count, batch.of(i)
        x, t = task.x[samples], task.t[samples]
        if task.augment is not None:
            x = task.augment(x, batch.number * count + i)
        y = network.forward(x)
        weights = () if task.weights is None else (task.weights[samples],)
        numerator, D = loss.forward(y, t, *weights)
        network.backward(loss.backward())
        denominators = np.zeros(count)
        denominators[i] = D
        found = measured(task, y, t) if task.metrics else {}
        pairs = [np.array(found[name], np.float64) for name in self.names]
        made = batch.carried.made(
            batch.start, max(i, 0), len(samples) / len(batch.samples), batch.borders[i] == 0
        )
        rest = np.concatenate([[numerator], denominators, *pairs, made])
        return flat.collect().copy(), rest
