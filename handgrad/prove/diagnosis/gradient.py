"""Second table: what was done to the right gradient, so that it became what backward gave."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations
from math import prod

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.diagnosis.hypothesis import Hypothesis
from handgrad.prove.verdict.evidence import Finding
from handgrad.prove.verdict.inputs import nearby
from handgrad.prove.verdict.precision import low_precision_state
from handgrad.prove.verdict.trial import same


def arranged(hypothesis: Hypothesis) -> Iterator[Finding]:
    """The elements are right, and lie otherwise."""
    for cause, sentence, undone in _rearranged(hypothesis.mismatch.analytic):
        if hypothesis.fits(undone):
            yield hypothesis.finding(cause, sentence)
            return
    right, left = np.sort(hypothesis.numeric), np.sort(hypothesis.given)
    telling = hypothesis.whole and np.all(left) and len(np.unique(abs(right).round(9))) > 3
    if telling and hypothesis.near(left, right, hypothesis.off):
        yield hypothesis.guess("wrong_formula", "its entries are right, in another order")


def misshapen(hypothesis: Hypothesis) -> Iterator[Finding]:
    """Of another shape: the elements lie otherwise, or have to be summed or cut."""
    given, shape = hypothesis.mismatch.analytic, hypothesis.shape
    says = f"the gradient has shape {given.shape}, and {hypothesis.name} has shape {shape}"
    if hypothesis.fits(given):
        yield hypothesis.finding("shape", f"{says}: the values are right")
        return
    for cause, sentence, undone in (*_rearranged(given), *_summed(given, hypothesis)):
        if hypothesis.fits(undone):
            yield hypothesis.finding(cause, f"{says}: {sentence}")
            return
    if given.size > prod(shape) and hypothesis.serves_batch:
        yield hypothesis.guess("missing_batch_sum", f"{says}: it was not summed")
    elif hypothesis.is_parameter:
        yield hypothesis.guess("wrong_axis", f"{says}: it was summed along another axis")
    yield hypothesis.guess("shape", says)


def _rearranged(given: Array) -> Iterator[tuple[str, str, Array]]:
    """The mistake, a sentence, and what the right gradient is if it was made."""
    for axes in list(permutations(range(given.ndim)))[1:] if given.ndim < 5 else ():
        yield "transpose", "it is right when transposed", given.transpose(axes)
        inner = given.reshape([given.shape[a] for a in axes]).transpose(np.argsort(axes))
        yield "transpose", "it was reshaped instead of transposed", inner
    for axis in (*range(given.ndim), None):
        yield "transpose", "its entries are in reverse order", np.flip(given, axis)


def _summed(given: Array, hypothesis: Hypothesis) -> Iterator[tuple[str, str, Array]]:
    cause = "missing_batch_sum" if hypothesis.serves_batch else "broadcasting"
    for count in range(1, given.ndim + 1):
        for axes in combinations(range(given.ndim), count):
            spelled = ", ".join(map(str, axes))
            yield cause, f"summed over axis {spelled} it is right", given.sum(axes)


def swapped(hypothesis: Hypothesis) -> Iterator[Finding]:
    """The gradient is that of another argument."""
    given, base = hypothesis.mismatch.analytic, hypothesis.base
    assert base.point is not None
    loss = all(u.size == 1 for u in hypothesis.upstream)
    if not hypothesis.misshapen and loss and hypothesis.explains(-hypothesis.numeric):
        return  # of y − t: the same
    for other, part in base.parts.items():
        if other == hypothesis.name or base.point.value(other).shape != given.shape:
            continue
        if not hypothesis.is_parameter and other in hypothesis.case.subject.parameters:
            continue
        right = part.expected(base.run.flat_upstream)
        there = given.reshape(-1)[part.index]
        if abs(there - right).max(initial=0) <= 1e-3 * abs(right).max(initial=1e-300):
            both = any(mismatch.name == other for mismatch in base.mismatches)
            told = hypothesis.finding if both else hypothesis.guess
            yield told("swapped_outputs", f"this is the gradient of {other}")
    unset = base.run.gradients.get(hypothesis.name) is None
    for other, elsewhere in base.run.gradients.items() if unset else ():
        if elsewhere is not None and other not in base.parts and hypothesis.fits(elsewhere):
            yield hypothesis.finding("swapped_outputs", f"it was given as that of {other}")


def absent(hypothesis: Hypothesis) -> Iterator[Finding]:
    """The gradient is zero, or was never given."""
    cause = "missing_param_grad" if hypothesis.is_parameter else "missing_term"
    if hypothesis.base.run.gradients.get(hypothesis.name) is None:
        what = "is never set" if hypothesis.is_parameter else "is missing: it is None"
    elif not np.any(hypothesis.mismatch.analytic):
        what = "is zero everywhere"
    else:
        return
    sure = hypothesis.is_parameter and not hypothesis.elsewhere
    yield (hypothesis.finding if sure else hypothesis.guess)(cause, f"the gradient {what}")


def not_finite(hypothesis: Hypothesis) -> Iterator[Finding]:
    """The gradient is NaN or infinite, and the right one is not."""
    if np.isfinite(hypothesis.numeric).all() and not np.isfinite(hypothesis.given).all():
        text = "it is NaN or infinite, where the right one is finite"
        yield hypothesis.finding("numeric_instability", text)


def scaled(hypothesis: Hypothesis) -> Iterator[Finding]:
    """Every entry is off by the same factor, here and at other inputs; or some are."""
    given, right, bad = hypothesis.given, hypothesis.numeric, hypothesis.bad
    telling = abs(right) > 1e-9 * abs(right).max(initial=0)
    if not np.any(given) or not bad.any() or (bad & ~telling).any():
        return
    ratio = float(given[bad] @ right[bad] / (right[bad] @ right[bad]))
    if not hypothesis.near(given[bad], ratio * right[bad], hypothesis.off):
        return
    every = bool(bad.sum() == telling.sum())
    if bad.sum() < 2 if not every else not _holds_elsewhere(hypothesis, ratio):
        return
    told = hypothesis.finding if every else hypothesis.guess
    entries = "every entry" if every else f"{int(bad.sum())} of {bad.size} entries"
    if abs(ratio) < 1e-9:
        yield told("missing_term", f"{entries} are zero and should not be")
    elif abs(ratio + 1) < 1e-3:
        yield told("wrong_sign", f"{entries} {'has' if every else 'have'} the opposite sign")
    else:
        text = f"{entries} {'is' if every else 'are'} {named(ratio, hypothesis)} times what "
        yield told("wrong_scale", f"{text}{'it' if every else 'they'} should be")


def _holds_elsewhere(hypothesis: Hypothesis, ratio: float) -> bool:
    """Whether the same factor explains the gradient at other inputs of the same shapes."""
    case, here = hypothesis.case, hypothesis.base.run.inputs
    if case.large:
        return True
    alike = [np.shape(x) for x in here] == [np.shape(x) for x in case.inputs]
    pairs = zip(case.names, here, case.inputs)
    if alike and not all(same(x, y) for n, x, y in pairs if n in case.wanted):
        return False  # at those that were given it is right
    outcome = case.verify(nearby(case, inputs=here), effort=1e5)
    if outcome is None or hypothesis.name not in outcome.parts:
        return True
    again = [m for m in outcome.mismatches if m.name == hypothesis.name and m.part is not None]
    return any(hypothesis.near(m.given, ratio * m.numeric, abs(m.given - m.numeric)) for m in again)


def named(ratio: float, hypothesis: Hypothesis) -> str:
    """A factor with what it may be: the length of an axis, or a size."""
    run = hypothesis.base.run
    arrays = [
        *zip(["output"] * len(run.outputs), run.outputs),
        *zip(hypothesis.case.names, run.inputs),
    ]
    axes = {
        f"the length of axis {k} of {name}": n
        for name, x in arrays
        for k, n in enumerate(np.shape(x))
    }
    sizes = axes | {f"the size of {name}": np.size(x) for name, x in arrays}
    for name, size in sizes.items():
        for value, text in ((size, name), (1 / max(size, 1), f"1 / {name}")):
            if size > 1 and abs(abs(ratio) - value) < 2e-3 * value:
                return f"{ratio:.6g} ({'-' if ratio < 0 else ''}{text})"
    return f"{ratio:.6g}"


def of_low_precision(hypothesis: Hypothesis) -> Iterator[Finding]:
    """The gradient is off by what rounding does to state that is kept."""
    right, given = hypothesis.numeric, hypothesis.given
    with np.errstate(all="ignore"):
        ratios = (given / right)[abs(right) > 1e-3 * abs(right).max(initial=0)]
    varied = len(ratios) > 1 and np.ptp(ratios) > 0.1 * abs(ratios - 1).max()
    if varied and np.all(abs(ratios - 1) < 3e-3) and low_precision_state(hypothesis.case):
        yield hypothesis.finding("dtype", "it is off by rounding: state is kept in low precision")


def in_slices(hypothesis: Hypothesis) -> Iterator[Finding]:
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
    for axis, (where, length) in enumerate(zip(at, hypothesis.shape)):
        wrong = np.unique(where[bad])
        text = _group(wrong, length) if length > 2 else ""
        if text == "only the last" and bad.mean() <= 0.6 and not _by_value(hypothesis, axis):
            yield hypothesis.finding("boundary", f"{text} along axis {axis} is wrong")
            return
        if text and bad[np.isin(where, wrong)].all():
            zero = not np.any(hypothesis.given[bad])
            cause = "missing_term" if zero else "wrong_formula"
            what = "is zero, and should not be" if zero else "is wrong"
            yield hypothesis.guess(cause, f"{text} along axis {axis} {what}")
            return


def _by_value(hypothesis: Hypothesis, axis: int) -> bool:
    """Whether entries before the last are wrong when the values are moved along an axis."""
    rolled = [np.roll(x, 1, axis) if isinstance(x, np.ndarray) and x.ndim > axis else x
              for x in hypothesis.base.run.inputs]  # fmt: skip
    outcome = None if hypothesis.case.large else hypothesis.case.verify(rolled, effort=1e5)
    for m in outcome.mismatches if outcome is not None else ():
        if m.name == hypothesis.name and m.part is not None and m.shape == hypothesis.shape:
            at = np.unravel_index(m.part.index[m.bad], m.shape)[axis]
            return bool(at.min() < m.shape[axis] - 1)
    return False


def _group(wrong: Array, length: int) -> str:
    """The numbers along an axis as an end, or as groups of equal lengths, if they are whole."""
    if len(wrong) == 1:
        ends = {0: "only the first", length - 1: "only the last"}
        return ends.get(int(wrong[0]), f"only index {wrong[0]}")
    if len(wrong) == length - 1:
        return f"all but index {(set(range(length)) - set(wrong)).pop()}"
    for groups in (g for g in range(2, length) if length % g == 0):
        mine = set(wrong // (length // groups))
        if len(wrong) == len(mine) * (length // groups) < length:
            return f"group {', '.join(map(str, sorted(mine)))} of {groups}"
    return ""
