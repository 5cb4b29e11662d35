"""Checks that many constructors and forwards share: sizes and dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layer import Layer


def require_positive(layer: Layer, **sizes: int | None) -> None:
    """Raise ValueError unless each size is a positive whole number, or None."""
    for name, size in sizes.items():
        if size is not None and (not isinstance(size, int | np.integer) or size < 1):
            raise ValueError(
                f"{type(layer).__name__}: {name} must be a positive whole number, got {size!r}"
            )


def require_dtype(layer: Layer, name: str, x: Array, dtype: Any) -> None:
    """Raise ValueError where x has another dtype than the parameters."""
    if x.dtype != dtype:
        raise ValueError(
            f"{type(layer).__name__}: {name} is {x.dtype} but the parameters are {dtype}; "
            "convert one of them"
        )
