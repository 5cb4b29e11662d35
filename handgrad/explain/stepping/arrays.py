"""Arrays as a page holds them: in base64, and marks that tell one from another."""

from __future__ import annotations

from base64 import b64encode
from math import prod
from typing import Any

import numpy as np


def encoded(array: Any) -> dict[str, Any]:
    """An array as {t: type, s: shape, b: its bytes in base64}, in float32 where that is exact."""
    array = np.asarray(array)
    shape = list(array.shape)
    if array.dtype.kind == "b":
        kind, array = "u1", array.astype(np.uint8)
    elif array.dtype.kind in "iu" and array.size and np.abs(array.astype(np.float64)).max() < 2**31:
        if array.size > 8 and np.array_equal(array.ravel(), np.arange(array.size)):
            return {"t": "range", "s": shape, "b": ""}
        kind, array = "i4", array.astype(np.int32)
    else:
        array = array.astype(np.float64)
        with np.errstate(all="ignore"):
            single = array.astype(np.float32)
        exact = np.array_equal(single.astype(np.float64), array, equal_nan=True)
        kind, array = ("f4", single) if exact else ("f8", array)
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return {"t": kind, "s": shape, "b": b64encode(little.tobytes()).decode()}


def marks(array: Any) -> list[float] | None:
    """The norm, and a sum with uneven weights, of an array; nothing where it is not finite.

    None where these are too large to be compared.
    """
    flat = np.asarray(array, np.float64).ravel()
    if not np.isfinite(flat).all():
        return []
    weights = (np.arange(prod(flat.shape)) * 7919 % 101 - 50) / 50
    with np.errstate(over="ignore"):
        found = [float(np.sqrt((flat * flat).sum())), float((flat * weights).sum())]
    return found if np.isfinite(found).all() else None
