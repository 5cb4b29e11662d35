"""Arrays: the module they belong to, their dtypes, random streams, and errors about them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

Array = np.ndarray
_LINE = 64  # bytes of a line of the cache
_real: ContextVar[Any] = ContextVar("real", default=np.float64)


class ShapeError(ValueError):
    """The shape of an array breaks a layer's rule."""


def array_module(*arrays: Any) -> Any:
    """The module whose functions work on these arrays: CuPy if one of them is CuPy's, else NumPy.

    CuPy is never imported here: an array of its can only exist once it has been.
    """
    cupy = sys.modules.get("cupy")
    if cupy is not None and any(isinstance(a, cupy.ndarray) for a in arrays):
        return cupy
    return np


def zeros(size: int, dtype: Any, like: Any = None) -> Array:
    """Zeros whose first number lies at the start of a cache line, 64 bytes: vectors of 16 floats
    then lie in one line each, where NumPy's own large arrays begin 16 bytes behind one.

    like: an array of CuPy's for zeros of CuPy's, which begin there anyway.
    """
    module = array_module(like)
    if module is not np:
        elsewhere: Array = module.zeros(size, dtype)
        return elsewhere
    raw = np.zeros(size * np.dtype(dtype).itemsize + _LINE, np.uint8)
    skip = -raw.ctypes.data % _LINE
    return raw[skip : skip + raw.size - _LINE].view(dtype)


def is_array(x: Any) -> bool:
    """Whether x has elements of NumPy's dtypes: an array of NumPy, CuPy or JAX, not of PyTorch."""
    return isinstance(getattr(x, "dtype", None), np.dtype)


def as_float(x: Any, dtype: Any = None) -> Array:
    """x as an array of real numbers: floats as they are, integers and booleans converted.

    Integers become `dtype`, because a derivative needs a continuous variable; by default
    float64, and in a network the network's own. Raises ValueError for text, objects and complex
    numbers.
    """
    array: Array = x
    if type(x) is not np.ndarray and (not is_array(x) or isinstance(x, np.generic)):
        array = np.asarray(x)
    kind = array.dtype.kind
    if kind == "f":
        return array
    if kind in "iub":
        return array.astype(dtype or _real.get())
    raise ValueError(f"real numbers are needed, got dtype {array.dtype}; convert the data first")


@contextmanager
def integers_become(dtype: Any) -> Iterator[None]:
    """Inside, `as_float` turns integers into this dtype where none is asked for."""
    token = _real.set(dtype)
    try:
        yield
    finally:
        _real.reset(token)


def float_dtype(dtype: Any) -> np.dtype[Any]:
    """The dtype, if its numbers are real. Raises ValueError otherwise."""
    try:
        found: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        found = np.dtype(object)
    if found.kind != "f":
        raise ValueError(f"dtype: one of floats, such as 'float32', is needed, got {dtype!r}")
    return found


def require_seed(seed: Any) -> int:
    """The seed as an int, if it is one from 0, below 2⁶⁴. Raises ValueError otherwise."""
    if not isinstance(seed, int | np.integer) or not 0 <= seed < 2**64:
        raise ValueError(f"seed: an integer ≥ 0, below 2**64, is needed, got {seed!r}")
    return int(seed)


class Stream:
    """Random numbers that depend on (seed, layer, step) alone, from the Philox generator.

    Each draw uses the key (seed, layer) and the counter `step`, then moves to the next step:
    the same three numbers give the same values in any order, thread or process.

    Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
    """

    def __init__(self, seed: int = 0, layer: int = 0, step: int = 0):
        self.seed, self.layer, self.step = require_seed(seed), layer, step

    def bit_generator(self) -> np.random.Philox:
        """The Philox generator of the present step; moves on to the next."""
        # As uint64: NumPy makes floats of a list in which one number needs all 64 bits.
        key = np.array([self.seed, self.layer], np.uint64)
        philox = np.random.Philox(key=key, counter=[0, 0, self.step, 0])
        self.step += 1
        return philox

    def generator(self) -> np.random.Generator:
        """A NumPy generator for the present step; moves on to the next."""
        return np.random.Generator(self.bit_generator())

    def bits(self, count: int) -> Array:
        """`count` random 32-bit words (uint32), low half of each 64-bit word first."""
        words = self.bit_generator().random_raw((count + 1) // 2)
        return words.astype("<u8", copy=False).view("<u4")[:count]

    def __repr__(self) -> str:
        return f"Stream(seed={self.seed}, layer={self.layer}, step={self.step})"
