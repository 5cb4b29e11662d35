"""Precision: the same code in another dtype."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.measure.point import DOUBLE
from handgrad.prove.verdict.elsewhere import failed
from handgrad.prove.verdict.evidence import Finding, Grade
from handgrad.prove.verdict.inputs import is_real, movable, replaced
from handgrad.prove.verdict.trial import Case, Outcome, Run, close, fresh, vanishing
from handgrad.subject.parameters import attributes, owners, reach
from handgrad.subject.sandbox import SubjectError


def integers(case: Case, base: Outcome) -> Iterator[Finding]:
    """Integers give what they give as reals, or are refused.

    A cast to the dtype of the input is a custom, and cuts integers: where the sample has none,
    that is a limit and no mistake.
    """
    whole = replaced(case, lambda x: np.copysign(np.ceil(2 * abs(np.asarray(x))), x))
    for k in movable(case):
        cut = [x.astype(np.int64) if j == k else fresh(x) for j, x in enumerate(whole)]
        try:
            right = case.run(whole)
            given = case.run(cut, right.upstream)
        except SubjectError:  # refused
            continue
        for finding in _differs(case, given, right, 1e-6, "With integers as input"):
            if np.asarray(case.given[k]).dtype.kind in "iu":
                yield finding
            else:
                what = f"d{finding.gradient}" if finding.gradient else "forward"
                case.limits.append(f"integers as {case.names[k]}: {what} is cut")


def single(case: Case, base: Outcome) -> Iterator[Finding]:
    """In float32 the results are those of float64 up to rounding, and float32 themselves."""
    right = case.run(upstream=[u.astype(np.float32).astype(np.float64) for u in base.run.upstream])
    try:
        given = in_dtype(case, np.float32, case.inputs, right.upstream)
    except SubjectError as error:
        yield from failed("dtype", "In float32", error)
        return
    found = list(_differs(case, given, right, 3e-2 if case.subject.wide else 2e-3, "In float32"))
    yield from found or _widened(case, given)


def _given_reals(case: Case) -> list[Any]:
    """The real arrays among inputs and parameters, as they were given."""
    paths = [p.path for p in case.subject.parameters.values()]
    held = [*case.given, *(reach(case.original.thing, path) for path in paths)]
    return [x for x in held if is_real(x)]


def _all_single(case: Case) -> bool:
    """Whether nothing in double precision was given: what becomes of it is then a limit."""
    real = _given_reals(case)
    return bool(real) and all(x.dtype.itemsize == 4 for x in real)


def _widened(case: Case, run: Run) -> Iterator[Finding]:
    """float64 among results of float32: a limit where something else than float32 was given."""
    real = _given_reals(case)
    asked = bool(real) and all(x.dtype.itemsize <= 4 for x in real)
    narrow = [n for n in case.wanted if (g := run.gradients[n]) is not None
              and g.dtype == np.float16]  # fmt: skip
    if narrow and all(y.dtype.itemsize >= 4 for y in (*run.outputs, *real)):
        text = f"In float32 d{narrow[0]} is float16, though what comes in and out is not."
        yield Finding("dtype", text, narrow[0], grade=Grade.ELSEWHERE)
    if asked and any(y.dtype == np.float64 and y.ndim for y in run.outputs):
        yield Finding("dtype", "forward gives float64 though all that it got is float32.")
    for name in case.wanted:
        gradient = run.gradients[name]
        if gradient is None or gradient.dtype != np.float64 or not gradient.ndim:
            continue
        if asked:
            text = f"In float32 d{name} is float64: something that it is made with is."
            yield Finding("dtype", text, name, grade=Grade.ELSEWHERE)
        else:
            case.limits.append(f"float32: d{name} comes back as float64")
        return


def own_dtype(case: Case, base: Outcome) -> Iterator[Finding]:
    """Gradients are as precise as the output: not cut to float32, half precision or integers."""
    outputs, gradients = base.run.outputs, base.run.gradients
    double = [y.dtype.itemsize >= 8 for y in outputs]
    if not all(double):
        kinds = [g.dtype for g in gradients.values() if g is not None]
        given = [np.asarray(x).dtype.itemsize for x in case.given]
        if min(given, default=8) >= 8 and np.float64 in kinds:  # else it may be meant so
            text = f"forward gives {outputs[0].dtype} where it got float64, backward float64."
            yield Finding("dtype", text)
        return
    if base.point is None or base.point.noise != DOUBLE:
        return
    nothing = vanishing(gradients)
    for name in [n for n in case.wanted if n not in nothing]:
        gradient = gradients[name]
        if gradient is None or gradient.dtype.kind == "c":
            continue
        if gradient.dtype.kind != "f":
            yield Finding("dtype", f"d{name} has dtype {gradient.dtype}.", name)
        elif (gradient.dtype.itemsize < 8 or _is_cut(gradient)) and _all_single(case):
            case.limits.append(f"float64: d{name} is cut to float32")
        elif gradient.dtype.itemsize < 8 or _is_cut(gradient):
            text = f"d{name} is cut to float32, though everything else is float64."
            yield Finding("dtype", text, name)
        elif _single_state(case, base, name, gradient):
            text = f"d{name} is off by what float32 rounds: state is kept in it."
            yield Finding("dtype", text, name)


def _single_state(case: Case, base: Outcome, name: str, gradient: Array) -> bool:
    """Whether an array kept in float32 makes the gradient inexact, against the best estimate."""
    if not low_precision_state(case):
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
    used = case.subject.copy()
    run = case.run(start=used, keep=True)
    held = [v for owner in owners(used.thing) for v in attributes(owner).values()]
    real = [v for v in held + run.outputs if isinstance(v, np.ndarray) and v.dtype.kind == "f"]
    return any(map(_is_cut, real))


def _is_cut(array: np.ndarray) -> bool:
    """Whether an array's elements all fit in fewer digits, as computed ones would not."""
    telling = array[array != np.round(array * 64) / 64]
    return bool(telling.size > 1 and np.all(telling == telling.astype(np.float32)))


def in_dtype(case: Case, dtype: Any, inputs: list[Any], upstream: Any) -> Run:
    """A run with parameters, inputs and upstream gradients in one dtype."""
    if dtype not in case.casts:
        case.casts[dtype] = case.subject.cast(dtype)
    subject = case.casts[dtype]
    given = [cast(x, dtype) for x in inputs]
    upstream = None if upstream is None else [cast(u, dtype) for u in upstream]
    return case.run(given, upstream, subject, dtype=dtype)


def cast(x: Any, dtype: Any) -> Any:
    return np.asarray(x).astype(dtype)[()] if is_real(x) else fresh(x)


def _differs(case: Case, given: Run, right: Run, tolerance: float, what: str) -> Iterator[Finding]:
    nothing = vanishing(right.gradients)
    names = [n for n in case.wanted if n not in nothing]
    pairs: list[tuple[str, Array | None, Array | None]]
    pairs = [("", a, b) for a, b in zip(given.outputs, right.outputs)]
    pairs += [(n, given.gradients[n], right.gradients[n]) for n in names]
    for name, a, b in pairs:
        if a is None or b is None or not np.isfinite(b).all() or close(a, b, tolerance):
            continue
        text = f"{what} d{name} is another." if name else f"{what} forward gives another result."
        yield Finding("dtype", text, name, grade=Grade.ELSEWHERE)
        return
