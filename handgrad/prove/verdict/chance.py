"""Randomness: backward may draw nothing, and the same call gives the same result."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.arrays import Stream
from handgrad.prove.verdict.evidence import Finding
from handgrad.prove.verdict.trial import Case, Outcome, fresh

_TOLERANCE = 1e-9


def backward_draws(case: Case, base: Outcome) -> Iterator[Finding]:
    """backward's result changes with the state of a random generator."""
    run = base.run
    for seed in range(2, 10):
        other = case.run(upstream=run.upstream, seed=seed)
        for name, first in run.gradients.items():
            second = other.gradients[name]
            if first is not None and second is not None and not close(first, second):
                text = f"Called again from the same state, backward gives another d{name}."
                yield Finding("nondeterministic", text, name)
                return
    if base.mismatches and _moves_generator(case):
        text = "backward draws from the layer's random generator."
        yield Finding("nondeterministic", text)


def _moves_generator(case: Case) -> bool:
    subject = case.subject.copy()
    outputs = case.forward(subject, [fresh(x) for x in case.inputs])
    before = _states(subject.thing)
    subject.backward(case.upstream(outputs))
    return repr(before) != repr(_states(subject.thing))


def _states(thing: Any, depth: int = 3) -> list[Any]:
    """States of the random generators that an object holds."""
    found: list[Any] = []
    for value in getattr(thing, "__dict__", {}).values():
        if isinstance(value, np.random.Generator):
            found.append(value.bit_generator.state)
        elif isinstance(value, np.random.RandomState):
            found.append(value.get_state(legacy=False))
        elif isinstance(value, random.Random):
            found.append(value.getstate())
        elif isinstance(value, Stream):
            found.append(repr(value))
        elif depth and hasattr(value, "__dict__") and not isinstance(value, type):
            found += _states(value, depth - 1)
    return found


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
