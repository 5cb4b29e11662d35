"""Compiled: the steps of a training as calls of a native program, many steps in a call."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.compile import NotNative, Training
from handgrad.compile.lowering.registry import MOST_STEPS
from handgrad.compile.program import BAD_INDEX, NOT_FINITE, PAUSED, SLICE, words_of
from handgrad.optim import Plateau
from handgrad.train.callbacks import Callback, Progress
from handgrad.train.metrics import accuracy


class Compiled:
    """Runs the steps of a `Trainer` natively and enters their numbers in the trainer.

    Raises NotNative, with the reason, where the training has a part that only Python can do.
    """

    def __init__(self, trainer: Any, threads: int | None):
        self.trainer = trainer
        if trainer.accumulate > 1:
            raise NotNative("accumulate is done in Python")
        self.labels = trainer.t.dtype.kind in "iu"
        self.others = [m for m in trainer.metrics if m is not accuracy or not self.labels]
        x, t, weights = trainer.x, trainer.t, trainer.weights
        if trainer.augment is not None:  # each batch is made in Python, and is then all the data
            x, t = self.buffers = (
                x[: trainer.batch].copy(),
                words_of(t[: trainer.batch].copy(), "t"),
            )
            weights = None if weights is None else weights[: trainer.batch]
        self.program = Training(
            trainer.network, trainer.loss, trainer.optimizer, x, t, batch=trainer.batch,
            weights=weights, threads=threads, watch=self._watch if self.others else None,
            python=bool(trainer.compile),
        )  # fmt: skip
        self.watched: dict[tuple[str, int], float] = {}
        watching = [c for c in trainer.callbacks if not isinstance(c, Progress)]
        self.by_step = trainer.augment is not None or any(_does(c, "on_step") for c in watching)
        # Nobody looks between epochs: short ones may follow each other in one call.
        self.ahead = not (
            self.by_step or trainer.validation is not None
            or isinstance(trainer.optimizer.lr, Plateau)
            or any(_does(c, "on_epoch") for c in watching)
        )  # fmt: skip

    def advance(self) -> None:
        """Run steps from the trainer's place on: to the end of the epoch, or of several epochs."""
        trainer, program = self.trainer, self.program
        self.began, self.entered = time.perf_counter(), 0
        trainer.network.flat.tie()
        order, starts, self.counts = self._batches()
        self.order, self.starts = order, starts
        if trainer.augment is None:
            program.start(order, starts, self.counts)
        else:
            self._augment(order[starts[0] : starts[0] + self.counts[0]])
            program.start(np.arange(self.counts[0]), np.zeros(1), self.counts)
        code = PAUSED
        while code == PAUSED and trainer.going:
            code = program.go(SLICE)
            self._enter(code)
        if code == PAUSED:  # stopped by somebody
            program.finish_step()
            self._enter(code)
        self._show_gradients()
        if trainer.place and not trainer.going and not trainer.interrupted:
            trainer.close_epoch(time.perf_counter() - self.began)

    def _augment(self, rows: Array) -> None:
        """Put an augmented batch where the program finds its data."""
        trainer, (x, t) = self.trainer, self.buffers
        number = trainer.epoch * trainer.batches + trainer.place
        x[: len(rows)], t[: len(rows)] = trainer.augment(trainer.x[rows], number), trainer.t[rows]
        if self.program.weights is not None:
            self.program.weights[: len(rows)] = trainer.weights[rows]

    def _show_gradients(self) -> None:
        """Let the layers have the gradients of the last step, as views of the flat array."""
        for segment in self.trainer.network.flat.segments:
            for slot in segment.slots:
                slot.set_grad(segment.grad_view if slot is segment.slots[0] else None)

    def _batches(self) -> tuple[Array, Array, Array]:
        """The rows of the steps to come, and where each step's batch begins and how long it is."""
        trainer = self.trainer
        rows, batch = len(trainer.x), trainer.batch
        wanted = 1 if self.by_step else min(trainer.total_steps - trainer.step, MOST_STEPS)
        epochs = -(-(trainer.place + wanted) // trainer.batches) if self.ahead else 1
        order = np.concatenate([trainer.order(trainer.epoch + e) for e in range(epochs)])
        starts = (np.arange(epochs)[:, None] * rows + np.arange(0, rows, batch)).reshape(-1)
        counts = np.minimum(batch, rows - starts % rows)
        steps = slice(trainer.place, trainer.place + wanted)
        return order, starts[steps], counts[steps]

    def _enter(self, code: int) -> None:
        """Take over the numbers of the steps done since the last time."""
        trainer, done = self.trainer, self.program.done
        while self.entered < done:
            left = trainer.batches - trainer.place
            steps = slice(self.entered, min(done, self.entered + left))
            self._enter_steps(steps)
            self.entered = steps.stop
            trainer.call("on_step")
            if trainer.place == trainer.batches:
                seconds = (time.perf_counter() - self.began) * trainer.batches / done
                trainer.close_epoch(seconds)
        if code > PAUSED:
            self._fail(code)
        if self.by_step or not self.program.updating:
            trainer.keep_good()

    def _enter_steps(self, steps: slice) -> None:
        trainer, counts = self.trainer, self.counts[steps]
        losses = self.program.losses[steps].astype(float)
        if trainer.step == 0:
            trainer.first_loss = losses[0]
        trainer.loss_value = float(losses[-1])
        sums = {"count": int(counts.sum()), "loss": float(losses @ counts)}
        for metric in trainer.metrics:
            name = metric.__name__
            if metric in self.others:
                sums[name] = float(sum(self.watched.pop((name, s)) for s in _range(steps)))
            else:
                right, counted = self.program.right[steps], self.program.counted[steps]
                sums[name] = float((right / np.maximum(counted, 1)) @ counts)
        trainer.add_sums(sums)
        trainer.step += len(counts)
        trainer.place += len(counts)

    def _watch(self, y: Array, step: int) -> None:
        """Metrics that are Python functions, of one step's outputs."""
        trainer, start, n = self.trainer, self.starts[step], self.counts[step]
        t = trainer.t[self.order[start : start + n]]
        for metric in self.others:
            self.watched[metric.__name__, step] = float(metric(y, t)) * n

    def _fail(self, code: int) -> None:
        """Do what the step would do in Python: say which layer met what."""
        trainer, step = self.trainer, self.program.done
        start, n = self.starts[step], self.counts[step]
        rows = self.order[start : start + n]
        if code not in (BAD_INDEX, NOT_FINITE):
            raise RuntimeError(f"the native program stopped with code {code}")
        self._show_gradients()
        loss = float(self.program.losses[step])
        if code == NOT_FINITE and math.isfinite(loss):
            trainer.diverged("a gradient is no longer finite")
        trainer.batch_step(rows)
        raise RuntimeError("the native program met a number that NumPy does not find")


def _does(callback: Any, event: str) -> bool:
    """Whether a callback does something at an event."""
    method = getattr(type(callback), event, None) or getattr(callback, event, None)
    return callable(method) and method is not getattr(Callback, event)


def _range(steps: slice) -> range:
    return range(steps.start, steps.stop)
