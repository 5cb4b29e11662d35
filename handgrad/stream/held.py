"""Held: what native programs are made for, looked at before each step."""

from __future__ import annotations

from operator import getitem, is_
from typing import Any

from handgrad.network import Network
from handgrad.optim import Optimizer


class Held:
    """What programs are made for: the memory of a network's parameters, and of an optimizer."""

    def __init__(self, network: Network, optimizer: Optimizer | None = None):
        flat = self._flat = network.flat
        whole: list[tuple[Any, str]] = [(network, "_flat")]
        if optimizer is not None:
            whole += (flat, "frozen"), (optimizer, "_bound")
        slots = [(slot.owner, slot.name) for s in flat.segments for slot in s.slots]
        self._dicts = [owner.__dict__ for owner, _ in (*whole, *slots)]
        self._names = [name for _, name in (*whole, *slots)]
        self._values = list(map(getitem, self._dicts, self._names))
        self._whole = len(whole)

    def same(self) -> bool:
        """Whether all is the very same, which is nearly always so."""
        return all(map(is_, map(getitem, self._dicts, self._names), self._values))

    def holds(self) -> bool:
        """Whether programs are still right, once arrays that were put in for parameters have been
        taken over."""
        now = map(getitem, self._dicts, self._names)
        if not all(a is b for _, a, b in zip(range(self._whole), now, self._values)):
            return False
        self._flat.tie()
        return self.same()
