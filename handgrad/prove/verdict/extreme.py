"""Large, shifted and constant inputs, where fewer digits and more have to give one answer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.verdict.evidence import Finding, Grade
from handgrad.prove.verdict.inputs import bounds, is_real, movable, replaced, scaled
from handgrad.prove.verdict.precision import cast, in_dtype
from handgrad.prove.verdict.trial import Case, Outcome, Run, fresh
from handgrad.subject.sandbox import SubjectError

Plan = tuple[Any, Any, float]  # a precision, a higher one, and what is large for the first


def large(case: Case, base: Outcome) -> Iterator[Finding]:
    """The first inputs for which a precision fails where a higher one does not."""
    if case.subject.wide:
        return
    wide: Plan = (np.float64, np.longdouble, 1e7)
    narrow: Plan = (np.float32, np.float64, 2e3)
    plans = [wide] if np.finfo(np.longdouble).max > np.finfo(np.float64).max else [narrow]
    if any(getattr(x, "dtype", None) == np.float32 for x in case.given):
        plans.append(narrow)
    for low, high, offset in plans:
        for what, inputs in _extreme(case, offset):
            for finding in _garbage(case, [cast(x, low) for x in inputs], low, high, what):
                yield finding
                return


def _extreme(case: Case, offset: float) -> Iterator[tuple[str, list[Any]]]:
    low, high = bounds(case)
    if low >= 0 and high <= 1:  # probabilities, it seems; or there is nothing to move
        return
    for size in (40.0, 100.0, 1000.0, 8000.0):
        scale = size / max(abs(low), abs(high), 1e-300)
        yield f"inputs up to {size:g}", scaled(case, scale)
        for word, sign in (("positive", 1), ("negative", -1)) if low < 0 else ():
            inputs = replaced(case, partial(_of_one_sign, factor=sign * scale))
            yield f"{word} inputs up to {size:g}", inputs
    yield "rows at 1000 and at -1000", replaced(case, _far_apart)
    yield f"inputs near {offset:g}", replaced(case, lambda x: offset + np.asarray(x))


def _of_one_sign(x: Any, factor: float) -> Array:
    return np.asarray(factor * abs(np.asarray(x)))


def _far_apart(x: Any) -> Array:
    """Every other row moved up, and the rest down: they have no common size."""
    x = np.asarray(x)
    rows = np.arange(len(x)).reshape(-1, *(1,) * (x.ndim - 1)) if x.ndim else np.zeros(())
    return x + np.where(rows % 2, -1000.0, 1000.0)


def _garbage(case: Case, inputs: list[Any], low: Any, high: Any, what: str) -> Iterator[Finding]:
    """A finding for each result that `low` precision spoils and `high` does not."""
    try:
        right = in_dtype(case, high, inputs, None)
        given = in_dtype(case, low, inputs, [cast(u, low) for u in right.upstream])
    except SubjectError:
        return
    sizes = [abs(x).max(initial=0) for x in map(np.asarray, inputs) if is_real(x)]
    size = max(1.0, *map(float, sizes)) ** len(movable(case))  # inputs may be multiplied
    rounding = 1e-6 + 30 * float(np.finfo(low).eps) * size
    for (name, a), (_, b) in zip(_named(case, given), _named(case, right)):
        top = abs(b).max(initial=0) if b is not None else np.inf
        if a is None or b is None or not top <= float(np.finfo(low).max) / 1e4:
            continue
        if not np.isfinite(a).all():
            text = f"With {what} {name} is NaN or infinite, where the answer is finite."
        else:
            off = abs(a.astype(high) - b).max(initial=0)
            if off <= 1e-2 * top + rounding:
                continue
            if not off > 100 * _shaken(case, inputs, low, high, right).get(name, np.inf):
                continue
            text = f"With {what} {name} is rounded to garbage."
        yield Finding("numeric_instability", text, name.removeprefix("d"), grade=Grade.EXTREME)


def _named(case: Case, run: Run) -> list[tuple[str, Array | None]]:
    """Everything that a run gave, by what people call it."""
    outputs: list[tuple[str, Array | None]] = [("forward", y) for y in run.outputs]
    return outputs + [(f"d{n}", run.gradients[n]) for n in case.wanted]


def _shaken(case: Case, inputs: list[Any], low: Any, high: Any, right: Run) -> dict[str, float]:
    """How much the right answer moves when the inputs do, by as much as they are rounded."""
    eps, rng = float(np.finfo(low).eps), np.random.default_rng(3)
    noise = [1 + eps * rng.uniform(-1, 1, np.shape(x)) for x in inputs]
    moved = [cast(x, high) * n if is_real(x) else fresh(x) for x, n in zip(inputs, noise)]
    try:
        other = in_dtype(case, high, moved, right.upstream)
    except SubjectError:
        return {}
    change: dict[str, float] = {}
    for (name, a), (_, b) in zip(_named(case, other), _named(case, right)):
        if a is not None and b is not None:
            off = float(abs(a - b).max(initial=0))
            change[name] = max(change.get(name, 0.0), off if np.isfinite(off) else np.inf)
    return change
