"""A table in memory: each column as numbers, or as the codes of its different words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handgrad.arrays import Array
from handgrad.train.store import leave, room
from handgrad.train.tables.blocks import Block, Wrong, read_blocks
from handgrad.train.tables.cells import is_missing, is_number
from handgrad.train.tables.source import Layout, look, western
from handgrad.train.tables.words import Words

MANY = 1000  # words for what is not known: no column has so many
SHOWN = 3  # wrong cells of a column that are named
MOSTLY = 0.95  # of the cells of a column of numbers are numbers, or of those that differ


@dataclass
class Column:
    """One column: `values` (N,), NaN where missing; or `codes` (N,) of `words`, -1 where missing.

    wrong: of the cells of a column of numbers that hold none, the first ones; count: how many.
    mark: the decimal mark. full: it has more different words than are kept.
    """

    name: str
    values: Array | None = None
    codes: Array | None = None
    words: tuple[str, ...] = ()
    wrong: tuple[Wrong, ...] = ()
    count: int = 0
    mark: str = "."
    full: bool = False
    dates: bool = False  # the values are days since 1970

    def __len__(self) -> int:
        held = self.values if self.values is not None else self.codes
        return 0 if held is None else len(held)

    @property
    def missing(self) -> Array:
        """Where nothing is known (N,)."""
        held = np.isnan(self.values) if self.values is not None else self.codes
        assert held is not None
        nothing: Array = held if held.dtype == bool else held < 0
        return nothing

    def texts(self) -> list[str]:
        """The cells as text, empty where missing; integers without a point."""
        if self.values is not None:
            return ["" if v != v else f"{v:.15g}" for v in self.values.tolist()]
        assert self.codes is not None
        words = (*self.words, "")
        return [words[code] for code in self.codes.tolist()]

    def complaint(self) -> str:
        """Which cells are wrong, in words; empty where none is."""
        if not self.count:
            return ""
        named = ", ".join(f"{text!r} in line {line}" for line, text in self.wrong)
        more = f" and {self.count - len(self.wrong):,} more" if self.count > len(self.wrong) else ""
        held = "cells hold" if self.count > 1 else "cell holds"
        return (
            f"column {self.name!r}: {self.count:,} {held} no finite number, "
            f"taken as missing: {named}{more}"
        )


@dataclass
class Frame:
    """Columns of one length, and the name of where they are from."""

    source: str
    columns: list[Column]
    rows: int
    header: bool = True
    how: str = ""  # how it was read, in words
    first: int = 0  # the number of its first row, where it is a part

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.columns]


Told = Callable[[int], None]


def numeric_columns(layout: Layout, text: Collection[str]) -> list[bool]:
    """Which columns of a file are numbers, by its first records; those named in `text` are not."""
    found = []
    for c, name in enumerate(layout.names):
        cells = [row[c] for row in layout.rows if not is_missing(row[c])]
        numbers = [cell for cell in cells if is_number(cell, layout.marks[c])]
        found.append(name not in text and (not cells or mostly(
            len(numbers), len(cells), len({*numbers}), len({*cells})
        )))  # fmt: skip
    return found


def mostly(numbers: int, cells: int, different: int, of: int) -> bool:
    """Whether a column is one of numbers, which some cells say not to be known in words of their
    own: by how many cells are numbers, or how many of those that differ."""
    return numbers >= MOSTLY * cells or (numbers >= cells / 2 and different >= MOSTLY * of)


def marks_of(layout: Layout, known: Mapping[str, str | None]) -> list[str]:
    """The decimal mark of each column: the one it shows, else the one known, else the others'."""
    usual = "," if "," in layout.marks and "." not in layout.marks else "."
    return [mark or known.get(name) or usual for name, mark in zip(layout.names, layout.marks)]


def read_frame(
    path: Path, *, header: bool | None = None, separator: str | None = None,
    text: Collection[str] = (), told: Told | None = None,
) -> Frame:  # fmt: skip
    """A CSV file as a table; `text` names columns whose cells are words even if they are numbers.

    A column that begins with numbers and later has more text than `mostly` lets pass is read
    again, as text.
    """
    layout, text = look(path, header, separator), set(text)
    while True:
        try:
            found = _read(layout, numeric_columns(layout, text), marks_of(layout, {}), told)
        except UnicodeDecodeError:
            layout = look(path, header, separator, western(path.read_bytes()))
            continue
        mixed = found.mixed()
        if not mixed:
            return found.frame()
        text |= mixed


