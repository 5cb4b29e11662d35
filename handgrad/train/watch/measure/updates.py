"""One update of a training: what it did to the loss, and what a shorter or longer one would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import Array
from handgrad.layer import walk
from handgrad.train.watch.measure.network import Batch, batch_of, loss_on

SHORT = 1 / 16  # of the update, on its own samples
LONG = (1.0, 8.0, 64.0)  # times the update, on the samples of the reading
STRAIGHT = 0.95  # from here on no bend can be told from rounding
MOST = 256  # samples of its batch that are looked at


class Trial(NamedTuple):
    """The update after `step` others, with the losses in training mode, with its random numbers.

    own: of its own samples, by the factor of the update: 0 before it, 1 after it. wide: of the
    samples of the reading, which it does not know. moved: whether it changed a parameter.
    """

    step: int
    own: dict[float, float]
    wide: dict[float, float]
    moved: bool

    @property
    def overshoots(self) -> bool:
        """Whether it raised the loss of its own samples, and a short one would have lowered it."""
        return not self.own[1.0] <= self.own[0.0] and self.own[SHORT] < self.own[0.0]

    @property
    def best(self) -> float:
        """The factor of the lowest loss of other samples; 0 where none lowers it."""
        finite = {f: v for f, v in self.wide.items() if np.isfinite(v)}
        return min(finite, key=lambda f: (finite[f], f)) if finite else 0.0

    @property
    def reach(self) -> float:
        """How many updates away the lowest loss along this one is, by the parabola through the
        losses at 0, 1 and 64 updates; 0 where the update itself lowers nothing."""
        one, far = self.wide[1.0] - self.wide[0.0], self.wide[64.0] - self.wide[0.0]
        if not (one < 0 and far < 0):
            return 0.0
        straight = far / (64 * one)  # 1 on a straight line
        return 32 / (1 - straight) if straight < STRAIGHT else np.inf


class Pending(NamedTuple):
    """An update that is about to be made."""

    step: int
    parameters: Array
    batch: Batch
    streams: list[tuple[Any, int]]
    loss: float


def begin(trainer: Any) -> Pending:
    """Before an update."""
    task, state, network = trainer.task, trainer.state, trainer.network
    at = state.epoch, state.position
    if state.position == task.updates:  # the epoch has ended, and is not closed yet
        at = state.epoch + 1, 0
    batch = batch_of(task, task.batches(*at)[0][:MOST], task.number(*at))
    loss = loss_on(network, task.loss, batch, training=True)
    return Pending(state.step, network.parameters.copy(), batch, streams_of(network), loss)


def complete(trainer: Any, pending: Pending, others: Batch, before: float) -> tuple[Trial, Array]:
    """After it: the trial, and what the update changed.

    others: the samples of the reading, and `before` their loss before the update.
    """
    network, loss = trainer.network, trainer.task.loss
    p, now = network.parameters, network.parameters.copy()
    update = now - pending.parameters

    def at(factor: float, batch: Batch) -> float:
        p[...] = now if factor == 1 else pending.parameters + p.dtype.type(factor) * update
        return loss_on(network, loss, batch, training=True)

    with as_it_was(pending.streams):
        try:
            own = {factor: at(factor, pending.batch) for factor in (SHORT, 1.0)}
            wide = {factor: at(factor, others) for factor in LONG}
        finally:
            p[...] = now
    trial = Trial(pending.step, {0.0: pending.loss, **own}, {0.0: before, **wide},
                  bool(update.any()))  # fmt: skip
    return trial, update


def streams_of(network: Any) -> list[tuple[Any, int]]:
    """The random streams inside, and where they stand."""
    found = (getattr(layer, "stream", None) for _, layer in walk(network))
    return [(stream, stream.step) for stream in found if stream is not None]


@contextmanager
def as_it_was(streams: list[tuple[Any, int]]) -> Iterator[None]:
    """Inside, random streams stand where they stood."""
    present = [(stream, stream.step) for stream, _ in streams]
    for stream, step in streams:
        stream.step = step
    try:
        yield
    finally:
        for stream, step in present:
            stream.step = step
