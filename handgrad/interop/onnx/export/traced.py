"""The uses of layers behind a network's output, seen for two sizes of batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.inside import walk
from handgrad.interop.onnx.export.builder import NoForm
from handgrad.layer import Layer, Parameter, as_input, shallow_clone, slots
from handgrad.layers.recurrent.state import forgetting
from handgrad.layers.shape.indexing import recorder
from handgrad.tensor import CallRecord, Tensor, arrays_refused, calls_behind, learning


@dataclass
class Use:
    """One use of a layer: what went in, and the same for the other size of batch.

    layers: the two copies that ran; given: the two lists of inputs; shapes: of the outputs.
    """

    layers: tuple[Any, Any]
    given: tuple[tuple[Any, ...], tuple[Any, ...]]
    shapes: tuple[Any, Any]
    outputs: tuple[Any, ...]  # tensors of the first
    path: str

    @property
    def layer(self) -> Any:
        """The copy of the first size of batch, its state set by forward."""
        return self.layers[0]

    def rank(self, i: int = 0) -> int:
        """Axes of input i."""
        return int(np.ndim(self.given[0][i].data if isinstance(self.given[0][i], Tensor)
                           else self.given[0][i]))  # fmt: skip

    def shape(self, i: int = 0) -> tuple[Any, ...]:
        """Lengths of input i; None where they vary with the batch."""
        two, three = (np.shape(g[i].data if isinstance(g[i], Tensor) else g[i]) for g in self.given)
        return tuple(a if a == b else None for a, b in zip(two, three))

    def varying(self) -> tuple[Any, ...]:
        """Lengths of the first output; None where they vary with the batch."""
        return tuple(a if a == b else None for a, b in zip(self.shapes[0][0], self.shapes[1][0]))


@dataclass
class Trace:
    """A network's inputs, its uses of layers in order, and its outputs."""

    entries: list[Any]
    uses: list[Use]
    outputs: tuple[Tensor, ...]
    shapes: list[Any]  # of each output, for both sizes of batch
    grows: list[bool]  # which inputs have a batch axis
    keep: Any


