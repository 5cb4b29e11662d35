"""Parquet and Arrow files, batch by batch: memory holds one batch and what is used of the rest."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.train.store import leave, room
from handgrad.train.tables.frame import SHOWN, Column, Frame, worded
from handgrad.train.tables.frames import NUMBERS, as_numbers, codes_of, measured
from handgrad.train.tables.names import different
from handgrad.train.tables.words import Words

PARQUET, ARROW = (".parquet", ".pq"), (".arrow", ".feather", ".ipc")
SOME = 2**16  # rows of a batch


def read_arrow(path: Path, text: Collection[str] = ()) -> Frame:
    """A Parquet or Arrow file as a table; pyarrow reads it. `text` names columns of words."""
    with _opened(path) as (fields, rows, batches):
        if not rows:
            raise ValueError(f"{path}: no rows of data")
        names = different([field.name for field in fields])
        kinds = [str(field.type) for field in fields]
        growing = [
            (_Numbers if kind.startswith(NUMBERS) and name not in text else _Words)(name, rows)
            for name, kind in zip(names, kinds)
        ]
        for batch in batches:
            for column, held in zip(growing, batch.columns):
                column.add(held)
    columns = [column.done(column.name in text) for column in growing]
    return Frame(str(path), columns, rows, how="pyarrow Table")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, int, Iterator[Any]]]:
    """Columns, the number of rows, and batches of them."""
    try:
        from pyarrow import feather, parquet
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"{path}: reading it needs pyarrow: pip install 'handgrad[tables]'"
        ) from None
    if path.suffix.lower() not in PARQUET:
        table = feather.read_table(path, memory_map=True)
        yield table.schema, len(table), iter(table.to_batches(max_chunksize=SOME))
        return
    with parquet.ParquetFile(path) as file:
        yield file.schema_arrow, file.metadata.num_rows, file.iter_batches(SOME)


class _Numbers:
    """A column of numbers or times, as it is filled."""

    def __init__(self, name: str, rows: int):
        self.name, self.values, self.at = name, room((rows,), np.float64), 0
        self.wrong: list[tuple[int, str]] = []
        self.count, self.dates = 0, False

    def add(self, held: Any) -> None:
        """The next cells."""
        values, self.dates, infinite = measured(held.to_numpy(zero_copy_only=False))
        self.wrong += [(self.at + int(i), str(values[i])) for i in infinite]
        self.wrong, self.count = self.wrong[:SHOWN], self.count + len(infinite)
        values[infinite] = np.nan
        _put(self.values, self.at, values)
        self.at += len(values)

    def done(self, as_text: bool) -> Column:
        """The column."""
        return Column(self.name, self.values, wrong=tuple(self.wrong), count=self.count,
                      dates=self.dates)  # fmt: skip


class _Words:
    """A column of anything else, as it is filled."""

    def __init__(self, name: str, rows: int):
        self.name, self.codes, self.at, self.words = name, room((rows,), np.int32), 0, Words()

    def add(self, held: Any) -> None:
        """The next cells."""
        _put(self.codes, self.at, codes_of(self.name, held.to_pylist(), self.words))
        self.at += len(held)

    def done(self, as_text: bool) -> Column:
        """The column; as numbers where all its words are some, or there are none."""
        column = worded(self.name, self.words, self.codes)
        if not column.words and not as_text:
            return Column(self.name, np.full(len(self.codes), np.nan))
        return column if as_text else as_numbers(column)


def _put(array: Array, at: int, cells: Array) -> None:
    array[at : at + len(cells)] = cells
    leave(array)
