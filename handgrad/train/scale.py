"""A warning where inputs or targets are on a scale that a network learns badly from."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layer import parameter_names, walk
from handgrad.layers import (
    BatchNorm,
    ColumnEmbedding,
    ElementwiseLoss,
    Embedding,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    RMSNorm,
    Standardize,
)
from handgrad.network import Network
from handgrad.warn import warn_user

LARGE = 30.0  # root mean square of a column; measured in benchmarks/defaults.py
_LOOKED_AT = 1000  # samples, evenly spaced
_MOST = 2**24  # elements
_SCALING = (
    BatchNorm, ColumnEmbedding, Embedding, GroupNorm, InstanceNorm, LayerNorm, RMSNorm, Standardize,
)  # fmt: skip


def warn_of_scale(network: Any, x: Array, t: Array, loss: Any) -> None:
    """Warn of columns of x, and of real targets t, that are large, with what would do."""
    rms = _rms(x)
    large = np.flatnonzero(rms > LARGE)
    if large.size and not scales(network):
        which, way = (
            (f"column {large[0]} of x", "Standardize.of(x) as the first layer")
            if x.ndim == 2
            else ("x", f"x / {np.abs(x).max():.3g}")
        )
        warn_user(
            f"{which} holds values around {rms[large[0]]:.3g}, a scale that a network learns "
            f"badly from; {way} would do"
        )
    if isinstance(loss, ElementwiseLoss) and (large := _rms(t)[_rms(t) > LARGE]).size:
        warn_user(
            f"the targets are around {large[0]:.3g}, far from the outputs of a new network, around "
            "1; train on (t - t.mean()) / t.std(), and undo that on what is predicted"
        )


def scales(network: Any) -> bool:
    """Whether what comes before the first parameter may bring x to another scale."""
    for _, layer in walk(network):
        if isinstance(layer, Network):
            continue
        if isinstance(layer, _SCALING) or not type(layer).__module__.startswith("handgrad."):
            return True
        if parameter_names(layer):
            return False
    return False


def _rms(array: Array) -> Array:
    """The root mean square of each column (N, M), or of the whole array."""
    many = min(_LOOKED_AT, max(1, _MOST // max(1, math.prod(array.shape[1:]))))
    seen = array[:: max(1, len(array) // many)].astype(np.float64)
    return np.atleast_1d(np.sqrt(np.square(seen).mean(axis=0 if array.ndim == 2 else None)))
