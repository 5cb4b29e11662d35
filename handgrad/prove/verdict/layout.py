"""Memory layout: equal elements, lying otherwise in memory, give equal results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.measure.compare import NOISE
from handgrad.prove.measure.point import SINGLE
from handgrad.prove.verdict.elsewhere import failed
from handgrad.prove.verdict.evidence import Finding, Grade
from handgrad.prove.verdict.inputs import is_real
from handgrad.prove.verdict.trial import Case, Outcome, Run, close, fresh
from handgrad.subject.sandbox import SubjectError


def by_columns(a: Array) -> Array:
    return np.asfortranarray(a)


def strided(a: Array) -> Array:
    wide = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
    wide[..., ::2] = a
    return wide[..., ::2]


def from_the_end(a: Array) -> Array:
    return a[..., ::-1].copy()[..., ::-1]


def _swapped(a: Array) -> Array:
    return np.swapaxes(np.swapaxes(a, 0, -1).copy(), 0, -1)


_LAYOUTS: tuple[tuple[str, Callable[[Array], Array]], ...] = (
    ("stored by columns", by_columns),
    ("with a stride", strided),
    ("with a negative stride", from_the_end),
    ("transposed in memory", _swapped),
)


def layouts(case: Case, base: Outcome) -> Iterator[Finding]:
    """The upstream gradient, then the inputs, in each layout; then a zero-stride gradient."""
    upstream = base.run.upstream
    for name, change in _LAYOUTS:
        other = [change(u) if u.ndim else u for u in upstream]
        what = f"an upstream gradient {name}"
        yield from _held_against(case, base, base.run, case.inputs, other, what)
        inputs = [change(x) if is_real(x) and np.ndim(x) else fresh(x) for x in case.inputs]
        yield from _held_against(case, base, base.run, inputs, upstream, f"an input {name}")
    right = case.run(upstream=[np.full(u.shape, 0.75) for u in upstream])
    stretched = [np.lib.stride_tricks.as_strided(np.array(0.75), u.shape, (0,) * u.ndim)
                 for u in upstream]  # fmt: skip
    what = "an upstream gradient broadcast"
    yield from _held_against(case, base, right, case.inputs, stretched, what)


def _held_against(
    case: Case, base: Outcome, right: Run, inputs: list[Any], upstream: list[Array], what: str
) -> Iterator[Finding]:
    subject = case.subject.copy()
    try:
        outputs = case.forward(subject, inputs)
        gradients = case.named(subject, subject.backward(upstream))
    except SubjectError as error:
        yield from failed("layout", f"With {what}", error)
        return
    tolerance = 1e-7 if base.point is None or base.point.noise < SINGLE else 1e-4
    if not all(close(a, b, tolerance) for a, b in zip(outputs, right.outputs)):
        yield Finding("layout", f"With {what} forward gives another result.", grade=Grade.ELSEWHERE)
        return
    top = max((abs(g).max(initial=0) for g in base.run.gradients.values() if g is not None),
              default=0.0)  # fmt: skip
    for name in case.wanted:
        a, b, ordinary = gradients[name], right.gradients[name], base.run.gradients.get(name)
        if a is None or b is None or ordinary is None:
            continue
        # What cancels is noise, beside its usual size or beside all gradients.
        usual = max(tolerance * abs(ordinary).max(initial=0), NOISE * top)
        if not close(a, b, tolerance) and not abs(a - b).max(initial=0) <= usual:
            text = f"With {what}, equal number for number, d{name} is another."
            yield Finding("layout", text, name, grade=Grade.ELSEWHERE)
            return
