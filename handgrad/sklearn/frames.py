"""Data frames with categories, dates and missing cells as columns of numbers."""

from __future__ import annotations

from difflib import get_close_matches
from numbers import Real
from typing import Any

import numpy as np

from handgrad.arrays import Array

_MOST = 63  # categories of a column that have an input of their own; all others share one


def is_frame(X: Any) -> bool:
    """Whether X is a data frame of pandas or polars."""
    return hasattr(X, "columns") and hasattr(X, "shape") and hasattr(X, "__getitem__")


def needs_columns(X: Any) -> bool:
    """Whether X is a data frame with cells that are not plain numbers, or with a name twice."""
    if not is_frame(X):
        return False
    names = list(X.columns)
    return len({*names}) < len(names) or any(_is_foreign(np.asarray(X[name])) for name in names)


def _is_foreign(cells: Array) -> bool:
    return cells.dtype.kind not in "fiub" or (cells.dtype.kind == "f" and np.isnan(cells).any())


def check_frame(X: Any, names: list[Any]) -> None:
    """ValueError unless X is a data frame with these columns; with the nearest name of a missing
    one."""
    if not is_frame(X):
        raise ValueError(
            f"X: a data frame with the columns {', '.join(map(str, names))} is needed, as in "
            f"training, got {type(X).__name__}"
        )
    for name in names:
        if name not in X.columns:
            close = get_close_matches(str(name), [str(other) for other in X.columns], n=1)
            hint = f"; the nearest is {close[0]!r}" if close else ""
            raise ValueError(f"X: column {name!r} of the training is missing{hint}")


class Columns:
    """How each column of a frame becomes numbers.

    Numbers stay; a missing one is the median, and where there were any in training, a further input
    says so. Dates are days. Of a category each of the 63 most frequent values has an input of its
    own (so the first layer's weights from it embed the value), all others share one; a missing or
    unseen value has 0 in all of them, or 1 in that of the others where there is one.
    Raises ValueError for a name that occurs twice, and for words where there were numbers.
    """

    def __init__(self, X: Any):
        self.names = list(X.columns)
        twice = {name for name in self.names if self.names.count(name) > 1}
        if twice:
            raise ValueError(f"X: column {sorted(twice, key=str)[0]!r} occurs more than once")
        self.columns: list[tuple[Any, ...]] = []
        for name in self.names:
            cells = read(X[name])
            if cells.dtype == object:
                words, counts = np.unique([c for c in cells if c is not None], return_counts=True)
                kept = np.sort(words[np.argsort(-counts, kind="stable")[:_MOST]])
                self.columns.append(("category", kept, len(words) > _MOST))
            else:
                known = cells[~np.isnan(cells)]
                median = float(np.median(known)) if len(known) else None  # None: nothing to learn
                self.columns.append(("number", median, len(known) < len(cells)))

    def __call__(self, X: Any) -> Array:
        """The frame's numbers (N, D)."""
        parts = [
            part
            for name, (kind, *how) in zip(self.names, self.columns)
            for part in getattr(self, f"_{kind}")(name, read(X[name]), *how)
        ]
        return np.column_stack(parts) if parts else np.zeros((len(X), 0))

    def _number(self, name: Any, cells: Array, median: float | None, marks: bool) -> list[Array]:
        if cells.dtype == object:
            i = next(i for i, cell in enumerate(cells) if not _is_number(cell))
            raise ValueError(
                f"X: column {name!r} held numbers in training, but row {i} is {cells[i]!r}"
            )
        if median is None:
            return []
        missing = np.isnan(cells)
        filled = np.where(missing, median, cells)
        return [filled, missing.astype(float)] if marks else [filled]

    def _category(self, name: Any, cells: Array, kept: Array, shares: bool) -> list[Array]:
        if cells.dtype != object:
            cells = np.array([None if np.isnan(c) else _word(c) for c in cells], object)
        parts = [(cells == value).astype(float) for value in kept]
        if shares:
            known = np.sum(parts, axis=0)
            parts.append(1.0 - known)
        return parts


def read(column: Any) -> Array:
    """A column's cells: float64 with NaN where missing, or words and None."""
    cells = np.asarray(column)
    if cells.dtype.kind in "Mm":
        days = cells.astype("M8[us]" if cells.dtype.kind == "M" else "m8[us]")
        return np.where(np.isnat(days), np.nan, days.astype(np.int64) / 86_400e6)
    if cells.dtype.kind in "fiub":
        return cells.astype(np.float64)
    missing = np.array([cell is None or cell != cell or _is_na(cell) for cell in cells], bool)
    values = [None if gone else cell for gone, cell in zip(missing, cells)]
    if all(value is None or isinstance(value, Real | np.bool_) for value in values):
        return np.array([np.nan if value is None else float(value) for value in values])
    words = np.empty(len(values), object)
    words[:] = [None if value is None else _word(value) for value in values]
    return words


def _is_number(cell: Any) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True


def _is_na(cell: Any) -> bool:
    return type(cell).__name__ in ("NAType", "NaTType")  # pandas' own, whose comparisons are NA


def _word(cell: Any) -> str:
    return f"{cell:g}" if isinstance(cell, float) else str(cell)
