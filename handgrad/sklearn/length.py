"""How long to train: a first training, on four fifths of the samples, finds what the data bear.

Noise asks for a few epochs, and targets without noise for many. After each of some epochs the loss
of the fifth that is held out is measured; the training that counts is then of all samples, as long
as was best.
Source: Prechelt, "Early stopping, but when?", 1998; Goodfellow, Bengio, Courville, "Deep
learning", 2016, algorithm 7.2.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from handgrad.layer import shallow_clone
from handgrad.sklearn.data import parts, trainer_of
from handgrad.sklearn.recipe import trial
from handgrad.train import Callback, DivergenceError
from handgrad.train.data import split_rows

_HELD = 0.2
_NEXT = 1.3  # from one measurement to the next, in epochs
_BEYOND = 2.0  # times as many epochs as were best, after which it ends
_ALIKE = 0.02  # losses that differ by so much of the least are alike
_LONGER = 5.0  # a rate that falls to zero needs, and bears, more epochs than a constant one


class Watch(Callback):
    """Measures a loss after 1, 2, 3, 4, 6, 8, … epochs, and ends a training that got worse."""

    def __init__(self, loss: Any):
        self.loss, self.next = loss, 1
        self.epochs: list[int] = []
        self.losses: list[float] = []

    def epochs_ahead(self, trainer: Any) -> int:
        """Epochs until the next measurement."""
        return max(1, self.next - trainer.epoch)

    def on_epoch(self, trainer: Any) -> None:
        if trainer.epoch < self.next:
            return
        self.epochs.append(trainer.epoch)
        self.losses.append(self.loss(trainer.network))
        self.next = max(self.epochs[-1] + 1, math.ceil(_NEXT * self.epochs[-1]))
        if self.epochs[-1] > max(3, _BEYOND * self.best + 2):
            trainer.stop("no better")

    @property
    def best(self) -> int:
        """The fewest epochs after which the loss, smoothed over three measurements, is least."""
        ends = np.pad(self.losses, 1, mode="edge")
        smooth = ends[:-2] / 4 + ends[1:-1] / 2 + ends[2:] / 4
        least = np.nanmin(smooth) if np.isfinite(smooth).any() else np.inf
        return self.epochs[int(np.argmax(smooth <= least + _ALIKE * abs(least)))]


def epochs_that_pay(model: Any, network: Any, goal: Any, data: Any, strata: Any) -> int:
    """For how many epochs the network should learn; 0 where the usual number will do.

    It depends on the samples and the seed alone, and changes neither the network nor any
    random state.
    """
    plan = trial(model, len(data.t), data.mean_weight, goal.factor)
    if plan is None:
        return 0
    by = np.zeros(len(data.t)) if strata is None else strata.reshape(-1)
    train, held = split_rows(by, _HELD, model._seed, stratify=strata is not None)
    first, others = data.take(train), data.take(held)
    loss = shallow_clone(goal.loss)

    def measure(network: Any) -> float:
        y = np.concatenate([network.predict(x) for x in parts(others.x)])
        given = () if others.weights is None else (others.weights,)
        with np.errstate(all="ignore"):
            return float(loss.forward(y, others.t, *given))

    watch = Watch(measure)
    trainer = trainer_of(
        copy.deepcopy(network), first.x, first.t, loss=goal.loss, optimizer=plan.optimizer,
        batch=min(plan.batch, len(train)), epochs=plan.epochs, sample_weights=first.weights,
        metrics=(), callbacks=[watch], seed=model._seed, progress=False, threads=1,
        shuffle=model.shuffle,
    )  # fmt: skip
    try:
        trainer.run()
    except DivergenceError:
        return 0
    return min(math.ceil(_LONGER * watch.best), plan.epochs)
