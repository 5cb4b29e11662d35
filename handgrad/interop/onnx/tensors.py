"""Tensors of a file as arrays, without a copy where the bytes lie as NumPy wants them; and back."""

from __future__ import annotations

import mmap
import sys
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.interop.onnx.messages import Message
from handgrad.interop.onnx.wire import WireError

DTYPES: dict[int, str] = {
    1: "f4", 2: "u1", 3: "i1", 4: "u2", 5: "i2", 6: "i4", 7: "i8", 9: "?", 10: "f2", 11: "f8",
    12: "u4", 13: "u8", 14: "c8", 15: "c16",
}  # fmt: skip
CODES = {np.dtype(name): code for code, name in DTYPES.items()}
OTHERS = {
    8: "string", 16: "bfloat16", 17: "float8e4m3fn", 18: "float8e4m3fnuz", 19: "float8e5m2",
    20: "float8e5m2fnuz", 21: "uint4", 22: "int4", 23: "float4e2m1", 24: "float8e8m0",
    25: "uint2", 26: "int2", 27: "float6e2m3", 28: "float6e3m2",
}  # fmt: skip
FIELDS = {
    "f4": "float_data", "c8": "float_data", "f8": "double_data", "c16": "double_data",
    "i8": "int64_data", "u8": "uint64_data", "u4": "uint64_data",
}  # fmt: skip


def dtype_of(code: int) -> np.dtype[Any]:
    """The dtype of an element type. Raises ValueError for one that has none here."""
    if code not in DTYPES:
        raise ValueError(f"onnx: elements of type {OTHERS.get(code, code)} are not read")
    return np.dtype(DTYPES[code])


def code_of(dtype: Any) -> int:
    """The element type of a dtype."""
    return CODES[np.dtype(dtype)]


class External:
    """Files beside a model that hold its large tensors, mapped into memory once each."""

    def __init__(self, folder: Path | None):
        self.folder, self.maps = folder, dict[str, memoryview]()

    def bytes_of(self, tensor: Message) -> memoryview:
        """The bytes of a tensor. Raises WireError where they are not inside the folder."""
        entries = {e.key: e.value for e in tensor.external_data}
        location = entries.get("location", "")
        if self.folder is None:
            raise WireError(
                f"onnx: tensor {tensor.name!r} lies in the file {location!r}; load by path"
            )
        if location not in self.maps:
            self.maps[location] = self._open(tensor.name, location)
        data = self.maps[location]
        try:
            offset = int(entries.get("offset", 0))
            length = int(entries.get("length", len(data) - offset))
        except ValueError:
            raise WireError(f"onnx: tensor {tensor.name!r}: offset and length are no integers"
                            ) from None  # fmt: skip
        if offset < 0 or length < 0 or offset + length > len(data):
            raise WireError(
                f"onnx: tensor {tensor.name!r} wants bytes {offset} to {offset + length} of "
                f"{location}, which has {len(data)}"
            )
        return data[offset : offset + length]

    def _open(self, name: str, location: str) -> memoryview:
        assert self.folder is not None
        home = self.folder.resolve()
        try:
            path = (home / location).resolve()
            if not location or not path.is_relative_to(home):
                raise WireError(
                    f"onnx: tensor {name!r} lies in {location!r}, outside of the model's folder"
                )
            if not path.is_file():
                raise WireError(f"onnx: {location}, which holds tensor {name!r}, is not there")
            return mapped(path)
        except (OSError, ValueError) as error:
            if isinstance(error, WireError):
                raise
            raise WireError(f"onnx: {location!r}, which holds tensor {name!r}: {error}") from None


