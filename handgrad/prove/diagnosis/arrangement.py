"""Explanations by arrangement: the right elements in the wrong shape, order or position."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations, product

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.diagnosis.hypothesis import Hypothesis
from handgrad.prove.measure.compare import signs
from handgrad.prove.measure.numeric import quick
from handgrad.prove.measure.point import Point, differentiate_at
from handgrad.prove.verdict.evidence import Finding


def misshapen(hypothesis: Hypothesis) -> Iterator[Finding]:
    """The gradient has another shape than what it is the gradient of."""
    given, shape = hypothesis.mismatch.analytic, hypothesis.mismatch.shape
    says = f"the gradient has shape {given.shape}, and {hypothesis.name} has shape {shape}"
    if given.size == int(np.prod(shape)):
        for axes in permutations(range(given.ndim)) if 1 < given.ndim < 5 else ():
            moved = given.transpose(axes)
            other = axes != tuple(range(given.ndim))
            if other and moved.shape == shape and _equal(hypothesis, moved):
                yield hypothesis.finding("transpose", f"{says}: it is transposed")
                return
        if _equal(hypothesis, given):
            yield hypothesis.finding("shape", f"{says}, with the right values")
            return
    yield from swapped(hypothesis)
    summed = _summed(hypothesis)
    if summed is not None:
        cause = "missing_batch_sum" if hypothesis.serves_batch else "broadcasting"
        yield hypothesis.finding(cause, f"{says}; {summed}")
    elif _is_piece(hypothesis):
        yield hypothesis.finding("shape", f"{says}: a part of it, with the right values")
    elif given.size > int(np.prod(shape)) and hypothesis.serves_batch:
        yield hypothesis.guess("missing_batch_sum", f"{says}: it was not summed")
    elif hypothesis.is_parameter:
        yield hypothesis.guess("wrong_axis", f"{says}: it was summed along another axis")
    yield hypothesis.guess("shape", says)


def _is_piece(hypothesis: Hypothesis) -> bool:
    """Whether one lies within the other: cut out, unexpanded, or with a rim that is too much."""
    given, shape = hypothesis.mismatch.analytic, hypothesis.mismatch.shape
    if not hypothesis.whole or given.ndim != len(shape) or not given.size:
        return False
    right = np.empty(int(np.prod(shape)))
    right[hypothesis.part.index] = hypothesis.numeric
    right = right.reshape(shape)
    offsets = [range(abs(a - b) + 1) for a, b in zip(given.shape, shape)]
    if np.prod([len(o) for o in offsets]) > 1000:
        return False
    for start in product(*offsets):
        common = [min(a, b) for a, b in zip(given.shape, shape)]
        one = [slice(s, s + n) if a > n else slice(0, n)
               for s, n, a in zip(start, common, given.shape)]  # fmt: skip
        two = [slice(s, s + n) if a > n else slice(0, n) for s, n, a in zip(start, common, shape)]
        if hypothesis.near(given[tuple(one)], right[tuple(two)]):
            return True
    return False


def _equal(hypothesis: Hypothesis, array: np.ndarray) -> bool:
    return hypothesis.near(hypothesis.at(array.astype(np.float64)), hypothesis.numeric)


def _summed(hypothesis: Hypothesis) -> str | None:
    """Which axes have to be summed to give the right numbers, in words."""
    given, shape = hypothesis.mismatch.analytic, hypothesis.mismatch.shape
    for count in range(1, given.ndim + 1):
        for axes in combinations(range(given.ndim), count):
            total = given.sum(axis=axes)
            if total.size == int(np.prod(shape)) and _equal(hypothesis, total):
                spelled = ", ".join(map(str, axes))
                return f"summed over axis {spelled} it is right"
    return None


def swapped(hypothesis: Hypothesis) -> Iterator[Finding]:
    """The gradient is that of another argument."""
    analytic = hypothesis.mismatch.analytic
    for other, part in hypothesis.base.parts.items():
        if other == hypothesis.name or analytic.size <= int(part.index.max(initial=-1)):
            continue
        if not hypothesis.is_parameter and other in hypothesis.case.subject.parameters:
            continue
        assert hypothesis.base.point is not None
        if hypothesis.base.point.value(other).shape != analytic.shape:
            continue
        right = part.expected(hypothesis.base.run.flat_upstream)
        given = analytic.reshape(-1)[part.index]
        off = abs(given - right).max(initial=0)
        if off <= 1e-3 * abs(right).max(initial=1e-300) and (
            hypothesis.mismatch.shape != analytic.shape
            or not hypothesis.near(hypothesis.numeric, hypothesis.given)
        ):
            loss = all(u.size == 1 for u in hypothesis.upstream)
            negative = loss and hypothesis.explains(-hypothesis.numeric)  # of y - t: the same
            both = any(mismatch.name == other for mismatch in hypothesis.base.mismatches)
            told = hypothesis.finding if both and not negative else hypothesis.guess
            yield told("swapped_outputs", f"this is the gradient of {other}")


def transposed(hypothesis: Hypothesis) -> Iterator[Finding]:
    """The gradient is right when its axes are exchanged, or its elements put in order."""
    given = hypothesis.mismatch.analytic
    for axes in permutations(range(given.ndim)) if 1 < given.ndim < 5 else ():
        moved = given.transpose(axes)
        if axes == tuple(range(given.ndim)):
            continue
        for shaped in (moved, moved.reshape(given.shape)):
            if shaped.shape == given.shape and _fits(hypothesis, shaped):
                yield hypothesis.finding("transpose", "it is right when transposed")
                return
        # read in the order of other axes, where it should have been reshaped back
        inner = given.reshape(tuple(given.shape[a] for a in axes))
        if _fits(hypothesis, inner.transpose(np.argsort(axes))):
            yield hypothesis.finding("transpose", "it was reshaped instead of transposed")
            return
    for axis in range(given.ndim):
        if _fits(hypothesis, np.flip(given, axis)) or _fits(hypothesis, np.flip(given)):
            yield hypothesis.finding("transpose", "its entries are in reverse order")
            return
    for axis in range(given.ndim):
        if any(_fits(hypothesis, np.roll(given, shift, axis)) for shift in (-1, 1)):
            yield hypothesis.finding("boundary", f"it is shifted by one along axis {axis}")
            return
    if hypothesis.whole and given.size > 3 and np.all(given) and _fits_sorted(hypothesis):
        yield hypothesis.guess("transpose", "its entries are right, in another order")


def _fits_in(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Whether a shape is stretched to the target by broadcasting."""
    padded = (1,) * (len(target) - len(shape)) + shape
    return all(a in (1, b) for a, b in zip(padded, target)) and len(padded) == len(target)


