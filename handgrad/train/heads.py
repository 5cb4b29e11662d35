"""Heads: several targets of classes learned at once, each with scores of its own.

The loss, accuracy and targets (N, T) are those of any scores (N, T, K), K being the most classes
that a target has; where one has fewer, the others have the score `ABSENT`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from handgrad.arrays import Array
from handgrad.layer import Layer
from handgrad.layers import Index, Pad, Reshape
from handgrad.network import Parallel, Sequential

ABSENT = -1e9  # whose softmax is 0 in whatever dtype


def head_layers(sizes: Sequence[int]) -> list[Layer]:
    """Layers that part scores (N, ΣK), all classes of T targets, into (N, T, max K); no layers for
    no targets."""
    if not sizes:
        return []
    if len(set(sizes)) == 1:
        return [Reshape((-1, len(sizes), sizes[0]))]
    most, end = max(sizes), accumulate(sizes)
    parts = [
        Sequential(
            Index((slice(None), slice(e - n, e))), Pad(((0, 0), (0, most - n)), value=ABSENT)
        )
        for n, e in zip(sizes, end)
    ]
    return [Parallel(*parts), Reshape((-1, len(sizes), most))]


def present(sizes: Sequence[int]) -> Array:
    """Which scores (T, max K) are those of classes, a mask."""
    mask: Array = np.arange(max(sizes)) < np.array(sizes)[:, None]
    return mask


def ends(sizes: Sequence[int]) -> list[int]:
    """Where the classes of all targets but the last end, side by side."""
    return list(accumulate(sizes))[:-1]


def beside(y: Array, sizes: Sequence[int]) -> Array:
    """The scores of all classes side by side again (N, ΣK); y itself where there are no sizes."""
    return y[:, present(sizes)] if sizes else y
