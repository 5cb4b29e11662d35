"""Explanations by position and precision: edges, leftovers, rounding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handgrad.prove.diagnosis.hypothesis import Hypothesis
from handgrad.prove.verdict.evidence import Finding
from handgrad.prove.verdict.precision import kept_arrays, low_precision_state
from handgrad.prove.verdict.trial import fresh


def at_edges(hypothesis: Hypothesis) -> Iterator[Finding]:
    """Only entries at the ends of an axis are wrong, or at zeros, or a single one."""
    count = int(hypothesis.bad.sum())
    if count == 0 or count > 0.6 * hypothesis.bad.size or hypothesis.bad.size < 3:
        return
    assert hypothesis.base.point is not None
    value = hypothesis.base.point.value(hypothesis.name).reshape(-1)[hypothesis.part.index]
    if np.all(value[hypothesis.bad] == 0) and not np.all(value == 0):
        yield hypothesis.finding("boundary", "it is wrong exactly where the input is zero")
        return
    rest = ~hypothesis.bad
    off = abs(hypothesis.given - hypothesis.numeric)[rest].max(initial=0)
    if off > 1e-5 * abs(hypothesis.numeric).max():
        return  # the others are not right either, only less wrong
    positions = np.unravel_index(hypothesis.part.index[hypothesis.bad], hypothesis.mismatch.shape)
    if count == 1:
        end = int(np.prod(hypothesis.mismatch.shape)) - 1
        last = hypothesis.part.index[hypothesis.bad][0] == end and not moves(hypothesis)
        text = "only the last entry is wrong" if last else "a single entry is wrong"
        yield hypothesis.finding("boundary" if last else "wrong_formula", text)
        return
    for axis, (at, length) in enumerate(zip(positions, hypothesis.mismatch.shape)):
        ends = length > 2 and np.all((at == 0) | (at == length - 1))
        if ends and _moves(hypothesis, axis, length):
            return  # it is the values there that matter, not the position
        for end, text in ((length - 1, "last"), (0, "first")):
            if length > 2 and np.all(at == end):
                text = f"only the {text} along axis {axis} is wrong"
                yield (hypothesis.finding if end else hypothesis.guess)("boundary", text)
                return
        if length > 3 and np.all((at == 0) | (at == length - 1)):
            yield hypothesis.guess("boundary", f"only the ends of axis {axis} are wrong")
            return


def moves(hypothesis: Hypothesis) -> bool:
    """Whether the wrong entries lie at the ends of an axis for their values, not their position."""
    if not hypothesis.mismatch.shape:
        return False
    positions = np.unravel_index(hypothesis.part.index[hypothesis.bad], hypothesis.mismatch.shape)
    for axis, (at, length) in enumerate(zip(positions, hypothesis.mismatch.shape)):
        edges = length > 2 and np.all((at == 0) | (at == length - 1))
        if edges and _moves(hypothesis, axis, length):
            return True
    return False


def _moves(hypothesis: Hypothesis, axis: int, length: int) -> bool:
    """Whether entries inside are wrong too, when the values are moved."""
    case, inputs = hypothesis.case, hypothesis.base.run.inputs
    if case.large:
        return False
    for shift in (1, 2):
        rolled = [np.roll(x, shift, axis) if isinstance(x, np.ndarray) and x.ndim > axis
                  else fresh(x) for x in inputs]  # fmt: skip
        outcome = case.verify(rolled, effort=1e5)
        for mismatch in outcome.mismatches if outcome is not None else ():
            if mismatch.name != hypothesis.name or mismatch.part is None:
                continue
            if mismatch.shape == hypothesis.mismatch.shape:
                at = np.unravel_index(mismatch.part.index[mismatch.bad], mismatch.shape)[axis]
                if np.any((at > 0) & (at < length - 1)):
                    return True
    return False


def left_over(hypothesis: Hypothesis) -> Iterator[Finding]:
    """The difference is what the gradient already held before."""
    if not hypothesis.is_parameter:
        return
    before = hypothesis.case.subject.gradient(hypothesis.name)
    if before is None or before.shape != hypothesis.mismatch.shape or not np.any(before):
        return
    if hypothesis.explains(hypothesis.numeric + hypothesis.at(before)):
        yield hypothesis.finding("accumulates", "it was added to the gradient that was there")
    elif hypothesis.explains(hypothesis.at(before)):
        text = "it is not set: it is what it was before"
        yield hypothesis.finding("missing_param_grad", text)


def rounded(hypothesis: Hypothesis) -> Iterator[Finding]:
    """The gradient is the right one, rounded to integers or to half precision."""
    right = hypothesis.numeric
    with np.errstate(over="ignore"):
        half = right.astype(np.float16).astype(np.float64)
    if any(a.dtype == np.float16 for a in kept_arrays(hypothesis.case)):
        yield hypothesis.finding("dtype", "state is kept in half precision")
        return
    gradient = hypothesis.gradient
    kind = hypothesis.mismatch.analytic.dtype if gradient is None else gradient.dtype
    with np.errstate(all="ignore"):
        ratios = (hypothesis.given / right)[abs(right) > 1e-3 * abs(right).max(initial=0)]
    varied = len(ratios) > 1 and np.ptp(ratios) > 0.1 * abs(ratios - 1).max()
    if varied and np.all(abs(ratios - 1) < 3e-3) and low_precision_state(hypothesis.case):
        text = "it is off by rounding: state is kept in low precision"
        yield hypothesis.finding("dtype", text)
    telling = abs(right - np.round(right)).max(initial=0) > 1e-3
    for name, values in (("integers", np.trunc(right)), ("integers", np.round(right))):
        if telling and np.any(values) and abs(hypothesis.given - values).max(initial=0) < 1e-9:
            yield hypothesis.finding("dtype", f"it is the right one cut to {name}")
            return
    off, whole = abs(hypothesis.given - half), abs(hypothesis.given - right)
    if off.max(initial=0) <= 1e-2 * whole.max(initial=0) and np.any(half[hypothesis.bad]):
        yield hypothesis.finding("dtype", "it is the right one in half precision")
    elif kind.kind in "iub" or kind == np.float16:
        yield hypothesis.finding("dtype", f"its dtype is {kind}")