def _read(layout: Layout, numeric: list[bool], marks: list[str], told: Told | None) -> Gathered:
    gathered = Gathered(layout, numeric, marks)
    for block in read_blocks(layout):
        if not gathered.rows:  # a bit more than it seems to have; what is not used costs nothing
            gathered.expect(int(1.05 * block.rows * layout.path.stat().st_size / block.size))
        gathered.add(block)
        if told is not None:
            told(block.size)
    return gathered


class Gathered:
    """What blocks hold, column by column."""

    def __init__(self, layout: Layout, numeric: list[bool], marks: list[str]):
        self.layout, self.numeric, self.marks, self.rows = layout, numeric, marks, 0
        self.at = [c for c, number in enumerate(numeric) if number]
        self.words = {c: Words() for c, number in enumerate(numeric) if not number}
        self.numbers = np.empty((len(self.at), 0))
        self.codes = np.empty((len(self.words), 0), np.int32)
        self.wrong: dict[int, list[Wrong]] = {c: [] for c in self.at}
        self.count = dict.fromkeys(self.at, 0)
        self.others: dict[int, set[str]] = {c: set() for c in self.at}  # wrong cells that differ

    def expect(self, rows: int) -> None:
        """Make room for so many rows."""
        if rows > self.numbers.shape[1]:
            numbers, codes = self.numbers, self.codes
            self.numbers = room((len(numbers), rows), np.float64)
            self.codes = room((len(codes), rows), np.int32)
            self.numbers[:, : self.rows] = numbers[:, : self.rows]
            self.codes[:, : self.rows] = codes[:, : self.rows]

    def add(self, block: Block) -> None:
        """Take over one block."""
        rows = self.rows + block.rows
        if rows > self.numbers.shape[1]:
            self.expect(max(rows, self.numbers.shape[1] * 5 // 4))
        if self.at:
            values, wrong = block.numbers(self.at, [self.marks[c] for c in self.at])
            self.numbers[:, self.rows : rows] = values.T
            for c, cells in zip(self.at, wrong):
                self.wrong[c] += cells[: SHOWN - len(self.wrong[c])]
                self.count[c] += len(cells)
                if len(self.others[c]) <= MANY:
                    self.others[c].update(text for _, text in cells)
        for i, (c, words) in enumerate(self.words.items()):
            self.codes[i, self.rows : rows] = block.codes(c, words)
        self.rows = rows
        leave(self.numbers)
        leave(self.codes)

    def mixed(self) -> set[str]:
        """Columns that were read as numbers and are not."""
        found = set()
        for i, c in enumerate(self.at):
            values, wrong = self.numbers[i, : self.rows], self.count[c]
            if not wrong:
                continue
            numbers, others = int(np.count_nonzero(values == values)), len(self.others[c])
            few = wrong <= (1 - MOSTLY) * (wrong + numbers) or others > MANY
            different = 0 if few else len(np.unique(values[values == values]))
            if not mostly(numbers, numbers + wrong, different, different + others):
                found.add(self.layout.names[c])
        return found

    def frame(self) -> Frame:
        """The table."""
        layout, columns, codes = self.layout, [], iter(self.codes)
        for c, name in enumerate(layout.names):
            if self.numeric[c]:
                values = self.numbers[self.at.index(c), : self.rows]
                columns.append(Column(name, values, wrong=tuple(self.wrong[c]),
                                      count=self.count[c], mark=self.marks[c]))  # fmt: skip
            else:
                columns.append(worded(name, self.words[c], next(codes)[: self.rows], self.marks[c]))
        numbers = all(is_number(name) for name in layout.names)
        named = f"a header of numbers ({', '.join(layout.names[:3])}, …)" if numbers else "a header"
        head = named if layout.header else "no header"
        if layout.titles:
            lines = "a line" if layout.titles == 1 else f"{layout.titles} lines"
            head += f" below {lines} of title"
        how = f"separated by {layout.shown}, {head}, {layout.encoding}"
        return Frame(str(layout.path), columns, self.rows, layout.header, how)


def worded(name: str, words: Words, codes: Array, mark: str = ".") -> Column:
    """A column of words, of which those that mean nothing are missing, and each is there once; in
    the memory of its codes."""
    numbers: dict[str, int] = {}
    texts = words.texts()
    new = [-1 if is_missing(w) else numbers.setdefault(w, len(numbers)) for w in texts] + [-1]
    codes[...] = np.array(new, np.int32)[codes]
    return Column(name, codes=codes, words=tuple(numbers), mark=mark, full=words.full)
