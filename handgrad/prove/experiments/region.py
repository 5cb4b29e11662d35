"""Explanations by place and precision: edges, leftovers, rounding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handgrad.prove.experiments.evidence import Clue
from handgrad.prove.parameters import owners
from handgrad.prove.report import Finding
from handgrad.prove.trial import Case, fresh


def at_edges(clue: Clue) -> Iterator[Finding]:
    """Only entries at the ends of an axis are wrong, or at zeros, or a single one."""
    count = int(clue.bad.sum())
    if count == 0 or count > 0.6 * clue.bad.size or clue.bad.size < 3:
        return
    assert clue.base.point is not None
    value = clue.base.point.value(clue.name).reshape(-1)[clue.part.index]
    if np.all(value[clue.bad] == 0) and not np.all(value == 0):
        yield clue.finding("boundary", 0.85, "it is wrong exactly where the input is zero")
        return
    rest = ~clue.bad
    if abs(clue.given - clue.numeric)[rest].max(initial=0) > 1e-5 * abs(clue.numeric).max():
        return  # the others are not right either, only less wrong
    places = np.unravel_index(clue.part.index[clue.bad], clue.gap.shape)
    if count == 1:
        last = clue.part.index[clue.bad][0] == int(np.prod(clue.gap.shape)) - 1 and not moves(clue)
        text = "only the last entry is wrong" if last else "a single entry is wrong"
        yield clue.finding(*(("boundary", 0.86) if last else ("wrong_formula", 0.86)), text)
        return
    for axis, (at, length) in enumerate(zip(places, clue.gap.shape)):
        ends = length > 2 and np.all((at == 0) | (at == length - 1))
        if ends and _moves(clue, axis, length):
            return  # it is the values there that matter, not the place
        for end, text in ((length - 1, "last"), (0, "first")):
            if length > 2 and np.all(at == end):
                weight = 0.86 if end else 0.55
                text = f"only the {text} along axis {axis} is wrong"
                yield clue.finding("boundary", weight, text)
                return
        if length > 3 and np.all((at == 0) | (at == length - 1)):
            yield clue.finding("boundary", 0.7, f"only the ends of axis {axis} are wrong")
            return


def moves(clue: Clue) -> bool:
    """Whether the wrong entries lie at the ends of an axis for their values, not their place."""
    if not clue.gap.shape:
        return False
    places = np.unravel_index(clue.part.index[clue.bad], clue.gap.shape)
    for axis, (at, length) in enumerate(zip(places, clue.gap.shape)):
        if length > 2 and np.all((at == 0) | (at == length - 1)) and _moves(clue, axis, length):
            return True
    return False


def _moves(clue: Clue, axis: int, length: int) -> bool:
    """Whether entries inside are wrong too, when the values change places."""
    case, inputs = clue.case, clue.base.run.inputs
    if case.large:
        return False
    for shift in (1, 2):
        rolled = [np.roll(x, shift, axis) if isinstance(x, np.ndarray) and x.ndim > axis
                  else fresh(x) for x in inputs]  # fmt: skip
        outcome = case.verify(rolled, effort=1e5)
        for gap in outcome.gaps if outcome is not None else ():
            if gap.name == clue.name and gap.part is not None and gap.shape == clue.gap.shape:
                at = np.unravel_index(gap.part.index[gap.bad], gap.shape)[axis]
                if np.any((at > 0) & (at < length - 1)):
                    return True
    return False


def left_over(clue: Clue) -> Iterator[Finding]:
    """The difference is what the gradient already held before."""
    if not clue.is_parameter:
        return
    before = clue.case.subject.gradient(clue.name)
    if before is None or before.shape != clue.gap.shape or not np.any(before):
        return
    if clue.explains(clue.numeric + clue.at(before)):
        yield clue.finding("accumulates", 0.97, "it was added to the gradient that was there")
    elif clue.explains(clue.at(before)):
        yield clue.finding("missing_param_grad", 0.9, "it is not set: it is what it was before")


def low_precision_state(case: Case) -> bool:
    """Whether forward or backward keeps float16 or float32 arrays, among float64 ones."""
    return any(_cut(a) for a in _kept(case))


def _kept(case: Case) -> list[np.ndarray]:
    """The real arrays that a subject holds after a forward and a backward, and its outputs."""
    used = case.subject.copy()
    run = case.run(start=used, keep=True)
    held = [v for owner in owners(used.thing) for v in vars(owner).values()]
    return [v for v in held + run.outputs if isinstance(v, np.ndarray) and v.dtype.kind == "f"]


def _cut(array: np.ndarray) -> bool:
    """Whether an array's numbers all fit in fewer digits, as computed ones would not."""
    telling = array[array != np.round(array * 64) / 64]
    return bool(telling.size > 1 and np.all(telling == telling.astype(np.float32)))


def rounded(clue: Clue) -> Iterator[Finding]:
    """The gradient is the right one, rounded to integers or to half precision."""
    right = clue.numeric
    with np.errstate(over="ignore"):
        half = right.astype(np.float16).astype(np.float64)
    if any(a.dtype == np.float16 for a in _kept(clue.case)):
        yield clue.finding("dtype", 0.94, "state is kept in half precision")
        return
    gradient = clue.base.run.gradients[clue.name]
    kind = clue.gap.analytic.dtype if gradient is None else gradient.dtype
    with np.errstate(all="ignore"):
        ratios = (clue.given / right)[abs(right) > 1e-3 * abs(right).max(initial=0)]
    varied = len(ratios) > 1 and np.ptp(ratios) > 0.1 * abs(ratios - 1).max()
    if varied and np.all(abs(ratios - 1) < 3e-3) and low_precision_state(clue.case):
        yield clue.finding("dtype", 0.92, "it is off by rounding: state is kept in low precision")
    telling = abs(right - np.round(right)).max(initial=0) > 1e-3
    for name, values in (("integers", np.trunc(right)), ("integers", np.round(right))):
        if telling and np.any(values) and abs(clue.given - values).max(initial=0) < 1e-9:
            yield clue.finding("dtype", 0.9, f"it is the right one cut to {name}")
            return
    if abs(clue.given - half).max(initial=0) <= 1e-2 * abs(clue.given - right).max(initial=0):
        yield clue.finding("dtype", 0.96, "it is the right one in half precision")
    elif kind.kind in "iub" or kind == np.float16:
        yield clue.finding("dtype", 0.9, f"its dtype is {kind}")
