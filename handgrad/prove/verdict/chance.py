"""Randomness: backward may draw nothing, and the same call gives the same result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.subject.adapt import Subject
from handgrad.prove.verdict.evidence import Finding
from handgrad.prove.verdict.trial import Case, Outcome, fresh

_TOLERANCE = 1e-9
Gradients = dict[str, Array | None]


def backward_draws(case: Case, base: Outcome) -> Iterator[Finding]:
    """backward's result changes when every random generator has moved on since forward."""
    run = base.run
    for seed in range(2, 6):
        other = case.run(upstream=run.upstream, seed=seed, between=_move_on)
        for name, first in run.gradients.items():
            second = other.gradients[name]
            if first is not None and second is not None and not close(first, second):
                text = f"Called again from the same state, backward gives another d{name}."
                yield Finding("nondeterministic", text, name)
                return


def forward_trembles(case: Case, base: Outcome) -> Iterator[Finding]:
    """forward adds noise too small to have a purpose."""
    first = base.run.outputs
    others = []
    for seed in (5, 6):
        subject = case.subject.copy()
        _move_on(subject)
        others.append(subject.forward([fresh(x) for x in case.inputs], seed))
    for y, *again in zip(first, *others):
        if not y.size or not np.isfinite(y).all():
            continue
        off = max(abs(y - z).max() if z.shape == y.shape else np.inf for z in again)
        if 1e-12 * abs(y).max() < off < 5e-3 * abs(y).max():
            text = f"Called again with the same input, forward is another by up to {off:.2g}."
            yield Finding("nondeterministic", text)
            return


def _move_on(subject: Subject) -> None:
    for generator in subject.outside.generators(subject.thing):
        generator.random(7) if isinstance(generator, np.random.Generator) else generator.random()


def another(case: Case, gradients: Gradients, right: Gradients) -> str | None:
    """The first argument whose gradient is not this one."""
    for name in case.wanted:
        a, b = gradients[name], right[name]
        if a is not None and b is not None and not close(a, b, 1e-7):
            return name
    return None


def close(a: Any, b: Any, tolerance: float = _TOLERANCE) -> bool:
    """Equal up to rounding, measured by the largest entry; NaN equals NaN."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return False
    both = np.isfinite(a) & np.isfinite(b)
    if not np.array_equal(a[~both], b[~both], equal_nan=True):
        return False
    size = max(abs(a[both]).max(initial=0), abs(b[both]).max(initial=0))
    return bool(abs(a[both] - b[both]).max(initial=0) <= tolerance * size + 1e-300)
