"""Explanations by arrangement: right numbers in the wrong shape, order or place."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations, product

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.compare import signs
from handgrad.prove.experiments.evidence import Clue
from handgrad.prove.numeric import quick
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
        cause = "missing_batch_sum" if clue.serves_batch else "broadcasting"
        yield clue.finding(cause, 0.95, f"{says}; {summed}")
    elif _is_piece(clue):
        yield clue.finding("shape", 0.9, f"{says}: a part of it, with the right numbers")
    elif given.size > int(np.prod(shape)) and clue.serves_batch:
        yield clue.finding("missing_batch_sum", 0.6, f"{says}: it was not summed")
    elif clue.is_parameter:
        yield clue.finding("wrong_axis", 0.6, f"{says}: it was summed along another axis")
    yield clue.finding("shape", 0.5, says)


def _is_piece(clue: Clue) -> bool:
    """Whether one lies within the other: cut out, unexpanded, or with a rim that is too much."""
    given, shape = clue.gap.analytic, clue.gap.shape
    if not clue.whole or given.ndim != len(shape) or not given.size:
        return False
    right = np.empty(int(np.prod(shape)))
    right[clue.part.index] = clue.numeric
    right = right.reshape(shape)
    offsets = [range(abs(a - b) + 1) for a, b in zip(given.shape, shape)]
    if np.prod([len(o) for o in offsets]) > 1000:
        return False
    for start in product(*offsets):
        common = [min(a, b) for a, b in zip(given.shape, shape)]
        one = [slice(s, s + n) if a > n else slice(0, n)
               for s, n, a in zip(start, common, given.shape)]  # fmt: skip
        two = [slice(s, s + n) if a > n else slice(0, n) for s, n, a in zip(start, common, shape)]
        if clue.near(given[tuple(one)], right[tuple(two)]):
            return True
    return False


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
    if clue.serves_batch or len(outputs) != 1:
        return
    shapes = [np.shape(x) for x in clue.base.run.inputs]
    target = outputs[0].shape
    if clue.gap.shape == target or not _fits_in(clue.gap.shape, target):
        return
    if all(g.shape != target for g in clue.base.gaps):
        text = f"shape {clue.gap.shape} was stretched to {target}"
        if _right_unstretched(clue, target):
            yield clue.finding("broadcasting", 0.96, f"{text}; for equal shapes it is right")
        elif target in shapes:
            yield clue.finding("broadcasting", 0.75, text)


def _right_unstretched(clue: Clue, target: tuple[int, ...]) -> bool:
    """Whether the gradients are right when no input has to be stretched."""
    inputs = [np.broadcast_to(x, target) * clue.case.rng.uniform(0.8, 1.2, target)
              if np.asarray(x).dtype.kind == "f" and _fits_in(np.shape(x), target) else x
              for x in clue.base.run.inputs]  # fmt: skip
    outcome = clue.case.verify(inputs)
    equal = outcome is not None and all(y.shape == target for y in outcome.run.outputs)
    return outcome is not None and equal and not outcome.gaps


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
        for other, what in _turned(value) if value.size < 10_000 else ():
            turned = subject.copy()
            turned.put(name, other)
            point = Point(turned, clue.case.names, base.run.inputs, len(base.run.upstream))
            if not _agrees_once(clue, point):
                continue
            part = differentiate_at(point, clue.name, clue.part.index)
            if clue.explains(part.expected(base.run.flat_upstream)):
                yield clue.finding("transpose", 0.95, f"{name} is {what}")
                return


def _turned(value: Array) -> Iterator[tuple[Array, str]]:
    """What a parameter becomes when it is transposed, reshaped for transposed, or not turned."""
    for axes in permutations(range(value.ndim)) if 1 < value.ndim < 5 else ():
        if axes == tuple(range(value.ndim)):
            continue
        back = np.argsort(axes)
        if value.transpose(axes).shape == value.shape:
            yield value.transpose(axes).copy(), "used where its transpose belongs"
        inner = value.reshape(tuple(value.shape[a] for a in axes)).transpose(back)
        yield inner.copy(), "reshaped where it has to be transposed"
    if value.ndim > 2:
        yield np.flip(value, (-1, -2)).copy(), "rotated, or not, where the other belongs"


def _agrees_once(clue: Clue, point: Point) -> bool:
    """Whether backward's gradient fits the derivative along one direction: a cheap first look."""
    move = signs(np.random.default_rng(3), point.value(clue.name))
    slope = quick(point.along({clue.name: move}), point.step() / 10, point.noise)[0]
    given = clue.gap.analytic * move
    off = abs(slope @ clue.base.run.flat_upstream - given.sum())
    return bool(off <= 1e-3 * np.sqrt((given**2).sum()))
