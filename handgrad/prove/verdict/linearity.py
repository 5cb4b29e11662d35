"""backward is linear in the upstream gradient: doubled, it doubles; zero, it is zero."""

from __future__ import annotations

from collections.abc import Iterator

from handgrad.arrays import Array
from handgrad.prove.measure.point import DOUBLE
from handgrad.prove.verdict.evidence import Finding
from handgrad.prove.verdict.trial import Case, Outcome, close, vanishing

Gradients = dict[str, Array]


def linear(case: Case, base: Outcome) -> Iterator[Finding]:
    """Sums, zero, parts and large multiples of upstream gradients."""
    if case.subject.upstream_count(1) == 0:
        return
    first = base.run.upstream
    second = case.upstream(first)
    one, two = _given(case, first), _given(case, second)
    tolerance = 1e-7 if base.point and base.point.noise == DOUBLE else 1e-3
    zero = _given(case, [0 * u for u in first])
    for name, gradient in one.items():
        left = abs(zero[name]).max(initial=0) if name in zero and name in two else 0.0
        if left > tolerance * abs(gradient).max(initial=0):
            alike = close(gradient, two[name], tolerance)
            text = "does not depend on it at all" if alike else "is not zero when it is"
            yield Finding("upstream_ignored", f"The upstream gradient: d{name} {text}.", name)
            return
    yield from _unused(case, base)
    both = _given(case, [a + b for a, b in zip(first, second)])
    if tolerance < 1e-3:
        yield from _rounded(one, two, both)
    sums = {n: one[n] + two[n] for n in one if n in two}
    yield from _differs(both, sums, tolerance, "of a sum of upstream gradients is not the sum")
    for factor in (1e5, 1e-5, -1.0):
        scaled = _given(case, [factor * a for a in first])
        sentence = f"is not {factor:g} times as large when the upstream gradient is"
        yield from _differs(scaled, {n: factor * g for n, g in one.items()}, tolerance, sentence)


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
    """A sum that is off by the rounding of single or half precision, in double."""
    for name in [n for n in both if n in one and n in two]:
        off = abs(one[name] + two[name] - both[name]).max(initial=0)
        size = abs(one[name]).max(initial=0) + abs(two[name]).max(initial=0)
        if both[name].dtype == "float64" and 1e-9 * size < off < 2e-3 * size:
            fewer = "float32" if off < 1e-6 * size else "half precision"
            text = f"d{name} is computed with the rounding of {fewer}, not of float64."
            yield Finding("dtype", text, name)


def _differs(
    given: Gradients, right: Gradients, tolerance: float, sentence: str
) -> Iterator[Finding]:
    for name, gradient in right.items():
        if name in given and not close(given[name], gradient, tolerance):
            yield Finding("upstream_ignored", f"d{name} {sentence}.", name)
            return


def _given(case: Case, upstream: list[Array]) -> Gradients:
    gradients = case.run(upstream=upstream).gradients
    nothing = vanishing(gradients)
    real = {n: g for n, g in gradients.items() if g is not None and g.dtype.kind == "f"}
    return {n: g for n, g in real.items() if n not in nothing}
