"""Second table: what was done to the right gradient, so that it became what backward gave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, permutations, product
from math import prod

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.diagnosis.hypothesis import Hypothesis
from handgrad.prove.verdict.evidence import Finding
from handgrad.prove.verdict.inputs import nearby
from handgrad.prove.verdict.precision import kept_arrays, low_precision_state


def arranged(hypothesis: Hypothesis) -> Iterator[Finding]:
    """The elements are right, and lie otherwise; or are right when summed or cut."""
    given, shape = hypothesis.mismatch.analytic, hypothesis.shape
    says = f"the gradient has shape {given.shape}, and {hypothesis.name} has shape {shape}"
    summed = "missing_batch_sum" if hypothesis.serves_batch else "broadcasting"
    for cause, sentence, undone in _undone(given, shape):
        if hypothesis.fits(undone):
            text = f"{says}: {sentence}" if hypothesis.misshapen else sentence
            yield hypothesis.finding(cause or summed, text)
            return
    if not hypothesis.misshapen:
        right, left = np.sort(hypothesis.numeric), np.sort(hypothesis.given)
        telling = hypothesis.whole and np.all(given) and len(np.unique(abs(right).round(9))) > 3
        if telling and hypothesis.near(left, right, hypothesis.off):
            yield hypothesis.guess("transpose", "its entries are right, in another order")
        return
    if _is_piece(hypothesis):
        yield hypothesis.finding("shape", f"{says}: a part of it, with the right values")
    elif given.size > prod(shape) and hypothesis.serves_batch:
        yield hypothesis.guess("missing_batch_sum", f"{says}: it was not summed")
    elif hypothesis.is_parameter:
        yield hypothesis.guess("wrong_axis", f"{says}: it was summed along another axis")
    yield hypothesis.guess("shape", says)


def _undone(given: Array, shape: tuple[int, ...]) -> Iterator[tuple[str, str, Array]]:
    """The mistake, a sentence, and what the right gradient is if it was made."""
    if given.shape != shape:
        yield "shape", "the values are right", given
    for axes in list(permutations(range(given.ndim)))[1:] if given.ndim < 5 else ():
        yield "transpose", "it is right when transposed", given.transpose(axes)
        inner = given.reshape([given.shape[a] for a in axes]).transpose(np.argsort(axes))
        yield "transpose", "it was reshaped instead of transposed", inner
    for axes in (*range(given.ndim), None):
        yield "transpose", "its entries are in reverse order", np.flip(given, axes)
    for axis, shift in product(range(given.ndim), (-1, 1)):
        yield "boundary", f"it is shifted by one along axis {axis}", np.roll(given, shift, axis)
    for count in range(1, given.ndim + 1) if given.shape != shape else ():
        for axes in combinations(range(given.ndim), count):
            spelled = ", ".join(map(str, axes))
            yield "", f"summed over axis {spelled} it is right", given.sum(axes)


def _is_piece(hypothesis: Hypothesis) -> bool:
    """Whether one lies within the other: cut out, unexpanded, or with a rim that is too much."""
    given, shape = hypothesis.mismatch.analytic, hypothesis.shape
    if not hypothesis.whole or given.ndim != len(shape) or not given.size:
        return False
    right = np.empty(prod(shape))
    right[hypothesis.part.index] = hypothesis.numeric
    pairs = list(zip(given.shape, shape))
    if prod(abs(a - b) + 1 for a, b in pairs) > 1000:
        return False
    for start in product(*(range(abs(a - b) + 1) for a, b in pairs)):
        one, two = (tuple(slice(s, s + min(p)) if p[k] > min(p) else slice(None)
                          for s, p in zip(start, pairs)) for k in (0, 1))  # fmt: skip
        if hypothesis.near(given[one], right.reshape(shape)[two]):
            return True
    return False


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
    for other, elsewhere in base.run.gradients.items() if hypothesis.gradient is None else ():
        if elsewhere is not None and other not in base.parts and hypothesis.fits(elsewhere):
            yield hypothesis.finding("swapped_outputs", f"it was given as that of {other}")


def absent(hypothesis: Hypothesis) -> Iterator[Finding]:
    """The gradient is zero, or was never given."""
    cause = "missing_param_grad" if hypothesis.is_parameter else "missing_term"
    if hypothesis.gradient is None:
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


def left_over(hypothesis: Hypothesis) -> Iterator[Finding]:
    """The difference is what the gradient already held before."""
    subject, name = hypothesis.case.subject, hypothesis.name
    before = subject.gradient(name) if hypothesis.is_parameter else None
    if before is None or before.shape != hypothesis.shape or not np.any(before):
        return
    held = before.reshape(-1)[hypothesis.part.index]
    if hypothesis.explains(hypothesis.numeric + held):
        yield hypothesis.finding("accumulates", "it was added to the gradient that was there")
    elif hypothesis.explains(held):
        text = "it is not set: it is what it was before"
        yield hypothesis.finding("missing_param_grad", text)


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
    inputs = case.inputs if hypothesis.elsewhere and alike else nearby(case, inputs=here)
    outcome = case.verify(inputs, effort=1e5)
    if outcome is None or hypothesis.name not in outcome.parts:
        return True
    part = outcome.parts[hypothesis.name]
    right = part.expected(outcome.run.flat_upstream)
    gradient = outcome.run.gradients[hypothesis.name]
    assert gradient is not None
    given = gradient.reshape(-1)[part.index]
    return hypothesis.near(given, ratio * right, abs(given - right))


def named(ratio: float, hypothesis: Hypothesis) -> str:
    """A factor with what it may be: the length of an axis, or a size."""
    sizes = {"the number of outputs": len(hypothesis.base.run.outputs)}
    arrays = [("output", y) for y in hypothesis.base.run.outputs]
    arrays += zip(hypothesis.case.names, map(np.asarray, hypothesis.base.run.inputs))
    for name, array in arrays:
        for axis, length in enumerate(array.shape):
            sizes.setdefault(f"the length of axis {axis} of {name}", length)
    for name, array in arrays:
        sizes[f"the size of {name}"] = array.size
        sizes[f"the size of an image of {name}"] = prod(array.shape[2:])
        sizes[f"the size of a row of {name}"] = prod(array.shape[1:])
    for name, size in sizes.items():
        for value, text in ((size, name), (1 / max(size, 1), f"1 / {name}")):
            if size > 1 and abs(abs(ratio) - value) < 2e-3 * value:
                return f"{ratio:.6g} ({'-' if ratio < 0 else ''}{text})"
    return f"{ratio:.6g}"


def _half(right: Array) -> Array:
    with np.errstate(over="ignore"):
        return right.astype(np.float16).astype(np.float64)


ROUNDINGS: tuple[tuple[str, Callable[[Array], Array]], ...] = (
    ("cut to integers", np.trunc),
    ("rounded to integers", np.round),
    ("in half precision", _half),
)


def rounded(hypothesis: Hypothesis) -> Iterator[Finding]:
    """The gradient is the right one, rounded to integers or to half precision."""
    right, given = hypothesis.numeric, hypothesis.given
    kind = np.asarray(hypothesis.gradient).dtype
    with np.errstate(all="ignore"):
        ratios = (given / right)[abs(right) > 1e-3 * abs(right).max(initial=0)]
    varied = len(ratios) > 1 and np.ptp(ratios) > 0.1 * abs(ratios - 1).max()
    if any(a.dtype == np.float16 for a in kept_arrays(hypothesis.case)):
        yield hypothesis.finding("dtype", "state is kept in half precision")
    elif varied and np.all(abs(ratios - 1) < 3e-3) and low_precision_state(hypothesis.case):
        yield hypothesis.finding("dtype", "it is off by rounding: state is kept in low precision")
    else:
        for text, change in ROUNDINGS:
            values = change(right)
            near = abs(given - values).max(initial=0) <= 1e-2 * hypothesis.off.max(initial=0)
            if near and np.any(values[hypothesis.bad]):
                yield hypothesis.finding("dtype", f"it is the right one {text}")
                return
        if kind.kind in "iub" or kind == np.float16:  # object, of one that was never set
            yield hypothesis.finding("dtype", f"its dtype is {kind}")
