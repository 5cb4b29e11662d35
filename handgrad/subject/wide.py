"""Arrays on which a cast to fewer digits does nothing: the same code, in float64 throughout.

A layer for half precision rounds by `.astype(np.float16)`, and what is rounded has no derivative.
With these arrays as inputs and parameters it computes the function that it stands for.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class Wide(np.ndarray):
    """An array that stays as precise as it is; what is computed from it does too."""

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        kind = np.dtype(dtype)
        if kind.kind in "fV" and kind.itemsize < self.dtype.itemsize:
            return self.copy()
        return super().astype(dtype, *args, **kwargs)

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return array.view(Wide)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return widened(super().__array_function__(func, types, args, kwargs))


def widened(value: Any) -> Any:
    """Real arrays, in lists and tuples too, as wide ones; anything else as it is."""
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return type(value)(map(widened, value))
    real = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return value.view(Wide) if real else value
