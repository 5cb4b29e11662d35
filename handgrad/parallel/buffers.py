"""Buffers: arrays that the other processes of this machine can reach, so that nothing is copied."""

from __future__ import annotations

import json
import mmap
import os
import sys
import weakref
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import Array, zeros

HEAD = mmap.ALLOCATIONGRANULARITY  # bytes before the numbers, which begin with a buffer's own token


class Made(NamedTuple):
    """A buffer of this process: its number, from 1, the open file that is its memory, and its
    token, by which another process knows that it has opened this one and no other file."""

    number: int
    file: int
    token: str
    shape: tuple[int, int]


class Buffers:
    """Memory in files without a name, which end with the processes that have them open.

    On other systems than Linux, and where there are none, they are usual arrays, which nobody else
    reaches.
    """

    def __init__(self) -> None:
        self._made: dict[int, Made] = {}  # by address
        self._count = 0

    def make(self, rows: int, width: int, dtype: Any) -> Array:
        """Zeros (rows, width)."""
        size = rows * width * np.dtype(dtype).itemsize
        if sys.platform != "linux" or not size:
            return zeros(rows * width, dtype).reshape(rows, width)
        token = os.urandom(16)
        try:
            file = os.memfd_create("handgrad")
            os.ftruncate(file, HEAD + size)
            os.pwrite(file, token, 0)
            array = _mapped(file, rows, width, dtype)
        except OSError:
            return zeros(rows * width, dtype).reshape(rows, width)
        self._count += 1
        at = _address(array)
        self._made[at] = Made(self._count, file, token.hex(), array.shape)
        weakref.finalize(array, self._forget, at)
        return array

    def number(self, array: Array) -> int:
        """That of a buffer, or 0 for another array."""
        made = self._made.get(_address(array))
        return made.number if made and made.shape == array.shape else 0

    def numbers(self) -> set[int]:
        """Those of all buffers that are still in use."""
        return {made.number for made in self._made.values()}

    def told(self, array: Array) -> Array:
        """What another process needs to open the buffer, as bytes."""
        made = self._made[_address(array)]
        path = f"/proc/{os.getpid()}/fd/{made.file}"
        text = json.dumps([path, made.token, *made.shape, array.dtype.str])
        return np.frombuffer(text.encode(), np.uint8)

    def _forget(self, at: int) -> None:
        os.close(self._made.pop(at).file)


def opened(told: Array) -> Array | None:
    """The buffer of another process, or None where this one may not reach it."""
    path, token, rows, width, dtype = json.loads(bytes(told))
    try:
        file = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        return None
    try:  # in another container the number may be another process's
        right = os.pread(file, len(token) // 2, 0).hex() == token
        return _mapped(file, rows, width, dtype) if right else None
    except OSError:
        return None
    finally:
        os.close(file)


def _mapped(file: int, rows: int, width: int, dtype: Any) -> Array:
    memory = mmap.mmap(file, rows * width * np.dtype(dtype).itemsize, offset=HEAD)
    array: Array = np.frombuffer(memory, dtype).reshape(rows, width)
    return array


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])
