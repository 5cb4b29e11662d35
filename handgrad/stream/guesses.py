"""Guesses: predictions as steps of native programs, which are kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.compile import Prediction
from handgrad.compile.step import Steps
from handgrad.network import Network
from handgrad.stream.form import SINGLE, Inputs
from handgrad.stream.held import Held
from handgrad.train.data import check_inputs

LARGEST = 1024  # samples at a time, so that there are few programs


class Guesses:
    """Predictions as steps of native programs. Raises NotNative where the network has none."""

    def __init__(self, network: Network, inputs: Inputs, threads: int):
        self.network, self.inputs, self.threads = network, inputs, threads
        self._shape = inputs.shape
        self.refresh()

    def refresh(self) -> None:
        """Make the programs anew, from the network as it is now."""
        self._programs: dict[int, tuple[Steps, Array, Array]] = {}
        self._steps, x, y = self._program(1)
        self._x, self._y = x[0], y[0]
        self._held = Held(self.network)

    def one(self, x: Any) -> Array | None:
        """The outputs for one sample as it usually comes; None where it is for `predict`."""
        if (
            x.__class__ is not Array
            or x.shape != self._shape
            or (x.dtype is not SINGLE and x.dtype.kind != "f")
        ):
            return None
        if not self._held.same() and not self._held.holds():
            self.refresh()
        self._x[...] = x
        self._step(self._steps, self._x)
        y: Array = self._y.copy()
        return y

    def predict(self, x: Array) -> Array:
        """The outputs (N, …) for samples that were checked."""
        if not self._held.same() and not self._held.holds():
            self.refresh()
        parts = []
        for i in range(0, len(x), LARGEST):
            part = x[i : i + LARGEST]
            steps, into, y = self._program(1 << (len(part) - 1).bit_length())
            into[: len(part)] = part
            steps.count = len(part)
            self._step(steps, into)
            parts.append(y[: len(part)].copy())
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _program(self, capacity: int) -> tuple[Steps, Array, Array]:
        """The steps for so many samples, and where the program reads x and writes y."""
        if capacity not in self._programs:
            inputs = self.inputs
            dtype = np.int32 if inputs.integer else np.float32
            like = np.zeros((capacity, *inputs.shape), dtype)
            program = Prediction(self.network, like, batch=capacity, threads=self.threads)
            x, y = (program.native.arrays[name] for name in "xy")
            numbers = x[:0].reshape(-1).view(np.float32) if inputs.integer else x
            self._programs[capacity] = Steps(program, numbers), x, y
        return self._programs[capacity]

    def _step(self, steps: Steps, x: Array) -> None:
        if steps.made == steps.room:
            steps.begin(anew=False)
        if steps.step():
            given = x.copy()
            x[...] = 0
            steps.made = steps.room
            check_inputs(np.atleast_2d(given), "predict: x")
            raise ValueError("predict: x holds an index that the layer which takes it refuses")
        steps.made += 1
