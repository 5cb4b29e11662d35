"""Blocks of a CSV file: some hundred kilobytes of whole records, their cells found all at once.

A block with quotes only around whole cells is split by comparing bytes. From the first other one
on, the `csv` module reads: slower, and right for whatever spreadsheets write.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from itertools import chain, compress, islice
from typing import Protocol

import numpy as np

from handgrad.arrays import Array
from handgrad.train.tables.cells import MISSING, as_number
from handgrad.train.tables.digits import PAD, parse_numbers
from handgrad.train.tables.source import Layout, lines_of, pieces, records
from handgrad.train.tables.words import Words

LONGEST = 2**26  # bytes without a newline that may be a record
SOME = 4096  # records that the csv module reads at once
NEWLINE, RETURN, QUOTE, SPACE = b'\n\r" '
UNKNOWN = frozenset(w.encode() for m in MISSING for w in (m, m.upper(), m.title())) | {b"NaN"}
Wrong = tuple[int, str]  # the line and the text of a cell


class Block(Protocol):
    """Records of a file: N cells of each column."""

    rows: int
    size: int  # bytes that were read for it

    def numbers(self, columns: list[int], marks: list[str]) -> tuple[Array, list[list[Wrong]]]:
        """Float64 (N, D), NaN for what is missing or wrong, and the wrong cells of each column."""

    def codes(self, column: int, words: Words) -> Array:
        """The numbers (N,) of the words of a column."""


def read_blocks(layout: Layout) -> Iterator[Block]:
    """The data of a file, block by block.

    Raises ValueError for a record of another width, UnicodeDecodeError for another encoding.
    """
    parts, rest, line, skip = pieces(layout.path, layout.encoding), b"", 1, layout.skipped
    quick = layout.separator != " "
    for part in chain(parts, [None]):
        data = rest + (part or b"")
        if part is None and data and not data.endswith(b"\n"):
            data += b"\n"
        end = _last_end(data)
        if end == 0 and len(data) > LONGEST:
            raise ValueError(f"{layout.path}: line {line} is longer than {LONGEST:,} bytes")
        if end == 0 and (part is not None or not data):
            rest = data
            continue
        block = ByteBlock.of(data[:end], layout, line, skip) if quick and end else None
        if block is None:
            yield from _csv_blocks(layout, chain([data], parts), line, skip)
            return
        yield block
        rest, line, skip = data[end:], line + data.count(b"\n", 0, end), 0


def _last_end(data: bytes) -> int:
    """Where the last whole record of data ends: at a newline that no quotes are around."""
    if b'"' not in data:
        return data.rfind(b"\n") + 1
    raw = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero((raw == NEWLINE) & ~np.bitwise_xor.accumulate(raw == QUOTE))
    return int(ends[-1]) + 1 if ends.size else 0


class ByteBlock:
    """A block whose cells are raw[begins:ends], (N, D) each; marks: decimal marks or ends."""

    def __init__(self, raw: Array, begins: Array, marks: Array, ends: Array, line: int):
        self.raw, self.data, self.line = raw, raw.tobytes(), line
        self.begins, self.marks, self.ends = begins, marks, ends
        self.rows, self.size = len(begins), len(raw)

    @classmethod
    def of(cls, data: bytes, layout: Layout, line: int, skip: int) -> ByteBlock | None:
        """The block of some records, without the first `skip`; None where it is not so simple."""
        if not data.isascii():
            data.decode()  # raises for another encoding
        pad = bytes(PAD)
        raw = np.frombuffer(b"".join((pad, data, pad)), np.uint8)
        width, mark = len(layout.names), "," if "," in layout.marks else "."
        begins, marks, ends = _positions(raw, data, ord(layout.separator), ord(mark))
        last = raw[ends] == NEWLINE
        if (
            len(ends) % width
            or not last[width - 1 :: width].all()
            or last.sum() * width != len(last)
        ):
            return None
        shape = -1, width
        begins, marks, ends = (a.reshape(shape)[skip:] for a in (begins, marks, ends))
        if not _trim(raw, data, begins, marks, ends):
            return None
        return cls(raw, begins, marks, ends, line)

    def numbers(self, columns: list[int], marks: list[str]) -> tuple[Array, list[list[Wrong]]]:
        every = len(columns) == self.begins.shape[1]
        chosen = slice(None) if every else columns
        begins, at, ends = (a[:, chosen].ravel() for a in (self.begins, self.marks, self.ends))
        values, right = parse_numbers(self.raw, begins, at, ends)
        wrong: list[list[Wrong]] = [[] for _ in columns]
        values[begins == ends] = np.nan
        left = np.flatnonzero(~right & (begins != ends))
        cells = _cells(self.data, begins[left], ends[left])
        if not UNKNOWN.isdisjoint(cells):
            known = [cell not in UNKNOWN for cell in cells]
            values[left] = np.nan
            left, cells = left[known], [*compress(cells, known)]
        plain = _floats(cells) if "," not in marks else None
        if plain is not None:
            values[left] = plain
            return values.reshape(-1, len(columns)), wrong
        for i, cell in zip(left.tolist(), cells):
            row, column = divmod(i, len(columns))
            value = _number(text := cell.decode(), marks[column])
            values[i] = math.nan if value is None else value
            if value is None:
                wrong[column].append((self.line_of(row), text))
        return values.reshape(-1, len(columns)), wrong

    def codes(self, column: int, words: Words) -> Array:
        return words.codes(self.data, self.raw, self.begins[:, column], self.ends[:, column])

    def line_of(self, row: int) -> int:
        """The line of a row in the file."""
        return self.line + self.data.count(b"\n", 0, int(self.begins[row, 0]))


def _positions(raw: Array, data: bytes, separator: int, mark: int) -> tuple[Array, Array, Array]:
    """Begins, decimal marks and ends of all cells."""
    found = raw == separator
    found |= raw == NEWLINE
    if b'"' in data:
        found &= ~np.bitwise_xor.accumulate(raw == QUOTE)
    if mark != separator:
        found |= raw == mark
    at = np.flatnonzero(found)
    kind = raw[at]
    stops = np.flatnonzero(kind != mark) if mark != separator else np.arange(len(at))
    ends = at[stops]
    before = np.maximum(stops - 1, 0)
    marks = np.where((kind[before] == mark) & (stops > 0) & (mark != separator), at[before], ends)
    begins = np.concatenate([[PAD], ends[:-1] + 1])
    if (ends[0] - begins[0] > 1) and not any(two in data for two in (b"\n\n", b"\n\r\n")):
        return begins, marks, ends
    lines = raw[ends] == NEWLINE
    blank = lines & (raw[begins - 1] == NEWLINE) & (
        (begins == ends) | ((begins + 1 == ends) & (raw[begins] == RETURN))
    )  # fmt: skip
    if lines[0] and begins[0] == ends[0]:
        blank[0] = True
    kept = ~blank
    return (begins[kept], marks[kept], ends[kept]) if blank.any() else (begins, marks, ends)


def _trim(raw: Array, data: bytes, begins: Array, marks: Array, ends: Array) -> bool:
    """Leave out returns, single spaces and quotes around cells; False for quotes elsewhere."""
    ends[:, -1] -= (raw[ends[:, -1] - 1] == RETURN) & (begins[:, -1] < ends[:, -1])
    if b" " in data:
        begins += (raw[begins] == SPACE) & (begins < ends)
        ends -= (raw[ends - 1] == SPACE) & (begins < ends)
    if b'"' in data:
        opened = (raw[begins] == QUOTE) & (begins < ends)
        closed = (raw[ends - 1] == QUOTE) & (begins + 1 < ends)
        count = np.cumsum(raw == QUOTE, dtype=np.int32)
        inside = count[ends - 1] - count[begins - 1]
        if (opened & ~closed).any() or (inside[~opened] > 0).any():
            return False
        quotes = raw == QUOTE
        quotes[: begins.min(initial=len(raw))] = False  # of a header
        quotes[begins[opened]] = quotes[ends[opened] - 1] = False
        within = np.flatnonzero(quotes)  # each must be doubled
        if len(within) % 2 or (within[1::2] != within[::2] + 1).any():
            return False
        begins += opened
        ends -= opened
    np.minimum(marks, ends, out=marks)
    return True


class CsvBlock:
    """A block that the csv module has read."""

    def __init__(self, lines: list[int], columns: list[tuple[str, ...]]):
        self.lines, self.columns, self.rows = lines, columns, len(lines)
        self.size = sum(len(c) + 1 for column in columns for c in column)

    def numbers(self, columns: list[int], marks: list[str]) -> tuple[Array, list[list[Wrong]]]:
        values = np.empty((self.rows, len(columns)))
        wrong: list[list[Wrong]] = [[] for _ in columns]
        for k, (column, mark) in enumerate(zip(columns, marks)):
            for i, cell in enumerate(self.columns[column]):
                value = _number(cell, mark)
                values[i, k] = math.nan if value is None else value
                if value is None:
                    wrong[k].append((self.lines[i], cell.strip()))
        return values, wrong

    def codes(self, column: int, words: Words) -> Array:
        cells = (cell.strip().replace('"', '""').encode() for cell in self.columns[column])
        return np.fromiter(map(words.code, cells), np.int32, self.rows)


def _cells(data: bytes, begins: Array, ends: Array) -> list[bytes]:
    return [data[begin:end] for begin, end in zip(begins.tolist(), ends.tolist())]


def _floats(cells: list[bytes]) -> list[float] | None:
    """All cells as numbers; None where one is not, or is not finite."""
    if any(sign in b" ".join(cells).lower() for sign in (b"_", b"n")):
        return None
    try:
        values = [float(cell) for cell in cells]
    except ValueError:
        return None
    return values if all(map(math.isfinite, values)) else None


def _number(cell: str, mark: str) -> float | None:
    """The number in a cell, NaN where it is missing, None where it holds none."""
    try:
        return as_number(cell, mark)
    except ValueError:
        return None


def _csv_blocks(
    layout: Layout, parts: Iterator[bytes | None], before: int, skip: int
) -> Iterator[Block]:
    """The records in pieces of UTF-8, of which the first begins with line `before`."""
    width = len(layout.names)
    lines = lines_of(part for part in parts if part)
    found = islice(records(lines, layout.separator), skip, None)
    number = before
    try:
        while some := list(islice(found, SOME)):
            for number, row in some:
                if len(row) != width:
                    raise ValueError(wrong_width(layout, number + before - 1, row))
            yield CsvBlock([n + before - 1 for n, _ in some], list(zip(*(row for _, row in some))))
    except csv.Error as error:
        raise ValueError(f"{layout.path}: not a CSV file: {error}") from None


def wrong_width(layout: Layout, line: int, row: list[str]) -> str:
    """The error for a record of another width."""
    hint = "; a quote before it is not closed" if any("\n" in cell for cell in row) else ""
    first = "the header" if layout.header else "the first line"
    columns = f"{len(row)} column{'s' * (len(row) != 1)}"
    return f"{layout.path}: line {line} has {columns}, {first} has {len(layout.names)}{hint}"
