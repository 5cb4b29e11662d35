"""Writer: the calls of the C program as they are written, and the memory they name."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handgrad.arrays import Array, Stream
from handgrad.compile.values import Address, Value
from handgrad.layers.convolution.window import Grid

Argument = int | float | str | Value | None


@dataclass(eq=False)
class Call:
    """One call of a C function: a row of the plan, with values in the arena among its arguments.

    result: the variable that takes what it returns. waits: no two calls run at the same time.
    """

    function: str
    args: tuple[Argument, ...]
    label: str
    result: str = ""
    waits: int = 0

    def values(self) -> tuple[Argument, ...]:
        """The arguments, as the arena's lay-out reads them."""
        return self.args


@dataclass
class Member:
    """One array of a struct."""

    name: str
    array: Array

    @property
    def type(self) -> str:
        """Its elements' type in C."""
        return "int8_t" if self.array.dtype == np.int8 else "float"


def identifier(path: str) -> str:
    """A parameter's path as a name in C: W0 for 0.W, Wx_encoder for encoder.Wx."""
    *where, last = re.sub(r"[^\w.]", "_", path, flags=re.ASCII).split(".")
    place = "_".join(where)
    return last + ("_" if place and not place[0].isdigit() else "") + place


@dataclass
class Memory:
    """The structs: weights, and gradients of those that learn; by the arrays' ids and use. And
    the states that layers keep from call to call, by the layers' ids and letters.

    paths: of each parameter and buffer by its array's id. windows: the constants of windows.
    """

    paths: dict[int, str]
    frozen: frozenset[str]
    int8: bool
    weights: dict[Any, Member] = field(default_factory=dict)
    gradients: dict[int, Member] = field(default_factory=dict)
    states: dict[Any, Member] = field(default_factory=dict)
    windows: list[str] = field(default_factory=list)
    kept: list[Array] = field(default_factory=list)  # constants, whose ids are in use
    follows: bool = False  # whether a training step moves running statistics
    draws: bool = False  # whether a training step draws random numbers

    def weight(self, array: Array) -> str:
        """A parameter, or another array that stays with the weights."""
        return "w->" + self._member((id(array), "w"), array, "").name

    def constant(self, array: Array, path: str) -> str:
        """An array that never changes, as float32."""
        self.paths[id(array)] = path
        key = id(array), "w"
        if key not in self.weights:
            self._member(key, array.astype(np.float32), "")
        return "w->" + self.weights[key].name

    def quantized(self, array: Array, axis: int) -> tuple[str, str]:
        """A matrix as integers of 8 bits and one scale for each output channel, on that axis."""
        integers, scale = quantize(array, axis)
        s = self._member((id(array), "s"), scale, "_scale")
        q = self._member((id(array), "q"), integers, "")
        return "w->" + q.name, "w->" + s.name

    def gradient(self, array: Array) -> str | None:
        """Where a parameter's gradient is summed; None if it is frozen."""
        if self.paths[id(array)] in self.frozen:
            return None
        name = self._member((id(array), "w"), array, "").name
        return "s->g." + self.gradients.setdefault(id(array), Member(f"d{name}", array)).name

    def state(self, layer: Any, letter: str, path: str, shape: tuple[int, ...]) -> str:
        """A state that stays from one call to the next."""
        key = id(layer), letter
        if key not in self.states:
            name = identifier(f"{path}.{letter}")
            taken = {m.name for m in self.states.values()}
            self.states[key] = Member(name + "_" * (name in taken), np.zeros(shape, np.float32))
        return f"s->{self.states[key].name}"

    def sort(self) -> None:
        """Put the members in the order of the network's parameters."""
        order = list(self.paths)
        self.weights = dict(sorted(self.weights.items(), key=lambda m: order.index(m[0][0])))
        self.gradients = dict(sorted(self.gradients.items(), key=lambda m: order.index(m[0])))

    def window(self, grid: Grid) -> str:
        """The address of a window's constant; a sequence is an image of one line."""
        pad = tuple(before for before, _ in grid.pad)
        sizes = (grid.sizes, grid.outputs, grid.kernel, grid.stride, grid.dilation, pad)
        both = [(0 if s is pad else 1, *s) if len(s) == 1 else s for s in sizes]
        text = "{" + ", ".join(str(n) for pair in both for n in pair) + "}"
        if text not in self.windows:
            self.windows.append(text)
        return f"&window{self.windows.index(text)}"

    def _member(self, key: Any, array: Array, more: str) -> Member:
        if key not in self.weights:
            name = identifier(self.paths[key[0]]) + more
            taken = {m.name for m in self.weights.values()}
            self.weights[key] = Member(name + "_" * (name in taken), array)
        return self.weights[key]


def quantize(array: Array, axis: int) -> tuple[Array, Array]:
    """q of 8 bits and s with W ≈ q · s, s the largest |W| of an output channel / 127."""
    others = tuple(i for i in range(array.ndim) if i != axis % array.ndim)
    scale = np.abs(array).max(axis=others, keepdims=True) / np.float32(127)
    scale[scale == 0] = 1
    return np.rint(array / scale).astype(np.int8), scale.reshape(-1).astype(np.float32)


class Writer:
    """The calls of one function in C. trains: whether backward will need what forward keeps."""

    def __init__(self, memory: Memory, batch: int, trains: bool):
        self.memory, self.batch, self.trains = memory, batch, trains
        self.calls: list[Call] = []
        self.names: dict[int, str] = {}  # of values in the arena, by the owner's id
        self.label = ""
        self.uses: Counter[int] = Counter()  # of each random stream, in one step
        self.drawn: Counter[int] = Counter()  # how many of them are written

    def draw(self, stream: Stream) -> tuple[str, str, str]:
        """The key of the next draw of a stream: its seed, its layer and its step.

        The steps go on from the stream's own, as many at each call as the layer has uses.
        """
        self.memory.draws = True
        first, each = stream.step + self.drawn[id(stream)], self.uses[id(stream)]
        self.drawn[id(stream)] += 1
        step = f"s->draws * {each}" if each > 1 else "s->draws"
        return (f"UINT64_C({stream.seed})", f"UINT64_C({stream.layer})",
                f"UINT64_C({first}) + {step}")  # fmt: skip

    def value(self, shape: tuple[int, ...], name: str) -> Value:
        """A new array in the arena, under this name or, where it is taken, one like it."""
        made = Value(shape)
        taken = set(self.names.values())
        while name in taken:
            name += "_"
        self.names[id(made)] = name
        return made

    def view(self, value: Value, shape: tuple[int, ...]) -> Value:
        """The same memory under another shape."""
        return Value(shape, whole=value, address=value.address, integer=value.integer)

    def call(self, function: str, *args: Argument, result: str = "") -> None:
        """Append a call."""
        self.calls.append(Call(function, args, self.label, result))

    def expression(self, argument: Argument) -> str:
        """An argument as C."""
        if isinstance(argument, Value):
            owner = argument.owner
            if isinstance(owner.address, Address) and owner.address.segment != "arena":
                return owner.address.segment
            return self.names[id(owner)]
        if isinstance(argument, float):
            return literal(argument)
        return "NULL" if argument is None else str(argument)


def literal(number: float) -> str:
    """A float32 as C: the shortest text that gives it back to the last bit."""
    text = str(np.float32(number))
    return text + ("f" if "." in text or "e" in text else ".0f")
