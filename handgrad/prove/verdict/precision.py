"""Precision: the same code in another dtype, and where large numbers meet rounding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.measure.point import DOUBLE
from handgrad.prove.subject.parameters import attributes, owners, reach
from handgrad.prove.subject.sandbox import SubjectError
from handgrad.prove.verdict.chance import close
from handgrad.prove.verdict.evidence import Finding, Grade
from handgrad.prove.verdict.inputs import is_real, movable, replaced
from handgrad.prove.verdict.trial import Case, Outcome, Run, fresh, vanishing

Plan = tuple[Any, Any, float]  # a precision, a higher one, and what is large for the first


def integers(case: Case, base: Outcome) -> Iterator[Finding]:
    """Integers give what they give as reals, or are refused."""
    whole = replaced(case, lambda x: np.copysign(np.ceil(2 * abs(np.asarray(x))), x))
    for k in movable(case):
        cut = [np.asarray(x).astype(np.int64) if j == k else fresh(x) for j, x in enumerate(whole)]
        cut = [x[()] if j == k and not np.ndim(case.inputs[j]) else x for j, x in enumerate(cut)]
        try:
            right = case.run(whole)
            given = case.run(cut, right.upstream)
        except SubjectError:  # refused
            continue
        yield from _differs(case, given, right, 1e-6, "With integers as input")


def single(case: Case, base: Outcome) -> Iterator[Finding]:
    """In float32 the results are those of float64, up to rounding."""
    right = case.run(upstream=[_rounded(u) for u in base.run.upstream])
    try:
        given = _in_dtype(case, np.float32, case.inputs, right.upstream)
    except SubjectError as error:
        if not error.refused:
            text = f"In float32 {error.sentence}."
            yield Finding("dtype", text, line=error.line, grade=Grade.ELSEWHERE)
        return
    found = list(_differs(case, given, right, 2e-3, "In float32"))
    yield from found or _widened(case, given)


def _widened(case: Case, run: Run) -> Iterator[Finding]:
    """float64 among results of float32; code that is double throughout may be meant so."""
    paths = [p.path for p in case.subject.parameters.values()]
    held = [*case.given, *(reach(case.original.thing, path) for path in paths)]
    asked = all(x.dtype.itemsize <= 4 for x in held if is_real(x))
    wide = [y for y in run.outputs if y.dtype == np.float64]
    if wide and asked and any(map(is_real, held)) and wide[0].ndim:
        yield Finding("dtype", "forward gives float64 though all that it got is float32.")
    for name in case.wanted if asked and any(map(is_real, held)) else ():
        gradient = run.gradients[name]
        if gradient is not None and gradient.dtype == np.float64 and gradient.ndim:
            text = f"In float32 d{name} is float64: something that it is made with is."
            yield Finding("dtype", text, name, grade=Grade.ELSEWHERE)
            return


def own_dtype(case: Case, base: Outcome) -> Iterator[Finding]:
    """Gradients are as precise as the output: not cut to float32, half precision or integers."""
    outputs = base.run.outputs
    if all(_double(np.asarray(x)) for x in case.given) and not all(map(_double, outputs)):
        kinds = [g.dtype for g in base.run.gradients.values() if g is not None]
        if np.float64 in kinds:  # code that is single throughout may be meant so
            text = f"forward gives {outputs[0].dtype} where it got float64, backward float64."
            yield Finding("dtype", text)
    if base.point is None or base.point.noise != DOUBLE or not all(_double(y) for y in outputs):
        return
    nothing = vanishing(base.run.gradients)
    for name in [n for n in case.wanted if n not in nothing]:
        gradient = base.run.gradients[name]
        if gradient is None:
            continue
        telling = gradient[gradient != np.round(gradient * 64) / 64]
        cut = telling.size > 1 and np.all(telling == telling.astype(np.float32))
        if gradient.dtype.kind == "f" and (gradient.dtype.itemsize < 8 or cut):
            text = f"d{name} is cut to {np.float32.__name__}, though everything else is float64."
            yield Finding("dtype", text, name)
        elif _single_state(case, base, name, gradient):
            text = f"d{name} is off by what float32 rounds: state is kept in it."
            yield Finding("dtype", text, name)
        elif gradient.dtype.kind != "f" and gradient.dtype.kind != "c":
            yield Finding("dtype", f"d{name} has dtype {gradient.dtype}.", name)


def _single_state(case: Case, base: Outcome, name: str, gradient: Array) -> bool:
    """Whether an array kept in float32 makes the gradient inexact, against the best estimate."""
    if gradient.dtype.kind != "f" or not low_precision_state(case):
        return False
    assert base.point is not None
    for entry in np.argsort(-abs(gradient.reshape(-1)))[:3]:
        best = base.point.careful(name, int(entry))
        right = best.value @ base.run.flat_upstream
        off = abs(gradient.reshape(-1)[entry] - right)
        error = best.error @ abs(base.run.flat_upstream)
        if off > 10 * error and 3e-9 * abs(right) < off < 1e-5 * abs(right):
            return True
    return False


def low_precision_state(case: Case) -> bool:
    """Whether forward or backward keeps float16 or float32 arrays, among float64 ones."""
    return any(_cut(a) for a in kept_arrays(case))


def kept_arrays(case: Case) -> list[np.ndarray]:
    """The real arrays that a subject holds after a forward and a backward, and its outputs."""
    used = case.subject.copy()
    run = case.run(start=used, keep=True)
    held = [v for owner in owners(used.thing) for v in attributes(owner).values()]
    return [v for v in held + run.outputs if isinstance(v, np.ndarray) and v.dtype.kind == "f"]


def _cut(array: np.ndarray) -> bool:
    """Whether an array's elements all fit in fewer digits, as computed ones would not."""
    telling = array[array != np.round(array * 64) / 64]
    return bool(telling.size > 1 and np.all(telling == telling.astype(np.float32)))


