"""Layers and pairs on arrays of another library: kernels of Triton's, CuPy's, or by DLPack."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from handgrad.subject.copying import duplicate
from handgrad.subject.dressing import Box
from handgrad.subject.peers.library import Peer, as_numpy, home_of, without_gpu


class Carried(Peer):
    """forward and backward as they are; arrays are carried there and back.

    Its parameters are the arrays `X` that it holds beside an attribute `dX`.
    """

    def __init__(self, layer: Any, like: Any):
        self.own = Box(layer=layer, like=like)  # an array of the kind that the layer takes
        self.reading = getattr(layer, "reading", None)  # of a pair
        held = {k: v for k, v in vars(layer).items() if hasattr(layer, f"d{k}")}
        self.params = {k: as_numpy(v) for k, v in held.items()}
        self.grads: dict[str, Any] = dict.fromkeys(self.params)

    def __deepcopy__(self, memo: dict[int, Any]) -> Peer:
        clone = object.__new__(type(self))
        clone.__dict__.update({k: duplicate(v, memo) for k, v in vars(self).items()})
        clone.own = Box(layer=duplicate(self.own.layer, memo), like=self.own.like)
        return clone

    def forward(self, *inputs: Any) -> Any:
        for name, value in self.params.items():
            setattr(self.own.layer, name, carry(value, self.own.like))
        return self.evaluate(self.own.layer.forward, inputs)

    def backward(self, *gradients: Any) -> Any:
        found = self.evaluate(self.own.layer.backward, gradients)
        self.grads = {k: as_numpy(getattr(self.own.layer, f"d{k}")) for k in self.params}
        return found

    def evaluate(self, function: Callable[..., Any], arrays: Sequence[Any]) -> Any:
        """function(*arrays) over there; what it writes into an array shows in ours too."""
        jax = home_of(self.own.like) == "jax"
        with (
            without_gpu(),
            sys.modules["jax"].enable_x64(True) if jax else contextlib.nullcontext(),
        ):
            theirs = [carry(x, self.own.like) for x in arrays]
            result = function(*theirs)
        for ours, there in zip(arrays, theirs):
            if isinstance(ours, np.ndarray) and ours.flags.writeable:
                ours[...] = as_numpy(there)
        return tuple(map(as_numpy, result)) if isinstance(result, tuple) else as_numpy(result)


def carry(x: Any, like: Any) -> Any:
    """A NumPy array as one of the other library's, on the same memory or device."""
    if not isinstance(x, np.ndarray):
        return x
    module = sys.modules[home_of(like) or type(like).__module__.split(".")[0]]
    if home_of(like) == "torch":
        shared = x.copy() if any(s < 0 for s in x.strides) else x
        return module.from_numpy(shared).to(like.device)
    if home_of(like) == "jax":
        return module.numpy.asarray(x)
    return module.asarray(x) if hasattr(module, "asarray") else module.from_dlpack(x)
