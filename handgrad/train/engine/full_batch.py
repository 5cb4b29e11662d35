"""FullBatchEngine: the updates of rules that look at the loss of all data several times in each."""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import Array
from handgrad.compile.program import SLICE
from handgrad.layer import walk
from handgrad.layers import MeanSquaredError, SumSquaredError
from handgrad.optim.full_batch import FullBatch, Point
from handgrad.optim.levenberg import LevenbergMarquardt
from handgrad.train.diverge import DivergenceError
from handgrad.train.engine.interface import Engine
from handgrad.train.engine.native_engine import NativeEngine
from handgrad.train.engine.numpy_engine import NumPyEngine
from handgrad.train.engine.state import TrainState
from handgrad.train.engine.task import Pair, Task, Updates


class Seen(NamedTuple):
    """A point, what was measured there, and the running statistics that it leads to."""

    point: Point
    sums: dict[str, Pair]
    statistics: list[Array]


class FullBatchEngine(Engine):
    """The problem that such a rule solves, its loss and gradient computed by another engine.

    Running statistics are those of the accepted points, whatever was tried between them.
    """

    optimizer: FullBatch

    def __init__(self, inner: NativeEngine | NumPyEngine):
        self.inner = inner

    def prepare(self, task: Task, state: TrainState) -> None:
        optimizer = state.optimizer
        assert isinstance(optimizer, FullBatch)
        name = type(optimizer).__name__
        if task.updates > 1 or task.augment is not None:
            what = "augment=None" if task.augment is not None else f"batch={len(task.x)}"
            raise ValueError(f"{name}: an update takes all data as they are; use {what}")
        if task.shards is not None and isinstance(optimizer, LevenbergMarquardt):
            raise ValueError(
                f"{name}: its Jacobian is that of all data, which no shard has; use shards=None, "
                "or LBFGS()"
            )
        if state.feedback is not None:
            raise ValueError(
                f"{name}: it compares gradients of one update, and gradients="
                f"{state.gradients!r} carries what rounding left out from one to the next; use "
                "gradients=None"
            )
        self.inner.prepare(task, state)
        super().prepare(task, state)
        self.optimizer = optimizer
        optimizer.begin()
        self._runs = optimizer.runs(state.network)
        self._now: Point | None = None
        self._seen: dict[int, Seen] = {}  # the points of an update
        self._statistics = [
            array
            for _, layer in walk(state.network)
            for buffer in getattr(layer, "buffers", ())
            if isinstance(array := getattr(layer, buffer, None), np.ndarray)
        ]

    def describe(self) -> str:
        """What runs."""
        return self.inner.describe()

    def advance(self, limit: int) -> Updates:
        done: list[dict[str, Pair]] = []
        until = time.perf_counter() + SLICE
        while len(done) < limit and not self.optimizer.finished:
            now = self.start()
            try:
                moved = self.optimizer.improve(self)
            except BaseException:
                self.accept(now)
                raise
            if moved:
                done.append(self._seen[id(now)].sums)
            self._seen = {id(self._now): self._seen[id(self._now)]}
            if time.perf_counter() > until:
                break
        return Updates.of(done)

    # -- the problem -----------------------------------------------------------------------

    def start(self) -> Point:
        if self._now is not None:
            return self._now
        now = self._now = self.at(self._x())
        if not (math.isfinite(now.value) and np.isfinite(now.gradient).all()):
            plain = NumPyEngine()
            plain.prepare(self.task, self.state)
            plain.gradients(0)  # says in which layer it began
            raise DivergenceError("a gradient is no longer finite")
        if (again := self.at(now.x).value) != now.value:
            raise ValueError(
                f"{type(self.optimizer).__name__}: the loss must be a function of the weights "
                f"alone, and is {now.value:g} and then {again:g} for the same ones; leave out "
                "dropout, or use Adam"
            )
        return now

    def at(self, x: Array) -> Point:
        self._put(x)
        before = self._copies()
        try:
            gradients, sums = self.inner.gradients(0)
        except DivergenceError:
            gradients, sums = np.empty(0), {"loss": (math.inf, 1.0)}
        after = self._copies()
        self._restore(before)
        value, x = sums["loss"][0] / (sums["loss"][1] or 1), self._x()  # x as rounded
        if math.isfinite(value):
            parts = [self._with_l2(run, gradients) for run in self._runs]
            point = Point(x, value, np.concatenate([np.empty(0), *parts]))
        else:
            point = Point(x, math.inf, np.zeros(len(x)))
        self._seen[id(point)] = Seen(point, sums, after)
        return point

    def accept(self, point: Point) -> None:
        self._put(point.x)
        if point is not self._now:
            self._restore(self._seen[id(point)].statistics)
        self._now = point

    def residuals(self) -> tuple[Array, Array]:
        task, network, loss = self.task, self.state.network, self.task.loss
        if type(loss) not in (MeanSquaredError, SumSquaredError):
            raise ValueError(
                f"{type(self.optimizer).__name__}: the loss must be MeanSquaredError or "
                f"SumSquaredError, got {type(loss).__name__}"
            )
        before = self._copies()
        y = network.forward(task.x)
        weights = () if task.weights is None else (task.weights,)
        loss.forward(y, task.t, *weights)
        share = 0.5 if type(loss) is SumSquaredError else 1.0
        root = np.sqrt(np.broadcast_to(np.float64(share) * loss.scale, y.shape)).ravel()
        r, J = root * (y - task.t).astype(np.float64).ravel(), []
        for i, factor in enumerate(root):
            dy = np.zeros(y.size, y.dtype)
            dy[i] = 1
            network.backward(dy.reshape(y.shape))
            flat = network.flat.collect()
            J.append(factor * np.concatenate([flat[run.where] for run in self._runs]))
        self._restore(before)
        return self._with_penalty(r, np.array(J, np.float64))

    def _with_penalty(self, r: Array, J: Array) -> tuple[Array, Array]:
        """Besides, √(λ/2) · W for each weight of the l2 term."""
        if not self.optimizer.l2:
            return r, J
        decays = np.concatenate([
            np.full(run.where.stop - run.where.start, run.decays) for run in self._runs
        ])  # fmt: skip
        root = math.sqrt(self.optimizer.l2 / 2)
        rows = root * np.eye(len(decays))[decays]
        return np.concatenate([r, root * self._x()[decays]]), np.concatenate([J, rows])

    # -- the weights that are learned --------------------------------------------------------

    def _x(self) -> Array:
        p = self.state.network.parameters
        return np.concatenate([np.empty(0), *(p[run.where] for run in self._runs)])

    def _put(self, x: Array) -> None:
        p, at = self.state.network.parameters, 0
        for run in self._runs:
            size = run.where.stop - run.where.start
            p[run.where] = x[at : at + size]
            at += size

    def _with_l2(self, run: Any, gradients: Array) -> Array:
        g: Array = gradients[run.where].astype(np.float64)
        if run.decays and self.optimizer.l2:
            g += self.optimizer.l2 * self.state.network.parameters[run.where]
        return g

    def _copies(self) -> list[Array]:
        return [array.copy() for array in self._statistics]

    def _restore(self, statistics: list[Array]) -> None:
        for array, value in zip(self._statistics, statistics):
            array[...] = value