def _double(y: Array) -> bool:
    return y.dtype.itemsize >= 8


def large(case: Case, base: Outcome) -> Iterator[Finding]:
    """At large, shifted and constant inputs, more digits and fewer give the same answer."""
    wide: Plan = (np.float64, np.longdouble, 1e7)
    narrow: Plan = (np.float32, np.float64, 2e3)
    plans = [wide] if np.finfo(np.longdouble).max > np.finfo(np.float64).max else [narrow]
    if any(getattr(x, "dtype", None) == np.float32 for x in case.given):
        plans.append(narrow)
    for low, high, offset in plans:
        for what, inputs in _extreme(case, offset):
            rounded = [_cast(x, low) for x in inputs]
            finding = _garbage(case, rounded, low, high, what)
            if finding is not None:
                yield finding
                return


def _extreme(case: Case, offset: float) -> Iterator[tuple[str, list[Any]]]:
    values = [np.asarray(case.inputs[k]) for k in movable(case)]
    values = [v for v in values if v.size]
    if not values:
        return
    low, high = min(v.min() for v in values), max(v.max() for v in values)
    if low >= 0 and high <= 1:  # probabilities, it seems
        return
    for size in (40.0, 100.0, 1000.0, 8000.0):
        scale = size / max(abs(low), abs(high), 1e-300)
        yield f"inputs up to {size:g}", replaced(case, lambda x, s=scale: s * np.asarray(x))
        for s in (-scale, scale) if low < 0 else ():
            what = "positive" if s > 0 else "negative"
            yield (
                f"{what} inputs up to {size:g}",
                replaced(case, lambda x, s=s: s * abs(np.asarray(x))),
            )
    yield "rows at 1000 and at -1000", replaced(case, _far_apart)
    yield f"inputs near {offset:g}", replaced(case, lambda x: offset + np.asarray(x))
    yield f"equal inputs of {offset:g}", replaced(case, lambda x: np.full(np.shape(x), offset))


def _far_apart(x: Any) -> Array:
    """Every other row moved up, and the rest down: they have no common size."""
    x = np.asarray(x)
    rows = np.arange(len(x)).reshape(-1, *(1,) * (x.ndim - 1)) if x.ndim else np.zeros(())
    return x + np.where(rows % 2, -1000.0, 1000.0)


def _garbage(case: Case, inputs: list[Any], low: Any, high: Any, what: str) -> Finding | None:
    """The finding when `low` precision fails where `high` does not."""
    try:
        right = _in_dtype(case, high, inputs, None)
        given = _in_dtype(case, low, inputs, [_cast(u, low) for u in right.upstream])
    except SubjectError:
        return None
    ceiling, cause = float(np.finfo(low).max) / 1e4, "numeric_instability"
    pairs: list[tuple[str, Array | None, Array | None]]
    pairs = [("forward", y, z) for y, z in zip(given.outputs, right.outputs)]
    pairs += [(f"d{n}", given.gradients[n], right.gradients[n]) for n in case.wanted]
    for name, a, b in pairs:
        if a is None or b is None or not np.isfinite(b).all() or abs(b).max(initial=0) > ceiling:
            continue
        if not np.isfinite(a).all():
            text = f"With {what} {name} is NaN or infinite, where the answer is finite."
            return Finding(cause, text, name.removeprefix("d"), grade=Grade.ELSEWHERE)
        if what.startswith("equal") and name != "forward":
            continue  # where all is equal gradients cancel: what is left is rounding
        off, top = abs(a.astype(high) - b).max(initial=0), abs(b).max(initial=0)
        # Inputs may be multiplied, and equal ones cancel: what is left is rounding.
        power = max(len(movable(case)), 2 if what.startswith("equal") else 1)
        size = max(_largest(inputs), 1.0) ** power
        rounding = 1e-6 + 30 * float(np.finfo(low).eps) * size
        if off <= 1e-2 * top + rounding:
            continue
        if off > 100 * _shaken(case, inputs, low, high, right).get(name, np.inf):
            text = f"With {what} {name} is rounded to garbage."
            return Finding(cause, text, name.removeprefix("d"), grade=Grade.ELSEWHERE)
    return None


