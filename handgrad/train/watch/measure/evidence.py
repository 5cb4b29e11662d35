"""Evidence: all that is known of one training, each measured when a rule first asks for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.inside import untouched
from handgrad.layer import walk
from handgrad.train.watch.finding import Reading
from handgrad.train.watch.measure import data, signal
from handgrad.train.watch.measure.curve import Curve, curve_of
from handgrad.train.watch.measure.network import Look, batch_of, loss_on
from handgrad.train.watch.measure.updates import Trial

JUDGED = 512  # samples by which the end is judged


@dataclass(eq=False)
class Evidence:
    """history: of the training, which may be all there is; the rest is of one that was watched.

    looks: the first and the last look at the network. start: its parameters before the first
    update. names: of the columns of x, where they are known. error: what ended the training.
    slopes: the loss along the gradient of each parameter, in parts of what the gradient says;
    noisy: whether the loss in training mode is another one each time, whatever is set.
    """

    history: Any
    trainer: Any = None
    readings: list[Reading] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    start: Array = field(default_factory=lambda: np.empty(0))
    names: Sequence[str] = ()
    error: Any = None
    slopes: dict[str, float] = field(default_factory=dict)
    noisy: bool = False

    # -- curves --------------------------------------------------------------------------------

    @cached_property
    def loss(self) -> Curve | None:
        """Of the training loss."""
        return curve_of(self.history, "loss")

    @cached_property
    def val_loss(self) -> Curve | None:
        """Of the validation loss."""
        return curve_of(self.history, "val_loss")

    # -- how far the training came -------------------------------------------------------------

    @property
    def watched(self) -> bool:
        """Whether the network was read, at the start at least."""
        return bool(self.readings)

    @property
    def first_rate(self) -> float:
        """The learning rate of the first update; 0 where only the history is known."""
        rule = None if self.trainer is None else self.trainer.state.optimizer
        rate = rule.learning_rate(rule.steps - self.trainer.step) if rule is not None else 0.0
        return rate if math.isfinite(rate) else 0.0

    @property
    def updates(self) -> int:
        """Updates between the first reading and the last."""
        return self.readings[-1].step - self.readings[0].step if self.readings else 0

    @property
    def outputs(self) -> tuple[int, ...]:
        """The shape of the network's output for the samples of a reading."""
        return tuple(self.looks[-1].y.shape)

    @cached_property
    def chance(self) -> float | None:
        """The loss, on the samples of a reading, of outputs that are the same for all."""
        task = self.trainer.task
        return data.chance_loss(self.trainer.loss, self.outputs, self._probed, task.t)

    @cached_property
    def held_chance(self) -> float | None:
        """The same on the validation data."""
        if self.trainer is None or self.trainer.validation is None:
            return None
        t = self.trainer.validation[1]
        return data.chance_loss(self.trainer.loss, self.outputs, t, self.trainer.task.t)

    @cached_property
    def left(self) -> float:
        """The loss at the end, in parts of what it is without learning: chance, or else the start.

        The smaller of two: in training mode on the samples of the readings, and in evaluation
        mode on more.
        """
        first, last = self.readings[0], self.readings[-1]
        if self.chance is None:
            pairs: list[tuple[float, float | None]] = [
                (last.loss, first.loss), (last.eval_loss, first.loss)]  # fmt: skip
        else:
            task, network = self.trainer.task, self.trainer.network
            batch = batch_of(task, data.evenly(np.arange(len(task.x)), JUDGED))
            end = loss_on(network, task.loss, batch, training=False)
            chance = data.chance_loss(self.trainer.loss, self.outputs, batch.t, task.t)
            pairs = [(last.loss, self.chance), (end, chance)]
        parts = [a / b for a, b in pairs if b is not None and b > 0 and math.isfinite(a)]
        return min(parts, default=1.0)

    @property
    def _probed(self) -> Array:
        return probe(self.trainer.task)[1]

    # -- data ----------------------------------------------------------------------------------

    @cached_property
    def columns(self) -> data.Columns:
        """Of the training inputs."""
        return data.columns_of(self.trainer.x)

    @cached_property
    def held_columns(self) -> data.Columns | None:
        """Of the validation inputs."""
        held = self.trainer.validation
        return None if held is None else data.columns_of(np.asarray(held[0]))

    @cached_property
    def labels(self) -> data.Labels | None:
        """Of training and validation, where there is one for each sample."""
        return data.labels_of(self.trainer, self.outputs)

    @cached_property
    def copies(self) -> data.Copies | None:
        """Validation samples that are training samples too."""
        held = self.trainer.validation
        return None if held is None else data.copies_of(self.trainer.x, np.asarray(held[0]))

    @cached_property
    def flat_targets(self) -> Array | None:
        """One target for each sample: labels, or values; None where some are ignored."""
        t, ignored = self.trainer.t, getattr(self.trainer.loss, "ignore_index", None)
        if (ignored is not None and (t == ignored).any()) or (
            self.labels is not None and t.min() < 0
        ):
            return None
        if self.labels is not None and t.ndim == 2 and t.shape[1] > 1:
            return np.asarray(t.argmax(axis=1))
        if t.size != len(t):
            return None
        return np.asarray(t.reshape(-1), np.int64 if self.labels is not None else t.dtype)

    @cached_property
    def signal(self) -> signal.Signal | None:
        """Whether inputs say anything of targets; None of fewer than 50 samples."""
        t = self.flat_targets
        if t is None or len(t) < 50 or not np.ptp(t):
            return None
        return signal.signal_of(self.trainer.x, t, labels=self.labels is not None)

    @cached_property
    def held_signal(self) -> float | None:
        """Whether validation targets are those of the nearest training samples, as z."""
        t, held = self.flat_targets, self.trainer.validation
        if t is None or held is None or len(held[1]) < 30:
            return None
        held_t = held[1].argmax(axis=1) if np.ndim(held[1]) > 1 and held[1].shape[1] > 1 \
            else held[1].reshape(-1)  # fmt: skip
        labels = self.labels is not None
        held_t = held_t.astype(np.int64) if labels else held_t
        return signal.across(self.trainer.x, t, np.asarray(held[0]), held_t, labels=labels)

    @cached_property
    def guesses(self) -> tuple[Array, Array] | None:
        """The classes that the network names now for some training samples, and their own."""
        t = self.flat_targets
        if self.labels is None or t is None:
            return None
        with untouched(self.trainer.network):
            y = self.trainer.network.predict(data.evenly(self.trainer.x, 500), engine="numpy")
        t = data.evenly(t, 500)
        if y.ndim == 2 and y.shape[1] > 1:
            return y.argmax(axis=1), t
        middle = 0.5 if type(self.trainer.loss).__name__ == "BinaryCrossEntropy" else 0.0
        return (y.reshape(-1) > middle).astype(int), t

    # -- the network ---------------------------------------------------------------------------

    def layers(self, kind: type) -> list[tuple[str, Any]]:
        """The layers of a kind inside, with their paths."""
        return [(p, x) for p, x in walk(self.trainer.network) if isinstance(x, kind)]

    def column(self, j: int) -> str:
        """A column of x by its name, or its number, counted from 0."""
        return f"column {self.names[j]!r}" if j < len(self.names) else f"column {j} of x"


def probe(task: Any) -> tuple[Array, Array]:
    """The samples of a reading, evenly spaced over the training data, and their targets."""
    count = min(len(task.x), max(task.batch, 64), 256)
    at = np.linspace(0, len(task.x) - 1, count).astype(int)
    return at, task.t[at]


def where(path: str, kind: str) -> str:
    """A layer by its path and class."""
    return f"layer {path} ({kind})" if path else kind
