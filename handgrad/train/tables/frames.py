"""Tables in memory: data frames of pandas and polars, Arrow tables, dicts of sequences."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError
from handgrad.train.tables.cells import is_number, mark_of
from handgrad.train.tables.encode import Number
from handgrad.train.tables.frame import SHOWN, Column, Frame, mostly, worded
from handgrad.train.tables.names import different
from handgrad.train.tables.words import Words

DAY = np.timedelta64(1, "D")
NUMBERS = ("int", "uint", "float", "double", "timestamp", "duration")  # how their types begin
_NO_CELLS = (complex, list, tuple, dict, set, np.ndarray)


def is_frame(x: Any) -> bool:
    """Whether x has named columns."""
    return isinstance(x, Mapping) or hasattr(x, "column_names") or (
        hasattr(x, "columns") and hasattr(x, "__getitem__")
    )  # fmt: skip


def from_frame(x: Any, source: str = "data", text: Any = ()) -> Frame:
    """A table from columns with names: pandas, polars, Arrow, or a dict of sequences."""
    if isinstance(x, Mapping):
        names, columns = list(x), list(x.values())
    else:
        names = list(getattr(x, "column_names", None) or x.columns)
        if hasattr(x, "iloc"):  # pandas: a name may be there twice
            columns = [x.iloc[:, i] for i in range(len(names))]
        else:
            columns = [x.column(i) if hasattr(x, "column") else x[name]
                       for i, name in enumerate(names)]  # fmt: skip
    made = [_column(name, held, name in text) for name, held in zip(different(names), columns)]
    sizes = {len(column) for column in made}
    if len(sizes) > 1:
        raise ShapeError(f"{source}: its columns differ in length: {sorted(sizes)}")
    rows = sizes.pop() if sizes else 0
    if not rows:
        raise ValueError(f"{source}: no rows of data")
    return Frame(source, made, rows, how=f"{type(x).__module__.split('.')[0]} {type(x).__name__}")


def _column(name: str, held: Any, as_text: bool) -> Column:
    """One column, by its dtype; words that are numbers count as such."""
    array = _array(held)
    if array.ndim != 1:
        raise ShapeError(f"column {name!r} must have one value per row, got shape {array.shape}")
    if array.dtype.kind in "Mm" or (array.dtype.kind in "fiu" and not as_text):
        values, dates, infinite = measured(array)
        wrong = tuple((int(i), str(values[i])) for i in infinite[:3])
        values[infinite] = np.nan
        return Column(name, values, wrong=wrong, count=len(infinite), dates=dates)
    words = Words()
    column = worded(name, words, codes_of(name, array.tolist(), words))
    return column if as_text else as_numbers(column)


def _array(held: Any) -> Array:
    """The cells of a column as an array; objects where they are not of one kind."""
    kind = str(getattr(held, "dtype", getattr(held, "type", "")))
    if not kind.lower().startswith((*NUMBERS, "datetime64[", "timedelta64[")):
        listed = getattr(held, "to_list", getattr(held, "to_pylist", None))
        if listed is not None:
            held = listed()
        if not isinstance(held, np.ndarray):
            cells = np.empty(len(held), object)
            cells[:] = list(held)
            return _narrow(cells)
        return held
    if hasattr(held, "to_pylist"):
        return np.asarray(held.to_numpy())
    if kind[0] in "IUF" and hasattr(held, "isna"):  # pandas' own numbers, which may be missing
        return np.asarray(held.to_numpy(dtype=np.float64, na_value=np.nan))
    return np.asarray(held.to_numpy() if hasattr(held, "to_numpy") else held)


def _narrow(cells: Array) -> Array:
    """Objects that are all numbers, or missing, as such."""
    if all(isinstance(c, int | float) and not isinstance(c, bool) for c in cells if c is not None):
        return np.array([np.nan if c is None else c for c in cells], np.float64)
    return cells


def measured(array: Array) -> tuple[Array, bool, Array]:
    """Numbers, times as days since 1970, or durations in days, in float64; whether they are times;
    which are ∞."""
    if array.dtype.kind in "Mm":
        times = array.dtype.kind == "M"
        days = (array - np.datetime64(0, "s") if times else array) / DAY
        return np.where(np.isnat(array), np.nan, days), times, np.empty(0, np.intp)
    values = array.astype(np.float64)
    return values, False, np.flatnonzero(np.isinf(values))


def codes_of(name: str, cells: list[Any], words: Words) -> Array:
    """The cells of a column as codes of words, which are added.

    Raises ValueError for a cell that is a collection, or complex.
    """
    for cell in cells:
        if isinstance(cell, _NO_CELLS):
            raise ValueError(
                f"column {name!r}: cells of type {type(cell).__name__} are not taken, such as "
                f"{cell!r:.40}; numbers, words, times or truth values are needed"
            )
    return np.fromiter((words.code(cell_of(c).encode()) for c in cells), np.int32, len(cells))


def cell_of(value: Any) -> str:
    """A cell as text, empty where it is missing."""
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return ""
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    text = text.strip()
    return "" if text in ("<NA>", "NaT") else text


def as_numbers(column: Column) -> Column:
    """Words that are all numbers, as numbers."""
    if not column.words or column.full:
        return column
    mark = mark_of(list(column.words[:1000])) or "."
    if not all(is_number(word, mark) for word in column.words):
        return column
    return Column(column.name, Number.numbers(column, slice(None), mark), mark=mark)


def with_numbers(frame: Frame, words: Collection[str] = ()) -> Frame:
    """Before anything is fitted: columns that are `mostly` numbers, but for those in `words`, as
    such, with the cells that are none as wrong."""
    made = [c if c.name in words else _mostly_numbers(c) for c in frame.columns]
    return replace(frame, columns=made)


def _mostly_numbers(column: Column) -> Column:
    words = column.words
    if not words or column.full:
        return column
    assert column.codes is not None
    mark = mark_of(list(words[:1000])) or "."
    right = np.array([is_number(word, mark) for word in words])
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(words))
    if not mostly(counts[right].sum(), counts.sum(), right.sum(), len(words)):
        return column
    values = Number.numbers(column, slice(None), mark)
    wrong = np.flatnonzero(np.isnan(values) & (column.codes >= 0))
    named = tuple((int(i), words[column.codes[i]]) for i in wrong[:SHOWN])
    return Column(column.name, values, wrong=named, count=len(wrong), mark=mark)
