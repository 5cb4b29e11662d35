"""Stages: rows between which threads need not meet, so that a step seldom waits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from handgrad.compile.builder import Row
from handgrad.compile.values import Address, BatchDim, Value

FOR_ALL, FOR_NONE, FOR_SAMPLES = range(3)  # what a row waits for: Waits of native/row.h

SMALL = 1 << 17  # elements of a matrix that each thread may read whole: they fit in its caches


def join(rows: Sequence[Row]) -> None:
    """Say of each row which of those before it must be done when it begins."""
    for before, row in pairwise(rows):
        if _by_samples(before) and _by_samples(row) and before.waits != FOR_NONE:
            row.waits = FOR_SAMPLES
        elif before.kernel == row.kernel and before.waits != FOR_SAMPLES and _concurrent(row):
            row.waits = FOR_NONE


def stages(rows: Sequence[Row]) -> Iterator[range]:
    """The indices of the rows of each stage."""
    first = 0
    for i in range(1, len(rows) + 1):
        if i == len(rows) or rows[i].waits == FOR_ALL:
            yield range(first, i)
            first = i


def _by_samples(row: Row) -> bool:
    """Whether the same part of the samples, or of elements in the order of samples, is all that a
    part of the row's results needs, besides parameters and data."""
    form, values = row.form, row.values()
    if form is None or not form.samples or not isinstance(values[0], BatchDim):
        return False
    if row.kernel == "product" and not _of_rows(row):
        return False
    return all(map(_whole, values))


def _of_rows(row: Row) -> bool:
    """Whether a product is of the samples' rows, which lie one after the other, with a small
    matrix of parameters."""
    N, K = row["N"], row["K"]
    straight = (row["A_row"], row["A_column"], row["C_row"]) == (K, 1, N)
    return small(K, N) and straight and _parameter(row["B"])


def _concurrent(row: Row) -> bool:
    """Whether the row only reads what no other of its kernel writes."""
    if row.kernel == "weights":
        written = isinstance(row["dW"], Address) and not row["add"]
        read = _parameter(row["x"]) or _parameter(row["dy"])
        return small(row["M"], row["N"]) and written and not read
    return row.form is not None and row.form.concurrent


def small(D: Any, M: Any) -> bool:
    """Whether a matrix D × M is one that each thread may read whole."""
    return isinstance(D, int) and isinstance(M, int) and D * M <= SMALL


def _whole(argument: Any) -> bool:
    """Whether a part of the array is the same part of the memory that others know it by."""
    if not isinstance(argument, Value):
        return True
    return argument.offset == 0 and argument.size == argument.owner.size


def _parameter(argument: Any) -> bool:
    address = argument.owner.address if isinstance(argument, Value) else argument
    return isinstance(address, Address) and address.segment == "parameters"
