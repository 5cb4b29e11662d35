"""Key: what a program depends on, so that it is made again exactly when that has changed."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layer import Parameter, is_layer, parameter_names
from handgrad.network import Network

_PLAIN = (bool, int, float, str, bytes, np.generic, np.dtype)
# Attributes of a network that no program reads.
_OWN = {"followed_by", "stream", "_engine", "training", "needs_input_grad", "_streams", "_built",
        "_inside", *Network._transient}  # fmt: skip


class Key:
    """The layers' types, order, sharing and options by value, and the memory a program works on.

    Memory (the flat arrays, running statistics) is what a program reads and writes while it runs:
    there the very array counts, and its elements do not. Two keys are equal where one program
    serves both. `holds` says quickly that a key is still right.
    """

    def __init__(self, network: Network):
        self._network, self._frozen = network, network.frozen
        self._attributes: list[tuple[dict[str, Any], str, Any]] = []  # as they were
        self._sizes: list[tuple[Any, int]] = []  # of what may grow
        self._items: list[tuple[Any, Any, Any]] = []  # of lists and dicts
        self._arrays: list[tuple[Array, bytes]] = []
        self._met: dict[int, int] = {}  # of layers, by the order in which they are met
        self.memory: list[Any] = [network._flat]
        self.structure = self._frozen, self._value(network)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Key)
            and len(self.memory) == len(other.memory)
            and all(a is b for a, b in zip(self.memory, other.memory))
            and self.structure == other.structure
        )

    __hash__ = None  # type: ignore[assignment]

    def holds(self) -> bool:
        """Whether the network is as it was; False where it may, or may not, have changed."""
        network = self._network
        return (
            network._flat is self.memory[0]
            and network.frozen is self._frozen
            and all(state.get(name) is value for state, name, value in self._attributes)
            and all(len(container) == size for container, size in self._sizes)
            and all(container[at] is item for container, at, item in self._items)
            and all(array.tobytes() == before for array, before in self._arrays)
        )

    def _value(self, thing: Any) -> Any:
        """A thing by value; a layer that was met before is its number, for then it is shared."""
        if thing is None or isinstance(thing, _PLAIN):
            return type(thing), thing
        if isinstance(thing, Parameter):  # its elements lie in the flat array
            return Parameter, thing.shape
        if isinstance(thing, np.ndarray):
            self._arrays.append((thing, thing.tobytes()))
            return thing.dtype.str, thing.shape, self._arrays[-1][1]
        if isinstance(thing, tuple):
            return tuple, *map(self._value, thing)
        if isinstance(thing, list | dict):
            items = list(thing.items() if isinstance(thing, dict) else enumerate(thing))
            self._sizes.append((thing, len(items)))
            self._items += [(thing, at, item) for at, item in items]
            return type(thing), *((at, self._value(item)) for at, item in items)
        if isinstance(thing, slice):
            return slice, thing.start, thing.stop, thing.step
        return self._layer(thing) if is_layer(thing) else _Same(thing)

    def _layer(self, layer: Any) -> Any:
        if id(layer) in self._met:
            return "again", self._met[id(layer)]
        self._met[id(layer)] = len(self._met)
        state = layer.__dict__
        if isinstance(layer, Network):
            self._sizes.append((state, len(state)))
        options = [(name, state.get(name)) for name in _options(layer)]
        buffers = [(name, state.get(name)) for name in getattr(layer, "buffers", ())]
        self._attributes += [(state, name, value) for name, value in (*options, *buffers)]
        self.memory += [array for _, array in buffers]
        return type(layer), *((name, self._value(value)) for name, value in options)


class _Same:
    """Something without a value of its own: equal to itself alone, and kept alive."""

    def __init__(self, thing: Any):
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.thing is other.thing

    __hash__ = None  # type: ignore[assignment]


def _options(layer: Any) -> Iterable[str]:
    """What a layer's constructor keeps; of a network, all that its Python may look at."""
    if isinstance(layer, Network):
        return [name for name in layer.__dict__ if name not in _OWN]
    cls: Any = type(layer)
    names = _arguments(cls)
    if hasattr(layer, "params"):
        return names
    held = parameter_names(layer)  # without the base class W and b may be arguments
    return [name for name in names if name not in held]


@cache
def _arguments(cls: Any) -> tuple[str, ...]:
    """Names of a constructor's arguments, without those that hold parameters or buffers."""
    held = (*getattr(cls, "params", ()), *getattr(cls, "buffers", ()))
    return tuple(name for name in inspect.signature(cls).parameters if name not in held)
