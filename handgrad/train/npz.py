"""Reading npz files: every size is checked against the bytes that are there before it is used."""

from __future__ import annotations

import io
import math
import struct
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.train import store

ROOM = 2**28  # bytes that a file may unpack to in any case
RATIO = 100  # and times its own size
HEADER = 2**16  # bytes of the header of an array
FORMATS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def limit_of(size: int) -> int:
    """The most bytes that a packed file of this size may unpack to."""
    return max(ROOM, RATIO * size)


def in_words(size: int) -> str:
    """A number of bytes, for people."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:,.0f} {unit}" if size >= 10 or unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000  # type: ignore[assignment]
    return ""


def read_npz(path: str | Path) -> dict[str, Array]:
    """All arrays of an npz file, by name.

    Large ones are mapped, or where they are packed unpacked to a temporary file, so that memory
    holds what is used of them alone.
    Raises ValueError for what is no such file, is damaged or encrypted, holds Python objects,
    which are never unpickled, names an array twice, or unpacks to far more than its size.
    """
    with open(path, "rb") as file:
        try:
            if file.read(6) == b"\x93NUMPY":
                raise ValueError("it is a single npy array")
            with zipfile.ZipFile(file) as archive:
                return _read(archive, Path(path).stat().st_size)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError,
                OSError, struct.error, OverflowError):  # fmt: skip
            reason = "or damaged"
        except ValueError as error:
            reason = str(error)
    raise ValueError(f"{path}: not an npz file of arrays, {reason}")


def _read(archive: zipfile.ZipFile, size: int) -> dict[str, Array]:
    members = archive.infolist()
    names = [member.filename for member in members]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"it has {name!r} twice")
    whole = sum(member.file_size for member in members)
    if whole > limit_of(size):
        raise ValueError(
            f"its {in_words(size)} would unpack to {in_words(whole)}; up to "
            f"{in_words(limit_of(size))} are read. np.load reads it if it is to be trusted"
        )
    return {m.filename.removesuffix(".npy"): _read_array(archive, m) for m in members}


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    """An array; a large one lies in the file, or where it is packed, unpacked on disk."""
    name = member.filename.removesuffix(".npy")
    if member.flag_bits & 1:
        raise ValueError(f"{name!r} is encrypted")
    if member.file_size > store.HELD:
        return _read_large(archive, member, name)
    data = archive.read(member)
    if len(data) != member.file_size:
        raise ValueError(f"or damaged: {name!r} is cut off")
    stream = io.BytesIO(data)
    shape, fortran, dtype = _header(stream, name, member.file_size)
    flat: Array = np.frombuffer(data, dtype, offset=stream.tell())
    return flat.reshape(shape, order="F" if fortran else "C").copy(order="K")


def _read_large(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Array:
    """The file is read to its end, whether it is mapped or unpacked: so a checksum is compared."""
    with archive.open(member) as stream:
        shape, fortran, dtype = _header(stream, name, member.file_size)
        begin = stream.tell()
        packed = member.compress_type != zipfile.ZIP_STORED
        flat = store.room((member.file_size - begin,), np.uint8) if packed else None
        at = begin
        while piece := stream.read(store.AT_ONCE):
            if flat is not None:
                flat[at - begin : at - begin + len(piece)] = np.frombuffer(piece, np.uint8)
                store.leave(flat)
            at += len(piece)
    if at != member.file_size:
        raise ValueError(f"or damaged: {name!r} is cut off")
    order: Any = "F" if fortran else "C"
    if flat is not None:
        return flat.view(dtype).reshape(shape, order=order)
    offset = begin + _data_of(archive, member)
    return np.asarray(np.memmap(str(archive.filename), dtype, "r", offset, shape, order))


def _data_of(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> int:
    """Where a member's data begin: behind its own header, whose names may have other lengths."""
    with open(str(archive.filename), "rb") as file:
        file.seek(member.header_offset + 26)
        name, extra = map(int, struct.unpack("<HH", file.read(4)))
    return member.header_offset + 30 + name + extra


def _header(stream: Any, name: str, size: int) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and dtype of an array of so many bytes; ValueError for what does not fit."""
    try:
        form = np.lib.format.read_magic(stream)
        if form not in FORMATS:
            raise ValueError(f"format {form}")
        with warnings.catch_warnings():  # of Python 2's headers, and of odd literals
            warnings.simplefilter("ignore")
            shape, fortran, dtype = FORMATS[form](stream, max_header_size=HEADER)
    except Exception as error:  # NumPy evaluates the header as a literal: any error may come
        said = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"or damaged: {name!r} is no array ({said:.80})") from None
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    need, have = math.prod(shape) * dtype.itemsize, size - stream.tell()
    if need != have or min(shape, default=1) < 0 or dtype.itemsize == 0:
        raise ValueError(
            f"or damaged: {name!r} has shape {shape} of {dtype}, {need:,} bytes, but holds {have:,}"
        )
    return shape, fortran, dtype
