"""The wire format of ONNX files (Protocol Buffers), read and written by the table of messages.

A field is a varint key (number · 8 + wire type) and a value: 0 a varint, 1 eight bytes, 2 a
length and that many bytes, 5 four bytes; 3 and 4 open and close a group, which is skipped.
Long bytes are views of what was read, so a file is never held twice.

Source: "Encoding", Protocol Buffers documentation.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from handgrad.interop.onnx.messages import SCHEMA, Message

DEPTH = 100  # messages inside messages
CHUNK = 1 << 16  # bytes of packed varints that are decoded at once
FIXED = {1: 8, 5: 4}
NUMBERS = {"float": ("<f4", 5), "double": ("<f8", 1)}


class WireError(ValueError):
    """The bytes are no ONNX file."""


def read(data: Any, kind: str = "Model") -> Message:
    """The message in these bytes. Raises WireError where they are cut or lie about sizes."""
    view = memoryview(data).cast("B")
    return _message(view, 0, len(view), kind, 0)


def _varint(view: memoryview, at: int, end: int) -> tuple[int, int]:
    """An unsigned number of at most ten bytes, and where the next field begins."""
    value = 0
    for i in range(10):
        if at + i >= end:
            raise WireError(f"onnx: the file is cut at byte {at}, inside a number")
        byte = view[at + i]
        value |= (byte & 127) << 7 * i
        if byte < 128:
            return value & (1 << 64) - 1, at + i + 1
    raise WireError(f"onnx: no number at byte {at}: more than ten bytes")


def _message(view: memoryview, at: int, end: int, kind: str, depth: int) -> Message:
    if depth > DEPTH:
        raise WireError(f"onnx: messages lie more than {DEPTH} deep in each other")
    fields, message = SCHEMA[kind], Message(kind)
    found = message.__dict__
    packed: dict[str, list[Any]] = {}  # pieces of repeated numbers
    while at < end:
        key, at = _varint(view, at, end)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise WireError(f"onnx: field number 0 before byte {at}")
        if wire == 3:
            at = _skip_group(view, at, end, number)
            continue
        value, start, at = _value(view, at, end, wire)
        name, what = fields.get(number, ("", ""))
        if not name:
            continue
        repeated, what = what[0] == "*", what.lstrip("*")
        if what in ("int", "float", "double"):
            piece = _numbers(value, start, at, wire, what)
            if repeated:
                packed.setdefault(name, []).append(piece)
            elif piece.size:
                found[name] = piece[-1].item()
            continue
        if wire != 2:
            raise WireError(f"onnx: {kind}.{name} has wire type {wire} before byte {at}, not 2")
        if what == "text":
            value = str(value, "utf-8", "replace")
        elif what != "bytes":
            value = _message(view, start, at, what, depth + 1)
        if repeated:
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    for name, pieces in packed.items():
        found[name] = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    return message


def _value(view: memoryview, at: int, end: int, wire: int) -> tuple[Any, int, int]:
    """A field's value, where it begins and where it ends."""
    if wire == 0:
        value, after = _varint(view, at, end)
        return value, at, after
    size = FIXED.get(wire)
    if wire == 2:
        size, at = _varint(view, at, end)
    if size is None:
        raise WireError(f"onnx: unknown wire type {wire} before byte {at}")
    if size > end - at:
        raise WireError(f"onnx: {size} bytes are announced at byte {at}, {end - at} are there")
    return view[at : at + size], at, at + size


def _skip_group(view: memoryview, at: int, end: int, number: int) -> int:
    """Where an old group ends; its fields have no meaning here."""
    open_groups = [number]
    while open_groups:
        key, at = _varint(view, at, end)
        if key & 7 == 3:
            open_groups.append(key >> 3)
            if len(open_groups) > DEPTH:
                raise WireError(f"onnx: groups lie more than {DEPTH} deep in each other")
        elif key & 7 == 4:
            if open_groups.pop() != key >> 3:
                raise WireError(f"onnx: a group ends before byte {at} that did not begin")
        else:
            _, _, at = _value(view, at, end, key & 7)
    return at


def _numbers(value: Any, start: int, end: int, wire: int, what: str) -> Any:
    """The numbers of one field: a single one, or packed ones."""
    if what == "int":
        if wire == 0:
            return np.array([value], np.uint64).view(np.int64)
        if wire == 2:
            return _varints(value, start)
    else:
        dtype, single = NUMBERS[what]
        if wire == single or (wire == 2 and len(value) % np.dtype(dtype).itemsize == 0):
            return np.frombuffer(value, dtype)
    raise WireError(f"onnx: bytes {start} to {end} are no {what} numbers")


def _varints(view: memoryview, start: int) -> Any:
    """Packed varints as int64, a piece at a time."""
    pieces, at, data = [], 0, np.frombuffer(view, np.uint8)
    while at < len(data):
        chunk = data[at : at + CHUNK]
        ends = np.flatnonzero(chunk < 128)
        if not len(ends):
            raise WireError(f"onnx: no number at byte {start + at}")
        begins = np.concatenate([[0], ends[:-1] + 1])
        lengths = ends - begins + 1
        if lengths.max() > 10:
            raise WireError(f"onnx: a number of more than ten bytes after byte {start + at}")
        values = np.zeros(len(ends), np.uint64)
        for k in range(int(lengths.max())):
            longer = lengths > k
            digit = (chunk[begins[longer] + k] & 127).astype(np.uint64)
            values[longer] |= digit << np.uint64(7 * k)
        pieces.append(values.view(np.int64))
        at += int(ends[-1]) + 1
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int64)


# -- writing ------------------------------------------------------------------------------------


def _encoded(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def write(message: Message) -> list[Any]:
    """The bytes of a message, as a list of pieces: large arrays are not copied."""
    pieces: list[Any] = []
    for number, (name, what) in SCHEMA[message.kind].items():
        if not message.has(name):
            continue
        value = getattr(message, name)
        repeated, what = what[0] == "*", what.lstrip("*")
        if repeated and what in ("int", "float", "double"):
            pieces += _field(number, [_packed(value, what)]) if len(value) else []
            continue
        for one in value if repeated else [value]:
            pieces += _one(number, what, one)
    return pieces


def _packed(values: Any, what: str) -> bytes:
    if what == "int":
        return b"".join(_encoded(int(v)) for v in values)
    return np.asarray(values, NUMBERS[what][0]).tobytes()


def _one(number: int, what: str, value: Any) -> list[Any]:
    """A field that holds one value."""
    if what == "int":
        return [_encoded(number << 3) + _encoded(int(value))]
    if what in NUMBERS:
        code = "<f" if what == "float" else "<d"
        return [_encoded(number << 3 | NUMBERS[what][1]) + struct.pack(code, value)]
    if what == "text":
        return _field(number, [value.encode()])
    return _field(number, [memoryview(value)] if what == "bytes" else write(value))


def _field(number: int, pieces: list[Any]) -> list[Any]:
    size = sum(p.nbytes if isinstance(p, memoryview) else len(p) for p in pieces)
    return [_encoded(number << 3 | 2) + _encoded(size), *pieces]
