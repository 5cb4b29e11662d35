"""Explanations by arrangement: right numbers in the wrong shape, order or place."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations

import numpy as np

from handgrad.prove.experiments.evidence import Clue
from handgrad.prove.point import Point, differentiate_at
from handgrad.prove.report import Finding


def misshapen(clue: Clue) -> Iterator[Finding]:
    """The gradient has another shape than what it is the gradient of."""
    given, shape = clue.gap.analytic, clue.gap.shape
    says = f"the gradient has shape {given.shape}, and {clue.name} has shape {shape}"
    if given.size == int(np.prod(shape)):
        for axes in permutations(range(given.ndim)) if 1 < given.ndim < 5 else ():
            moved = given.transpose(axes)
            if axes != tuple(range(given.ndim)) and moved.shape == shape and _equal(clue, moved):
                yield clue.finding("transpose", 0.95, f"{says}: it is transposed")
                return
        if _equal(clue, given):
            yield clue.finding("shape", 0.95, f"{says}, with the right numbers")
            return
    yield from swapped(clue)
    summed = _summed(clue)
    if summed is not None:
        cause = "missing_batch_sum" if clue.is_parameter else "broadcasting"
        yield clue.finding(cause, 0.95, f"{says}; {summed}")
    elif given.size > int(np.prod(shape)) and clue.is_parameter:
        yield clue.finding("missing_batch_sum", 0.6, f"{says}: it was not summed")
    elif given.size < int(np.prod(shape)) or given.ndim == len(shape):
        yield clue.finding("wrong_axis", 0.6, f"{says}: it was summed along another axis")
    yield clue.finding("shape", 0.5, says)


def _equal(clue: Clue, array: np.ndarray) -> bool:
    return clue.near(clue.at(array.astype(np.float64)), clue.numeric)


def _summed(clue: Clue) -> str | None:
    """Which axes have to be summed to give the right numbers, in words."""
    given, shape = clue.gap.analytic, clue.gap.shape
    for count in range(1, given.ndim + 1):
        for axes in combinations(range(given.ndim), count):
            total = given.sum(axis=axes)
            if total.size == int(np.prod(shape)) and _equal(clue, total):
                spelled = ", ".join(map(str, axes))
                return f"summed over axis {spelled} it is right"
    return None


def swapped(clue: Clue) -> Iterator[Finding]:
    """The gradient is that of another argument."""
    for other, part in clue.base.parts.items():
        if other == clue.name or clue.gap.analytic.size <= int(part.index.max(initial=-1)):
            continue
        if not clue.is_parameter and other in clue.case.subject.parameters:
            continue
        assert clue.base.point is not None
        if clue.base.point.value(other).shape != clue.gap.analytic.shape:
            continue
        right = part.expected(clue.base.run.flat_upstream)
        given = clue.gap.analytic.reshape(-1)[part.index]
        off = abs(given - right).max(initial=0)
        if off <= 1e-3 * abs(right).max(initial=1e-300) and (
            clue.gap.shape != clue.gap.analytic.shape or not clue.near(clue.numeric, clue.given)
        ):
            both = any(gap.name == other for gap in clue.base.gaps)
            loss = all(u.size == 1 for u in clue.upstream)
            weight = (0.9 if loss else 0.95) if both else 0.6
            yield clue.finding("swapped_outputs", weight, f"this is the gradient of {other}")


def transposed(clue: Clue) -> Iterator[Finding]:
    """The gradient is right when its axes change places, or its numbers are put in order."""
    given = clue.gap.analytic
    for axes in permutations(range(given.ndim)) if 1 < given.ndim < 5 else ():
        moved = given.transpose(axes)
        if axes == tuple(range(given.ndim)):
            continue
        for shaped in (moved, moved.reshape(given.shape)):
            if shaped.shape == given.shape and _fits(clue, shaped):
                yield clue.finding("transpose", 0.95, "it is right when transposed")
                return
        # read in the order of other axes, where it should have been reshaped back
        inner = given.reshape(tuple(given.shape[a] for a in axes))
        if _fits(clue, inner.transpose(np.argsort(axes))):
            yield clue.finding("transpose", 0.95, "it was reshaped instead of transposed")
            return
    for axis in range(given.ndim):
        if _fits(clue, np.flip(given, axis)) or _fits(clue, np.flip(given)):
            yield clue.finding("transpose", 0.9, "its entries are in reverse order")
            return
    for axis in range(given.ndim):
        if any(_fits(clue, np.roll(given, shift, axis)) for shift in (-1, 1)):
            yield clue.finding("boundary", 0.8, f"it is shifted by one along axis {axis}")
            return
    if clue.whole and given.size > 3 and np.all(given) and _fits_sorted(clue):
        yield clue.finding("transpose", 0.6, "its entries are right, in another order")


def _fits_in(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Whether a shape is stretched to the target by broadcasting."""
    padded = (1,) * (len(target) - len(shape)) + shape
    return all(a in (1, b) for a, b in zip(padded, target)) and len(padded) == len(target)


def stretched(clue: Clue) -> Iterator[Finding]:
    """Of the inputs of an elementwise layer, only one that was stretched is wrong."""
    outputs = clue.base.run.outputs
    if clue.is_parameter or len(outputs) != 1 or len(clue.case.names) < 2:
        return
    shapes = [np.shape(x) for x in clue.base.run.inputs]
    target = outputs[0].shape
    if clue.gap.shape == target or target not in shapes or not _fits_in(clue.gap.shape, target):
        return
    if all(g.shape != outputs[0].shape for g in clue.base.gaps):
        text = f"shape {clue.gap.shape} was stretched to {outputs[0].shape}"
        yield clue.finding("broadcasting", 0.75, text)


def _fits(clue: Clue, array: np.ndarray) -> bool:
    off = abs(clue.given - clue.numeric)
    return clue.near(clue.at(array), clue.numeric, off)


def _fits_sorted(clue: Clue) -> bool:
    a, b = np.sort(clue.given), np.sort(clue.numeric)
    telling = abs(b) > 1e-6 * abs(b).max(initial=0)
    return bool(telling.sum() > 3) and clue.near(a, b, abs(clue.given - clue.numeric))


def turned_parameter(clue: Clue) -> Iterator[Finding]:
    """The gradient is right for a forward in which a square parameter is transposed."""
    subject, base = clue.case.subject, clue.base
    if clue.is_parameter or clue.case.large:
        return
    for name in subject.parameters:
        value = subject.get(name)
        if value.ndim != 2 or value.shape[0] != value.shape[1]:
            continue
        turned = subject.copy()
        turned.put(name, value.T.copy())
        point = Point(turned, clue.case.names, base.run.inputs, len(base.run.upstream))
        part = differentiate_at(point, clue.name, clue.part.index)
        if clue.explains(part.expected(base.run.flat_upstream)):
            yield clue.finding("transpose", 0.95, f"{name} is used where its transpose belongs")
            return