def _largest(inputs: list[Any]) -> float:
    return max((float(abs(x).max(initial=0)) for x in map(np.asarray, inputs) if is_real(x)),
               default=0.0)  # fmt: skip


def _shaken(case: Case, inputs: list[Any], low: Any, high: Any, right: Run) -> dict[str, float]:
    """How much the right answer moves when the inputs do, by as much as they are rounded."""
    eps = float(np.finfo(low).eps)
    rng = np.random.default_rng(3)
    noise = [1 + eps * rng.uniform(-1, 1, np.shape(x)) for x in inputs]
    moved = [_cast(x, high) * n if is_real(x) else fresh(x) for x, n in zip(inputs, noise)]
    try:
        other = _in_dtype(case, high, moved, right.upstream)
    except SubjectError:
        return {}
    change = {"forward": max(abs(a - b).max(initial=0)
                             for a, b in zip(other.outputs, right.outputs))}  # fmt: skip
    for name in case.wanted:
        a, b = other.gradients[name], right.gradients[name]
        if a is not None and b is not None:
            change[f"d{name}"] = abs(a - b).max(initial=0)
    return {n: float(c) if np.isfinite(c) else np.inf for n, c in change.items()}


def undefined(case: Case, base: Outcome) -> Iterator[Finding]:
    """0 / 0 where all inputs are equal, or zero in the midst of the domain."""
    values = [np.asarray(case.inputs[k]) for k in movable(case)]
    if not values or not all(v.size for v in values):
        return
    level = float(np.mean([abs(v).mean() for v in values]))
    plans = [("equal inputs", level)]
    if len(values) == 1 and values[0].min() < 0 < values[0].max():
        plans.append(("zeros as input", 0.0))
    for what, value in plans:
        inputs = replaced(case, lambda x, v=value: np.full(np.shape(x), v))
        try:
            outputs = case.forward(case.subject.copy(), inputs)
        except SubjectError:
            continue
        if any(np.isnan(y).any() for y in outputs):
            text = f"With {what} forward is NaN: it divides zero by zero."
            yield Finding("numeric_instability", text, grade=Grade.ELSEWHERE)


def _in_dtype(case: Case, dtype: Any, inputs: list[Any], upstream: Any) -> Run:
    """A run with parameters, inputs and upstream gradients in one dtype."""
    if dtype not in case.casts:
        case.casts[dtype] = case.subject.cast(dtype)
    subject = case.casts[dtype]
    given = [_cast(x, dtype) for x in inputs]
    outputs = case.forward(subject.copy(), given) if upstream is None else []
    fair = upstream if upstream is not None else case.upstream(outputs)
    return case.run(given, [_cast(u, dtype) for u in fair], subject)


def _cast(x: Any, dtype: Any) -> Any:
    return np.asarray(x).astype(dtype)[()] if is_real(x) else fresh(x)


def _rounded(u: Array) -> Array:
    return u.astype(np.float32).astype(np.float64)


def _differs(case: Case, given: Run, right: Run, tolerance: float, what: str) -> Iterator[Finding]:
    for a, b in zip(given.outputs, right.outputs):
        if np.isfinite(b).all() and not close(a, b, tolerance):
            text = f"{what} forward gives another result."
            yield Finding("dtype", text, grade=Grade.ELSEWHERE)
            return
    nothing = vanishing(right.gradients)
    for name in [n for n in case.wanted if n not in nothing]:
        mine, other = given.gradients[name], right.gradients[name]
        if mine is None or other is None or not np.isfinite(other).all():
            continue
        if not close(mine, other, tolerance):
            text = f"{what} d{name} is another."
            yield Finding("dtype", text, name, grade=Grade.ELSEWHERE)
            return
