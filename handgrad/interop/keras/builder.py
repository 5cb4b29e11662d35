"""Builder: the steps of a network, with every value's axes as they lie here.

Keras has the channels of an image or sequence last, the layers of ours that slide over it have
them first. A value is turned, by a Transpose, where a layer needs it the other way, and stays so
until a layer needs Keras's own order again; elementwise layers take either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from handgrad import layers
from handgrad.arrays import Array
from handgrad.interop.keras.layouts import LAYOUTS, Stored
from handgrad.interop.steps import Imported, Ref, Unsupported
from handgrad.layer import Layer, walk
from handgrad.network import Network, Sequential

LARGEST = 1 << 16  # of a length that a configuration states
MOST = 10_000  # steps: models inside each other could call each other without end


class Value(NamedTuple):
    """What a step makes: its name, its number of axes, and whether its channels lie first."""

    name: str
    rank: int
    first: bool = False  # other than in Keras


def size(value: Any, what: str, lowest: int = 1) -> int:
    """A length that a configuration states. Raises ValueError where it is none."""
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= LARGEST:
        raise ValueError(f"{what} must be an integer from {lowest} to {LARGEST:,}, got {value!r}")
    return value


def sizes(value: Any, what: str, count: int, lowest: int = 1) -> tuple[int, ...]:
    """A length for each axis, or one for all."""
    values = list(value) if isinstance(value, list | tuple) else [value] * count
    if len(values) != count:
        raise ValueError(f"{what} must be {count} numbers, got {value!r}")
    return tuple(size(v, what, lowest) for v in values)


class Builder:
    """Steps, layers by name, and the arrays that no layer has taken yet."""

    def __init__(self, arrays: dict[str, Array]):
        self.arrays, self.taken = arrays, set[str]()
        self.inner: dict[str, Any] = {}
        self.steps: list[Any] = []
        self.inputs: list[str] = []
        self.shapes: list[tuple[tuple[Any, ...], str]] = []  # of the inputs, without the batch
        self.turned: dict[tuple[str, bool], Value] = {}
        self.fixed: list[Any] = []  # layers that are not to learn
        self.name, self.group, self.frozen, self.count = "", "", False, 0

    @contextmanager
    def inside(self, name: str, group: str, trainable: bool) -> Iterator[None]:
        """What is added inside belongs to this layer of Keras's, whose arrays lie in the group."""
        before = self.name, self.group, self.frozen, self.count
        self.name, self.group, self.frozen = name, group, self.frozen or not trainable
        self.count = 0
        yield
        self.name, self.group, self.frozen, self.count = before

    def array(self, name: str, *shape: int | None) -> Array:
        """An array of this layer's. Raises ValueError where it is missing or has another shape."""
        full = f"{self.group}/{name}"
        if full not in self.arrays:
            raise ValueError(f"{self.name}: the file has no weights {full!r}")
        array = self.arrays[full]
        if array.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, array.shape)):
            wanted = ", ".join("…" if n is None else str(n) for n in shape)
            raise ValueError(f"{full} has shape {array.shape}, ({wanted}) is stated")
        if array.dtype.kind != "f":
            raise ValueError(f"{full} holds {array.dtype}, real numbers are needed")
        self.taken.add(full)
        return array

    def weighted(self, layer: Any, layout: str, *arrays: tuple[str, Array]) -> Any:
        """The layer with these arrays of this group, by their names in it."""
        names = tuple(f"{self.group}/{name}" for name, _ in arrays)
        layer.keras_stored = Stored(layout, names, tuple(a.shape for _, a in arrays))
        for name, array in LAYOUTS[layout].back(layer, [a for _, a in arrays]).items():
            setattr(layer, name, array)
        return layer

    def add(
        self, layer: Layer, *xs: Value | None, rank: int | None = None, first: bool = False
    ) -> Value:
        """A step by a layer, whose first input is there.

        rank: of what it makes, where another; first: with channels first.
        """
        key = self.name if not self.count else f"{self.name}.{self.count}"
        self.count += 1
        if key not in self.inner:
            self.inner[key] = layer
            for _, one in walk(layer):  # its arrays were views of the file's
                for name in (*one.params, *one.buffers):
                    if name in vars(one):
                        setattr(one, name, np.array(getattr(one, name)))
            if self.frozen:
                self.fixed.append(layer)
        taken = [None if x is None else Ref(x.name) for x in xs]
        return self.step(key, taken, rank or next(x.rank for x in xs if x is not None), first)

    def step(self, call: Any, taken: list[Any], rank: int, first: bool = False) -> Value:
        """A step by a layer's name, or by a function."""
        if len(self.steps) >= MOST:
            raise ValueError(f"the model makes more than {MOST:,} steps")
        value = Value(f"v{len(self.steps)}", rank, first)
        self.steps.append((value.name, call, taken, {}))
        return value

    def same(self, layer: Layer, x: Value) -> Value:
        """A step by a layer that treats every element alike."""
        return self.add(layer, x, first=x.first)

    def moved(self, x: Value, first: bool) -> Value:
        """The value with channels first, or in Keras's own order."""
        if x.first == first or x.rank < 3:
            return x
        key = (x.name, first)
        if key not in self.turned:
            last = x.rank - 1
            axes = (0, last, *range(1, last)) if first else (0, *range(2, x.rank), 1)
            name = f"{x.name}_channels_{'first' if first else 'last'}"
            self.inner[name] = layers.Transpose(axes)
            self.turned[key] = self.step(name, [Ref(x.name)], x.rank, first)
        return self.turned[key]

    def given(self, x: Value) -> Value:
        """The value in Keras's own order."""
        return self.moved(x, False)

    def sliding(self, layer: Layer, x: Value, c: dict[str, Any], rank: int | None = None) -> Value:
        """A step by a layer that needs channels first; the configuration says where they are."""
        if c.get("data_format", "channels_last") == "channels_first":
            return self.add(layer, self.given(x), rank=rank)
        y = self.add(layer, self.moved(x, True), rank=rank)
        return y._replace(first=y.rank > 2)

    def network(self, output: Value, dtype: str) -> Network:
        """All steps as a network: a Sequential where each takes what the one before made."""
        self.prune(output)
        calls = [call for _, call, _, _ in self.steps]
        before = [self.inputs[0], *(name for name, *_ in self.steps)]
        chain = all(taken == [b] for (_, _, taken, _), b in zip(self.steps, before))
        plain = all(isinstance(call, str) for call in calls) and len(set(calls)) == len(calls)
        if len(self.inputs) == 1 and chain and plain and output.name == before[-1] and calls:
            return Sequential(*(self.inner[call] for call in calls), dtype=dtype)
        network = Imported(self.inner, self.steps, self.inputs, Ref(output.name))
        network.dtype = dtype
        return network

    def prune(self, output: Value) -> None:
        """Leave out functions that the output does not depend on, such as those of masks."""
        wanted, kept = {output.name}, []
        for step in reversed(self.steps):
            name, call, taken, _ = step
            if name in wanted or isinstance(call, str):
                kept.append(step)
                wanted |= {str(x) for x in taken if isinstance(x, Ref)}
        self.steps = kept[::-1]


Convert = Callable[..., Any]  # a Value, or a list of several


def need(condition: bool, what: str) -> None:
    """Raise Unsupported, which says what, unless the condition holds."""
    if not condition:
        raise Unsupported(what)


def plain(c: dict[str, Any], **known: Any) -> None:
    """Raise Unsupported where one of these options is there and has another value."""
    for name, value in known.items():
        need(c.get(name, value) == value, f"{name}={c.get(name)!r}")
