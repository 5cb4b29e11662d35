"""A reader of pickles that builds arrays, dicts, lists, tuples, text and numbers, and no more.

A pickle is a program: it may call what it names. Under the names that arrays need, this reader
gives out functions of its own, which only write down what the array shall be; every other name is
refused. So a hostile file can do nothing.
"""

from __future__ import annotations

import io
import math
import pickle
import re
from typing import Any, BinaryIO

import numpy as np

from handgrad.arrays import Array

NUMBER = re.compile(r"[<>=|]?(\?|b1|[iufc]\d+)")  # the array types that are read
CLASS = "numpy.ndarray"  # stands for the class, which is never given out
PLAIN = (type(None), bool, int, float, complex, str, bytes, np.generic)


class Kind:
    """The type of an array's elements, as far as the file has told it."""

    def __init__(self, code: Any):
        if not isinstance(code, str) or not NUMBER.fullmatch(code):
            raise pickle.UnpicklingError(f"refused: an array of type {code!r}, not of numbers")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class Plan:
    """An array, as far as the file has told it."""

    array: Array | None = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, fortran, data = state
        self.fill(data, kind, shape, "F" if fortran else "C")

    def fill(self, data: Any, kind: Any, shape: tuple[int, ...], order: Any) -> Plan:
        """Make the array from its bytes."""
        if not isinstance(kind, Kind) or len(data) != math.prod(shape) * kind.dtype.itemsize:
            raise pickle.UnpicklingError(f"refused: an array {shape} that its bytes do not fill")
        self.array = np.frombuffer(bytearray(data), kind.dtype).reshape(shape, order=order)
        return self


class Reader(pickle.Unpickler):
    """Raises pickle.UnpicklingError for every name that arrays do not need."""

    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("numpy", "ndarray"): CLASS,
            ("numpy", "dtype"): self.kind,
            ("numpy._core.multiarray", "_reconstruct"): self.plan,
            ("numpy._core.multiarray", "scalar"): self.scalar,
            ("numpy._core.numeric", "_frombuffer"): self.filled,
            ("_codecs", "encode"): self.encode,
        }
        asked = (module.replace("numpy.core", "numpy._core"), name)
        if asked not in known:
            raise pickle.UnpicklingError(
                f"refused: the file asks for {module}.{name}; only arrays, dicts, lists, tuples, "
                "text and numbers are read"
            )
        return known[asked]

    def kind(self, code: Any, *flags: Any) -> Kind:
        """numpy.dtype"""
        return Kind(code)

    def plan(self, kind: Any, *ignored: Any) -> Plan:
        """_reconstruct: an array that the file fills next."""
        return Plan()

    def scalar(self, kind: Kind, data: bytes) -> Any:
        """One number of NumPy's."""
        return np.frombuffer(data, kind.dtype, 1)[0]

    def filled(self, data: Any, kind: Kind, shape: tuple[int, ...], order: str) -> Plan:
        """_frombuffer: an array with its bytes."""
        return Plan().fill(data, kind, shape, order)

    def encode(self, text: str, encoding: str) -> bytes:
        """Bytes, which old protocols hold as text."""
        return text.encode("latin-1")


def finish(value: Any) -> Any:
    """The value with arrays instead of plans. Raises UnpicklingError for any other thing."""
    if isinstance(value, Plan) and value.array is not None:
        return value.array
    if isinstance(value, dict):
        return {finish(key): finish(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(finish, value))
    if isinstance(value, PLAIN):
        return value
    raise pickle.UnpicklingError(f"refused: the file holds a {type(value).__name__}")


def load(file: BinaryIO, **options: Any) -> Any:
    """What a pickle file holds, as `pickle.load`; raises pickle.UnpicklingError for a refused one.

    Options are those of `pickle.load`, for files of Python 2.
    """
    return finish(Reader(file, **options).load())


def loads(data: bytes, **options: Any) -> Any:
    """What the bytes of a pickle hold, as `pickle.loads`."""
    return load(io.BytesIO(data), **options)
