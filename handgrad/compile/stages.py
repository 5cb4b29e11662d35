"""Stages: rows between which threads need not meet, so that a step has few places to wait at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from handgrad.compile.builder import Row
from handgrad.compile.values import Address, BatchDim, Value

FOR_ALL, FOR_NONE, FOR_SAMPLES = range(3)  # what a row waits for: Waits of native/row.h

_BY_SAMPLE = frozenset({
    "curve", "slope", "add", "sub", "mul", "div", "greater", "less", "softmax_loss", "sum_parts",
    "masked",
})  # fmt: skip
SMALL = 1 << 17  # numbers of a matrix that each thread may read whole: they fit in its caches


def join(rows: Sequence[Row]) -> None:
    """Say of each row which of those before it must be done when it begins."""
    for before, row in pairwise(rows):
        if _by_samples(before) and _by_samples(row) and before.waits != FOR_NONE:
            row.waits = FOR_SAMPLES
        elif before.kernel == row.kernel and before.waits != FOR_SAMPLES and _beside(row):
            row.waits = FOR_NONE


def stages(rows: Sequence[Row]) -> Iterator[range]:
    """The numbers of the rows of each stage."""
    first = 0
    for i in range(1, len(rows) + 1):
        if i == len(rows) or rows[i].waits == FOR_ALL:
            yield range(first, i)
            first = i


def _by_samples(row: Row) -> bool:
    """Whether the same part of the samples, or of numbers in the order of samples, is all that a
    part of the row's results needs, besides parameters and data."""
    if not (row.args and isinstance(row.args[0], BatchDim)) or not all(map(_whole, row.args)):
        return False
    if row.kernel == "product":
        _, M, D, _, step, inner, _, W, _, _, _, columns = row.args[:12]
        return small(D, M) and (step, inner, columns) == (D, 1, M) and _parameter(W)
    return row.kernel in _BY_SAMPLE


def _beside(row: Row) -> bool:
    """Whether the row only reads what no other of its kernel writes."""
    if row.kernel == "weights":
        D, M, _, x, *_, add = row.args[:16]
        dy, dW = row.args[7], row.args[10]
        return (
            small(D, M) and not add and isinstance(dW, Address)
            and not _parameter(x) and not _parameter(dy)
        )  # fmt: skip
    return row.kernel in ("update", "keep")


def small(D: Any, M: Any) -> bool:
    """Whether a matrix D × M is one that each thread may read whole."""
    return isinstance(D, int) and isinstance(M, int) and D * M <= SMALL


def _whole(argument: Any) -> bool:
    """Whether a part of the array is the same part of the memory that others know it by."""
    if not isinstance(argument, Value):
        return True
    return argument.offset == 0 and argument.size == argument.owner.size


def _parameter(argument: Any) -> bool:
    place = argument.owner.address if isinstance(argument, Value) else argument
    return isinstance(place, Address) and place.segment == "parameters"
