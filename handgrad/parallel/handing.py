"""Plain data with arrays in it, handed from rank 0 to all others."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.parallel.ranks import Ranks

_ARRAY = "__array__"  # the key of what stands for an array


def handed(ranks: Ranks, value: Any) -> Any:
    """Rank 0's value on every rank: numbers, texts and arrays, and dicts, lists and tuples of them.

    What the other ranks give is not looked at. Scalars of NumPy become arrays, and tuples lists.
    """
    arrays: list[Array] = []
    first = ranks.rank == 0
    form = ranks.share(_form(value, arrays) if first else None)[0]
    if not first:
        arrays = [np.empty(shape, dtype) for dtype, shape in _forms(form)]
    for array in arrays:
        ranks.broadcast(array)
    return _filled(form, iter(arrays))


def _form(value: Any, arrays: list[Array]) -> Any:
    """The value, with dtype and shape in the stead of each array, which are added to `arrays`."""
    if isinstance(value, np.ndarray | np.generic):
        arrays.append(np.array(value, order="C"))
        return {_ARRAY: [value.dtype.str, list(value.shape)]}
    if isinstance(value, dict):
        return {key: _form(v, arrays) for key, v in value.items()}
    return [_form(v, arrays) for v in value] if isinstance(value, list | tuple) else value


def _forms(form: Any) -> list[Any]:
    """dtype and shape of each array, in order."""
    if isinstance(form, dict):
        if _ARRAY in form:
            return [form[_ARRAY]]
        form = list(form.values())
    return [f for v in form for f in _forms(v)] if isinstance(form, list) else []


def _filled(form: Any, arrays: Any) -> Any:
    """The value again, from its form and its arrays."""
    if isinstance(form, dict):
        if _ARRAY in form:
            return next(arrays)
        return {key: _filled(v, arrays) for key, v in form.items()}
    return [_filled(v, arrays) for v in form] if isinstance(form, list) else form
