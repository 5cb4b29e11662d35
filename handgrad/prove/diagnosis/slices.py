"""Which slices of a gradient are wrong: an end, a group, one number, or where the input is zero."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.diagnosis.hypothesis import Hypothesis
from handgrad.prove.verdict.evidence import Finding
from handgrad.prove.verdict.trial import fresh


def wrong_slices(hypothesis: Hypothesis) -> Iterator[Finding]:
    """Some entries are wrong, and all others right: which?"""
    bad, right = hypothesis.bad, hypothesis.numeric
    if not bad.any() or bad.size < 3 or bad.all():
        return
    assert hypothesis.base.point is not None
    value = hypothesis.base.point.value(hypothesis.name).reshape(-1)[hypothesis.part.index]
    if np.all(value[bad] == 0) and np.any(value) and bad.mean() <= 0.6:
        yield hypothesis.finding("boundary", "it is wrong exactly where the input is zero")
        return
    if hypothesis.off[~bad].max() > 1e-5 * abs(right).max():
        return  # the others are not right either, only less wrong
    at = np.unravel_index(hypothesis.part.index, hypothesis.shape)
    if bad.sum() == 1:
        last = hypothesis.part.index[bad][0] == hypothesis.part.index.max()
        last &= not any(_by_value(hypothesis, a) for a in range(len(at)))
        text = "only the last entry is wrong" if last else "a single entry is wrong"
        told = hypothesis.finding if last else hypothesis.guess
        yield told("boundary" if last else "wrong_formula", text)
        return
    for axis, (where, length) in enumerate(zip(at, hypothesis.shape)):
        wrong = np.unique(where[bad])
        if length < 3 or len(wrong) == length:
            continue
        ends = np.isin(wrong, (0, length - 1)).all()
        if ends and bad.mean() <= 0.6:
            if _by_value(hypothesis, axis):
                return  # it is the values there that matter, not the position
            text = {(0,): "the first", (length - 1,): "the last"}.get(tuple(wrong), "the ends")
            told = hypothesis.finding if text == "the last" else hypothesis.guess
            yield told("boundary", f"only {text} along axis {axis} is wrong")
            return
        text = _group(wrong, length)
        if text and bad[np.isin(where, wrong)].all():
            zero = not np.any(hypothesis.given[bad])
            what = "is zero, and should not be" if zero else "is wrong"
            cause = "missing_term" if zero else "wrong_formula"
            yield hypothesis.guess(cause, f"{text} along axis {axis} {what}")
            return


def _group(wrong: Array, length: int) -> str:
    """The numbers along an axis as groups of equal lengths, if they are whole ones."""
    if len(wrong) in (1, length - 1):
        one = wrong[0] if len(wrong) == 1 else (set(range(length)) - set(wrong)).pop()
        return f"only number {one}" if len(wrong) == 1 else f"all but number {one}"
    for groups in (g for g in range(2, length) if length % g == 0):
        mine = set(wrong // (length // groups))
        if len(wrong) == len(mine) * (length // groups):
            spelled = ", ".join(map(str, sorted(mine)))
            return f"group {spelled} of {groups}"
    return ""


def _by_value(hypothesis: Hypothesis, axis: int) -> bool:
    """Whether entries inside are wrong too, when the values are moved along an axis."""
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
            if mismatch.shape == hypothesis.shape:
                at = np.unravel_index(mismatch.part.index[mismatch.bad], mismatch.shape)[axis]
                if np.any((at > 0) & (at < mismatch.shape[axis] - 1)):
                    return True
    return False
