"""Record: the graph behind tensors, from the calls that made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from handgrad.attributes import short
from handgrad.explain.assembly import Assembly
from handgrad.explain.expand import Calls
from handgrad.explain.graph import CONSTANT, FOLDED, INPUT, LAYER, OUTPUT, PARAMETER, Graph, Node
from handgrad.explain.identity import Identity
from handgrad.explain.use import (
    again,
    behind,
    given,
    lines_of,
    name_of_input,
    parameters_of,
    sent_back,
    upstream,
)
from handgrad.explain.values import FREED, NOT_YET, Shown, shown
from handgrad.explain.words import clean
from handgrad.layer import Parameter
from handgrad.tensor import CallRecord, Faded, Tensor

MOST, EACH_END = 2000, 50  # calls that are drawn; of more, so many at each end
LONGEST_TITLE = 30  # characters


def record(
    title: str, outputs: Sequence[Tensor], *, open: Sequence[str] | int = 0,
    paths: Mapping[int, str] | None = None,
) -> Graph:  # fmt: skip
    """The graph of everything that these tensors came from.

    open: names of layers, or how many levels. paths: where layers stand, by their identity.
    Raises ValueError for a name that no layer here has.
    """
    calls = Calls(behind(outputs), paths or {}, Identity())
    calls.open(open)
    recorder = Recorder(calls)
    count = len(calls.calls)
    if count <= MOST:
        recorder.add_calls(calls.calls)
    else:
        first, last = calls.calls[:EACH_END], calls.calls[-EACH_END:]
        recorder.add_calls(first)
        recorder.fold(calls.calls[EACH_END:-EACH_END], last, outputs)
        recorder.add_calls(last)
    recorder.add_outputs(outputs)
    graph = recorder.graph(title)
    if count > MOST:
        graph.note = f"{count - 2 * EACH_END:,} of {count:,} calls are folded into one"
    return graph


class Recorder(Assembly):
    """Collects the nodes of calls, each after those of the arrays that come in there."""

    def __init__(self, calls: Calls):
        super().__init__()
        self.calls, self.key = calls, calls.identity.of

    def add_calls(self, calls: Sequence[CallRecord]) -> None:
        """The nodes of these calls."""
        for call in calls:
            inputs = [(i, x) for i, x in enumerate(given(call)) if drawable(x)]
            parameters = parameters_of(call)
            for i, x in inputs:
                self._outside(x, name_of_input(call, i))
            for owner, name in parameters:
                self._parameter(owner, name)
            for tensor in call.tensors:
                self._outside(tensor, PARAMETER)
            live = again(call)
            node = Node(LAYER, clean(title_of(call.original)), self.calls.label(call))
            node.lines, node.shapes = lines_of(call, live)
            self.add(node)
            self._uses(call, live, inputs, parameters)
            for i in range(len(call.shapes)):
                self._output(call, i)

    def _uses(
        self, call: CallRecord, live: CallRecord | None, inputs: list[tuple[int, Any]],
        parameters: list[tuple[Any, str]],
    ) -> None:  # fmt: skip
        """Enter what the call sends back to its inputs and parameters."""
        of_parameter = self.calls.identity.of_parameter
        sources = [self.key(x) for _, x in inputs]
        sources += [of_parameter(*p) for p in parameters]
        sources += [self.key(t) for t in call.tensors]
        gradients = upstream(call)
        if gradients is not None and live is not None:
            results, found = sent_back(live, gradients)
            by_position = dict(enumerate(results))
            back = [by_position.get(i) for i, _ in inputs] + list(found)
        else:
            back = [Shown((), NOT_YET if call.layer is not None else FREED)] * len(sources)
        for port, (key, g) in enumerate(zip(sources, back)):
            self.take(key, port, g)

    def _output(self, call: CallRecord, i: int) -> None:
        tensor = call.outputs[i]()
        value = Shown(call.shapes[i], FREED) if tensor is None else shown(tensor.data)
        self.give((call, i), value, wanted=True)

    def _outside(self, x: Any, name: str) -> None:
        """A node for an array that no call made."""
        if self.key(x) in self.wires:
            return
        tensor = x.tensor() if isinstance(x, Faded) else x
        wanted = bool(getattr(x, "requires_grad", False))
        kind = PARAMETER if isinstance(tensor, Parameter) else INPUT if wanted else CONSTANT
        if isinstance(x, Tensor | Faded):
            inside = self.calls.names.get(self.key(x)) or self.calls.paths.get(id(tensor))
            name = x.name or inside or (name if kind == INPUT else kind)
        array = tensor.data if isinstance(tensor, Tensor) else tensor
        value = Shown(x.shape, FREED) if tensor is None else shown(array)
        self.add(Node(kind, clean(name)))
        self.give(self.key(x), value, wanted=wanted)

    def _parameter(self, owner: Any, name: str) -> None:
        key = self.calls.identity.of_parameter(owner, name)
        if key not in self.wires:
            self.add(Node(PARAMETER, clean(self.calls.name_of(owner, name))))
            self.give(key, shown(getattr(owner, name)), wanted=True)

    def fold(
        self, folded: Sequence[CallRecord], last: Sequence[CallRecord], outputs: Sequence[Tensor]
    ) -> None:
        """One node for many calls: what goes in from before, and what is used behind."""
        self.add(Node(FOLDED, f"{len(folded):,} calls"))
        into = {self.key(x): x for call in folded for x in given(call) if drawable(x)}
        for call in folded:
            for parameter in parameters_of(call):
                into.setdefault(self.calls.identity.of_parameter(*parameter), None)
        for port, key in enumerate(key for key in into if key in self.wires):
            gradient = getattr(into[key], "grad", None)
            self.take(key, port, Shown((), FOLDED) if gradient is None else gradient)
        used = {self.key(x) for call in last for x in given(call) if drawable(x)}
        used |= {self.key(y) for y in outputs}
        for call in folded:
            for i in range(len(call.shapes)):
                if (call, i) in used:
                    self._output(call, i)

    def add_outputs(self, outputs: Sequence[Tensor]) -> None:
        """A node for each output; its gradient is where backward() began."""
        for i, y in enumerate(outputs):
            self._outside(y, INPUT)
            name = y.name if y.creator and y.name else f"output{i + 1 if len(outputs) > 1 else ''}"
            self.add(Node(OUTPUT, clean(name)))
            alone = not self.wires[self.key(y)].uses
            gradient = Shown((), NOT_YET) if y.grad is None else y.grad
            self.take(self.key(y), 0, gradient if alone else None)


def drawable(x: Any) -> bool:
    """Whether an input is numbers: no mask that is missing, no word."""
    return isinstance(x, Tensor | Faded) or (
        x is not None and np.asarray(x).dtype.kind in "fiub" and not isinstance(x, str)
    )


def title_of(layer: Any) -> str:
    """A layer's class, with its options if they are short."""
    usual: Any = object.__repr__
    name, plain = type(layer).__name__, type(layer).__repr__ is usual
    text = name if plain else short(layer)
    fits = text.startswith(name) and "\n" not in text and len(text) <= LONGEST_TITLE
    return text.removesuffix("()") if fits else name
