"""Learner: a network that learns from samples as they come, one update for each call."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.compile import NotNative
from handgrad.engines import check_name
from handgrad.layer import shallow_clone
from handgrad.layers import Loss
from handgrad.layers.loss.meaning import check_metrics, meant
from handgrad.network import Network, Sequential
from handgrad.optim import Adam, Optimizer, Schedule
from handgrad.optim.full_batch import FullBatch
from handgrad.protocols import LayerLike, LossLike, MetricLike, OptimizerLike
from handgrad.stream.form import Inputs, Targets, check_weights, numbers
from handgrad.stream.good import Good
from handgrad.stream.grow import grow
from handgrad.stream.guesses import Guesses
from handgrad.stream.native import NativeSteps
from handgrad.stream.plain import PlainSteps
from handgrad.stream.running import Running
from handgrad.stream.state import check_state
from handgrad.train.checkpoint import load_checkpoint, save
from handgrad.train.checks import check_count, check_optimizer
from handgrad.train.diverge import DivergenceError
from handgrad.train.metrics import usual_metrics


class Learner:
    """A network that learns online: `update(x, t)` makes one update, `predict(x)` none.

    x is one sample or a batch (N, …) of any size, t its targets. With native code both are one
    call of a program that is kept, without allocating; the updates are those of `fit` with these
    batches in this order, to the bit. Calls from several threads wait for each other.

    loss, optimizer: as in `fit`; by default what the first target means, and Adam(0.003).
        A loss of weights divides by their number: a sample of weight 2 counts twice as much as
        one of weight 1, whatever the batch.
    shape: of one sample, where that is no vector, such as (1, 28, 28).
    metrics: functions (y, t) -> number beside the loss, means over the samples; by default accuracy
        for labels.
    window: over how many updates `metrics(recent=True)` looks back.
    engine: as in `Trainer`. threads: of the native program; by default one, which is best for small
        batches.

    Options of layers, loss and optimizer are read when a program is made: `refresh()` after
    changing one. `optimizer.lr`, frozen parameters, arrays that are assigned to layers and a state
    that is loaded are seen at once. Schedules are asked for up to 256 updates ahead.
    Raises ValueError for data and options that do not fit, before anything is learned;
    DivergenceError when the loss or a gradient stops being finite: network and optimizer are then
    as they were some 50 to 100 updates before.
    """

    def __init__(
        self, network: LayerLike, loss: LossLike | None = None,
        optimizer: OptimizerLike | type[Optimizer] | str | None = None, *,
        shape: Sequence[int] | None = None, metrics: Sequence[MetricLike] | None = None,
        window: int = 1000, engine: str | None = None, threads: int = 1,
    ):  # fmt: skip
        self.network = network if isinstance(network, Network) else Sequential(network)
        self._rule = Adam(0.003) if optimizer is None else check_optimizer(optimizer)
        if isinstance(self._rule, FullBatch):
            raise ValueError(
                f"optimizer: {type(self._rule).__name__} looks at all of the data in each update, "
                "and a stream has no end; Adam, say, does not"
            )
        self.loss: Any = loss
        if engine is not None:
            self.network.engine = check_name(engine)
        self._shape = None if shape is None else tuple(check_count("shape", n) for n in shape)
        self._threads = check_count("threads", threads)
        self._metrics = None if metrics is None else check_metrics(metrics)
        for metric in self._metrics or ():
            if getattr(metric, "whole", False):
                raise ValueError(
                    f"metrics: {metric.__name__} is no mean over samples, which is all that a "
                    "stream keeps; call it with the predictions of some of them"
                )
        self._running = Running([], check_count("window", window))
        self._lock = threading.RLock()
        self._closed = False
        self._inputs: Inputs | None = None
        self._targets: Targets | None = None
        self._good: Good | None = None
        self._forget()

    def __repr__(self) -> str:
        return f"Learner({type(self.network).__name__}, {self._rule!r}, {self.engine})"

    # -- learning and predicting ---------------------------------------------------------------

    def update(self, x: Any, t: Any, weight: Any = None) -> float:
        """Learn from a sample or a batch; the loss before that, of what was said of it.

        weight: of the sample, or one for each of the batch.
        """
        with self._lock:
            try:
                loss: float | None = self._one(x, t, weight)
                if loss is None:
                    loss = self._update(x, t, weight)
            except DivergenceError as error:
                raise self._diverged(error) from None
            if self._rule.steps >= self._keep_at:
                self._keep()
            return loss

    def predict(self, x: Any) -> Array:
        """The outputs for a sample (K,) or a batch (N, K), in evaluation mode: a new array."""
        with self._lock:
            quick: Array | None = self._guess(x)
            if quick is not None:
                return quick
            self._require_open("predict")
            x, single = self._samples(x, "predict: x")
            guesses = self._guesses or self._make_guesses()
            y = self.network.predict(x) if guesses is None else guesses.predict(x)
            return y[0] if single else y

    def metrics(self, *, recent: bool = False) -> dict[str, float]:
        """The mean loss and metrics over all updates, or over the last ones, the window.

        Each sample was judged by the network as it was before it learned from it (in training
        mode, with its dropout): that is progressive validation.
        """
        with self._lock:
            if self._steps is not None:
                self._steps.flush()
            return self._running.means(recent)

    def observe(self, value: float) -> None:
        """Tell the schedule of the learning rate, if there is one, the number it watches."""
        with self._lock:
            if isinstance(self._rule.lr, Schedule):
                self._rule.lr.observe(value)
            self.refresh()

    @property
    def optimizer(self) -> Any:
        """The optimizer, or the rule of your own."""
        return getattr(self._rule, "own", self._rule)

    @property
    def updates(self) -> int:
        """Updates that the optimizer has made."""
        return self._rule.steps

    @property
    def engine(self) -> str:
        """What runs: "native, 1 thread, AVX2", or "NumPy" and why; of that, the first update
        decides."""
        return "not yet used" if self._steps is None else self._steps.describe()

    # -- between updates -----------------------------------------------------------------------

    def grow(self, *, inputs: int | None = None, classes: int | None = None) -> None:
        """More columns of x, and more classes or outputs; what was learned stays. See `grow.grow`.

        Old samples, with anything in the new columns, have the same scores for the old classes as
        before; a new input has weights 0, a new class also the least of the biases.
        """
        with self._lock:
            self._require_open("grow")
            if self._inputs is None:
                raise ValueError("grow: the sizes are not known before the first sample")
            self.refresh()
            grow(self.network, self._rule, inputs, classes)
            if inputs is not None:
                self._inputs.shape = (inputs,)
            self._targets = self._good = None

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs to go on to the same bits, beside the network."""
        with self._lock:
            self.metrics()
            return {"rule": type(self._rule).__name__, "running": self._running.state_dict(),
                    "optimizer": self._rule.state_dict()}  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there: the network must have the weights that were saved with the state.

        Raises ValueError for a state of another optimizer, or of other parameters.
        """
        with self._lock:
            check_state(state, self.network, self._rule)
            self._forget()
            self._rule.load_state_dict(state["optimizer"])
            self._running.load_state_dict(state["running"])

    def save(
        self, path: str | Path, *, input: Any = None, output: Any = None,
        info: Mapping[str, Any] | None = None,
    ) -> Path:  # fmt: skip
        """Write network, optimizer state and metrics as one model file; see `handgrad.save`."""
        with self._lock:
            return save(
                self.network, path, input=input, output=output, info=info,
                training=self.state_dict(),
            )  # fmt: skip

    @classmethod
    def load(
        cls, path: str | Path, loss: LossLike | None = None,
        optimizer: OptimizerLike | type[Optimizer] | str | None = None, *,
        classes: Iterable[type] = (), shape: Sequence[int] | None = None,
        metrics: Sequence[MetricLike] | None = None, engine: str | None = None,
        threads: int = 1,
    ) -> Learner:  # fmt: skip
        """The learner in a file that `save` wrote, with the same loss and kind of optimizer.

        classes: your own layer classes, as in `handgrad.load`; the other options are `Learner`'s.
        """
        saved = load_checkpoint(path, classes=classes)
        learner = cls(saved.network, loss, optimizer, shape=shape, metrics=metrics, engine=engine,
                      threads=threads)  # fmt: skip
        try:
            learner.load_state_dict(saved.training or {})
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        return learner

    def refresh(self) -> None:
        """Make the programs anew, after an option of a layer, loss or optimizer was changed."""
        with self._lock:
            if self._steps is not None:
                self._steps.flush()
            self._forget()

    def close(self) -> None:
        """Give the programs back; the network stays. Later calls are refused."""
        with self._lock:
            self.refresh()
            self._closed = True

    def __enter__(self) -> Learner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    # -- inside --------------------------------------------------------------------------------

    def _forget(self) -> None:
        self._steps: NativeSteps | PlainSteps | None = None
        self._guesses: Guesses | None = None
        self._only_numpy = False  # for predictions
        self._one: Any = _no_quick_way
        self._guess: Any = _no_quick_way
        self._keep_at = 0

    def _require_open(self, what: str) -> None:
        if self._closed:
            raise ValueError(f"{what}: this learner is closed; online(network, …) makes another")

    def _samples(self, x: Any, name: str) -> tuple[Array, bool]:
        if self._inputs is None:
            inputs = Inputs.of(x, self.network, self._shape)
            found, _ = inputs.samples(x, name)
            with np.errstate(all="ignore"):  # whether the network takes them
                self.network.predict(found[:1], engine="numpy")
            self._inputs = inputs
        return self._inputs.samples(x, name)

    def _update(self, x: Any, t: Any, weight: Any) -> float:
        """An update by data that may be anything: nothing changes before all was looked at."""
        self._require_open("update")
        x, single = self._samples(x, "update: x")
        targets = self._targets or self._meaning(x, t, single)
        t = targets.take(t, len(x), single)
        signed = getattr(targets.loss, "signed", False)
        weights = None if weight is None else check_weights(weight, len(x), signed)
        if self._targets is None:
            self._targets = targets
            self._running.metrics = (
                usual_metrics(targets.loss, t) if self._metrics is None else self._metrics
            )
        steps = self._steps or self._make_steps(targets)
        return steps.update(x, t, weights)

    def _meaning(self, x: Array, t: Any, single: bool) -> Targets:
        """What the first targets are, and the loss that they mean."""
        with np.errstate(all="ignore"):
            y = self.network.predict(x[:2], engine="numpy")
        t = numbers(t, "t")
        t = t[None] if single and not (t.ndim == y.ndim and len(t) == 1) else t
        last = self.network.members[-1] if self.network.members else None
        loss, t = meant(t, y, self.loss, last)
        if isinstance(loss, Loss) and loss.normalizer is None:
            loss = shallow_clone(loss)
            loss.normalizer = 1.0  # weights count as they are
        return Targets(loss, t, y)

    def _make_steps(self, targets: Targets) -> NativeSteps | PlainSteps:
        assert self._inputs is not None
        plain = PlainSteps(self.network, targets.loss, self._rule, self._running)
        steps: NativeSteps | PlainSteps = plain
        engine = self.network.engine
        if engine != "numpy":
            try:
                steps = NativeSteps(
                    self.network, self._rule, plain, self._inputs, targets,
                    threads=self._threads, python=engine == "native",
                )  # fmt: skip
                self._one = steps.one
            except NotNative as refusal:
                if engine == "native":
                    raise ValueError(f"engine: {refusal}") from None
                plain.because(str(refusal))
        self._steps = steps
        self._keep()
        return steps

    def _make_guesses(self) -> Guesses | None:
        """Programs for predictions; None where there are none."""
        if self.network.engine == "numpy" or self._only_numpy or self._inputs is None:
            return None
        try:
            self._guesses = Guesses(self.network, self._inputs, self._threads)
            self._guess = self._guesses.one
        except NotNative:
            self._only_numpy = True
        return self._guesses

    def _keep(self) -> None:
        """Copy what a divergence would have to be undone to."""
        if self._good is None or not self._good.fits():
            self._good = Good(self.network, self._rule)
        self._keep_at = self._good.keep()

    def _diverged(self, error: DivergenceError) -> DivergenceError:
        """Put the last good weights back; the error with all that is known."""
        assert self._good is not None
        at, kept = self._rule.steps, self._good.put_back()
        self._forget()
        rate = self._rule.learning_rate()
        lr = "lr" if math.isnan(rate) else f"lr than {rate:g}"
        told = DivergenceError(
            f"{error.what} at update {at}; it began in {error.where or 'an update'}. The network "
            f"and the optimizer are as after update {kept}. A smaller {lr}, or clip_norm=1, may do"
        )
        told.what, told.where = error.what, error.where
        return told


def _no_quick_way(*sample: Any) -> Any:
    """What makes `update` and `predict` look at everything."""
    return None


def online(
    network: LayerLike, loss: LossLike | None = None,
    optimizer: OptimizerLike | type[Optimizer] | str | None = None, *,
    shape: Sequence[int] | None = None, metrics: Sequence[MetricLike] | None = None,
    window: int = 1000, engine: str | None = None, threads: int = 1,
) -> Learner:  # fmt: skip
    """A learner for a network: `update(x, t)` learns from samples as they come; see `Learner`."""
    return Learner(
        network, loss, optimizer, shape=shape, metrics=metrics, window=window, engine=engine,
        threads=threads,
    )  # fmt: skip
