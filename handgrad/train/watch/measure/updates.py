"""One update of a training: what it did to the loss of its own samples, and what others would."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import Array
from handgrad.layer import walk
from handgrad.train.watch.measure.network import Batch, batch_of, loss_on

FACTORS = (1 / 16, 1 / 4, 4.0, 16.0, 64.0, 256.0)  # times the update that was made
MOST = 256  # samples of its batch that are looked at


class Trial(NamedTuple):
    """The update after `step` others.

    losses: of its own samples in training mode with the same random numbers, by the factor of the
    update: 0 before it, 1 after it. rms: of the update, by parameter.
    """

    step: int
    losses: dict[float, float]
    moved: bool

    @property
    def change(self) -> float:
        """What the update changed the loss by, in parts of it."""
        return (self.losses[1.0] - self.losses[0.0]) / (abs(self.losses[0.0]) or 1.0)

    @property
    def best(self) -> float:
        """The factor of the lowest loss."""
        finite = {f: v for f, v in self.losses.items() if np.isfinite(v)}
        return min(finite, key=lambda f: (finite[f], f)) if finite else 0.0


class Pending(NamedTuple):
    """An update that is about to be made."""

    step: int
    parameters: Array
    batch: Batch
    steps: list[tuple[Any, int]]  # random streams, and where they stand
    loss: float


def begin(trainer: Any) -> Pending:
    """Before an update."""
    task, state = trainer.task, trainer.state
    at = state.epoch, state.position
    if state.position == task.updates:  # the epoch has ended, and is not closed yet
        at = state.epoch + 1, 0
    batch = batch_of(task, task.batches(*at)[0][:MOST], task.number(*at))
    network = trainer.network
    streams = streams_of(network)
    loss = loss_on(network, task.loss, batch, training=True)
    return Pending(state.step, network.parameters.copy(), batch, streams, loss)


def complete(trainer: Any, pending: Pending) -> tuple[Trial, Array]:
    """After it: the trial, and what the update changed."""
    network, loss = trainer.network, trainer.task.loss
    now = network.parameters.copy()
    update = now - pending.parameters
    losses = {0.0: pending.loss}
    present = streams_of(network)
    for stream, step in pending.steps:
        stream.step = step
    try:
        for factor in (1.0, *FACTORS):
            # At 1 the parameters themselves, to the bit.
            network.parameters[...] = (
                now if factor == 1 else pending.parameters + np.float32(factor) * update
            )
            losses[factor] = loss_on(network, loss, pending.batch, training=True)
    finally:
        network.parameters[...] = now
        for stream, step in present:
            stream.step = step
    return Trial(pending.step, losses, bool(update.any())), update


def streams_of(network: Any) -> list[tuple[Any, int]]:
    """The random streams inside, and where they stand."""
    from_layers = (getattr(layer, "stream", None) for layer in layers_of(network))
    return [(s, s.step) for s in from_layers if s is not None]


def layers_of(network: Any) -> list[Any]:
    """The layers inside."""
    return [layer for _, layer in walk(network)]
