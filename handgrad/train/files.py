"""Readers of data files: CSV, npz, IDX. Nothing in a file is ever run; errors are one line."""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from handgrad.arrays import Array
from handgrad.train.data import encode_labels
from handgrad.train.npz import in_words, limit_of, read_npz
from handgrad.train.tables.blocks import wrong_width
from handgrad.train.tables.cells import as_number, is_missing, is_number
from handgrad.train.tables.source import lines_of, look, pieces, records

PathLike = str | Path

IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


@dataclass(frozen=True)
class Table:
    """A CSV file: the names of its columns, its cells as text, and the line of each row."""

    path: Path
    names: list[str]
    rows: list[list[str]]
    lines: list[int]
    header: bool = False  # whether the names stood in the file

    def column(self, target: int | str) -> int:
        """The number of a column that is given by number (-1 is the last) or by name."""
        if isinstance(target, str) and target in self.names:
            return self.names.index(target)
        if isinstance(target, int) and -len(self.names) <= target < len(self.names):
            return target % len(self.names)
        raise ValueError(f"{self.path}: no column {target!r} among {', '.join(self.names)}")

    def texts(self, column: int) -> list[str]:
        """The cells of one column."""
        return [row[column] for row in self.rows]

    def numbers(self, columns: list[int]) -> Array:
        """The cells of some columns as float64 (N, D); ValueError names a cell that is none."""
        x = np.empty((len(self.rows), len(columns)))
        try:
            for i, row in enumerate(self.rows):
                x[i] = [as_number(row[c]) for c in columns]
        except ValueError:
            raise ValueError(self._first_bad_cell(columns)) from None
        if not x.size or not np.isfinite(x).all():
            raise ValueError(self._first_bad_cell(columns))
        return x

    def _first_bad_cell(self, columns: list[int]) -> str:
        for line, row in zip(self.lines, self.rows):
            for c in columns:
                if not is_number(row[c], "."):
                    cell = f"holds {row[c]!r}" if row[c].strip() else "is empty"
                    return (
                        f"{self.path}: column {self.names[c]!r} {cell} in line {line}; "
                        "every feature must be a finite number"
                    )
        return f"{self.path}: no feature columns"


def read_cells(path: PathLike, header: bool | None = None) -> Table:
    """A CSV file's cells; encoding, separator and header are found as by `tables.source.look`."""
    path = Path(path)
    layout = look(path, header)
    lines, rows, width = [], [], len(layout.names)
    text = lines_of(pieces(path, layout.encoding))
    try:
        for line, row in islice(records(text, layout.separator), layout.skipped, None):
            if len(row) != width:
                raise ValueError(wrong_width(layout, line, row))
            lines.append(line)
            rows.append(row)
    except csv.Error as error:
        raise ValueError(f"{path}: not a CSV file: {error}") from None
    return Table(path, list(layout.names), rows, lines, layout.header)


def read_csv(
    path: PathLike, target: int | str = -1, header: bool | None = None
) -> tuple[Array, Array, tuple[str, ...] | None]:
    """x (N, D), t (N,) and the names of the classes, from a CSV file.

    target: the number or the name of the target column, by default the last. Its text, or
    numbers that look like classes (see `as_classes`), become class indices; otherwise t is
    float64 and the classes are None. All other columns must be finite numbers.
    """
    return parse_table(read_cells(path, header), target)


def parse_table(
    table: Table, target: int | str = -1
) -> tuple[Array, Array, tuple[str, ...] | None]:
    """The same from a table."""
    last = table.column(target)
    x = table.numbers([c for c in range(len(table.names)) if c != last])
    cells = [cell.strip() for cell in table.texts(last)]
    if "" in cells:
        line = table.lines[cells.index("")]
        raise ValueError(f"{table.path}: column {table.names[last]!r} is empty in line {line}")
    if not all(is_number(cell, ".") or is_missing(cell) for cell in cells):
        t, classes = encode_labels(cells)
        return x, t, tuple(map(str, classes))
    return x, *as_classes(table.numbers([last])[:, 0])


def as_classes(t: Array) -> tuple[Array, tuple[str, ...] | None]:
    """Class indices and names where numbers look like classes; else t itself and None.

    Numbers look like classes if they are whole, and of at most 50 values that come twice
    or more on average.
    """
    if t.ndim != 1 or not np.issubdtype(t.dtype, np.number) or (t % 1 != 0).any():
        return t, None
    indices, values = encode_labels(t)
    if len(values) > min(50, len(t) / 2):
        return t, None
    return indices, tuple(f"{value:g}" for value in values)


def read_idx(path: PathLike) -> Array:
    """The array of an IDX file, gzipped or not.

    The format: two zero bytes, a type code, the number of axes, the axes as 32-bit numbers,
    the entries; all numbers have their high byte first.

    Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", 1998.
    """
    data = Path(path).read_bytes()
    data = unpack(path, data) if data[:2] == b"\x1f\x8b" else data
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in IDX_TYPES:
        raise ValueError(f"{path}: not an IDX file: it begins with {data[:4]!r}")
    dtype, begin = np.dtype(IDX_TYPES[data[2]]), 4 + 4 * data[3]
    shape = tuple(np.frombuffer(data[4:begin], ">u4").tolist()) if len(data) >= begin else ()
    need = begin + math.prod(shape) * dtype.itemsize
    if len(data) != need or not shape:
        raise ValueError(f"{path}: {len(data)} bytes, but {need} belong to the shape {shape}")
    return np.frombuffer(data, dtype, offset=begin).reshape(shape).astype(dtype.newbyteorder("="))


def unpack(path: PathLike, data: bytes) -> bytes:
    """The content of a gzip file, whose size must be in proportion to the file's."""
    most = limit_of(len(data))
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            content = file.read(most + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise ValueError(f"{path}: the gzip file is cut off or damaged") from None
    if len(content) > most:
        raise ValueError(f"{path}: its {in_words(len(data))} unpack to more than {in_words(most)}")
    return content


def read_arrays(path: PathLike) -> tuple[Array, Array, Array | None, Array | None]:
    """x_train, t_train, x_test, t_test of an npz file; the latter two None where it has none.

    Its names: x and t, or x_train, t_train, x_test, t_test; with X for x or y for t as well.
    """
    arrays = read_npz(path)
    known = {name.lower().replace("y", "t", 1): array for name, array in arrays.items()}
    for x, t in (("x_train", "t_train"), ("x", "t")):
        if x in known and t in known:
            return known[x], known[t], known.get("x_test"), known.get("t_test")
    have = ", ".join(arrays) or "none"
    raise ValueError(f"{path}: needs arrays x and t, or x_train and t_train; it has {have}")
