"""Room for the columns of large files: arrays that lie on disk, of which memory holds what is used.

The temporary file has no name and ends with its array. What of it is in memory is a cache, that the
system takes back where it needs room.
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from typing import Any

import numpy as np

from handgrad.arrays import Array

HELD = 2**27  # bytes of an array that is simply held in memory


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
            f"{tempfile.gettempdir()}: {size / 1e9:.1f} GB are needed for the columns of a large "
            f"file ({error.strerror}); set TMPDIR to a folder with more room"
        ) from None


def leave(array: Array) -> None:
    """Let the memory go in which an array on disk is cached; what it holds stays."""
    held: Any = array
    while isinstance(held, np.ndarray):
        held = held.base
    if isinstance(held, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        held.madvise(mmap.MADV_DONTNEED)
