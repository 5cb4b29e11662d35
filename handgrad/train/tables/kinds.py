"""What a column is: the encoder that is fitted to it, or why it is left out."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from handgrad.arrays import Array
from handgrad.train.tables.cells import as_yes_no, date_order
from handgrad.train.tables.encode import MOST, Boolean, Category, Date, Encoder, Number, Text
from handgrad.train.tables.encoders import Embedded
from handgrad.train.tables.frame import Column

ID_NAME = re.compile(
    r"(?i:unnamed: \d+|column \d+|id|index|key|uuid|guid|row)|.*(?:[_\- .](?i:id)|[a-z](?:Id|ID))"
)
SEVERAL = 0.5  # a text column with more different cells than this share says little of each


@dataclass(frozen=True)
class Left:
    """A column that is left out: what it is, and why; and what would make something of it."""

    name: str
    kind: str
    why: str
    hint: str = ""


@dataclass(frozen=True)
class Wishes:
    """Columns that the user said the kind of, by name."""

    number: Collection[str] = ()
    categorical: Collection[str] = ()
    date: Collection[str] = ()
    text: Collection[str] = ()
    drop: Collection[str] = ()
    embed: Collection[str] = ()
    embed_many: bool = False  # all categories of more values than MOST are embedded

    @property
    def worded(self) -> set[str]:
        """Columns whose cells are to be read as text, also where they are numbers."""
        return {*self.categorical, *self.date, *self.text, *self.embed}


def decide(column: Column, rows: Array, wishes: Wishes, alone: bool = False) -> Encoder | Left:
    """The encoder of a column, fitted to some rows; or why the column says nothing.

    alone: there is no other column to learn from. Raises ValueError for a wish that cannot be.
    """
    name = column.name
    if name in wishes.drop:
        return Left(name, kind_in_words(column), "as asked")
    known = ~column.missing[rows]
    if not known.any():
        return Left(name, "empty", "no value in it")
    if name in wishes.embed:
        return Embedded.fit(column, rows)
    if name in wishes.categorical:
        return _category(column, rows, wishes)
    if name in wishes.text:
        return Text.fit(column, rows)
    if name in wishes.date:
        return _date(column, rows, asked=True) or Left(name, "", "")
    if name in wishes.number:
        return _number(column, rows)
    if known.all() and not alone and (value := _constant(column, rows)) is not None:
        return Left(name, "constant", f"always {value!r:.30}")
    if column.values is not None:
        if column.dates:
            return Date.fit(column, rows, "ymd")
        why = None if alone else _counts(column, rows)
        return Left(name, "ID", why) if why else Number.fit(column, rows)
    return _worded(column, rows, wishes)


def _number(column: Column, rows: Array) -> Encoder:
    """As was asked; ValueError where most cells are no numbers."""
    known, numbers = ~column.missing[rows], ~np.isnan(Number.numbers(column, rows, column.mark))
    if 2 * numbers.sum() < known.sum():
        cell = column.texts()[rows[np.flatnonzero(known & ~numbers)[0]]]
        raise ValueError(
            f"--number {column.name}: most of its cells are no numbers, such as {cell!r}"
        )
    return Number.fit(column, rows)


def _category(column: Column, rows: Array, wishes: Wishes) -> Encoder:
    """One-hot, or embedded where there are many and that is wished."""
    many = Embedded.fit(column, rows) if wishes.embed_many else None
    return many if many and len(many.values) > MOST else Category.fit(column, rows)


def _worded(column: Column, rows: Array, wishes: Wishes) -> Encoder | Left:
    """The same for a column of words."""
    name = column.name
    if as_yes_no(list(column.words)) is not None:
        return Boolean.fit(column, rows)
    if (dated := _date(column, rows)) is not None:
        return dated
    assert column.codes is not None
    codes = column.codes[rows]
    codes = codes[codes >= 0]
    different = len(np.unique(codes))
    if column.full:
        return Left(name, "ID or text", f"more than {len(column.words):,} values")
    if different > SEVERAL * len(codes) and different > 2:
        words = np.mean([len(w.split()) for w in column.words[:1000]])
        kind = "text" if words > 4 else "ID"
        numbers = np.count_nonzero(~np.isnan(Number.numbers(column, rows, column.mark)))
        hint = (
            f"column {name!r} is left out, though {numbers / len(codes):.0%} of its cells are "
            f"numbers: --number {name!r} takes the others as missing"
        )
        why = f"{different:,} of {len(codes):,} differ"
        return Left(name, kind, why, hint if 2 * numbers > len(codes) else "")
    return _category(column, rows, wishes)


def _date(column: Column, rows: Array, asked: bool = False) -> Date | None:
    if column.dates:
        return Date.fit(column, rows, "ymd")
    order = date_order(list(column.words)) if column.words else None
    if order is None and asked:
        cell = next(iter(column.words), "a number")
        raise ValueError(
            f"--date {column.name}: not all of its cells are dates such as 2024-12-31, 31.12.2024 "
            f"or 12/31/2024; it holds {cell!r}"
        )
    return None if order is None else Date.fit(column, rows, order)


def _constant(column: Column, rows: Array) -> str | None:
    """The only value of a column, or None where there are several."""
    held = column.values if column.values is not None else column.codes
    assert held is not None
    first = held[rows[0]]
    if (held[rows] != first).any():
        return None
    return f"{first:.6g}" if column.codes is None else column.words[first]


def _counts(column: Column, rows: Array) -> str | None:
    """Why numbers are only the names of rows, if they are."""
    values = column.values
    assert values is not None
    if len(values) < 3 or np.isnan(values).any() or (values % 1 != 0).any():
        return None
    if (np.diff(values) == 1).all():
        return "counts the rows"
    if ID_NAME.fullmatch(column.name) and len(np.unique(values)) == len(values):
        return "all differ"
    return None


def kind_in_words(column: Column) -> str:
    """Numbers or words."""
    return "number" if column.values is not None else "words"
