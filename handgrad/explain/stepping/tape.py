"""Tape: every value of a run and every use of a layer, in the order of computing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handgrad.explain.expand import Calls
from handgrad.explain.graph import CONSTANT, INPUT, PARAMETER
from handgrad.explain.identity import Identity
from handgrad.explain.record import drawable, title_of
from handgrad.explain.running import Run
from handgrad.explain.use import behind, given, name_of_input, parameters_of, sent_back, upstream
from handgrad.explain.words import clean
from handgrad.layer import Parameter
from handgrad.tensor import CallRecord, Tensor

COMPUTED = "computed"


@dataclass
class Value:
    """An array, and the gradient of what the tape ends in with respect to it."""

    name: str
    kind: str
    array: Any
    wanted: bool
    gradient: Any = None
    fixed: bool = False  # used where the tape does not show it: a mask inside an opened layer


@dataclass
class Use:
    """A call of a layer: numbers of its arguments (inputs, then parameters) and outputs.

    names, wanted, back: of each argument its name, whether a gradient is wanted, and what the
    call sends back, None as long as nothing has been.
    """

    call: CallRecord
    title: str
    path: str
    names: list[str]
    arguments: list[int | None]
    wanted: list[bool]
    outputs: list[int] = field(default_factory=list)
    back: list[Any] = field(default_factory=list)


class Tape:
    """The values and uses behind the outputs of a run.

    wants_parts: whether a use is to be replaced by what its layer does inside, where that can be.
    """

    def __init__(self, ran: Run, wants_parts: Callable[[CallRecord], bool]):
        self.title = ran.title
        self.values: list[Value] = []
        self.uses: list[Use] = []
        self._numbers: dict[Any, int] = {}
        self._calls = Calls(behind(ran.outputs), ran.paths, Identity())
        self._calls.open_those(wants_parts)
        self._key = self._calls.identity.of
        for call in self._calls.calls:
            self._add(call)
        for i, y in enumerate(ran.outputs):
            self.values[self._numbers[self._key(y)]].name = y.name or _output(i, ran.outputs)
        self.outputs = [self._numbers[self._key(y)] for y in ran.outputs]
        self.seeds = [y.grad for y in ran.outputs]
        for number, seed in zip(self.outputs, self.seeds):
            self._gain(number, seed)

    def _add(self, call: CallRecord) -> None:
        use = Use(call, clean(title_of(call.original)), self._calls.label(call), [], [], [])
        for i, x in enumerate(given(call)):
            name = name_of_input(call, i)
            use.names.append(name)
            use.arguments.append(self._given(x, name) if drawable(x) else None)
            use.wanted.append(bool(getattr(x, "requires_grad", False)))
        owned = parameters_of(call)
        for owner, name in owned:
            use.names.append(name)
            use.arguments.append(self._parameter(owner, name))
        for parameter in call.tensors:
            use.names.append(PARAMETER)
            use.arguments.append(self._given(parameter, PARAMETER))
        use.wanted += [True] * (len(owned) + len(call.tensors))
        gradients = upstream(call)
        use.back = [None] * len(use.names)
        if gradients is not None:
            back, found = sent_back(call, gradients)
            back = [*back, *[None] * (len(given(call)) - len(back)), *found]
            use.back = [g if wanted else None for g, wanted in zip(back, use.wanted)]
            for number, g in zip(use.arguments, use.back):
                if number is not None and g is not None:
                    self._gain(number, g)
        for i, reference in enumerate(call.outputs):
            tensor = reference()
            name = "y" if len(call.outputs) == 1 else f"y{i + 1}"
            use.outputs.append(self._enter((call, i), Value(name, COMPUTED, None, True)))
            if tensor is not None:
                self.values[use.outputs[-1]].array = tensor.data
        self.uses.append(use)

    def _gain(self, number: int, g: Any) -> None:
        value = self.values[number]
        value.gradient = g if value.gradient is None else value.gradient + g

    def _enter(self, key: Any, value: Value) -> int:
        key = self._calls.identity.resolved(key)
        self._numbers[key] = len(self.values)
        self.values.append(value)
        return self._numbers[key]

    def _given(self, x: Any, name: str) -> int:
        key = self._key(x)
        if key not in self._numbers:
            wanted = bool(getattr(x, "requires_grad", False))
            kind = PARAMETER if isinstance(x, Parameter) else INPUT if wanted else CONSTANT
            array = x.data if isinstance(x, Tensor) else np.asarray(x)
            own = self._calls.names.get(key) or self._calls.paths.get(id(x))
            name = getattr(x, "name", None) or own or name
            value = Value(clean(name), kind, array, wanted, fixed=key in self._calls.fixed)
            self._enter(key, value)
        return self._numbers[key]

    def _parameter(self, owner: Any, name: str) -> int:
        key = self._calls.identity.of_parameter(owner, name)
        if key not in self._numbers:
            path = clean(self._calls.name_of(owner, name))
            self._enter(key, Value(path, PARAMETER, getattr(owner, name), True))
        return self._numbers[key]


def _output(i: int, outputs: Sequence[Any]) -> str:
    return "output" if len(outputs) == 1 else f"output{i + 1}"
