"""Good: copies of what changes with updates, to go back to when a training diverges."""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array
from handgrad.layer import walk
from handgrad.network import Network
from handgrad.optim import Optimizer

EVERY = 50  # updates between copies


class Good:
    """The two last copies of parameters, buffers and the optimizer's state, in memory of its own.

    The older one is put back: the losses of at least EVERY updates after it were finite.
    """

    def __init__(self, network: Network, optimizer: Optimizer):
        self._network, self._optimizer = network, optimizer
        self._flat, self._bound = network.flat, optimizer._bound
        self._buffers = [
            (layer, name) for _, layer in walk(network) for name in getattr(layer, "buffers", ())
            if isinstance(getattr(layer, name), np.ndarray)
        ]  # fmt: skip
        self._older, self._newer = ([a.copy() for a in self._present()] for _ in range(2))
        self._at = [optimizer.steps] * 2  # updates before the older and the newer

    def _present(self) -> list[Array]:
        buffers = (getattr(layer, name) for layer, name in self._buffers)
        return [self._flat.parameters, *self._optimizer.state.values(), *buffers]

    def fits(self) -> bool:
        """Whether the network and the optimizer still have the same memory."""
        return self._network._flat is self._flat and self._optimizer._bound is self._bound

    def keep(self) -> int:
        """Copy the present; after how many updates the next copy is due."""
        self._older, self._newer = self._newer, self._older
        for kept, array in zip(self._newer, self._present()):
            np.copyto(kept, array)
        self._at = [self._at[1], self._optimizer.steps]
        return self._optimizer.steps + EVERY

    def put_back(self) -> int:
        """Go back to the older copy; after how many updates it was made."""
        for kept, newer, array in zip(self._older, self._newer, self._present()):
            np.copyto(array, kept)
            np.copyto(newer, kept)
        self._optimizer.steps = self._at[1] = self._at[0]
        return self._at[0]