def mapped(path: Path) -> memoryview:
    """A file as bytes that the system reads when they are used."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def shape_of(tensor: Message) -> tuple[int, ...]:
    """The dimensions of a tensor. Raises WireError where one is negative."""
    shape = tuple(int(n) for n in tensor.dims)
    if any(n < 0 for n in shape) or len(shape) > 64:
        raise WireError(f"onnx: tensor {tensor.name!r} has the shape {shape[:8]}")
    return shape


def array_of(tensor: Message, files: External | None = None) -> Any:
    """A tensor as an array; a view of the file where that is possible.

    Raises WireError where the size of the data is not that of the shape.
    """
    shape, code = shape_of(tensor), tensor.data_type
    if code == 8:
        return _checked(np.array([bytes(s) for s in tensor.string_data], object), shape, tensor)
    try:
        dtype = dtype_of(code)
    except ValueError as error:
        raise WireError(f"{error} (tensor {tensor.name!r})") from None
    raw = tensor.raw_data if tensor.has("raw_data") else None
    if tensor.data_location == 1:
        raw = (files or External(None)).bytes_of(tensor)
    if raw is not None:
        if len(raw) != prod(shape) * dtype.itemsize:
            raise WireError(
                f"onnx: tensor {tensor.name!r} of shape {shape} and {dtype} needs "
                f"{prod(shape) * dtype.itemsize} bytes, {len(raw)} are there"
            )
        return _native(np.frombuffer(raw, dtype.newbyteorder("<"))).reshape(shape)
    values = np.asarray(getattr(tensor, FIELDS.get(DTYPES[code], "int32_data")))
    if dtype.kind == "c":
        values = np.ascontiguousarray(values, values.dtype if len(values) else "f4")
        values = values[: len(values) // 2 * 2].view(dtype if len(values) else "c8")
    elif dtype == np.float16:
        values = values.astype(np.uint16).view(np.float16)
    elif code == 13:
        values = values.astype(np.int64, copy=False).view(np.uint64)
    return _checked(_native(values.astype(dtype, copy=False)), shape, tensor)


def _native(array: Any) -> Any:
    return array if sys.byteorder == "little" else array.astype(array.dtype.newbyteorder("="))


def _checked(values: Any, shape: tuple[int, ...], tensor: Message) -> Any:
    if values.size != prod(shape):
        raise WireError(
            f"onnx: tensor {tensor.name!r} of shape {shape} needs {prod(shape)} elements, "
            f"{values.size} are there"
        )
    return values.reshape(shape)


def dense(sparse: Message, files: External | None = None, limit: int = 1 << 26) -> Any:
    """A sparse tensor as an array: the values at their indices, zero elsewhere."""
    shape = tuple(int(n) for n in sparse.dims)
    if sparse.values is None or sparse.indices is None:
        raise WireError("onnx: a sparse tensor lacks its values or indices")
    values, indices = array_of(sparse.values, files), array_of(sparse.indices, files)
    if any(n < 0 for n in shape) or prod(shape) > limit:
        raise WireError(f"onnx: sparse tensor {sparse.values.name!r} has the shape {shape[:8]}")
    out = np.zeros(prod(shape), values.dtype)
    if indices.ndim == 2 and indices.shape[1] == len(shape):
        keep = (indices >= 0).all() and (indices < shape).all()
        flat = np.ravel_multi_index(tuple(indices.T), shape) if keep and len(indices) else []
    else:
        keep, flat = not indices.size or 0 <= indices.min() <= indices.max() < out.size, indices
    if not keep or len(flat) != values.size:
        raise WireError(f"onnx: sparse tensor {sparse.values.name!r}: its indices do not fit")
    out[np.asarray(flat, np.int64)] = values.reshape(-1)
    return out.reshape(shape)


def tensor_of(name: str, array: Any) -> Message:
    """An array as a tensor, its bytes not copied where they lie in order."""
    array = np.asarray(array)
    fields: dict[str, Any] = {"dims": list(array.shape), "data_type": code_of(array.dtype)}
    plain: Any = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return Message("Tensor", **fields, name=name, raw_data=memoryview(plain.reshape(-1)).cast("B"))
