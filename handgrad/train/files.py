"""Readers of data files: CSV, npz, IDX. Nothing in a file is ever run; errors are one line."""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handgrad.arrays import Array
from handgrad.train.data import encode_labels
from handgrad.train.npz import in_words, limit_of, read_npz

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
                if not is_number(row[c]) or not math.isfinite(float(row[c])):
                    cell = f"holds {row[c]!r}" if row[c].strip() else "is empty"
                    return (
                        f"{self.path}: column {self.names[c]!r} {cell} in line {line}; "
                        "every feature must be a finite number"
                    )
        return f"{self.path}: no feature columns"


def is_number(cell: str) -> bool:
    """Whether a cell of text is a number (NaN and infinity included)."""
    try:
        as_number(cell)
    except ValueError:
        return False
    return True


def as_number(cell: str) -> float:
    """A cell as a number; ValueError for text, and for 1_000, which is Python's alone."""
    if "_" in cell:
        raise ValueError(cell)
    return float(cell)


def read_table(path: PathLike, header: bool | None = None) -> Table:
    """A CSV file's cells; the separator is the comma, semicolon or tab its first line has most.

    header: whether line 1 has the names of the columns. By default it has if none of its cells
    is a number, or if its last cell alone is text and the rest of that column is numbers; where
    it may have, ValueError asks.
    """
    path = Path(path)
    lines, rows = read_cells(path)
    width = len(rows[0])
    for line, row in zip(lines, rows):
        if len(row) != width:
            raise ValueError(
                f"{path}: line {line} has {len(row)} columns, line {lines[0]} has {width}"
            )
    if header is None:
        header = has_header(rows)
    if header is None:
        raise ValueError(
            f"{path}: line {lines[0]} ({','.join(rows[0])[:60]}) may hold names of columns or "
            "data: say which, with header=True or False (--header or --no-header)"
        )
    if header:
        names, rows, lines = [c.strip() for c in rows[0]], rows[1:], lines[1:]
    else:
        names = [str(i) for i in range(width)]
    if not rows:
        raise ValueError(f"{path}: no rows of data below the header")
    return Table(path, names, rows, lines, header)


def read_cells(path: Path) -> tuple[list[int], list[list[str]]]:
    """The lines of a CSV file that are not blank: their numbers and their cells."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            text = file.read()
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not a CSV file: it does not hold text in UTF-8") from None
    if "\0" in text:
        raise ValueError(f"{path}: not a CSV file: it holds zero bytes, which no text has")
    first = text[: text.find("\n")] if "\n" in text else text
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    try:
        numbered = [(reader.line_num, row) for row in reader if any(c.strip() for c in row)]
    except csv.Error as error:
        raise ValueError(f"{path}: not a CSV file: line {reader.line_num}: {error}") from None
    if not numbered:
        raise ValueError(f"{path}: the file is empty")
    return [line for line, _ in numbered], [row for _, row in numbered]


def has_header(rows: list[list[str]]) -> bool | None:
    """The guess that `read_table` describes; None where both are likely.

    So it is where line 1 alone has its label, and every other label comes twice or more; and
    where line 1 alone counts upwards: 2019, 2020, 2021.
    """
    first, others = rows[0], rows[1:]
    numeric = [is_number(cell) for cell in first]
    if not any(numeric):
        return not others or any(is_number(cell) for cell in others[0])
    if all(numeric):
        alone = len(first) > 2 and counts_upwards(first) and not any(map(counts_upwards, others))
        return None if alone and others else False
    if numeric[-1] or not all(numeric[:-1]) or not others:
        return False
    if all(is_number(row[-1]) for row in others):
        return True
    labels = Counter(row[-1].strip() for row in others)
    return None if first[-1].strip() not in labels and min(labels.values()) > 1 else False


def counts_upwards(cells: list[str]) -> bool:
    """Whether cells are integers, each one more than the one before."""
    if not all(cell.strip().isdecimal() and len(cell) < 20 for cell in cells):
        return False
    numbers = [int(cell) for cell in cells]
    return all(b - a == 1 for a, b in zip(numbers, numbers[1:]))


def read_csv(
    path: PathLike, target: int | str = -1, header: bool | None = None
) -> tuple[Array, Array, tuple[str, ...] | None]:
    """x (N, D), t (N,) and the names of the classes, from a CSV file.

    target: the number or the name of the target column, by default the last. Its text, or
    numbers that look like classes (see `as_classes`), become class indices; otherwise t is
    float64 and the classes are None. All other columns must be finite numbers.
    """
    return parse_table(read_table(path, header), target)


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
    if not all(map(is_number, cells)):
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
