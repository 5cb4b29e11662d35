"""grow: more inputs and more classes for a network that has learned, and for its optimizer."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layers import Affine, Standardize
from handgrad.layers.checks import is_integer
from handgrad.network import Network, Sequential
from handgrad.optim import Optimizer
from handgrad.optim.own_rule import OwnRule
from handgrad.optim.runs import Layout


def grow(network: Network, optimizer: Optimizer, inputs: int | None, classes: int | None) -> None:
    """Give the first layer more inputs, and the last more outputs, in place.

    The weights of a new input are 0, so that no output changes until something is learned from
    it. A new class has weights 0 and the least of the present biases: the scores of the others stay
    as they are. What the optimizer remembers of new parameters is 0, as at the start.
    A Standardize that comes first leaves new columns as they are.
    Raises ValueError, before anything changes, for a network that is no Sequential of this form.
    """
    if isinstance(optimizer, OwnRule):
        raise ValueError(f"grow: what {optimizer!r} remembers cannot grow; an Optimizer's can")
    layers = network.layers if type(network) is Sequential else ()
    standardize = layers[0] if layers and type(layers[0]) is Standardize else None
    first: Any = layers[standardize is not None] if len(layers) > (standardize is not None) else 0
    last: Any = layers[-1] if layers else None
    arrays: dict[str, Array] = {}
    if inputs is not None:
        _require(first, "inputs", "first, or after a Standardize")
        _widen(network, arrays, first, inputs - _size(first, "inputs", inputs), 0)
    if classes is not None:
        _require(last, "classes", "last")
        _widen(network, arrays, last, 0, classes - _size(last, "outputs", classes))
    before = list(network.layout)
    state = optimizer.state_dict()
    network.replace(arrays)
    if inputs is not None:
        first.inputs = inputs
        if standardize is not None:
            _pass_through(standardize, inputs)
    if classes is not None:
        last.outputs = classes
    for name in optimizer.state_names:
        if state[name].size:
            state[name] = _embedded(state[name], before, network.layout)
    optimizer.load_state_dict(state)


def _require(layer: Any, option: str, where: str) -> None:
    if type(layer) is not Affine:
        raise ValueError(
            f"grow: {option} needs a Sequential with an Affine {where}, got "
            f"{type(layer).__name__ if layer else 'another network'}"
        )


def _size(layer: Affine, name: str, wanted: Any) -> int:
    """The present number of inputs or outputs, if the wanted one is an integer that is not less."""
    present = layer.W.shape[name == "outputs"]
    if not is_integer(wanted) or wanted < present:
        raise ValueError(f"grow: {name} must be an integer of at least the present {present}, got "
                         f"{wanted!r}")  # fmt: skip
    return int(present)


def _widen(
    network: Network, arrays: dict[str, Array], layer: Affine, rows: int, columns: int
) -> None:
    """Enter under their paths a layer's W, with so many more rows and columns of 0, and its b."""
    paths = {(id(slot.owner), slot.name): (s, slot.path) for s in network.flat.segments
             for slot in s.slots}  # fmt: skip
    for name in layer.params:
        segment, path = paths[id(layer), name]
        if len(segment.slots) > 1:
            raise ValueError(f"grow: {path} is tied to another parameter, and keeps its shape")
        array = arrays.get(path, segment.view)
        if name == "W":
            arrays[path] = np.pad(array, ((0, rows), (0, columns)))
        else:
            arrays[path] = np.pad(array, (0, columns), constant_values=array.min())


def _pass_through(standardize: Standardize, inputs: int) -> None:
    """Means 0 and scales 1 for new columns."""
    more = inputs - len(standardize.center)
    mean = np.pad(standardize.center, (0, more))
    scale = np.pad(np.asarray(standardize.scale, float), (0, more), constant_values=1.0)
    standardize.__init__(mean, scale)  # type: ignore[misc]


def _embedded(array: Array, before: Layout, after: Layout) -> Array:
    """A flat array with each parameter's part in the corner of a larger one of zeros."""
    grown = np.zeros(after[-1][2], array.dtype)
    for (_, start, stop, shape), (_, begin, end, larger) in zip(before, after):
        corner = tuple(slice(n) for n in shape)
        grown[begin:end].reshape(larger)[corner] = array[start:stop].reshape(shape)
    return grown
