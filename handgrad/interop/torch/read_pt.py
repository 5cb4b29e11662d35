""".pt files: the tensors of a state dict, read without running anything in the file.

Such a file is a zip whose data.pkl is a pickle, a program that may call what it names. Under the
few names that tensors need, this reader gives out functions of its own; every other is refused.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from handgrad.arrays import Array
from handgrad.train.npz import in_words, limit_of

DTYPES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "LongStorage": "<i8",
    "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1",
    "BoolStorage": "?",
}  # fmt: skip


def read_pt(path: str | Path) -> dict[str, Array]:
    """The tensors of a file that `torch.save(module.state_dict(), path)` wrote, by name.

    Raises ValueError for what is no such file, is damaged, or holds anything but tensors.
    """
    with open(path, "rb") as file:
        return _checked(file, path)


def _checked(file: BinaryIO, path: str | Path) -> dict[str, Array]:
    try:
        with zipfile.ZipFile(file) as archive:
            return _read(archive, Path(path).stat().st_size)
    except (zipfile.BadZipFile, NotImplementedError):
        raise ValueError(f"{path}: not a .pt file, or one from before PyTorch 1.6") from None
    except (pickle.UnpicklingError, KeyError, IndexError, TypeError, AttributeError, EOFError,
            ValueError, OverflowError, MemoryError, RecursionError, OSError, zlib.error,
            RuntimeError, struct.error) as error:  # fmt: skip
        said = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path}: not a state dict of tensors ({said:.200})") from None


def _read(archive: zipfile.ZipFile, size: int) -> dict[str, Array]:
    members = {name.partition("/")[2]: name for name in archive.namelist()}
    whole = sum(member.file_size for member in archive.infolist())
    if whole > limit_of(size):
        raise ValueError(f"it would unpack to {in_words(whole)}")
    if "data.pkl" not in members:
        raise ValueError("there is no data.pkl in it")
    value = _Reader(archive, members).load()
    if isinstance(value, dict) and isinstance(value.get("state_dict"), dict):
        value = value["state_dict"]
    if not isinstance(value, dict) or not all(
        isinstance(k, str) and isinstance(v, np.ndarray) for k, v in value.items()
    ):
        raise ValueError(f"it holds a {type(value).__name__} of other things than tensors by name")
    return dict(value)


class _Storage:
    """The kind of a storage, as the file names it."""

    def __init__(self, name: str):
        self.dtype = np.dtype(DTYPES[name])


class _Ordered(dict[str, Any]):
    """An OrderedDict without the notes that PyTorch hangs on it."""

    def __setstate__(self, state: Any) -> None:
        """Leave them."""


class _Reader(pickle.Unpickler):
    """Raises UnpicklingError for every name that tensors do not need."""

    def __init__(self, archive: zipfile.ZipFile, members: dict[str, str]):
        data = archive.read(members["data.pkl"])
        require_small_memo(data)
        super().__init__(io.BytesIO(data))
        self.archive, self.members = archive, members

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in DTYPES:
            return _Storage(name)
        known = {
            ("collections", "OrderedDict"): _Ordered,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
        }
        if (module, name) not in known:
            hint = "; bfloat16 is not read" if name == "BFloat16Storage" else ""
            raise pickle.UnpicklingError(f"refused: the file asks for {module}.{name}{hint}")
        return known[module, name]

    def persistent_load(self, pid: Any) -> Array:
        """A storage: its bytes are a member of the zip."""
        _, kind, key, _, count = pid
        data = self.archive.read(self.members[f"data/{key}"])
        if len(data) != count * kind.dtype.itemsize:
            raise pickle.UnpicklingError(
                f"storage {key} has {len(data)} bytes, not {count} numbers"
            )
        return np.frombuffer(data, kind.dtype)


def require_small_memo(data: bytes) -> None:
    """Raise ValueError where a value is kept under a number beyond the bytes of the pickle.

    The numbers count up from 0 in a file of PyTorch's; unpickling makes room for the largest.
    """
    for opcode, argument, _ in pickletools.genops(data):
        number: Any = argument if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") else 0
        if not 0 <= number <= len(data):
            raise ValueError(f"its data.pkl keeps a value under the number {number}")


def _tensor(
    storage: Array, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> Array:
    """A view of a storage, copied; a view that leaves it is refused."""
    numbers = (offset, *shape, *strides)
    if len(shape) != len(strides) or not all(isinstance(n, int) and n >= 0 for n in numbers):
        raise pickle.UnpicklingError("refused: a tensor of odd sizes")
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides)) if math.prod(shape) else offset
    if last >= len(storage) + (not math.prod(shape)) or math.prod(shape) > max(len(storage), 1):
        raise pickle.UnpicklingError("refused: a tensor that leaves its storage")
    flat = storage[offset:]
    steps = [s * storage.itemsize for s in strides]
    return np.lib.stride_tricks.as_strided(flat, shape, steps).copy()