def stretched(hypothesis: Hypothesis) -> Iterator[Finding]:
    """Of the inputs of an elementwise layer, only one that was stretched is wrong."""
    outputs = hypothesis.base.run.outputs
    if hypothesis.serves_batch or len(outputs) != 1:
        return
    shapes = [np.shape(x) for x in hypothesis.base.run.inputs]
    target = outputs[0].shape
    if hypothesis.mismatch.shape == target or not _fits_in(hypothesis.mismatch.shape, target):
        return
    if all(g.shape != target for g in hypothesis.base.mismatches):
        text = f"shape {hypothesis.mismatch.shape} was stretched to {target}"
        if _right_unstretched(hypothesis, target):
            yield hypothesis.finding("broadcasting", f"{text}; for equal shapes it is right")
        elif target in shapes:
            yield hypothesis.guess("broadcasting", text)


def _right_unstretched(hypothesis: Hypothesis, target: tuple[int, ...]) -> bool:
    """Whether the gradients are right when no input has to be stretched."""
    inputs = [np.broadcast_to(x, target) * hypothesis.case.rng.uniform(0.8, 1.2, target)
              if np.asarray(x).dtype.kind == "f" and _fits_in(np.shape(x), target) else x
              for x in hypothesis.base.run.inputs]  # fmt: skip
    outcome = hypothesis.case.verify(inputs)
    equal = outcome is not None and all(y.shape == target for y in outcome.run.outputs)
    return outcome is not None and equal and not outcome.mismatches


def _fits(hypothesis: Hypothesis, array: np.ndarray) -> bool:
    off = abs(hypothesis.given - hypothesis.numeric)
    return hypothesis.near(hypothesis.at(array), hypothesis.numeric, off)


def _fits_sorted(hypothesis: Hypothesis) -> bool:
    a, b = np.sort(hypothesis.given), np.sort(hypothesis.numeric)
    off = abs(hypothesis.given - hypothesis.numeric)
    return len(np.unique(abs(b).round(9))) > 3 and hypothesis.near(a, b, off)


def transposed_parameter(hypothesis: Hypothesis) -> Iterator[Finding]:
    """The gradient is right for a forward in which a square parameter is transposed."""
    subject, base = hypothesis.case.subject, hypothesis.base
    if hypothesis.is_parameter or hypothesis.case.large:
        return
    for name in subject.parameters:
        value = subject.get(name)
        for other, what in _rearranged(value) if value.size < 10_000 else ():
            changed = subject.copy()
            changed.put(name, other)
            point = Point(changed, hypothesis.case.names, base.run.inputs, len(base.run.upstream))
            if not _agrees_once(hypothesis, point):
                continue
            part = differentiate_at(point, hypothesis.name, hypothesis.part.index)
            if hypothesis.explains(part.expected(base.run.flat_upstream)):
                yield hypothesis.finding("transpose", f"{name} is {what}")
                return


def _rearranged(value: Array) -> Iterator[tuple[Array, str]]:
    """What a parameter becomes when it is transposed, or reshaped instead; also undone."""
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


def _agrees_once(hypothesis: Hypothesis, point: Point) -> bool:
    """Whether backward's gradient fits the derivative along one direction: a cheap first look."""
    move = signs(np.random.default_rng(3), point.value(hypothesis.name))
    derivative = quick(point.along({hypothesis.name: move}), point.step() / 10, point.noise)[0]
    given = hypothesis.mismatch.analytic * move
    off = abs(derivative @ hypothesis.base.run.flat_upstream - given.sum())
    return bool(off <= 1e-3 * np.sqrt((given**2).sum()))
