"""The training loop: it lets an engine make updates, counts them, and tells the callbacks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layer import shallow_clone
from handgrad.layers import Loss
from handgrad.layers.loss.meaning import check_metrics, meant, value_of
from handgrad.network import Network, Sequential
from handgrad.optim import Adam, Optimizer
from handgrad.optim.full_batch import FullBatch
from handgrad.parallel import as_ranks
from handgrad.protocols import CallbackLike, LayerLike, LossLike, MetricLike, OptimizerLike
from handgrad.train.agreement import Agreement, facts_of, limit_of
from handgrad.train.averaging import Average, averaged, check_average
from handgrad.train.callbacks import Progress
from handgrad.train.checks import (
    check_callbacks,
    check_choice,
    check_count,
    check_gradients,
    check_optimizer,
    check_pair,
    check_sharding,
    check_shards,
    check_threads,
    check_weights,
    refuse_compile,
)
from handgrad.train.data import check_data, is_finite, random_order, split_rows
from handgrad.train.diverge import DivergenceError
from handgrad.train.engine import Engine, Task, TrainState, Updates, check_engine, prepared
from handgrad.train.guards import first_ctrl_c, training_mode
from handgrad.train.history import History
from handgrad.train.metrics import usual_metrics
from handgrad.train.resume import check_state
from handgrad.train.scale import warn_of_scale
from handgrad.train.store import brought, taken
from handgrad.train.watch.watcher import watch_of
from handgrad.train.weighting import weighted


class Trainer:
    """Training of a network on inputs x (N, …) and targets t (N, …).

    loss: a loss layer; by default the one that the targets mean (see `layers.meant`): softmax
        cross-entropy for labels, mean squared error for real targets.
    optimizer: an optimizer, or its name; by default Adam(0.003). A rule of your own is any object
        with `update(params, grads)`, called with dicts of arrays; it runs on the NumPy engine.
        With LBFGS or LevenbergMarquardt a batch is all the data.
    epochs, or steps (updates) in all; by default as many epochs as make 1000 updates, from 10
        to 100. batch: samples per batch, by default 32, or all where fewer. The last, smaller
        batch of an epoch is used too.
    validation: (x, t), or the fraction of the samples to hold out, stratified for labels.
    metrics: functions (y, t) -> number, recorded under their names: for training as the mean
        over batches, for validation of all the data at once; by default accuracy for labels. One
        that is no mean over samples, such as roc_auc, is measured on all training data at the end
        of each epoch (see `handgrad.metrics`). Labels that the loss ignores are left out.
    callbacks: see `Callback`.
    sample_weights: one weight per sample. weighting: "data" for a loss of Σ u·ℓ / (n·ū) in a batch
        with n terms, u being sample weight times class weight, and ū the mean of u over all of
        the data: whatever the batch, a sample moves the weights in proportion to u / ū. "batch"
        for Σ u·ℓ / Σ u: then weights say little in small batches, and nothing in a batch of one.
    accumulate: batches whose gradients make one update, that of all their samples at once.
    augment: a function of a training batch's x and the number of batches before it, such as
        `Augment`.
    seed: of the order of the samples; shuffle=False keeps them as they come.
    progress: show a bar; by default where standard error is a terminal.
    engine: "native" for the native program, or a ValueError that says why there is none; "numpy";
        "auto" for native where every layer is, NumPy where not; an `Engine` of your own. A name
        is kept in `network.engine`, for predictions too; by default that one, "auto" at first.
        `Trainer.engine` says what runs.
    threads: of the native program; by default as many as this process may use and as pay.
    average: `EMA()` or `SWA()` of the weights, for validation, callbacks and the end.
    watch: let the training doctor look, and tell at the end, in `history.diagnosis`, what ails it.
    shards: a power of two: each batch is computed in so many parts, and the sums of the parts are
        added in one tree, so that the weights are the same bits on any number of processes. None:
        the batch as a whole; with `parallel`, 16.
    parallel: "mpi" to train with the other processes of `mpirun`, or `Ranks`. All make the same
        call; rank 0 alone measures validation, tells the callbacks and shows progress, and what
        it decides reaches the others at the same update.
    batch_norm: with shards, "global" for statistics of the whole batch, "shard" for each shard's.
    gradients: "float16" or "bfloat16", in which the sums of shards travel, by error feedback.

    The loss that is shown and recorded, for training, validation and in `evaluate`, is
    Σ u·ℓ / Σ u over the epoch, or the data, plus the penalty of `l2` in training; ignored labels
    have u = 0. A loss of your own without a `denominator` counts by samples.
    Raises ValueError for data or options that do not fit, DivergenceError when the loss or a
    gradient stops being finite; then the network has its last good weights. Warns of inputs and
    targets on a scale that a network learns badly from.
    """

    interrupted = False

    def __init__(
        self, network: LayerLike, x: Any, t: Any, *, loss: LossLike | None = None,
        optimizer: OptimizerLike | type[Optimizer] | str | None = None, epochs: int | None = None,
        steps: int | None = None, batch: int | None = None, validation: Any = None,
        metrics: Sequence[MetricLike] | None = None, callbacks: Iterable[CallbackLike] = (),
        sample_weights: Any = None, weighting: str = "data", accumulate: int = 1,
        augment: Callable[[Array, int], Array] | None = None, shuffle: bool = True,
        seed: int = 0, progress: bool | None = None, engine: str | Engine | None = None,
        threads: int | None = None, average: Average | None = None, watch: Any = False,
        shards: int | None = None, parallel: Any = None, batch_norm: str = "global",
        gradients: str | None = None, compile: Any = None,
    ):  # fmt: skip
        refuse_compile(compile)
        self.agreement = Agreement(as_ranks(parallel))
        self.network = network if isinstance(network, Network) else Sequential(network)
        self.engine_choice = None if engine is None else check_engine(engine)
        self._take_data(x, t, sample_weights, validation, seed)
        optimizer = Adam(0.003) if optimizer is None else check_optimizer(optimizer)
        samples, self.full = len(self.x), isinstance(optimizer, FullBatch)
        usual = samples if self.full else min(32, samples)
        batch = check_count("batch", usual if batch is None else batch)
        if batch > samples:
            raise ValueError(f"batch: {batch} is more than the {samples} samples of data")
        y_shape = self._take_targets(loss, batch)
        self.metrics = (
            usual_metrics(self.loss, self.t) if metrics is None else check_metrics(metrics)
        )
        self.whole = [m for m in self.metrics if getattr(m, "whole", False)]
        self.shuffle, self.seed, self.weighting = shuffle and not self.full, seed, weighting
        self.task = Task(
            weighted(self.loss, self.t, self.weights, weighting, y_shape), self.x, self.t,
            self.order, batch, check_count("accumulate", accumulate), self.weights,
            [m for m in self.metrics if m not in self.whole], augment,
            check_threads(threads, self.agreement.ranks), check_shards(shards, parallel),
            self.agreement.ranks,
            check_choice("batch_norm", batch_norm, ("global", "shard")),
        )  # fmt: skip
        check_sharding(self.network, self.task)
        self.total_steps = self._count_steps(epochs, steps)
        self.state = TrainState(
            self.network, optimizer,
            [*check_callbacks(callbacks), Progress(progress), *watch_of(watch, x)],
            seed, batch, self.task.accumulate, check_average(average),
            None if self.task.shards is None else self.task.shards.count, batch_norm,
            check_gradients(gradients, self.task.shards, self.task.ranks),
        )  # fmt: skip
        self._reason: str | None = None
        self._engine: Engine | None = None
        if self.agreement.leads:
            warn_of_scale(self.network, self.x, self.t, self.loss)

    def _take_data(self, x: Any, t: Any, weights: Any, validation: Any, seed: int) -> None:
        """Check the data, hold out the validation part, and bring it into the network's dtype."""
        x, t = check_data(x, t, name="training data")
        weights = None if weights is None else check_weights(weights, len(x))
        if isinstance(validation, float | int) and not isinstance(validation, bool):
            kept, held = split_rows(t, float(validation), seed)
            validation = taken(x, held), t[held]
            x, t, weights = taken(x, kept), t[kept], weights if weights is None else weights[kept]
        elif validation is not None:
            validation = check_data(*check_pair(validation), name="validation data")
        self.validation, self.weights = validation, weights
        self.x, self.t = (self._fitting(a, name) for a, name in ((x, "x"), (t, "t")))

    def _fitting(self, array: Array, name: str) -> Array:
        """Real numbers in the network's dtype; ValueError where they are too large for it."""
        dtype = self.network.dtype
        if array.dtype.kind != "f":
            return np.ascontiguousarray(array)
        with np.errstate(over="ignore"):
            fitting = brought(array, dtype)
        if not is_finite(fitting):
            raise ValueError(
                f"training data: {name} holds {np.abs(array).max():.3g}, too large for "
                f"{np.dtype(dtype)}; scale it, for example with Standardize.of(x)"
            )
        return fitting

    def _take_targets(self, loss: Any, batch: int) -> tuple[int, ...]:
        """The loss, and the targets as it needs them; the shape of some outputs."""
        few = min(batch, 2)  # of one alone, a layer might take the batch axis away
        with np.errstate(all="ignore"):  # the shape alone matters here
            y = self.network.predict(self.x[:few], engine="numpy")
        last = self.network.members[-1] if self.network.members else None
        self.loss, t = meant(self.t, y, loss, last)
        self.t = np.ascontiguousarray(t)
        if not isinstance(self.loss, Loss):  # which says itself what does not fit
            value_of(shallow_clone(self.loss), y, self.t[:few])
        if self.validation is not None:
            x, t = self.validation
            t = meant(t, y, self.loss)[1]
            ignored = getattr(self.loss, "ignore_index", None)
            if ignored is not None and (t == ignored).all():
                raise ValueError("validation data: every label is ignored; give some that count")
            self.validation = x, t
        return y.shape

    def _count_steps(self, epochs: int | None, steps: int | None) -> int:
        updates = self.task.updates
        if steps is None:
            usual = min(max(10, -(-1000 // updates)), 100)
            return check_count("epochs", usual if epochs is None else epochs) * updates
        if epochs is not None:
            raise ValueError("epochs, steps: give one of them, not both")
        return check_count("steps", steps)

    # -- what callbacks look at ---------------------------------------------------------------

    @property
    def history(self) -> History:
        """What was recorded, epoch by epoch."""
        return self.state.history

    @property
    def optimizer(self) -> Any:
        """The optimizer, or the rule of your own."""
        return getattr(self.state.optimizer, "own", self.state.optimizer)

    @property
    def step(self) -> int:
        """Updates made."""
        return self.state.step

    @property
    def epoch(self) -> int:
        """Epochs finished."""
        return self.state.epoch

    @property
    def loss_value(self) -> float:
        """The loss of the last update."""
        return self.state.loss

    @property
    def engine(self) -> str:
        """What runs: "native, 2 threads, AVX2", or "NumPy" and why."""
        ranks, runs = self.task.ranks, (self._engine or self._prepared()).describe()
        return f"{runs}, {ranks.size} ranks" if self.agreement.several else runs

    @property
    def going(self) -> bool:
        """Whether there are steps left, and nothing has asked to stop."""
        return self.step < self.total_steps and self._reason is None

    def stop(self, reason: str) -> None:
        """End training after the present step."""
        self._reason = reason

    def call(self, event: str) -> None:
        """Tell the callbacks, on rank 0; what they change of the training reaches all ranks."""
        for callback in self._told if self.agreement.leads else ():
            method = getattr(callback, event, None)
            if method is not None:
                method(self)
        if event in self.agreement.changing:
            self.agreement.same(self)

    # -- the loop -----------------------------------------------------------------------------

    def run(self) -> History:
        """Train to the end, or on from where a loaded state was. Ctrl-C ends after a step.

        Then KeyboardInterrupt is raised, and network, history and state are whole.
        """
        engine = self._prepared()
        if self.agreement.several:
            self.task.ranks.agree(facts_of(self, engine))
        self._reason, self.interrupted, self.history.stopped = None, False, None
        self._told = sorted(self.state.callbacks, key=lambda c: getattr(c, "told_last", False))
        guards = training_mode(self.network), first_ctrl_c(self._interrupt)
        with guards[0], guards[1], np.errstate(all="ignore"):  # numbers are checked each step
            self.call("on_start")
            self.agreement.begin(self)
            self.state.begin()
            with self.agreement.ending(self):
                try:
                    self._advance(engine)
                finally:
                    self.history.stopped = self._reason
                    self.call("on_end")
        if self.interrupted:
            raise KeyboardInterrupt
        return self.history

    def _prepared(self) -> Engine:
        """The engine, ready for the network as it is now."""
        self.network.build(self.x[: self.task.batch])
        choice = self.engine_choice or self.network.engine
        self._engine = prepared(self._engine, choice, self.task, self.state)
        if isinstance(choice, str):  # after a refusal the network predicts as before
            self.network.engine = choice
        return self._engine

    def _advance(self, engine: Engine) -> None:
        """Updates to the end, or to where something asks to stop."""
        limit = limit_of(self)
        # An optimizer may have made updates before this training.
        self._earlier = self.state.optimizer.steps - self.step
        try:
            while count := self.agreement.next(self, limit):
                self._make(engine, count)
            self._enter(engine.finish())
        except DivergenceError as error:
            raise self._diverged(error) from None
        except BaseException:
            if not self.agreement.several:  # else an epoch's end would wait for the other ranks
                self._enter(engine.finish())
            self.state.show_average()
            raise
        if self.state.position and not self.interrupted:
            self.close_epoch()
        self.agreement.collect(self)
        self.state.show_average()

    def _make(self, engine: Engine, count: int) -> None:
        """So many updates; alone, as many of them as the engine makes in one call."""
        end, began = self.step + count, time.perf_counter()
        while self.step < end:
            now = time.perf_counter()
            done = engine.advance(end - self.step)
            self._enter(done, time.perf_counter() - now)
            if reason := getattr(self.state.optimizer, "finished", ""):
                self.stop(reason)
            if reason or not self.agreement.several:
                break
        self.agreement.made(count, time.perf_counter() - began)

    def _enter(self, done: Updates, seconds: float = 0.0) -> None:
        """Take over what some updates measured, epoch by epoch."""
        state = self.state
        if not done.count:
            state.seconds += seconds
            return
        for _ in state.add(done, self.task, seconds):
            if state.average is not None:
                state.average.take(self.network, state.step, self.task.updates, self.total_steps)
            self.call("on_step")
            if state.position == self.task.updates:
                self.close_epoch()

    def close_epoch(self) -> None:
        """Enter the epoch's numbers in the history, measure validation, and begin the next."""
        seconds, means = self.state.seconds, self.state.close_epoch()
        with averaged(self.state.average, self.network):
            numbers = self.agreement.numbers(lambda: self._judged(means) | {"seconds": seconds})
            seconds, optimizer = numbers.pop("seconds"), self.state.optimizer
            rate = optimizer.learning_rate(self._earlier + self.step)
            self.history.add(**numbers, lr=rate, seconds=seconds)
            optimizer.observe(numbers.get("val_loss", numbers["loss"]))
            self.agreement.collect(self, asked=False)
            self.call("on_epoch")

    def _judged(self, numbers: dict[str, Any]) -> dict[str, Any]:
        """The means of an epoch, and what is measured of all training and validation data."""
        if self.whole:
            numbers = self._evaluate(self.x, self.t, self.whole) | numbers
        if self.validation is not None:
            x, t = self.validation
            measured = self._evaluate(x, t, self.metrics)
            numbers |= {f"val_{name}": value for name, value in measured.items()}
        return numbers

    def _evaluate(self, x: Any, t: Any, metrics: Any) -> dict[str, Any]:
        return self.network.evaluate(x, t, loss=self.loss, metrics=metrics)

    def _diverged(self, error: DivergenceError) -> DivergenceError:
        """Put the last good weights back; the error with all that is known."""
        step = self.agreement.put_good_back(self)
        self._reason = self.history.stopped = error.what
        rate = self.state.optimizer.learning_rate()
        lr = "lr" if math.isnan(rate) else f"lr than {rate:g}"
        told = DivergenceError(
            f"{error.what} at step {self.step} (epoch {self.epoch + 1}); it began in "
            f"{error.where}. The weights of step {step} are kept. A smaller {lr}, or clip_norm=1, "
            "may do"
        )
        told.what, told.where = error.what, error.where
        return told

    def order(self, epoch: int) -> Array:
        """The samples in the order in which an epoch takes them."""
        n = len(self.x)
        return random_order(n, self.seed, epoch) if self.shuffle else np.arange(n)

    def _interrupt(self) -> None:
        self.interrupted = True
        self.stop("interrupted")

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs to go on as if nothing had happened, to the bit."""
        return self.state.to_dict() | {"samples": len(self.x)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue a training: the network must have the weights that were saved with it.

        Raises ValueError where batch size or seed differ. Warns of another number of samples.
        """
        check_state(state, self.state_dict(), self.task.updates)
        self.state.take(state)
