"""NativeEngine: the updates of a training as calls of a native program, many updates in a call."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.compile import NotNative, Training
from handgrad.compile.key import Key
from handgrad.compile.lowering.registry import MOST_STEPS
from handgrad.compile.program import BAD_INDEX, NOT_FINITE, PAUSED, SLICE, words_of
from handgrad.train.diverge import DivergenceError, backward_origin
from handgrad.train.engine.interface import Engine
from handgrad.train.engine.numpy_engine import NumPyEngine, measured
from handgrad.train.engine.shard_by_shard import ShardByShard, cuts, measured_by_shards
from handgrad.train.engine.state import TrainState
from handgrad.train.engine.task import Pair, Task, Updates
from handgrad.train.metrics import accuracy


class NativeEngine(Engine):
    """Runs a native program that gathers, computes and updates.

    python: whether layers without a native form may run as rows of Python.
    Of a batch in shards the program computes those of this rank, and meets the others in one of
    its rows; where it cannot cut the sums of a layer into shards, `inner` computes shard by shard.
    `prepare` raises NotNative, with the reason, where a part can only be done in Python.
    """

    sharded = rounds = True

    def __init__(self, python: bool = False):
        self.python = python
        self._key: Key | None = None
        self._going = False  # a run of the program has begun and is not done
        self._failed = 0  # the code with which the next update ended
        self.inner: ShardByShard | None = None

    def prepare(self, task: Task, state: TrainState) -> None:
        if task.accumulate > 1:
            raise NotNative("accumulate is done in Python")
        self._going, self._failed = False, 0
        state.network.build(task.x[: task.batch])
        super().prepare(task, state)
        if self._fits():
            if self.inner is not None:
                self.inner.go_on(task, state)
            return
        self.labels = task.t.dtype.kind in "iu"
        self.others = [m for m in task.metrics if m is not accuracy or not self.labels]
        x, t, weights = task.x, task.t, task.weights
        if task.augment is not None:  # each batch is made in Python, and is then all the data
            x, t = x[: task.batch].copy(), words_of(t[: task.batch].copy(), "t")
            weights = None if weights is None else weights[: task.batch]
        self.data, self.inner = (x, t), None
        try:
            if state.feedback is not None:
                raise NotNative("gradients are rounded shard by shard")
            self.program = Training(
                state.network, task.loss, state.optimizer, x, t, batch=task.batch, weights=weights,
                threads=task.threads, watch=self._watch if self.others else None,
                python=self.python, shards=task.shards, ranks=task.ranks,
                batch_norm=task.batch_norm,
            )  # fmt: skip
        except NotNative as reason:
            if task.shards is None:
                raise
            self.inner = ShardByShard(str(reason), self.python)
            self.inner.prepare(task, state)
            self.program = self.inner.program
        self._seen: dict[int, dict[str, Pair]] = {}
        self._key, self._made_for = Key(state.network), self._options()
        self._arrays = list(state.optimizer.state.values())

    def _fits(self) -> bool:
        """Whether the program is still that of the network, the task and the optimizer."""
        key, arrays = self._key, self.state.optimizer.state.values()
        if (
            key is None
            or self._made_for != self._options()
            or (not self.program.slices and any(a is not b for a, b in zip(self._arrays, arrays)))
        ):
            return False
        if key.holds():
            return True
        if key != (new := Key(self.state.network)):
            return False
        self._key = new  # which holds until something changes again
        return True

    def _options(self) -> tuple[Any, ...]:
        """All but the network that the program depends on."""
        optimizer = self.state.optimizer
        moving = ("lr", "steps", "state")  # read while the program runs
        options = {k: v for k, v in vars(optimizer).items() if k[0] != "_" and k not in moving}
        return self.task, self.python, optimizer, options

    def describe(self) -> str:
        """native, threads, instruction set."""
        if self.inner is not None:
            return self.inner.describe()
        cut = "" if self.task.shards is None else f", {self.task.shards.count} shards"
        return f"{self.program.describe()}{cut}"

    def advance(self, limit: int) -> Updates:
        if self.inner is not None:
            return self.inner.advance(limit)
        if self._failed:
            self._fail(self._failed)
        if not self._going:
            self._start(min(limit, MOST_STEPS))
        return self._collect(self.program.go(SLICE))

    def finish(self) -> Updates:
        if self.inner is not None:
            return self.inner.finish()
        done = Updates()
        if self._going:
            code = self.program.finish_step()
            self._going = False
            done = self._collect(code)
            self._show_gradients()
        self._release()
        return done

    def _release(self) -> None:
        if self.program.slices is not None:
            self.program.slices.release()

    def gradients(self, position: int) -> tuple[Array, dict[str, Pair]]:
        """The gradient of an update alone, for rules that make the update themselves; what was
        measured. Raises DivergenceError where the loss is not finite."""
        if self.inner is not None:
            return self.inner.gradients(position)
        self._start(1)
        while (code := self.program.go(SLICE)) == PAUSED:
            pass
        if code:
            self._going = False
            raise DivergenceError(f"the native program stopped with code {code}")
        done = self._collect(code)
        sums = {name: (float(a[0]), float(b[0])) for name, (a, b) in done.sums.items()}
        return self.state.network.flat.gradients, sums

    def _start(self, limit: int) -> None:
        task, state = self.task, self.state
        self._going, self._entered, self._failed = True, 0, 0
        state.network.flat.tie()
        limit = 1 if task.augment is not None else limit
        epochs = -(-(state.position + limit) // task.updates)
        self.order = (
            task.samples(state.epoch)
            if epochs == 1
            else np.concatenate([task.order(state.epoch + e) for e in range(epochs)])
        )
        n, steps = len(task.x), np.arange(state.position, state.position + limit)
        self.starts = steps // task.updates * n + steps % task.updates * task.batch
        self.counts = np.minimum(task.batch, n - self.starts % n)
        if task.augment is None:
            first, end = self.starts[0], self.starts[-1] + self.counts[-1]
            self.program.start(self.order[first:end], self.starts - first, self.counts)
            return
        samples, (x, t) = self._samples(0), self.data
        number = task.number(state.epoch, state.position)
        for first, stop, drawn in cuts(task, len(samples), number):
            x[first:stop] = task.augment(task.x[samples[first:stop]], drawn)
        t[: len(samples)] = task.t[samples]
        if task.weights is not None and self.program.weights is not None:
            self.program.weights[: len(samples)] = task.weights[samples]
        self.program.start(np.arange(len(samples)), np.zeros(1), self.counts)

    def _samples(self, step: int) -> Array:
        """The samples of a step of this run."""
        return self.order[self.starts[step] : self.starts[step] + self.counts[step]]

    def _collect(self, code: int) -> Updates:
        """What the updates since the last time measured."""
        first, done = self._entered, self.program.done
        self._entered = done
        if code != PAUSED:
            self._going = False
            self._failed = code
            self._show_gradients()
        if first == done:
            return Updates()
        program, steps = self.program, slice(first, done)
        whole = program.denominators[steps].astype(float)
        sums: dict[str, Pair] = {"loss": (program.losses[steps] * whole, whole)}
        seen = [self._seen.pop(step) for step in range(first, done)] if self.others else []
        for metric in self.task.metrics:
            name = metric.__name__
            if metric in self.others:
                pairs = np.array([s[name] for s in seen], float)
                sums[name] = pairs[:, 0], pairs[:, 1]
            else:
                sums[name] = (
                    program.right[steps].astype(float),
                    program.counted[steps].astype(float),
                )
        return Updates(done - first, sums, whole=not program.updating)

    def _watch(self, y: Array, step: int) -> None:
        """Metrics that are Python functions, of one step's outputs."""
        measure = measured if self.task.shards is None else measured_by_shards
        self._seen[step] = measure(self.task, y, self.task.t[self._samples(step)])

    def _show_gradients(self) -> None:
        """Let the layers have the gradients of the last step, as views of the flat array."""
        flat = self.state.network.flat
        self.program.put_gradients(flat.gradients)
        flat.show()

    def _fail(self, code: int) -> None:
        """Do in NumPy what the program could not: that says which layer met what."""
        self._failed = 0
        self._release()
        if code not in (BAD_INDEX, NOT_FINITE):
            raise RuntimeError(f"the native program stopped with code {code}")
        loss = float(self.program.losses[self.program.done])
        if code == NOT_FINITE and math.isfinite(loss):
            where = backward_origin(self.state.network)
            raise DivergenceError("a gradient is no longer finite", where)
        plain = NumPyEngine()
        plain.prepare(self.task, self.state)
        plain.measure(*self._present())
        if code == NOT_FINITE:
            raise DivergenceError(f"the loss became {loss}")
        raise RuntimeError("the native program met a number that NumPy does not find")

    def _present(self) -> tuple[Array, int]:
        """The samples of the next update, and how many batches come before it."""
        at = self.state.epoch, self.state.position
        return self.task.batches(*at)[0], self.task.number(*at)
