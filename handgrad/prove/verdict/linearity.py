"""backward is linear in the upstream gradient: doubled, it doubles; zero, it is zero."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.measure.point import DOUBLE, Part
from handgrad.prove.verdict.chance import close
from handgrad.prove.verdict.evidence import Finding
from handgrad.prove.verdict.trial import Case, Outcome, vanishing

Gradients = dict[str, Array]


def linear(case: Case, base: Outcome) -> Iterator[Finding]:
    """Sums, zero, parts and large multiples of upstream gradients."""
    if case.subject.upstream_count(1) == 0:
        return
    first = base.run.upstream
    second = case.upstream(first)
    tolerance = 1e-7 if base.point and base.point.noise == DOUBLE else 1e-3
    one, two = _given(case, first), _given(case, second)
    zero = _given(case, [0 * u for u in first])
    for name, gradient in one.items():
        if name not in two or name not in zero or not np.any(gradient):
            continue
        if close(gradient, two[name], tolerance) and np.any(zero[name]):
            text = f"d{name} does not depend on the upstream gradient at all."
            yield Finding("upstream_ignored", text, name)
            return
        if abs(zero[name]).max(initial=0) > tolerance * abs(gradient).max(initial=0):
            text = f"d{name} is not zero when the upstream gradient is."
            yield Finding("upstream_ignored", text, name)
            return
    yield from _unused(case, base)
    if tolerance < 1e-3:
        yield from _rounded(one, two, _given(case, [a + b for a, b in zip(first, second)]))
    yield from _combined(case, first, second, one, two, tolerance)


def _unused(case: Case, base: Outcome) -> Iterator[Finding]:
    """With several outputs: one whose upstream gradient makes no difference to anything."""
    upstream = base.run.upstream
    for k in range(len(upstream)) if base.mismatches and len(upstream) > 1 else ():
        without = _given(case, [0 * u if j == k else u for j, u in enumerate(upstream)])
        whole = _given(case, upstream)
        if all(close(whole[n], without[n]) for n in whole):
            text = f"The upstream gradient of output {k} is not used."
            yield Finding("upstream_ignored", text)


def _rounded(one: Gradients, two: Gradients, both: Gradients) -> Iterator[Finding]:
    """A sum that is off by the rounding of single precision, in double."""
    for name, gradient in both.items():
        if name in one and name in two and gradient.dtype == np.float64:
            off = abs(one[name] + two[name] - gradient).max(initial=0)
            size = abs(one[name]).max(initial=0) + abs(two[name]).max(initial=0)
            if 1e-9 * size < off < 1e-6 * size:
                text = f"d{name} is computed with the rounding of float32, not of float64."
                yield Finding("dtype", text, name)


def _combined(case, first, second, one: Gradients, two: Gradients, tolerance: float):
    mixed = _given(case, [0.75 * a - 1.25 * b for a, b in zip(first, second)])
    sums = {n: 0.75 * one[n] - 1.25 * two[n] for n in one if n in two}
    sentence = "of a sum of upstream gradients is not the sum of its values"
    yield from _differs(mixed, sums, tolerance, sentence)
    for factor in (1e5, 1e-5, -1.0):
        scaled = _given(case, [factor * a for a in first])
        sentence = f"is not {factor:g} times as large when the upstream gradient is"
        yield from _differs(scaled, {n: factor * g for n, g in one.items()}, tolerance, sentence)


def _differs(given: Gradients, right: Gradients, tolerance: float, sentence: str):
    for name, gradient in right.items():
        if name in given and not close(given[name], gradient, tolerance):
            yield Finding("upstream_ignored", f"d{name} {sentence}.", name)
            return


def _given(case: Case, upstream: list[Array]) -> Gradients:
    gradients = case.run(upstream=upstream).gradients
    nothing = vanishing(gradients)
    real = {n: g for n, g in gradients.items() if g is not None and g.dtype.kind == "f"}
    return {n: g for n, g in real.items() if n not in nothing}


def slight(case: Case, base: Outcome) -> Iterator[Finding]:
    """A factor so close to one that every entry alone would pass: but it is the same in all."""
    if base.point is None or base.point.noise != DOUBLE or base.mismatches or case.subject.rtol:
        return
    upstream = base.run.flat_upstream
    for name in base.parts:
        gradient = base.run.gradients[name]
        if gradient is None or gradient.size < 3:
            continue
        flat, part = gradient.reshape(-1), base.parts[name]
        entries = part.index[np.argsort(-abs(flat[part.index]))[:6]]
        if not _all_off(flat, part, upstream):
            continue
        best = [base.point.careful(name, int(k)) for k in entries]
        low, high = np.array([b.range(upstream) for b in best]).T
        right = (low + high) / 2
        doubt = np.array([b.error @ abs(upstream) for b in best]) + high - low  # a kink
        if not np.all(right) or np.ptp(abs(right)) < 1e-3 * abs(right).max():
            continue
        off = flat[entries] / right - 1
        factor = float(np.median(off))
        sure = np.all(doubt < 0.01 * abs(factor * right))
        if 1e-5 < abs(factor) < 1e-2 and sure and np.all(abs(off - factor) < 0.01 * abs(factor)):
            text = f"d{name}: every entry is {1 + factor:.9g} times what it should be."
            yield Finding("wrong_scale", text, name)


def _all_off(flat: Array, part: Part, upstream: Array) -> bool:
    """Whether no entry of notable size is right to seven digits: else there is no factor."""
    right = part.expected(upstream)
    notable = abs(right) > 1e-3 * abs(right).max(initial=0)
    off = abs(flat[part.index] - right) > 1e-6 * abs(right) + part.doubt(upstream)
    return bool(np.all(off[notable]))
