"""Room for large data: arrays that lie on disk, of which memory holds what is used.

The temporary file has no name and ends with its array. What of it is in memory is a cache, that the
system takes back where it needs room.
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from handgrad.arrays import Array

HELD = 2**27  # bytes of an array that is simply held in memory
AT_ONCE = 2**24  # bytes that are copied at once


def room(shape: tuple[int, ...], dtype: Any) -> Array:
    """An array of these sizes, to be filled. Raises OSError where the disk has not the room."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= HELD or not hasattr(os, "posix_fallocate"):
        return np.empty(shape, dtype)
    try:
        with tempfile.TemporaryFile(prefix="handgrad-") as file:
            os.posix_fallocate(file.fileno(), 0, size)  # for a full disk is not told of later
            return np.asarray(np.memmap(file, dtype, "r+", shape=shape))
    except OSError as error:
        raise OSError(
            f"{tempfile.gettempdir()}: {size / 1e9:.1f} GB are needed for data that memory is not "
            f"to hold ({error.strerror}); set TMPDIR to a folder with more room"
        ) from None


def is_large(array: Array) -> bool:
    """Whether an array is more than what is simply held in memory."""
    return array.nbytes > HELD


def taken(array: Array, chosen: Array) -> Array:
    """array[chosen], the samples of these numbers; many of them in a room of their own."""
    found = room((len(chosen), *array.shape[1:]), array.dtype)
    for some in _parts(found):
        found[some] = array[chosen[some]]
        leave(found)
    return found


def brought(array: Array, dtype: Any, change: Callable[[Array], Array] | None = None) -> Array:
    """Contiguous and in a dtype, itself if it is so; otherwise copied, a few samples at a time.

    change: what is done with the samples before.
    """
    if not is_large(array):
        return np.ascontiguousarray(array if change is None else change(array), dtype)
    if array.dtype == dtype and array.flags.c_contiguous and change is None:
        return np.asarray(array)
    found = room(array.shape, dtype)
    for some in _parts(found):
        found[some] = array[some] if change is None else change(array[some])
        leave(found)
        leave(array)
    return found


def _parts(array: Array) -> Iterator[slice]:
    """The samples of an array, some megabytes of them at a time."""
    some = max(1, AT_ONCE * len(array) // max(1, array.nbytes))
    return (slice(i, i + some) for i in range(0, len(array), some))


def leave(array: Array) -> None:
    """Let the memory go in which an array on disk is cached; what it holds stays.

    Nothing is done for a mapping whose changes are in memory alone.
    """
    held: Any = array
    while isinstance(held, np.ndarray):
        if isinstance(held, np.memmap) and held.mode == "c":
            return
        mapped = isinstance(held, np.memmap)
        held = held.base
    if mapped and isinstance(held, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        held.madvise(mmap.MADV_DONTNEED)
