"""Keras's files: the zip with its structure, and the HDF5 file of weights; nothing is executed."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.train.npz import in_words, limit_of
from handgrad.train.write import write_whole

DEPTH, COUNT = 24, 100_000  # groups inside each other, and things in a file
LONGEST = 1 << 24  # bytes of a structure
ERRORS = (KeyError, TypeError, AttributeError, ValueError, IndexError, OverflowError, OSError,
          RuntimeError, RecursionError, MemoryError, NotImplementedError,
          ArithmeticError)  # fmt: skip


def said(error: BaseException) -> str:
    """The text of an error on one line, or its kind."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def read_keras(path: str | Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """The structure and the arrays of a .keras file. Raises ValueError where it is none."""
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            whole = sum(m.file_size for m in archive.infolist())
            limit = limit_of(path.stat().st_size)
            if whole > limit:
                raise ValueError(f"it would unpack to {in_words(whole)}")
            names = archive.namelist()
            if "config.json" not in names or "model.weights.h5" not in names:
                raise ValueError("config.json and model.weights.h5 are not both in it")
            if archive.getinfo("config.json").file_size > LONGEST:
                raise ValueError(f"its config.json is longer than {in_words(LONGEST)}")
            config = json.loads(archive.read("config.json"))
            weights = archive.read("model.weights.h5")
    except FileNotFoundError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, *ERRORS) as error:
        raise ValueError(f"{path}: not a whole .keras file ({said(error)})") from None
    if not isinstance(config, dict):
        raise ValueError(f"{path}: its config.json describes no model")
    return config, read_h5(io.BytesIO(weights), len(weights), path)


def read_weights(path: str | Path) -> dict[str, Array]:
    """The arrays of a .weights.h5 file, by name. Raises ValueError where it is none."""
    size = Path(path).stat().st_size
    with open(path, "rb") as file:
        return read_h5(file, size, path)


def read_h5(file: Any, size: int, path: Any) -> dict[str, Array]:
    """All arrays of numbers in an HDF5 file of so many bytes.

    What lies outside of the file (links to others, virtual and external data) is refused.
    """
    h5py = _h5py()
    found: dict[str, Array] = {}
    room = [COUNT, limit_of(size)]
    try:
        with h5py.File(file, "r") as whole:
            _gather(h5py, whole, "", found, room, 0)
    except ERRORS as error:
        raise ValueError(f"{path}: not a whole HDF5 file of weights ({said(error)})") from None
    return found


def _gather(
    h5py: Any, group: Any, prefix: str, found: dict[str, Array], room: list[int], depth: int
) -> None:
    """The arrays of a group and of those inside. Raises ValueError for what is no plain array."""
    if depth > DEPTH:
        raise ValueError(f"groups lie more than {DEPTH} deep in each other")
    for key in group:
        room[0] -= 1
        if room[0] < 0:
            raise ValueError(f"it holds more than {COUNT:,} things")
        name = prefix + key
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            raise ValueError(f"{name!r} is a link to elsewhere")
        item = group[key]
        if isinstance(item, h5py.Group):
            _gather(h5py, item, f"{name}/", found, room, depth + 1)
        elif isinstance(item, h5py.Dataset):
            found[name] = _array(item, name, room)


def _array(item: Any, name: str, room: list[int]) -> Array:
    if item.is_virtual or item.external is not None:
        raise ValueError(f"the numbers of {name!r} lie elsewhere")
    if item.shape is None or item.dtype.kind not in "fiub":
        raise ValueError(f"{name!r} holds {item.dtype}, numbers are needed")
    room[1] -= item.size * item.dtype.itemsize
    if room[1] < 0:
        raise ValueError(f"{name!r} of shape {item.shape} is far larger than the file")
    array: Array = np.asarray(item[...])
    return array.astype(array.dtype.newbyteorder("="))


def write_h5(path: str | Path, arrays: Mapping[str, Array]) -> Path:
    """Write arrays by name, each part before the last slash being a group."""
    memory = io.BytesIO()
    with _h5py().File(memory, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return write_whole(path, memory.getvalue())


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise ImportError(
            "Keras's weights lie in HDF5 files, which h5py reads: pip install handgrad[keras]"
        ) from None
    return h5py
