"""The state that a recurrent layer keeps from one call to the next, and masks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError
from handgrad.layer import walk


class Memory:
    """Holds the last state. Every use of a layer shares it, so the state survives a use."""

    def __init__(self) -> None:
        self.state: tuple[Array, ...] | None = None


@contextmanager
def forgetting(network: Any) -> Iterator[None]:
    """Inside, every layer of a network starts from zero; afterwards it remembers what it did."""
    memories = [m for _, x in walk(network) if isinstance(m := getattr(x, "memory", None), Memory)]
    states = [memory.state for memory in memories]
    try:
        for memory in memories:
            memory.state = None
        yield
    finally:
        for memory, state in zip(memories, states):
            memory.state = state


def length_mask(lengths: Any, steps: int) -> Array:
    """True where step t of sequence n has data, t < lengths[n].

    Shapes: lengths (N) of integers from 1 to T = steps, mask (N, T).
    Raises ValueError for a length outside, ShapeError for another shape.
    """
    lengths = np.asarray(lengths)
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu":
        raise ShapeError(
            f"length_mask: lengths must be integers (N,), got {lengths.dtype} {lengths.shape}"
        )
    if lengths.size and not 1 <= lengths.min() <= lengths.max() <= steps:
        raise ValueError(
            f"length_mask: lengths must lie from 1 to {steps}, got {lengths.min()} to "
            f"{lengths.max()}"
        )
    return np.arange(steps) < lengths[:, None]


def accept_mask(layer: Any, mask: Any, shape: tuple[int, ...], *, goes_on: bool) -> Array | None:
    """The mask as booleans, once its shape is seen to be right.

    Without a single step a sequence has no last h, unless it goes on from a state.
    """
    if mask is None:
        return None
    mask = mask if hasattr(mask, "dtype") else np.asarray(mask)
    if mask.shape != shape:
        raise ShapeError(
            f"{type(layer).__name__}: the mask must be (N, T) = {shape}, got {mask.shape}; "
            "length_mask(lengths, T) makes one"
        )
    if mask.dtype != bool:
        raise ValueError(
            f"{type(layer).__name__}: the mask must be of booleans, True where there is data, "
            f"got {mask.dtype}"
        )
    empty = np.flatnonzero(~mask.any(axis=1))
    if len(empty) and not goes_on:
        raise ValueError(
            f"{type(layer).__name__}: a sequence needs at least one step, but all positions are "
            f"masked for sample {empty[0]}; leave it out, or give the state that it goes on from"
        )
    return mask
