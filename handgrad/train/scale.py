"""A warning where inputs or targets are on a scale that a network learns badly from."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layers import ElementwiseLoss, Embedding, Standardize
from handgrad.layers.normalization import BatchNorm

LARGE = 30.0  # root mean square of a column; measured in benchmarks/defaults.py
_LOOKED_AT = 1000  # samples, evenly spaced


def warn_of_scale(network: Any, x: Array, t: Array, loss: Any) -> None:
    """Warn of columns of x, and of real targets t, that are large, with what would do."""
    first = network
    while getattr(first, "members", None):
        first = first.members[0]
    if not isinstance(first, Standardize | BatchNorm | Embedding):
        rms = _rms(x)
        large = np.flatnonzero(rms > LARGE)
        if large.size:
            which = f"column {large[0]} of x" if x.ndim == 2 else "x"
            _warn(
                f"{which} holds numbers around {rms[large[0]]:.3g}, a scale that a network learns "
                "badly from; Standardize.of(x) as the first layer would do"
            )
    if isinstance(loss, ElementwiseLoss) and (rms := _rms(t).max()) > LARGE:
        _warn(
            f"the targets are around {rms:.3g}, far from the outputs of a new network, around 1; "
            "train on (t - t.mean()) / t.std(), and undo that on what is predicted"
        )


def _rms(array: Array) -> Array:
    """The root mean square of each column (N, M), or of the whole array."""
    seen = array[:: max(1, len(array) // _LOOKED_AT)].astype(np.float64)
    return np.atleast_1d(np.sqrt(np.square(seen).mean(axis=0 if array.ndim == 2 else None)))


def _warn(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=5)
