"""NativeSteps: updates as steps of native programs, which are kept.

A program is made for 1, 2, 4, 8, … samples, and serves all batches of up to so many.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from math import prod
from typing import Any

import numpy as np

from handgrad.arrays import Array, zeros
from handgrad.compile import Training
from handgrad.compile.program import NOT_FINITE
from handgrad.compile.step import NOT_NUMBERS, Steps
from handgrad.network import Network
from handgrad.optim import Optimizer
from handgrad.stream.form import SINGLE, Inputs, Targets
from handgrad.stream.held import Held
from handgrad.stream.plain import PlainSteps
from handgrad.train.data import check_data
from handgrad.train.diverge import DivergenceError
from handgrad.train.engine.numpy_engine import measured
from handgrad.train.engine.task import Pair
from handgrad.train.guards import training_mode
from handgrad.train.metrics import accuracy

KEPT = 8  # programs
LABELS: Any = frozenset({int, *(np.dtype(kind).type for kind in "bhilqBHILQ")})
REALS: Any = frozenset({float, np.float32, np.float64, *LABELS})


class Batch:
    """A training program for up to so many samples, and where it reads them."""

    def __init__(self, steps: NativeSteps, capacity: int, weighted: bool):
        inputs, targets = steps.inputs, steps.targets
        sizes = [capacity * prod(shape) for shape in (inputs.shape, targets.shape)]
        real = [not inputs.integer, targets.real]
        # What must be finite lies together.
        numbers = zeros(sum(size for size, is_real in zip(sizes, real) if is_real), np.float32)
        begin = sizes[0] if real[0] else 0
        self.x, self.t = (
            (part if is_real else np.zeros(size, np.int32)).reshape(capacity, *shape)
            for part, is_real, size, shape in zip(
                (numbers[:begin], numbers[begin:]), real, sizes, (inputs.shape, targets.shape)
            )
        )
        self.program = Training(
            steps.network, steps.plain.loss, steps.optimizer, self.x, self.t, batch=capacity,
            weights=np.ones(capacity) if weighted else None, threads=steps.threads,
            watch=self._watch if steps.others else None, python=steps.python,
        )  # fmt: skip
        self._task = steps.task
        self.seen: list[dict[str, Pair]] = []
        self.weights: Any = self.program.weights
        self.steps = Steps(self.program, numbers)
        self.losses: Any = memoryview(self.program.losses)
        self.first = self.x[0]
        self.target: Any = None
        if prod(targets.shape) == 1:
            flat: Any = self.t.reshape(-1)
            self.target = memoryview(flat)
        rows = sum(row.python is not None for row in self.program.rows)
        self.python = rows > bool(steps.others)  # layers that run as Python

    def put(self, x: Array, t: Array, weights: Array | None) -> None:
        """Copy samples to where the program reads them."""
        n = self.steps.count = len(x)
        self.x[:n], self.t[:n] = x, t
        if weights is not None:
            self.weights[:n] = weights

    def data(self) -> tuple[Array, Array, Array | None]:
        """The samples of the present step."""
        n, weights = self.steps.count, self.weights
        return self.x[:n].copy(), self.t[:n].copy(), None if weights is None else weights[:n]

    def _watch(self, y: Array, step: int) -> None:
        self.seen.append(measured(self._task, y, self.t[: len(y)]))


class NativeSteps:
    """Steps of programs of a network; what they measure goes to `running`, some steps at once.

    Raises NotNative where a part of the training has no native form; python: then its layers may
    run as Python.
    """

    def __init__(
        self, network: Network, optimizer: Optimizer, plain: PlainSteps, inputs: Inputs,
        targets: Targets, *, threads: int, python: bool,
    ):  # fmt: skip
        self.network, self.optimizer, self.plain = network, optimizer, plain
        self.inputs, self.targets = inputs, targets
        self.threads, self.python = threads, python
        self.task = plain.task(np.empty((0, *inputs.shape)), np.empty((0, *targets.shape)))
        metrics = plain.running.metrics
        self.others = [m for m in metrics if m is not accuracy or targets.classes is None]
        self._shape = inputs.shape
        self.refresh()

    def refresh(self) -> None:
        """Make the programs anew, from the network, loss and optimizer as they are now."""
        self._batches: OrderedDict[tuple[int, bool], Batch] = OrderedDict()
        self._now: Batch | None = None  # whose block of steps goes on
        self._entered = self._expected = 0
        self._rate: Any = None  # the optimizer's `lr` of the present block
        self._first = self._batch(1, False)
        self._first_weighted: Batch | None = None
        signed = getattr(self.plain.loss, "signed", False)
        self._lightest = -float(np.finfo(np.float32).max) if signed else 0.0
        self._held = Held(self.network, self.optimizer)
        # Of targets as they usually come: their types, and their limits.
        first, targets = self._first, self.targets
        quick = first.target is not None and not (first.python or targets.limited)
        classes = targets.classes
        self._kinds: Any = (REALS if classes is None else LABELS) if quick else frozenset[type]()
        self._least: Any = -math.inf if classes is None else 0
        self._most: Any = math.inf if classes is None else classes - 1

    def describe(self) -> str:
        """native, threads, instruction set."""
        return self._first.program.describe()

    # -- updates ------------------------------------------------------------------------------

    def one(self, x: Any, t: Any, weight: Any) -> float | None:
        """The loss of an update from one sample as it usually comes, looked at by C alone; None
        where it comes in another form, which is for `update`."""
        batch = self._first
        if weight is not None:
            if weight.__class__ not in REALS or not self._lightest <= weight < math.inf:
                return None
            batch = self._first_weighted = self._first_weighted or self._batch(1, True)
            batch.weights[0] = weight
        if (
            x.__class__ is not Array
            or x.shape != self._shape
            or (x.dtype is not SINGLE and x.dtype.kind != "f")
            or t.__class__ not in self._kinds
            or not self._least <= t <= self._most
        ):
            return None
        batch.first[...] = x
        batch.target[0] = t
        return self._step(batch)

    def update(self, x: Array, t: Array, weights: Array | None) -> float:
        """The loss of an update from samples that were checked."""
        batch = self._batch(len(x), weights is not None)
        batch.put(x, t, weights)
        if not (batch.python or self.inputs.integer):
            return self._step(batch)
        # A layer may refuse what the layers before it have seen already.
        with training_mode(self.network), np.errstate(all="ignore"), self.plain.whole():
            return self._step(batch)

    def _batch(self, samples: int, weighted: bool) -> Batch:
        """The program for so many samples."""
        capacity = 1 << (samples - 1).bit_length()
        batch = self._batches.get((capacity, weighted))
        if batch is None:
            batch = self._batches[capacity, weighted] = Batch(self, capacity, weighted)
            if len(self._batches) > KEPT:
                oldest = next(key for key in self._batches if key != (1, False))
                del self._batches[oldest]
        self._batches.move_to_end((capacity, weighted))
        return batch

    def _step(self, batch: Batch) -> float:
        steps, optimizer = batch.steps, self.optimizer
        if not self._held.same() and not self._held.holds():
            data = batch.data()
            self.flush()
            self.refresh()
            return self.update(*data)
        here = (
            self._now is batch and optimizer.steps == self._expected and optimizer.lr is self._rate
        )
        if not here or steps.made == steps.room:
            self.flush()
            steps.begin(anew=not here)
            self._now, self._entered, self._rate = batch, 0, optimizer.lr
        if code := steps.step():
            self._fail(batch, code)
        loss: float = batch.losses[steps.made]
        steps.made += 1
        for after in batch.program.after:
            after(1)
        self._expected = optimizer.steps
        return loss

    def _fail(self, batch: Batch, code: int) -> None:
        """Say what the program met, as NumPy finds it where nothing has changed yet."""
        x, t, weights = batch.data()
        del batch.seen[batch.steps.made - self._entered :]
        self.flush()
        self._now = None
        batch.x[...] = batch.t[...] = 0
        if code == NOT_NUMBERS:
            check_data(x, t, "update")
        batch.program.native.raise_error()
        if code == NOT_FINITE and math.isfinite(batch.losses[batch.steps.made]):
            parts = self.network.flat.segments
            wrong = [s.path for s in parts if not np.isfinite(s.grad_view).all()]
            where = f"the gradient of {wrong[-1]}: NaN or infinity" if wrong else ""
            raise DivergenceError("a gradient is no longer finite", where)
        self.plain.measure(x, t, weights)
        raise RuntimeError(f"the native program stopped with code {code}")

    def flush(self) -> None:
        """Enter in `running` what the steps since the last time measured."""
        if (batch := self._now) is None or self._entered == batch.steps.made:
            return
        program, part = batch.program, slice(self._entered, batch.steps.made)
        whole = program.denominators[part].astype(float)
        sums: dict[str, Any] = {"loss": (program.losses[part] * whole, whole)}
        for metric in self.task.metrics:
            name = metric.__name__
            sums[name] = (
                tuple(zip(*(seen[name] for seen in batch.seen)))
                if metric in self.others
                else (program.right[part], program.counted[part])
            )
        batch.seen.clear()
        self._entered = batch.steps.made
        self.plain.running.add(sums)