def batch_of(x: Any, size: int) -> Any:
    """As many samples as asked for, from those at hand."""
    times = -(-size // max(1, len(x)))
    return np.concatenate([x] * times)[:size]


def run(network: Any, inputs: list[Any]) -> tuple[list[Any], Any, list[CallRecord], Any]:
    """The inputs, the outputs, and the calls between them."""
    clone = shallow_clone(network, training=False)
    arrays = [as_input(x, network.dtype) for x in inputs]
    entries = [Tensor(a) if a.dtype.kind == "f" else a for a in arrays]
    token = recorder.set(recorded)
    try:
        with (
            learning(),
            forgetting(clone),
            arrays_refused(comparisons=True),
            np.errstate(all="ignore"),
        ):
            made = clone(*entries)
    finally:
        recorder.reset(token)
    outputs = made if isinstance(made, tuple | list) else (made,)
    if not outputs or not all(isinstance(y, Tensor) for y in outputs):
        raise NoForm("the network's output does not come from its layers")
    return entries, tuple(outputs), calls_behind(*outputs), clone


class Compare(Layer):
    """y = a < b, or another comparison, where a network is written down."""

    def __init__(self, ufunc: Any):
        self.ufunc = ufunc

    def forward(self, a: Any, b: Any) -> Any:
        return self.ufunc(a, b)


class Truths(Tensor):
    """What a comparison gave: for np.where, not for an `if`."""

    __slots__ = ()

    def __bool__(self) -> bool:
        raise TypeError("Python decides by a comparison")


def recorded(layer: Any, *inputs: Any) -> Any:
    """The output of a layer without gradient as a tensor, so that its use is seen."""
    if compares := isinstance(layer, np.ufunc):
        layer = Compare(layer)
        dtype = next(x.dtype for x in inputs if isinstance(x, Tensor))
        inputs = tuple(x if isinstance(x, Tensor) else np.asarray(x, dtype) for x in inputs)
    copy = shallow_clone(layer)
    output = np.asarray(copy.forward(*(x.data if isinstance(x, Tensor) else x for x in inputs)))
    (made,) = CallRecord(copy, layer, inputs, [], [], []).produce((output,))
    made.data = output  # indices stay integers
    if compares:
        made.__class__ = Truths
    return made


def trace(network: Any, inputs: list[Any]) -> Trace:
    """The uses of layers on two and on three samples, of the inputs that have a batch axis.

    Those are the ones as long as the first; where the network takes no other number of samples,
    none. Raises NoForm where Python computes with numbers: what it does is not recorded.
    """
    network.build(*inputs)
    grows = [len(x) == len(inputs[0]) for x in inputs]
    try:
        return traced(network, inputs, grows)
    except NoForm:
        raise
    except ValueError:
        return traced(network, inputs, [False] * len(inputs))


def traced(network: Any, inputs: list[Any], grows: list[bool]) -> Trace:
    """The trace in which these inputs grow with the batch."""
    sizes = [[batch_of(x, n) if g else x for x, g in zip(inputs, grows)] for n in (2, 3)]
    try:
        small, large = (run(network, batch) for batch in sizes)
    except TypeError as error:
        raise NoForm(f"Python computes with the numbers ({error})") from error
    if [type(a.original) for a in small[2]] != [type(b.original) for b in large[2]]:
        raise NoForm("the network takes another way for another size of batch")
    paths = {id(layer): path for path, layer in walk(small[3])}
    uses = []
    for a, b in zip(small[2], large[2]):
        outputs = tuple(r() for r in a.outputs)
        uses.append(Use((a.layer, b.layer), (a.given, b.given), (a.shapes, b.shapes), outputs,
                        paths.get(id(a.original), "")))  # fmt: skip
    shapes = [[y.shape for y in made[1]] for made in (small, large)]
    return Trace(small[0], uses, small[1], list(zip(*shapes)), grows, (small, large))


def names_of_parameters(clone: Any) -> dict[int, str]:
    """Paths of the tensors that a network owns, by id."""
    return {id(v): slot.path for slot in slots(clone)
            if isinstance(v := vars(slot.owner).get(slot.name), Parameter)}  # fmt: skip


def opened(use: Use) -> Trace | None:
    """The steps inside a layer: its forward on tensors. None where these are no other layers.

    Raises NoForm, which says what the layer's code met, where it takes no tensors.
    """
    results = []
    for layer, given in zip(use.layers, use.given):
        clone = shallow_clone(layer, training=False)
        for owner in (inner for _, inner in walk(clone)):
            for name in getattr(owner, "params", ()):
                if name in owner.__dict__:
                    owner.__dict__[name] = Parameter(owner.__dict__[name])
        entries = [Tensor(g.data) if isinstance(g, Tensor) else g for g in given]
        token = recorder.set(recorded)
        try:
            with learning(), arrays_refused(comparisons=True), np.errstate(all="ignore"):
                output = clone.forward(*entries)
        except Exception as error:  # any that the layer's code meets on tensors
            said = " ".join(str(error).split()) or type(error).__name__
            raise NoForm(f"its forward does not run on tensors: {said:.120}") from None
        finally:
            recorder.reset(token)
        made = tuple(output) if isinstance(output, tuple | list) else (output,)
        if not all(isinstance(y, Tensor) for y in made):
            return None
        results.append((entries, made, calls_behind(*made), clone))
    small, large = results
    if [type(a.original) for a in small[2]] != [type(b.original) for b in large[2]]:
        return None
    if any(type(a.original) is type(use.layer) for a in small[2]):
        return None
    uses = [Use((a.layer, b.layer), (a.given, b.given), (a.shapes, b.shapes),
                tuple(r() for r in a.outputs), "") for a, b in zip(small[2], large[2])]  # fmt: skip
    return Trace(small[0], uses, small[1], [], [], (small, large))
