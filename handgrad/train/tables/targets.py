"""What is to be learned from a table: classes, or values, and the rows that have them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handgrad.arrays import Array
from handgrad.train.tables.cells import as_yes_no
from handgrad.train.tables.encode import Number, counted, one_spelling
from handgrad.train.tables.frame import Column

FEW = 50  # classes that integers may mean


@dataclass(frozen=True)
class Targets:
    """The rows of a table that have targets (N,), and t of these: indices (N,) or values (N, M).

    labels: whether the values are 0 and 1, each that a row has what its name says, "smoker=yes".
    heads: the classes of each of several targets; then t is indices (N, M).
    """

    names: tuple[str, ...]
    rows: Array
    t: Array
    classes: tuple[str, ...] | None
    labels: tuple[str, ...] | None = None
    heads: tuple[tuple[str, ...], ...] | None = None


def targets_of(source: str, columns: list[Column], task: str | None = None) -> Targets:
    """The targets in some columns; rows without one are left out.

    task: "classification" or "regression"; by default, text is classes, and so are integers of at
    most 50 values that come twice or more on average; several columns are values, or where all are
    text, classes of each, or where each has two, labels.
    Raises ValueError where there is nothing to learn: one class, text that hardly repeats.
    """
    for column in columns:
        if column.missing.all():
            raise ValueError(
                f"{source}: the target {column.name!r} is empty; --target names another"
            )
    rows = np.flatnonzero(~np.logical_or.reduce([column.missing for column in columns]))
    if not rows.size:
        raise ValueError(f"{source}: no row has all of its targets")
    names = tuple(column.name for column in columns)
    if len(columns) > 1 and (task == "classification" or all(c.values is None for c in columns)):
        found = [classes_of(source, column, rows) for column in columns]
        t, heads = np.stack([t for t, _ in found], axis=1), tuple(classes for _, classes in found)
        if any(len(classes) > 2 for classes in heads):
            return Targets(names, rows, t, None, heads=heads)
        labels = tuple(f"{name}={classes[1]}" for name, classes in zip(names, heads))
        return Targets(names, rows, t.astype(np.float32), None, labels)
    if len(columns) > 1:
        values = [values_of(source, column, rows) for column in columns]
        return Targets(names, rows, np.stack(values, axis=1), None)
    (column,) = columns
    if task != "regression" and (task == "classification" or looks_like_classes(column, rows)):
        t, classes = classes_of(source, column, rows)
        return Targets(names, rows, t, classes)
    return Targets(names, rows, values_of(source, column, rows)[:, None], None)


def looks_like_classes(column: Column, rows: Array) -> bool:
    """Whether a target holds text, or few integers that come again."""
    if column.values is None:
        return True
    values = column.values[rows]
    if column.dates or (values % 1 != 0).any():
        return False
    return len(np.unique(values)) <= min(FEW, len(values) / 2)


def classes_of(source: str, column: Column, rows: Array) -> tuple[Array, tuple[str, ...]]:
    """Class indices (N,) and the names of the classes, sorted; numbers by their size."""
    count = counted(column, rows)
    if column.codes is not None:
        names = sorted(count)
        pair = as_yes_no(names)
        if pair is not None and len(names) == 2:
            names.sort(key=lambda name: pair.index(name.lower()))
        at = {name: i for i, name in enumerate(names)}
        lookup = np.array([at.get(one_spelling(word), 0) for word in column.words], np.int64)
        t = lookup[column.codes[rows]]
    else:
        assert column.values is not None
        different, t = np.unique(column.values[rows], return_inverse=True)
        names = [f"{value:.15g}" for value in different]
    if len(names) == 1:
        raise ValueError(
            f"{source}: the target {column.name!r} has one class, {names[0]!r}, in "
            f"{_all(rows)}; there is nothing to learn"
        )
    if column.full or (len(names) > 2 and len(names) > 0.5 * len(rows)):
        raise ValueError(
            f"{source}: the target {column.name!r} has {len(names):,} different values in "
            f"{len(rows):,} rows, such as {names[0]!r}: too many for classes, and no numbers"
        )
    return t.astype(np.int64), tuple(names)


def values_of(source: str, column: Column, rows: Array) -> Array:
    """Real targets (N,); ValueError for text."""
    if column.dates:
        raise ValueError(f"{source}: the target {column.name!r} holds dates, not numbers")
    values = Number.numbers(column, rows, column.mark)
    if np.isnan(values).any():
        words = [repr(w) for w in column.words[:3]]
        raise ValueError(
            f"{source}: the target {column.name!r} must hold numbers, but holds {', '.join(words)}"
        )
    if (values == values[0]).all():
        raise ValueError(
            f"{source}: the target {column.name!r} is {values[0]:.6g} in {_all(rows)}; there is "
            "nothing to learn"
        )
    return values


def _all(rows: Array) -> str:
    return "the only row" if len(rows) == 1 else f"all {len(rows):,} rows"
