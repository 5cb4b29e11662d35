"""Classes that a stream brings later: the last layer gets an output for each, and goes on."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.optim.runs import Layout
from handgrad.sklearn.training import Goal, moments_of


def spread(array: Array, old: Array, classes: Array, learned: bool = True) -> Array:
    """The last layer's W (H, K) or b (K) for more classes, old ones among them, all sorted.

    One output for two classes becomes the two 0 and s, of the same probabilities. A new class has
    weights 0 and the least of the present biases; where one class alone was known, what its output
    had for "another". What is not learned, an optimizer's memory, is 0 for all that is new.
    """
    if array.shape[-1] == 1:
        array = np.concatenate([0 * array, array if learned else 0 * array], axis=-1)
    new = np.zeros((*array.shape[:-1], len(classes)), array.dtype)
    if learned and len(old) == 1:
        new[...] = array[..., 1:]
    elif learned and array.ndim == 1:
        new[...] = array.min()
    new[..., np.searchsorted(classes, old)] = array[..., : len(old)]
    return new[..., 1:] - new[..., :1] if len(classes) == 2 else new


def grow(model: Any, classes: Array) -> None:
    """Let a classifier know more classes, its present ones among them.

    Its probabilities of the present classes keep their ratios. Raises ValueError for a network that
    was given, whose outputs are not the estimator's.
    """
    if model.network is not None:
        new = np.setdiff1d(classes, model.classes_)
        raise ValueError(
            f"partial_fit: class {new[0]!s} is new, and the given network has outputs for "
            f"{len(model.classes_)} classes; name all in the first call, classes=[…]"
        )
    network, old = model._network_now(), model.classes_
    before = list(network.layout)
    stream = model.__dict__.pop("_stream", None)
    if stream is not None:
        model._moments = moments_of(stream[1][0])
    held = network.named_parameters()
    network.replace({path: spread(held[path], old, classes) for path, *_ in before[-2:]})
    network.members[-1].outputs = network.members[-1].W.shape[1]
    if "_moments" in vars(model):
        model._moments = {
            name: _spread_flat(value, before, network.layout, old, classes)
            if isinstance(value, np.ndarray) and value.size == before[-1][2] else value
            for name, value in model._moments.items()
        }  # fmt: skip
    model._show(network, Goal(None))


def _spread_flat(flat: Array, before: Layout, after: Layout, old: Array, classes: Array) -> Array:
    """A flat array of an optimizer for the grown parameters, the last two of which are spread."""
    new = np.zeros(after[-1][2], flat.dtype)
    for i, ((_, start, stop, shape), (_, begin, end, _)) in enumerate(zip(before, after)):
        part = flat[start:stop].reshape(shape)
        part = part if i < len(before) - 2 else spread(part, old, classes, learned=False)
        new[begin:end] = part.reshape(-1)
    return new
