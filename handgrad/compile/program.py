"""Programs: a network's training steps, or its predictions, as one native call."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, zeros
from handgrad.compile.arena import lay_out
from handgrad.compile.binary import isa, usable_threads, why_not
from handgrad.compile.builder import Builder
from handgrad.compile.lowering.loss import storable
from handgrad.compile.lowering.registry import MOST_STEPS, Measured
from handgrad.compile.native import NativeProgram
from handgrad.compile.optimizer import lower_optimizer, lower_penalty
from handgrad.compile.plan import plan_prediction, plan_training, plan_with
from handgrad.compile.profile import Profile, profile
from handgrad.compile.sharding import Part, ShardedBuilder
from handgrad.compile.slices import NotFinite, Slices, sliced
from handgrad.compile.stages import join
from handgrad.compile.trace import Trace, trace
from handgrad.compile.values import Address, BatchDim, NotNative, Value, lengths
from handgrad.layer import walk
from handgrad.network import Network
from handgrad.optim import Optimizer
from handgrad.parallel import Alone, Ranks, Shards
from handgrad.protocols import LossLike

SLICE = 0.04  # seconds between two looks at what else wants to happen, such as Ctrl-C
PAUSED, BAD_INDEX, PYTHON_FAILED, BAD_BATCH, NOT_FINITE = range(1, 6)  # of hg_program_run


class BadIndex(ValueError):
    """A program met an index that is out of range."""


class Program:
    """Rows, the memory they work on, and the native code that runs them.

    origin: the network, a few samples, and whether they are traced in training mode.
    """

    def __init__(
        self, b: Builder, data_rows: int, threads: int | None, origin: tuple[Network, Array, bool]
    ):
        self.rows, self._origin = b.rows, origin
        self.threads = usable_threads() if threads is None else threads
        self._ahead, self.after = b.ahead, b.after
        join(b.rows)
        b.segments["arena"] = zeros(lay_out(b.rows, b.batch), np.float32), True
        self.batch, self.data_rows = b.whole, data_rows
        self._writable = {name: writable for name, (_, writable) in b.segments.items()}
        self.native = NativeProgram(
            b.rows, b.segments, batch=b.batch, data_rows=data_rows, hyper_width=len(b.ahead),
            part=b.part,
        )  # fmt: skip

    def __str__(self) -> str:
        return describe(self)

    @property
    def trace(self) -> Trace:
        """The uses of layers that the rows are made from, recorded once more."""
        network, x, training = self._origin
        with network.mode(training):
            return trace(network, x)

    def profile(self, steps: int = 100) -> Profile:
        """Run some steps on the first samples of the data and measure every row.

        The parameters are put back afterwards; so is what the optimizer remembers.
        """
        times = np.zeros(len(self.rows))
        kept = {name: a.copy() for name, a in self.native.arrays.items() if self._writable[name]}
        n = min(self.batch, self.data_rows)
        order, counts = np.arange(n), np.full(steps, n)
        try:
            self.start(order, np.zeros(steps), counts, times)
            while self.native.go(SLICE) == PAUSED:
                pass
        finally:
            for name, array in kept.items():
                self.native.arrays[name][...] = array
        return profile(self, steps, times)

    def describe(self) -> str:
        """What runs, in a few words: native, threads, instruction set."""
        many = f"{self.threads} thread{'s' if self.threads != 1 else ''}"
        python = sum(row.python is not None for row in self.rows)
        others = f", {python} row{'s' if python != 1 else ''} in Python" if python else ""
        return f"native, {many}, {isa()}{others}"

    def start(self, order: Array, starts: Array, counts: Array, times: Any = None) -> None:
        """Make ready for steps over the batches order[start : start + count]."""
        hyper = np.empty((len(starts), max(len(self._ahead), 1)))
        for i, ahead in enumerate(self._ahead):
            hyper[:, i] = ahead(len(starts))
        order = np.ascontiguousarray(order, np.int32)
        starts, counts = (np.ascontiguousarray(a, np.int64) for a in (starts, counts))
        self.native.start(order, starts, counts, hyper, self.threads, times)
        self._told = 0

    def go(self, seconds: float) -> int:
        """Run on for about that long: 0 when all steps are done, PAUSED, or what went wrong."""
        code = self._run(seconds)
        done = self.native.step
        for after in self.after:
            after(done - self._told)
        self._told = done
        return code

    def _run(self, seconds: float) -> int:
        return self.native.go(seconds)

    @property
    def done(self) -> int:
        """Steps that are done since `start`."""
        return self.native.step


class Training(Program):
    """Training steps of a network: gather, forward, backward, update.

    weights: of the samples, for the loss. watch(y, step) is called with the outputs of every step.
    python: whether layers without a native form may run as rows of Python.
    Of each step s since `start`: losses[s], with the penalty of l2; denominators[s], the D of the
    loss; counted[s], how many elements are not ignored, and for labels right[s] of them.
    shards: that each batch falls into; ranks: who computes them, None for this program alone. The
    counts of steps are then those of whole batches, and `sums` has what was added up over all of
    each. updates: False for steps that end when the shards here are added up.
    batch_norm: of a batch in shards, "global" or "shard": over which samples it takes moments.
    Raises NotNative where the network, the loss or the optimizer has no native form.
    """

    def __init__(
        self, network: Network, loss: LossLike, optimizer: Optimizer, x: Array, t: Array, *,
        batch: int,
        weights: Array | None = None, threads: int | None = None,
        watch: Callable[[Array, int], None] | None = None, python: bool = False,
        shards: Shards | None = None, ranks: Ranks | None = None, updates: bool = True,
        batch_norm: str = "global",
    ):  # fmt: skip
        require_native(network)
        network.build(x[:batch])
        x, t = words_of(x, "x"), words_of(t, "t")
        self.weights = None if weights is None else storable(loss, "weights", weights, (len(x),))
        self.measured = np.zeros((len(Measured._fields), MOST_STEPS), np.float32)
        self.addresses = Measured(*(Address("metrics", i * MOST_STEPS) for i in range(4)))
        self.losses, self.denominators, self.right, self.counted = Measured(*self.measured)
        self.denominators[:] = 1

        self.slices: Slices | None = None  # where each rank updates a part of the parameters

        def plan(numbers: set[int]) -> Builder:
            b = Builder(network.flat, batch, trains=True)
            if shards is not None:
                part = Part(shards, ranks or Alone())
                b = ShardedBuilder(network.flat, batch, part, batch_norm)
            self._plan(b, trace(network, x[:3], numbers), x, t, loss, watch, updates)
            if updates:
                b.label = "penalty"
                lower_penalty(b, optimizer, network, self.addresses.losses)
                b.label = "update"
                self._update = lower_optimizer(b, optimizer, network)
                self.slices = sliced(b, self._update, optimizer)
            return b

        with network.mode(True):
            b = plan_with(plan, python)
        network.flat.gradients[...] = 0
        super().__init__(b, len(x), threads, (network, x[:3], True))

    def _plan(
        self, b: Builder, traced: Trace, x: Array, t: Array, loss: Any, watch: Any, updates: bool
    ) -> None:
        """Append all up to the gradients."""
        b.segments |= {"x": (x, False), "t": (t, False), "metrics": (self.measured, True)}
        step = self.addresses
        shares = None if self.weights is None else b.array(self.weights)
        target = Value((BatchDim(1), *t.shape[1:]), rows=Address("t"), integer=t.dtype.kind == "i")
        plan_training(b, traced, loss, target, shares, step, watch)
        self.sums = b.add_up(loss, step, updates)

    def put_gradients(self, flat: Array) -> None:
        """Write the gradients of the last step that was made into the network's flat array, where
        the program leaves their sums elsewhere."""
        if self.sums is not None and self.done:
            D = float(self.denominators[self.done - 1])
            sums = self.sums[0] if self.slices is None else self.slices.sums
            np.multiply(sums[: flat.size], np.float32(1 / D if D else 0), out=flat)

    @property
    def updating(self) -> bool:
        """Whether the pause lies inside an update: then some parameters are new, and some old."""
        first = self._update if self.slices is None else self.slices.exchange
        return self.native.row > first

    def start(self, order: Array, starts: Array, counts: Array, times: Any = None) -> None:
        if self.slices is not None:
            self.slices.begin(self.native)
        super().start(order, starts, counts, times)

    def _run(self, seconds: float) -> int:
        slices = self.slices
        if slices is None:
            return super()._run(seconds)
        try:
            code = super()._run(seconds)
        except NotFinite:
            return NOT_FINITE
        if code == NOT_FINITE and self.native.row >= slices.first:
            slices.fail()
        elif code == NOT_FINITE or not self.updating:  # the loss, on all ranks: none has updated
            slices.end()
        return code

    def finish_step(self) -> int:
        """Run the present step to its end, or leave it where that takes too long to wait for.

        What an update has begun is always finished. Returns the last code of `go`.
        """
        self.native.stop_after_step()
        until = time.perf_counter() + SLICE
        while (code := self.go(SLICE / 8)) == PAUSED:
            if time.perf_counter() > until and not self.updating:
                break
        return code

    def run(self, order: Array, starts: Array, counts: Array) -> int:
        """All the steps; how many were done. Their losses are in `losses`."""
        self.start(order, starts, counts)
        while self.go(SLICE) == PAUSED:
            pass
        return self.done


class Prediction(Program):
    """The outputs of a network in evaluation mode, for up to `batch` samples at a time."""

    def __init__(
        self, network: Network, x: Array, *, batch: int, threads: int | None = None,
        python: bool = False,
    ):  # fmt: skip
        require_native(network)
        network.build(x[:batch])
        if any(getattr(layer, "stateful", False) for _, layer in walk(network)):
            raise NotNative("a layer remembers its state from call to call")
        x = words_of(x, "x")
        self._x = np.zeros((batch, *x.shape[1:]), x.dtype)

        def plan(numbers: set[int]) -> Builder:
            b = Builder(network.flat, batch)
            b.segments |= {"x": (self._x, False), "y": (None, True)}
            y = plan_prediction(b, trace(network, x[:3], numbers))
            if y.shape[:1] != (BatchDim(1),):
                raise NotNative("the output's first axis is not that of the samples")
            self._y = np.zeros(lengths(y.shape, batch), np.float32)
            b.segments["y"] = self._y, True
            return b

        with network.evaluating():
            b = plan_with(plan, python)
        self._order = np.arange(batch, dtype=np.int32)
        self._start, self._count = np.zeros(1, np.int64), np.zeros(1, np.int64)
        super().__init__(b, batch, threads, (network, x[:3], False))

    def __call__(self, x: Array) -> Array:
        """The outputs for x (N, …), N at most the batch. Raises ShapeError for another shape."""
        if x.shape[1:] != self._x.shape[1:] or len(x) > self.batch:
            raise ShapeError(
                f"Prediction: x must be (N, {str(self._x.shape[1:])[1:-1].rstrip(',')}) with N at "
                f"most {self.batch}, got {x.shape}"
            )
        self._x[: len(x)] = x
        self._count[0] = len(x)
        self.start(self._order, self._start, self._count)
        while (code := self.go(SLICE)) == PAUSED:
            pass
        if code == BAD_INDEX:
            raise BadIndex("Prediction: x holds an index that the layer which takes it refuses")
        return self._y[: len(x)].copy()


def require_native(network: Network) -> None:
    """Raise NotNative with the reason where programs cannot run, or not for this network."""
    reason = why_not()
    if not reason and np.dtype(network.dtype) != np.float32:
        reason = f"the network's dtype is {np.dtype(network.dtype)}, native code has float32"
    if reason:
        raise NotNative(reason)


def words_of(array: Array, name: str) -> Array:
    """Data as float32 or int32, which is what kernels read."""
    if array.dtype.kind == "f":
        return np.ascontiguousarray(array, np.float32)
    if array.dtype.kind not in "iub":
        raise NotNative(f"{name} is {array.dtype}")
    if array.size and not -(2**31) <= array.min() <= array.max() < 2**31:
        raise NotNative(f"{name} holds integers of more than 32 bits")
    return np.ascontiguousarray(array, np.int32)


def describe(program: Program) -> str:
    """The table of rows: kernel, layer, operations and bytes for the largest batch.

    A + stands where threads do not wait for each other before the row.
    """
    lines = [f"{'':>3}  {'kernel':<24} {'MFLOP':>9} {'kB':>9}  for"]
    for i, row in enumerate(program.rows):
        flops, size = program.native.cost(i) if row.python is None else (0.0, 0.0)
        lines.append(
            f"{i:>3} {'+' if row.waits else ' '}{row.kernel:<24} {flops / 1e6:>9.3f} "
            f"{size / 1e3:>9.1f}  {row.label}"
        )
    return "\n".join(lines)


def compile_training(
    network: Network, loss: LossLike, optimizer: Optimizer, x: Array, t: Array, *, batch: int,
    weights: Array | None = None, threads: int | None = None,
    watch: Callable[[Array, int], None] | None = None, python: bool = False,
    shards: Shards | None = None,
) -> Training:  # fmt: skip
    """The training steps of a network as one program; see `Training`."""
    return Training(
        network, loss, optimizer, x, t, batch=batch, weights=weights, threads=threads,
        watch=watch, python=python, shards=shards,
    )  # fmt: skip


def compile_prediction(
    network: Network, x: Array, *, batch: int, threads: int | None = None, python: bool = False
) -> Prediction:
    """The predictions of a network as one program; see `Prediction`."""
    return Prediction(network, x, batch=batch, threads=threads, python=python)
