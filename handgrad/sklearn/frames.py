"""Data frames with categories, dates and missing cells, as `handgrad.train.tables` takes them."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.train.tables.encode import Encoder, Number
from handgrad.train.tables.frame import Column, Frame
from handgrad.train.tables.frames import from_frame, with_numbers
from handgrad.train.tables.kinds import Left, Wishes, decide
from handgrad.train.tables.spec import Notes, TableSpec


def is_frame(X: Any) -> bool:
    """Whether X is a data frame of pandas or polars."""
    return hasattr(X, "columns") and hasattr(X, "shape") and hasattr(X, "__getitem__")


def needs_columns(X: Any) -> bool:
    """Whether X is a data frame with cells that are not plain numbers, or with a name twice."""
    if not is_frame(X):
        return False
    names = list(X.columns)
    if not names:
        raise ValueError("Found 0 feature(s): X is a data frame without columns, one is needed")
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
    """How each column of a frame becomes numbers: `spec`, as of a table in a file (docs/tables.md).

    But columns of numbers are never left out; `left` has those that are, and why. embed: numbers
    for each value of an embedded category: "auto", 8 where there are more than 64 values; an
    integer, for all categories; None, for none. Words among numbers count as missing where
    training had such in the column (`mixed`).
    Raises ValueError for a name that occurs twice, for infinity, and for words where there were
    numbers.
    """

    mixed: frozenset[str] = frozenset()

    def __init__(self, X: Any, embed: Any = None):
        self.names = list(X.columns)
        twice = {name for name in self.names if self.names.count(name) > 1}
        if twice:
            raise ValueError(f"X: column {sorted(twice, key=str)[0]!r} occurs more than once")
        frame, rows = with_numbers(_frame(X)), np.arange(len(X))
        self.mixed = frozenset(c.name for c in frame.columns if c.count)
        numbers = [c.name for c in frame.columns if c.values is not None and not c.dates]
        wishes = Wishes(number=numbers, embed_many=embed is not None)
        found = [decide(column, rows, wishes, len(self.names) == 1) for column in frame.columns]
        if isinstance(embed, int):
            words = [f.name for f in found if isinstance(f, Encoder) and f.kind == "category"]
            wishes = Wishes(number=numbers, embed=words, embed_many=True)
            found = [decide(column, rows, wishes) for column in frame.columns]
        self.left = tuple(one for one in found if isinstance(one, Left))
        encoders = tuple(one for one in found if isinstance(one, Encoder) and one.features)
        if not encoders:
            why = "; ".join(f"{one.name}: {one.why}" for one in self.left)
            raise ValueError(f"X: no column to learn from ({why})")
        self.spec = TableSpec(tuple(frame.names), encoders, ())
        self.embedding = self.spec.embedding(embed if isinstance(embed, int) else 8)

    def __call__(self, X: Any) -> Array:
        """The frame's numbers (N, D), in float64."""
        frame, notes = _frame(X), Notes()
        x = self.spec.inputs(frame, notes=notes)
        for encoder in self.spec.encoders:
            if not isinstance(encoder, Number) or encoder.name in self.mixed:
                continue
            if notes.unseen[encoder.name]:
                raise ValueError(_words(frame.columns[frame.names.index(encoder.name)], encoder))
        return x.astype(np.float64)


def _frame(X: Any) -> Frame:
    frame = from_frame(X, "X")
    for column in frame.columns:
        if column.count:
            row, cell = column.wrong[0]
            raise ValueError(
                f"Input X contains infinity: column {column.name!r}, row {row}: {cell}"
            )
    return frame


def _words(column: Column, encoder: Number) -> str:
    values, texts = Number.numbers(column, slice(None), encoder.mark), column.texts()
    row = next(i for i, v in enumerate(values) if np.isnan(v) and texts[i])
    return f"X: column {column.name!r} held numbers in training, but row {row} is {texts[row]!r}"
