"""The training loop: gather a batch, forward, backward, update."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import Array, as_float
from handgrad.compile import NotNative
from handgrad.layers import loss_for
from handgrad.network import Metric, Network, Sequential
from handgrad.optim import SGD, Optimizer
from handgrad.train.callbacks import Progress
from handgrad.train.compiled import Compiled
from handgrad.train.data import check_data, random_order, split_rows
from handgrad.train.diverge import DivergenceError, backward_origin, forward_origin
from handgrad.train.history import History
from handgrad.train.metrics import accuracy
from handgrad.train.resume import check_state

_KEEP_EVERY = 50  # steps between copies of good weights


class _Update(NamedTuple):
    """What an optimizer reads of a network: the gradients are collected once, or averaged."""

    parameters: Array
    gradients: Array
    layout: list
    frozen: frozenset[str]


def fit(network: Network, x: Any, t: Any, **options: Any) -> History:
    """Train a network on inputs x and targets t; options as in `Trainer`."""
    return Trainer(network, x, t, **options).run()


class Trainer:
    """Training of a network on inputs x (N, …) and targets t (N, …).

    loss: a loss layer; by default softmax cross-entropy for integer labels, mean squared error
        for real targets.
    optimizer: by default SGD(0.1).
    epochs, or steps (updates) in all; batch: rows per step, by default 32 or all where fewer.
        The last, smaller batch of an epoch is used too.
    validation: (x, t), or the fraction of the rows to hold out, stratified for labels.
    metrics: functions (y, t) -> number, recorded under their names: for training as the mean
        over batches, for validation exactly; by default accuracy for labels.
    sample_weights: one weight per row; a batch's loss is their weighted mean.
    accumulate: batches whose gradients are averaged, by rows, for one update.
    augment: a function of a training batch's x and the number of batches before it, such as
        `Augment`.
    seed: of the order of the rows; shuffle=False keeps them as they come.
    progress: show a bar; by default where standard error is a terminal.
    compile: True for the native program, or a ValueError that says why there is none; False for
        NumPy; by default native where every layer is, NumPy where not. `engine` says what runs.
    threads: of the native program; by default as many as this process may use and as pay.

    Raises ValueError for data or options that do not fit, DivergenceError when the loss or a
    gradient stops being finite; then the network has its last good weights.
    """

    interrupted = False

    def __init__(
        self, network: Network, x: Any, t: Any, *, loss: Any = None,
        optimizer: Optimizer | None = None, epochs: int | None = None, steps: int | None = None,
        batch: int | None = None, validation: Any = None,
        metrics: Sequence[Metric] | None = None, callbacks: Iterable[Any] = (),
        sample_weights: Any = None, accumulate: int = 1,
        augment: Callable[[Array, int], Array] | None = None, shuffle: bool = True,
        seed: int = 0, progress: bool | None = None, compile: bool | None = None,
        threads: int | None = None,
    ):  # fmt: skip
        self.network = network if isinstance(network, Network) else Sequential(network)
        self._take_data(x, t, sample_weights, validation, seed)
        self.loss = loss_for(self.t) if loss is None else loss
        self.optimizer = SGD(0.1) if optimizer is None else optimizer
        usual = [accuracy] if self.t.dtype.kind in "iu" else []
        self.metrics = usual if metrics is None else list(metrics)
        rows = len(self.x)
        self.batch = _check_count("batch", min(32, rows) if batch is None else batch)
        if self.batch > rows:
            raise ValueError(f"batch: {self.batch} is more than the {rows} rows of data")
        self.accumulate = _check_count("accumulate", accumulate)
        self.augment, self.shuffle, self.seed = augment, shuffle, seed
        self.batches = -(-rows // self.batch)
        self.total_steps = self._count_steps(epochs, steps)
        self.callbacks = [*callbacks, Progress(progress)]
        self.history = History()
        self.epoch = self.step = self.place = 0  # place: batches done in the present epoch
        self.loss_value = self.first_loss = math.nan
        self._sums: dict[str, float] = {}
        self._reason: str | None = None
        self._accumulated: tuple[Array, int] | None = None
        self.compile = _check_choice("compile", compile)
        self.threads = None if threads is None else _check_count("threads", threads)
        self._engine: tuple[Compiled | None, str] | None = None

    def _take_data(self, x: Any, t: Any, weights: Any, validation: Any, seed: int) -> None:
        """Check the data, hold out the validation part, and bring it into the network's dtype."""
        x, t = check_data(x, t, name="training data")
        weights = None if weights is None else _check_weights(weights, len(x))
        if isinstance(validation, float | int) and not isinstance(validation, bool):
            rows, held = split_rows(t, float(validation), seed)
            validation = x[held], t[held]
            x, t, weights = x[rows], t[rows], weights if weights is None else weights[rows]
        elif validation is not None:
            x_held, t_held = validation
            validation = check_data(x_held, t_held, name="validation data")
        self.validation, self.weights = validation, weights
        dtype = self.network.dtype
        self.x, self.t = (
            np.ascontiguousarray(a, dtype if a.dtype.kind == "f" else a.dtype) for a in (x, t)
        )

    def _count_steps(self, epochs: int | None, steps: int | None) -> int:
        if steps is None:
            updates = -(-self.batches // self.accumulate)
            return _check_count("epochs", 10 if epochs is None else epochs) * updates
        if epochs is not None:
            raise ValueError("epochs, steps: give one of them, not both")
        return _check_count("steps", steps)

    def stop(self, reason: str) -> None:
        """End training after the present step."""
        self._reason = reason

    def run(self) -> History:
        """Train to the end, or on from where a loaded state was. Ctrl-C ends after a step.

        Then KeyboardInterrupt is raised, and network, history and state are whole.
        """
        network = self.network
        network.build(self.x[: self.batch])
        self._engine = self._compile()
        compiled, _ = self._engine
        self._reason, self.interrupted, self.history.stopped = None, False, None
        self._good = network.parameters.copy(), self.step
        with self._training(), self._ctrl_c(), np.errstate(all="ignore"):  # checked each step
            self.call("on_start")
            try:
                while self.going:
                    self._epoch() if compiled is None else compiled.advance()
            finally:
                self.call("on_end")
        self.history.stopped = self._reason
        if self.interrupted:
            raise KeyboardInterrupt
        return self.history

    @property
    def engine(self) -> str:
        """What runs: "native, 2 threads, AVX2", or "NumPy" and why."""
        if self._engine is None:
            self._engine = self._compile()
        return self._engine[1]

    def _compile(self) -> tuple[Compiled | None, str]:
        """The native program, where there is one and it is wanted, and what runs, in words."""
        if self.compile is False:
            return None, "NumPy"
        try:
            self.network.build(self.x[: self.batch])
            compiled = Compiled(self, self.threads)
        except NotNative as reason:
            if self.compile:
                raise ValueError(f"compile: {reason}") from None
            return None, f"NumPy ({reason})"
        return compiled, compiled.program.describe()

    @property
    def going(self) -> bool:
        """Whether there are steps left, and nobody has asked to stop."""
        return self.step < self.total_steps and self._reason is None

    def call(self, event: str) -> None:
        """Tell the callbacks."""
        for callback in sorted(self.callbacks, key=lambda c: getattr(c, "told_last", False)):
            method = getattr(callback, event, None)
            if method is not None:
                method(self)

    def _epoch(self) -> None:
        """The rest of the present epoch, from `place` on."""
        began = time.perf_counter()
        order = self.order(self.epoch)
        while self.place < self.batches:
            rows = order[self.place * self.batch : (self.place + 1) * self.batch]
            self.batch_step(rows)
            self.place += 1
            if self.place % self.accumulate == 0 or self.place == self.batches:
                self.update_step()
            if not self.going and not self._accumulated:
                break
        if self.interrupted and self.place < self.batches:
            return
        self.close_epoch(time.perf_counter() - began)

    def order(self, epoch: int) -> Array:
        """The rows in the order in which an epoch takes them."""
        rows = len(self.x)
        return random_order(rows, self.seed, epoch) if self.shuffle else np.arange(rows)

    def add_sums(self, numbers: dict[str, float]) -> None:
        """Add to what the epoch's means are made from: rows, and sums over them."""
        for name, number in numbers.items():
            self._sums[name] = self._sums.get(name, 0) + number

    def close_epoch(self, seconds: float) -> None:
        """Enter the epoch's numbers in the history, measure validation, and begin the next."""
        count = self._sums.pop("count")
        numbers = {name: total / count for name, total in self._sums.items()}
        if self.validation is not None:
            measured = self.network.evaluate(*self.validation, loss=self.loss, metrics=self.metrics)
            numbers |= {f"val_{name}": value for name, value in measured.items()}
        numbers |= {"lr": self.optimizer.learning_rate(), "seconds": seconds}
        self.history.add(**numbers)
        self._sums = {}
        self.epoch += 1
        self.place = 0
        self.optimizer.observe(numbers.get("val_loss", numbers["loss"]))
        self.call("on_epoch")

    def batch_step(self, rows: Array) -> None:
        """Forward and backward for some rows; their gradients are in the network after it."""
        network, x, t = self.network, self.x[rows], self.t[rows]
        if self.augment is not None:
            x = self.augment(x, self.epoch * self.batches + self.place)
        y = network.forward(x)
        weights = () if self.weights is None else (self.weights[rows],)
        value = float(self.loss.forward(y, t, *weights))
        if not math.isfinite(value):
            self.diverged(f"the loss became {value}", forward_origin, x)
        network.backward(_first(self.loss.backward()))
        if self.optimizer.l2:
            value += self.optimizer.penalty(network)
        self.loss_value = value
        n = len(rows)
        measured = {metric.__name__: float(metric(y, t)) * n for metric in self.metrics}
        self.add_sums({"count": n, "loss": value * n} | measured)
        if self.accumulate > 1:
            gradient, rows_before = self._accumulated or (np.zeros_like(network.gradients), 0)
            gradient += network.gradients * n
            self._accumulated = gradient, rows_before + n

    def update_step(self) -> None:
        network = self.network
        if self._accumulated is None:
            gradients = network.gradients
        else:
            gradients, count = self._accumulated
            gradients /= count
            self._accumulated = None
        if not math.isfinite(np.dot(gradients, gradients)):
            self.diverged("a gradient is no longer finite")
        if self.step == 0:
            self.first_loss = self.loss_value
        self.keep_good()
        update = _Update(network.parameters, gradients, network.layout, network.frozen)
        self.optimizer.step(update)
        self.step += 1
        self.call("on_step")

    def keep_good(self) -> None:
        """Copy the weights now and then, for the case that they go bad."""
        if self.step >= self._good[1] + _KEEP_EVERY and self.loss_value <= self.first_loss:
            self._good = self.network.parameters.copy(), self.step

    def diverged(
        self, what: str, origin: Callable[..., str] = backward_origin, *inputs: Any
    ) -> None:
        """Find where it began, put the last good weights back, and stop."""
        where = origin(self.network, *inputs)
        weights, step = self._good
        self.network.parameters[...] = weights
        self._reason = what
        raise DivergenceError(
            f"{what} at step {self.step} (epoch {self.epoch + 1}); it began in {where}. The "
            f"weights of step {step} are kept. A smaller lr than "
            f"{self.optimizer.learning_rate():g}, or clip_norm=1, may do"
        )

    @contextmanager
    def _training(self) -> Iterator[None]:
        """Training mode, and no gradient of x; both as before afterwards."""
        network = self.network
        with network.evaluating():
            network.train()
            wanted, network.needs_input_grad = network.needs_input_grad, False
            try:
                yield
            finally:
                network.needs_input_grad = wanted

    @contextmanager
    def _ctrl_c(self) -> Iterator[None]:
        """The first Ctrl-C lets the present step finish; a second one acts at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def first(signum: int, frame: Any) -> None:
            self.interrupted = True
            self.stop("interrupted")
            signal.signal(signal.SIGINT, before)

        before = signal.signal(signal.SIGINT, first)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs to go on as if nothing had happened, to the bit."""
        return {
            "epoch": self.epoch, "step": self.step, "place": self.place, "seed": self.seed,
            "batch": self.batch, "first_loss": self.first_loss, "sums": dict(self._sums),
            "history": self.history.to_dict(), "optimizer": self.optimizer.state_dict(),
            "callbacks": {str(i): c.state_dict() for i, c in enumerate(self.callbacks)
                          if hasattr(c, "state_dict")},
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue a training: the network must have the weights that were saved with it.

        Raises ValueError where the batch size or the seed differs, for then the order would.
        """
        check_state(state, self.state_dict(), self.batches)
        for name in ("seed", "batch"):
            if getattr(self, name) != state[name]:
                raise ValueError(
                    f"{name}: the training to continue had {state[name]}, "
                    f"this one {getattr(self, name)}"
                )
        self.epoch, self.step, self.place = state["epoch"], state["step"], state["place"]
        self.first_loss, self._sums = state["first_loss"], dict(state["sums"])
        self.history = History(**state["history"])
        self.optimizer.load_state_dict(state["optimizer"])
        for i, callback in enumerate(self.callbacks):
            if str(i) in state["callbacks"]:
                callback.load_state_dict(state["callbacks"][str(i)])


def _first(gradients: Any) -> Array:
    """The gradient of y: a loss returns (dy, None), the books' return dy alone."""
    return gradients[0] if isinstance(gradients, tuple | list) else gradients


def _check_count(option: str, value: Any) -> int:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{option}: a whole number of at least 1 is needed, got {value!r}")
    return int(value)


def _check_choice(option: str, value: bool | None) -> bool | None:
    if value is not None and not isinstance(value, bool | np.bool_):
        raise ValueError(f"{option}: True, False or None is needed, got {value!r}")
    return value if value is None else bool(value)


def _check_weights(weights: Any, rows: int) -> Array:
    array = as_float(weights)
    if array.shape != (rows,) or not (np.isfinite(array).all() and (array >= 0).all()):
        raise ValueError(
            f"sample_weights: {rows} finite numbers ≥ 0 are needed, one per row, "
            f"got shape {array.shape}"
        )
    return array
