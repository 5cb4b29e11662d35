"""Sliding windows over a series: what was seen, and what came after."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.train.checks import check_count
from handgrad.train.data import check_inputs


def windows(
    series: Any, length: int, *, horizon: int = 1, step: int = 1, targets: Any = None
) -> tuple[Array, Array]:
    """x (N, length, D), and t (N, M): what stands `horizon` steps after the end of each window.

    series (T,) or (T, D), in the order of time; targets: those of each moment, (T,) or (T, M), by
    default the series itself. Windows begin every `step` moments. To hold out the end of a series,
    cut it before: windows of both parts would overlap.
    Raises ValueError for a series that is too short.
    """
    length, horizon, step = (
        check_count(f"windows: {name}", n)
        for name, n in (("length", length), ("horizon", horizon), ("step", step))
    )
    x = check_inputs(series, "windows: series")
    t = x if targets is None else check_inputs(targets, "windows: targets")
    x, t = (a[:, None] if a.ndim == 1 else a for a in (x, t))
    if len(t) != len(x):
        raise ValueError(f"windows: targets must be {len(x)}, one for each moment, got {len(t)}")
    count = len(x) - length - horizon + 1
    if count < 1:
        raise ValueError(
            f"windows: a series of {len(x)} is too short for {length} and {horizon} after them"
        )
    seen = np.lib.stride_tricks.sliding_window_view(x, length, axis=0)[:count:step]
    after: Array = t[length + horizon - 1 :][:count:step]
    return np.ascontiguousarray(seen.transpose(0, 2, 1)), after.copy()
