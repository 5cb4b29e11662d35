"""Other sizes: a batch of one, of two, odd lengths, shapes that broadcast, indices that repeat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from handgrad.prove.subject.sandbox import SubjectError
from handgrad.prove.verdict.evidence import Finding, Grade
from handgrad.prove.verdict.fade import fades
from handgrad.prove.verdict.inputs import (
    batched,
    resized,
    resized_alike,
    resized_alone,
    resized_odd,
    with_indices,
)
from handgrad.prove.verdict.trial import Case, Outcome, fresh


def elsewhere(case: Case, inputs: Sequence[Any], cause: str, what: str) -> Iterator[Finding]:
    """Findings at other inputs: what explains the mismatch there, else the cause that is given."""
    try:
        outcome = case.verify(inputs)
    except SubjectError as error:  # forward worked, backward did not
        if not error.refused:
            text = f"With {what} {error.sentence}."
            yield Finding(cause, text, line=error.line, grade=Grade.ELSEWHERE)
        return
    if outcome is None or not outcome.mismatches or fades(case, inputs):
        return
    mismatch = outcome.mismatches[0]
    text = f"With {what} d{mismatch.name} is wrong."
    where = mismatch.where()
    yield Finding(cause, text, mismatch.name, where, None, outcome, what, Grade.ELSEWHERE)


def batches(case: Case, base: Outcome) -> Iterator[Finding]:
    """Batches of other lengths."""
    rows = _length(case, 0)
    for length in (1, 2, 3, rows + 1, 17, 67):
        inputs = resized(case, 0, length, case.rng)
        if inputs is None or not _follows(case, base, inputs):
            continue
        cause = "broadcasting" if length == 1 else "boundary"
        if length > 1 and rows == 1:  # first of all, a sum over the batch that is missing
            yield from elsewhere(case, inputs, "wrong_formula", f"a batch of {length}")
        else:
            yield from elsewhere(case, inputs, cause, f"a batch of {length}")


def lengths(case: Case, base: Outcome) -> Iterator[Finding]:
    """Other lengths of the other axes: odd, and not square."""
    for what, inputs in _lengths(case):
        if inputs is not None and _follows(case, base, inputs):
            moved = _moved(case, inputs)
            for finding in elsewhere(case, inputs, "boundary", what):
                p, failed = finding.gradient, finding.outcome is None
                # A length that was a parameter's too was not free, though forward took it.
                tied = p in case.subject.parameters and moved & set(case.shape(p, inputs))
                if not tied and not (failed and what.startswith("only")):
                    yield finding


def _lengths(case: Case) -> Iterator[tuple[str, list[Any] | None]]:
    """Lengths of one are left alone where a parameter has one too, which may be stretched."""
    yield "every length odd", resized_odd(case, case.rng)
    single = any(1 in np.shape(case.subject.get(n)) for n in case.subject.parameters)
    deepest = max((x.ndim for x in case.inputs if isinstance(x, np.ndarray)), default=0)
    for axis in range(1, deepest):
        length = _length(case, axis)
        free = length > 1 or not single
        for other in (length + 1, length + 2, length + 3, max(length - 1, 2)) * free:
            yield f"axis {axis} of length {other}", resized(case, axis, other, case.rng)
    arrays = [(k, x) for k, x in enumerate(case.inputs) if isinstance(x, np.ndarray) and x.size]
    if len(arrays) < 2:
        return
    labels = {n for k, x in arrays if case.names[k] not in case.wanted for n in x.shape[1:]}
    for old in sorted({n for _, x in arrays for n in x.shape if n > 1} - labels):
        yield f"every axis of {old} longer by one", resized_alike(case, old, old + 1, case.rng)
    tied = batched(case)
    for k, x in arrays:
        for axis in range(x.ndim):
            if x.shape[axis] > 1 and not (axis == 0 and k in tied and len(tied) > 1):
                what = f"only axis {axis} of {case.names[k]} longer by one"
                yield what, resized_alone(case, k, axis, case.rng)


def _length(case: Case, axis: int) -> int:
    arrays = [x for x in case.inputs if isinstance(x, np.ndarray) and x.ndim > axis]
    return arrays[0].shape[axis] if arrays else 0


def _moved(case: Case, inputs: list[Any]) -> set[int]:
    """Lengths of the given inputs that these have not."""
    return {old for x, z in zip(case.inputs, inputs)
            for old, new in zip(np.shape(x), np.shape(z)) if old != new}  # fmt: skip


def _follows(case: Case, base: Outcome, inputs: list[Any]) -> bool:
    """Whether the outputs have the same rank, and follow the lengths that they had from inputs."""
    try:
        outputs = case.forward(case.subject.copy(), [fresh(x) for x in inputs])
    except SubjectError:
        return False
    moved = _moved(case, inputs)
    for y, z in zip(base.run.outputs, outputs):
        if y.ndim != z.ndim or (y.shape == z.shape and moved & set(y.shape)):
            return False
        rows = _length(case, 0)
        if y.ndim and y.shape[0] == rows in moved and z.shape[0] != np.shape(inputs[0])[0]:
            return False
    return True


def indices(case: Case, base: Outcome) -> Iterator[Finding]:
    """Indices that repeat; the first and the last one."""
    arrays = [x for x in case.inputs if isinstance(x, np.ndarray) and x.dtype.kind in "iu"]
    if not arrays or not arrays[0].size:
        return
    low, high = int(arrays[0].min()), int(arrays[0].max())
    top = _classes(case, base, high)
    for values, cause, what in (
        ([high], "missing_batch_sum", "an index that repeats"),
        ([low, high, low], "missing_batch_sum", "indices that repeat"),
        ([top, 0], "boundary", "the first and the last index"),
        (list(range(top + 1)), "boundary", "every index in turn"),
    ):
        for inputs in with_indices(case, values):
            yield from elsewhere(case, inputs, cause, what)


def _classes(case: Case, base: Outcome, high: int) -> int:
    """The largest index there can be: rows of a parameter, else columns of a float input."""
    sizes = [case.subject.get(n).shape[0] for n in case.subject.parameters
             if case.subject.get(n).ndim > 1]  # fmt: skip
    sizes += [x.shape[-1] for x in case.inputs
              if isinstance(x, np.ndarray) and x.ndim > 1 and x.dtype.kind == "f"]  # fmt: skip
    fits = [s - 1 for s in sizes if s > high]
    return fits[0] if fits else high
