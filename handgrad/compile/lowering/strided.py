"""Rows that copy elements from one order to another: every axis has a length and two strides."""

from __future__ import annotations

from collections.abc import Sequence

from handgrad.compile.builder import Builder
from handgrad.compile.values import NotNative, Size, Value, at_most, times

AXES = 6  # of the kernel `move`
Axis = tuple[Size, Size, Size]  # length, stride in the source, stride in the target


def strides(value: Value) -> list[Size]:
    """Words from one element to the next along each axis of the shape."""
    shape = list(value.shape)
    order = [0, *range(2, len(shape)), 1] if value.last else list(range(len(shape)))
    found: list[Size] = [1] * len(shape)
    for i in reversed(range(len(order) - 1)):
        found[order[i]] = times(found[order[i + 1]], shape[order[i + 1]])
    return found


def copy(
    b: Builder, source: Value, target: Value, axes: Sequence[Axis], *, first: Size = 0,
    target_first: Size = 0, add: bool = False,
) -> None:  # fmt: skip
    """target[target_first + Σ i·stride] = source[first + Σ i·stride] for all i along the axes."""

    def by_target(axis: Axis) -> int:
        return -abs(at_most(axis[2], b.batch))

    merged: list[Axis] = []
    for length, s, t in sorted((a for a in axes if a[0] != 1), key=by_target):
        if merged and merged[-1][1:] == (times(length, s), times(length, t)):
            length, (s, t) = times(merged.pop()[0], length), (s, t)
        merged.append((length, s, t))
    if len(merged) > AXES:
        raise NotNative(f"an array is copied along {len(merged)} axes, at most {AXES} are native")
    blank: list[Axis] = [(1, 0, 0)] * (AXES - len(merged))
    padded = [*merged[:1], *blank, *merged[1:]]  # the first axis is shared among threads
    steps = {
        f"{name}_{k}": axis[i]
        for k, axis in enumerate(padded)
        for i, name in enumerate(("length", "x_step", "y_step"))
    }
    b.row("move", **steps, x=source, x_first=first, y=target, y_first=target_first, add=add)


def axes_of(shape: Sequence[Size], source: Value, target: Value) -> list[Axis]:
    """The axes of a part of two values, of the same axes."""
    return list(zip(shape, strides(source), strides(target), strict=True))


def start(strides: Sequence[Size], indices: Sequence[Size]) -> Size:
    """The word of the element at these indices."""
    found = [times(s, i) for s, i in zip(strides, indices) if i != 0]
    if len(found) > 1 and not all(isinstance(f, int) for f in found):
        raise NotNative("a part of an array begins at a word that depends on the batch")
    return found[0] if len(found) == 1 else sum(f for f in found if isinstance(f, int))


def fill(b: Builder, value: Value, number: float = 0.0) -> Value:
    """The value, filled with a number."""
    b.row("fill", count=value.size, y=value, value=number)
    return value
