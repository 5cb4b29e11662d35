"""Trace: which layers an example passes, in which order, and which lengths grow with the batch."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.compile.values import NO_EPILOGUE, BatchDim, Epilogue, NotNative, Size, Value
from handgrad.inside import untouched, walk
from handgrad.layer import Parameter, Slot, as_input, slots
from handgrad.layers import Index
from handgrad.layers.convolution.window import Grid
from handgrad.layers.recurrent.state import forgetting
from handgrad.network import Network
from handgrad.tensor import CallRecord, Tensor, arrays_refused, calls_behind, learning


@dataclass(eq=False)
class Node:
    """One use of a layer: its inputs and outputs as values, None for a constant input.

    given, again: the inputs themselves, in a batch of two and in one of three.
    python: it runs as Python. needs_input_grad: whether the gradient of each input is needed;
    learns: whether a parameter lies here or before.
    epilogue, pooling, fused: the activation and the max pooling (by its windows) that the node's
    rows compute too, since only they read its result; what their layers are called. See fusion.py.
    record: what the lowering's forward hands to its backward.
    """

    number: int
    layer: Any
    inputs: list[Any]
    outputs: list[Value]
    given: tuple[Any, ...] = ()
    again: tuple[Any, ...] = ()
    path: str = ""
    python: bool = False
    needs_input_grad: list[bool] = field(default_factory=list)
    learns: bool = False
    epilogue: Epilogue = NO_EPILOGUE
    pooling: Grid | None = None
    fused: tuple[str, ...] = ()
    record: Any = None

    @property
    def parameters(self) -> list[Slot]:
        """The parameters of the layer and those inside it."""
        return slots(self.layer)

    @property
    def name(self) -> str:
        """The layer's class, and where it stands."""
        return f"{self.path} {type(self.layer).__name__}".strip()

    @property
    def label(self) -> str:
        """The name, and what else its rows compute."""
        return " + ".join((self.name, *self.fused))


@dataclass
class Trace:
    """The uses of layers in order, the network's input, its output, and its other inputs."""

    nodes: list[Node]
    x: Value
    y: Value
    more: list[Value] = field(default_factory=list)


def _record(network: Network, x: Array, *more: Array) -> tuple[Any, Any, list[CallRecord]]:
    """The input, the output, and the calls between them in order."""
    x = as_input(x, network.dtype)
    entry = Tensor(x) if x.dtype.kind == "f" else x
    # A program runs the same rows for any x: what Python decides by x would not be seen again.
    with learning(), forgetting(network), arrays_refused(comparisons=True):
        output = network(entry, *more)
    if not isinstance(output, Tensor) or output.creator is None:
        raise NotNative("the network's output does not come from its layers")
    return entry, output, calls_behind(output)


def trace(
    network: Network, x: Array, python: Container[int] = (), more: Sequence[Array] = ()
) -> Trace:
    """The uses of layers on a few samples of x in the present mode, seen for two sizes of batch.

    python: numbers of the nodes that are to run as Python. more: other inputs of as many samples,
    which get no gradient, such as a mask.
    """
    if len(x) < 3:
        x, *more = (np.concatenate([a] * 3) for a in (x, *more))
    others = [[a[:count] for a in more] for count in (2, 3)]
    with untouched(network), np.errstate(all="ignore"):
        try:
            small, large = _record(network, x[:2], *others[0]), _record(network, x[:3], *others[1])
        except NotNative:
            raise
        except Exception as error:  # the batch itself may be of a size that it takes
            raise NotNative(f"it cannot be recorded on a batch of two or three: {error}") from error
    if [type(a.original) for a in small[2]] != [type(a.original) for a in large[2]]:
        raise NotNative("the network takes another way for another size of batch")
    paths = {id(layer): path for path, layer in walk(network)}
    values: dict[int, Value] = {}
    source = Value(tuple(_sizes(np.shape(x[:2]), np.shape(x[:3]))))
    values[id(small[0])] = source
    also = [Value(tuple(_sizes(two.shape, three.shape))) for two, three in zip(*others)]
    values |= {id(array): value for array, value in zip(others[0], also)}
    nodes: list[Node] = []
    keep = []  # tensors must live while their ids are keys
    for a, b in zip(small[2], large[2]):
        outputs = [Value(tuple(_sizes(two, three))) for two, three in zip(a.shapes, b.shapes)]
        inputs = [values.get(id(g)) for g in a.given]
        for i, g in enumerate(a.given):
            keep.append(g)
            if inputs[i] is None and (columns := _columns_of(g, small[0])):
                nodes.append(_columns_node(len(nodes), source, g, columns))
                inputs[i] = nodes[-1].outputs[0]
            if isinstance(g, Parameter):
                inputs[i] = values.setdefault(id(g), Value(g.shape, parameter=g.data))
            if (value := inputs[i]) is not None:
                value.uses += 1
        path = paths.get(id(a.original), "")
        node = Node(len(nodes), a.original, inputs, outputs, a.given, b.given, path)
        node.python = node.number in python
        for reference, value in zip(a.outputs, outputs):
            tensor = reference()
            value.made_by = node
            if tensor is not None:
                keep.append(tensor)
                values[id(tensor)] = value
        nodes.append(node)
    result = values[id(small[1])]
    result.uses += 1
    return Trace(nodes, source, result, also)


def _columns_of(array: Any, x: Any) -> tuple[int, int] | None:
    """From which column of x to which, where an array is a view of some columns."""
    if not (isinstance(x, np.ndarray) and isinstance(array, np.ndarray) and array.base is not None):
        return None
    if x.ndim != 2 or array.ndim != 2 or array.strides != x.strides or len(array) != len(x):
        return None
    first = (array.ctypes.data - x.ctypes.data) // x.itemsize
    if not (np.shares_memory(array, x) and first >= 0 and first + array.shape[1] <= x.shape[1]):
        return None
    return first, first + array.shape[1]


def _columns_node(number: int, x: Value, array: Array, columns: tuple[int, int]) -> Node:
    """x[:, first:last], which Python did to an array without a layer."""
    layer, y = Index((slice(None), slice(*columns))), Value((x.shape[0], array.shape[1]))
    x.uses += 1
    y.made_by = node = Node(number, layer, [x], [y], (None,), (None,), f"columns {columns}")
    return node


def _sizes(small: tuple[int, ...], large: tuple[int, ...]) -> Iterator[Size]:
    """Lengths from a batch of two and a batch of three."""
    for two, three in zip(small, large, strict=True):
        if two == three:
            yield two
        elif two * 3 == three * 2:
            yield BatchDim(two // 2)
        else:
            raise NotNative(f"a length is {two} for two samples and {three} for three")
