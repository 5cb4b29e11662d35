"""A dry run: the shapes that a network gives, found from a batch without samples.

It costs next to nothing whatever the sizes are, and so shows what a real batch would cost.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from handgrad.arrays import ShapeError
from handgrad.layer import walk
from handgrad.layers.recurrent.over_time import OverTime
from handgrad.network import Network
from handgrad.train.registry import is_own
from handgrad.train.spec import InputSpec, OutputSpec

ELEMENTS = 2**24  # of all outputs for one sample, beyond what the file pays for
STEPS = 2**13  # of recurrent layers, the same


def output_shape(
    network: Any, shape: tuple[int, ...], dtype: Any, room: int
) -> tuple[int, ...] | None:
    """The shape (0, …) of the output for samples of this shape; None where it cannot be known.

    It cannot where layers of the user's do not take an empty batch. Raises ValueError where the
    network does not take such samples, or makes more elements of one than `room` pays for.
    """
    empty = np.zeros((0, *shape), dtype)
    own = all(is_own(type(layer)) for _, layer in walk(network))
    try:
        with np.errstate(all="ignore"), counted_steps(network, STEPS + room // 8):
            if not isinstance(network, Network):
                return tuple(np.shape(network.forward(empty)))
            calls = network.calls(empty)[1]
    except Exception as error:  # layers of the user's may raise anything; so may wrong weights
        if not own:
            return None
        said = " ".join(str(error).split()) or type(error).__name__
        sample = f"samples of shape {shape} and dtype {np.dtype(dtype)}"
        raise ShapeError(f"the network does not take {sample}: {said}") from None
    made = [s for call in calls for s in call.shapes]
    count = sum(math.prod(s[1:]) for s in made)
    if count > ELEMENTS + 256 * room:
        raise ValueError(
            f"the network makes {count:,} elements of one sample of shape {shape}, far beyond what "
            "the file holds"
        )
    return calls[-1].shapes[0] if calls else None


@contextmanager
def counted_steps(network: Any, most: int) -> Iterator[None]:
    """Recurrent layers raise ValueError after so many steps: they loop without samples too."""
    layers = [layer for _, layer in walk(network) if isinstance(layer, OverTime)]
    left = most

    def count(step: Any) -> Any:
        def counted(*inputs: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise ValueError("its sequences are far longer than what the file holds")
            return step(*inputs)

        return counted

    for layer in layers:
        vars(layer)["step"] = count(layer.step)
    try:
        yield
    finally:
        for layer in layers:
            del vars(layer)["step"]


def check_specs(network: Any, takes: InputSpec | None, gives: OutputSpec | None, room: int) -> None:
    """Raise ValueError where a network does not take its input, or give its output."""
    if takes is None:
        return
    kind = np.dtype(takes.dtype).kind
    is_float = kind == "f" or takes.dtype == "uint8"
    dtype = getattr(network, "dtype", None) or np.float32
    found = output_shape(network, takes.shape, dtype if is_float else takes.dtype, room)
    if found is not None and gives is not None:
        gives.check(found)
