"""Good: copies of what changes with updates, to go back to when a training diverges."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layer import walk
from handgrad.network import Network
from handgrad.optim import Optimizer

EVERY = 50  # updates between copies


class Good:
    """The two last copies of parameters, buffers, and what the optimizer remembers.

    The older one is put back: the losses of at least EVERY updates after it were finite. What a
    rule of one's own remembers stays as it is where its state cannot be said in plain data.
    """

    def __init__(self, network: Network, optimizer: Optimizer):
        self._optimizer, self._flat = optimizer, network.flat
        self._network = network
        self._buffers = [
            (layer, name) for _, layer in walk(network) for name in getattr(layer, "buffers", ())
            if isinstance(getattr(layer, name), np.ndarray)
        ]  # fmt: skip
        self._older, self._newer = ([a.copy() for a in self._arrays()] for _ in range(2))
        self._states = [self._state()] * 2  # of the older and the newer

    def _arrays(self) -> list[Array]:
        buffers = (getattr(layer, name) for layer, name in self._buffers)
        return [self._flat.parameters, *buffers]

    def _state(self) -> tuple[int, dict[str, Any] | None]:
        """Updates, and the state of the optimizer."""
        try:
            return self._optimizer.steps, self._optimizer.state_dict()
        except ValueError:
            return self._optimizer.steps, None

    def fits(self) -> bool:
        """Whether the network still has the same memory."""
        return self._network._flat is self._flat

    def keep(self) -> int:
        """Copy the present; after how many updates the next copy is due."""
        self._older, self._newer = self._newer, self._older
        for kept, array in zip(self._newer, self._arrays()):
            np.copyto(kept, array)
        self._states = [self._states[1], self._state()]
        return self._optimizer.steps + EVERY

    def put_back(self) -> int:
        """Go back to the older copy; after how many updates it was made."""
        for kept, newer, array in zip(self._older, self._newer, self._arrays()):
            np.copyto(array, kept)
            np.copyto(newer, kept)
        self._states[1] = steps, state = self._states[0]
        if state is not None:
            self._optimizer.load_state_dict(state)
        self._optimizer.steps = steps
        return steps
