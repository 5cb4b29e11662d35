"""handgrad: what `fit` does, in one training that goes on from turn to turn."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

import handgrad as hg
from benchmarks import workloads as w
from benchmarks.workloads import Workload
from handgrad.compile import NotNative, compile_training


class Trainer(hg.Trainer):
    """A training whose orders are drawn before they are needed."""

    def draw(self) -> None:
        """Draw the orders of the epochs to come: the others are given them, unmeasured."""
        steps = self.state.position + self.total_steps - self.step
        epochs = range(self.epoch, self.epoch + steps // self.task.updates + 1)
        self.orders = {epoch: super(Trainer, self).order(epoch) for epoch in epochs}

    def order(self, epoch: int) -> np.ndarray:
        return self.orders[epoch]


class System:
    """eager: NumPy alone, where the library can also run a compiled program."""

    def __init__(self, workload: Workload, eager: bool = False):
        x, t = workload.data
        self.trainer = Trainer(
            build(workload), x, t, loss=hg.SoftmaxCrossEntropy(), optimizer=optimizer(workload),
            steps=1, batch=workload.batch, metrics=[], progress=False,
            engine="numpy" if eager else "auto",
        )  # fmt: skip
        self.trainer.total_steps = 0

    def turn(self, rows: np.ndarray) -> Callable[[], float]:
        """As many steps as there are rows, which are those that the trainer draws."""
        self.trainer.total_steps += len(rows)
        self.trainer.draw()

        def run() -> float:
            self.trainer.run()
            return self.trainer.loss_value

        return run

    def profile(self) -> dict[str, Any]:
        """Seconds to build the program, and of each of its rows; nothing where NumPy runs."""
        trainer = self.trainer
        began = time.perf_counter()
        try:
            program = compile_training(
                trainer.network, trainer.loss, trainer.optimizer, trainer.x, trainer.t,
                batch=trainer.task.batch,
            )  # fmt: skip
        except NotNative:
            return {}
        return {"build": time.perf_counter() - began, "rows": list(map(asdict, program.profile()))}

    @property
    def ran(self) -> str:
        """What the training says it runs."""
        return self.trainer.engine


def build(workload: Workload) -> hg.Sequential:
    """The network with the workload's initial weights."""
    network = hg.Sequential(*map(layer_of, workload.layers))
    network.build(workload.data[0][:1])
    network.parameters[...] = np.concatenate([array.ravel() for array in workload.weights()])
    return network


def layer_of(layer: Any) -> Any:
    """The library's layer."""
    match layer:
        case w.Affine(inputs, outputs):
            return hg.Affine(outputs, inputs=inputs)
        case w.Convolution(channels, filters, kernel, pad):
            return hg.Convolution(filters, kernel, pad=pad, inputs=channels)
        case w.MaxPooling(size):
            return hg.MaxPooling(size)
        case w.Dropout(ratio):
            return hg.Dropout(ratio)
        case w.Embedding(vocabulary, dimension):
            return hg.Embedding(vocabulary, dimension)
        case w.LSTM(inputs, hidden):
            return hg.LSTM(hidden, inputs=inputs)
        case w.ReLU():
            return hg.ReLU()
        case w.Flatten():
            return hg.Flatten()
    raise ValueError(f"no layer for {layer}")


def optimizer(workload: Workload) -> hg.Optimizer:
    """SGD or Adam, with clipping by norm where the workload has it."""
    kind = {"sgd": hg.SGD, "adam": hg.Adam}[workload.optimizer]
    return kind(workload.lr, clip_norm=workload.clip)
