"""TrainState: where a training stands, in one object."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.network import Network
from handgrad.optim import Optimizer
from handgrad.parallel import Feedback
from handgrad.train.averaging import Average
from handgrad.train.engine.task import Pair, Task, Updates, running
from handgrad.train.history import History

_KEEP_EVERY = 50  # updates between copies of good weights
# Options that a continuation may not change.
AS_BEFORE = ("seed", "batch", "accumulate", "shards", "batch_norm", "gradients")


@dataclass
class TrainState:
    """All that changes while a training runs; `to_dict` and the network are enough to go on.

    The network holds the weights and the random streams, the optimizer its arrays and schedule,
    the callbacks what they remember, such as the best weights and for how long nothing got better.

    step: updates made; epoch: epochs finished; position: updates made in the present epoch.
    sums: of the present epoch, as in `Updates`. loss: of the last update. seed, batch,
    accumulate: what the order of the samples depends on. shards, batch_norm: how each batch is
    computed, as in `Task`. feedback: how gradients of shards travel, if not in their own dtype.
    """

    network: Network
    optimizer: Optimizer
    callbacks: list[Any] = field(default_factory=list)
    seed: int = 0
    batch: int = 1
    accumulate: int = 1
    average: Average | None = None
    shards: int | None = None
    batch_norm: str = "global"
    feedback: Feedback | None = None
    step: int = 0
    epoch: int = 0
    position: int = 0
    loss: float = math.nan
    first_loss: float = math.nan
    seconds: float = 0.0
    sums: dict[str, Pair] = field(default_factory=dict)
    history: History = field(default_factory=History)
    good: tuple[int, Array] = (0, np.empty(0))  # a step, and weights that gave a finite, small loss
    _judged: tuple[int, Array] | None = None  # weights whose loss is not known yet

    def begin(self) -> None:
        """Go on from the weights themselves, where their average was shown; they are good ones."""
        if self.average is not None:
            self.average.begin(self.network)
        self.good, self._judged = (self.step, self.network.parameters.copy()), None

    def show_average(self) -> None:
        """Leave the average of the weights in the network, if one is kept."""
        if self.average is not None:
            self.average.show(self.network)

    @property
    def until_copy(self) -> int:
        """After how many updates the weights are to be copied; an engine that always stops there
        keeps the same ones whenever it is interrupted."""
        return max(1, self.good[0] + _KEEP_EVERY - self.step)

    def add(self, done: Updates, task: Task, seconds: float) -> Iterator[None]:
        """Enter what some updates measured, and stop after each epoch's part of them."""
        totals = self._totals(done, task)
        numerators, denominators = done.sums["loss"]
        first, stop = _ratio(numerators[0], denominators[0]), 0
        if self.step == 0:
            self.first_loss = first
        if self._judged is not None:  # the first of these losses is that of the copied weights
            if first <= self.first_loss:
                self.good = self._judged
            self._judged = None
        while stop < done.count:
            start, stop = stop, min(done.count, stop + task.updates - self.position)
            last, count = stop - 1, stop - start
            self.loss = _ratio(numerators[last], denominators[last])
            for name, (a, b) in totals.items():
                self.sums[name] = float(a[last]), float(b[last])
            self.seconds += seconds * count / done.count
            self.step += count
            self.position += count
            if stop == done.count and done.whole and self.step >= self.good[0] + _KEEP_EVERY:
                self._judged = self.step, self.network.parameters.copy()
            yield

    def _totals(self, done: Updates, task: Task) -> dict[str, Pair]:
        """The sums of the epoch after each of these updates."""
        totals, at = {}, (self.position, task.updates)
        for name, (a, b) in done.sums.items():
            above, below = self.sums.get(name, (0.0, 0.0))
            undivided = name == "loss" and not task.divides
            totals[name] = (
                running(above, a, *at),
                np.ones(done.count) if undivided else running(below, b, *at),
            )
        return totals

    def close_epoch(self) -> dict[str, float]:
        """The means over the epoch that has ended; the next one begins."""
        means = {name: a / b if b else math.nan for name, (a, b) in self.sums.items()}
        self.sums, self.seconds, self.position = {}, 0.0, 0
        self.epoch += 1
        return means

    def put_good_back(self) -> int:
        """Give the network its last good weights; the step they are of."""
        step, weights = self.good
        self.network.parameters[...] = weights
        return step

    @property
    def gradients(self) -> str | None:
        """The format in which gradients of shards travel, if not their own dtype."""
        return None if self.feedback is None else self.feedback.half.name

    @property
    def whole(self) -> bool:
        """Whether this process has all that `to_dict` gives; where gradients are rounded, every
        rank has a part, and rank 0 sometimes all."""
        return self.feedback is None or self.feedback.here

    def to_dict(self) -> dict[str, Any]:
        """Numbers and arrays from which a training goes on as if nothing had happened."""
        names = ("epoch", "step", "position", "seed", "batch", "accumulate", "first_loss",
                 "seconds")  # fmt: skip
        cut: dict[str, Any] = {}
        if self.shards is not None:
            cut = {"shards": self.shards, "batch_norm": self.batch_norm}
        if self.feedback is not None:
            cut |= {"gradients": self.gradients, "residuals": self.feedback.whole()}
        return (
            {name: getattr(self, name) for name in names}
            | cut
            | {
                "sums": {name: list(pair) for name, pair in self.sums.items()},
                "history": self.history.to_dict(),
                "rule": self.optimizer._name,
                "optimizer": self.optimizer.state_dict(),
                "callbacks": {
                    str(i): c.state_dict()
                    for i, c in enumerate(self.callbacks)
                    if hasattr(c, "state_dict")
                },
                **({} if self.average is None else {"average": self.average.state_dict()}),
            }
        )

    def take(self, state: Mapping[str, Any]) -> None:
        """Go on from what `to_dict` gave; the network must have the weights saved with it.

        Raises ValueError where the order of the samples would be another one.
        """
        before = {"accumulate": self.accumulate, "shards": None, "batch_norm": self.batch_norm,
                  "gradients": None}  # fmt: skip
        for name in AS_BEFORE:
            had, now = (before | dict(state))[name], getattr(self, name)
            if now != had:
                raise ValueError(
                    f"{name}: the training to continue had {had!r}, this one {now!r}; with "
                    f"{name}={had!r} it goes on to the bit"
                )
        if self.feedback is not None:
            self.feedback.take(state["residuals"], self.network.parameters)
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.step = state["epoch"], state["step"]
        # Before there was a position, there was the number of batches, and the samples were summed.
        self.position = state.get("position", -(-state.get("place", 0) // self.accumulate))
        sums = dict(state["sums"])
        count = sums.pop("count", 0)
        self.sums = {k: tuple(v) if isinstance(v, list) else (v, count) for k, v in sums.items()}
        self.first_loss, self.seconds = state["first_loss"], state.get("seconds", 0.0)
        self.history = History(**state["history"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        for i, callback in enumerate(self.callbacks):
            if str(i) in state["callbacks"] and hasattr(callback, "load_state_dict"):
                callback.load_state_dict(state["callbacks"][str(i)])


def _ratio(numerator: float, denominator: float) -> float:
    """0 where nothing counted."""
    return float(numerator / denominator) if denominator else 0.0
