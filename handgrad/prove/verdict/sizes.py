"""Other sizes: a batch of one, of two, odd lengths, shapes that broadcast, indices that repeat."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from handgrad.prove.diagnosis import guard
from handgrad.prove.diagnosis.source import class_source
from handgrad.prove.subject.sandbox import SubjectError
from handgrad.prove.verdict.evidence import Finding, Grade
from handgrad.prove.verdict.inputs import (
    differentiable,
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
    if outcome is None or not outcome.mismatches or guard.explains(case, inputs):
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
        if inputs is None or not _follows(case, base, inputs, length):
            continue
        cause = "broadcasting" if length == 1 else "boundary"
        if length > 1 and rows == 1:
            yield from _larger_batch(case, inputs, length)
        else:
            yield from elsewhere(case, inputs, cause, f"a batch of {length}")


def _larger_batch(case: Case, inputs: list[Any], length: int) -> Iterator[Finding]:
    """A mistake that a batch of one had hidden: first of all, a sum over it that is missing."""
    yield from elsewhere(case, inputs, "wrong_formula", f"a batch of {length}")


def lengths(case: Case, base: Outcome) -> Iterator[Finding]:
    """Other lengths of the other axes: odd, and not square."""
    odd = resized_odd(case, case.rng)
    if odd is not None:
        yield from elsewhere(case, odd, "boundary", "every length odd")
    deepest = max((x.ndim for x in case.inputs if isinstance(x, np.ndarray)), default=0)
    for axis in range(1, deepest):
        length = _length(case, axis)
        for other in (length + 1, length + 2, length + 3, max(length - 1, 2)):
            inputs = resized(case, axis, other, case.rng)
            if inputs is not None:
                what = f"axis {axis} of length {other}"
                yield from elsewhere(case, inputs, "boundary", what)
    arrays = [(k, x) for k, x in enumerate(case.inputs) if isinstance(x, np.ndarray) and x.size]
    if len(arrays) < 2:
        return
    labels = {n for k, x in arrays if case.names[k] not in case.wanted for n in x.shape[1:]}
    for old in sorted({n for _, x in arrays for n in x.shape if n > 1} - labels):
        inputs = resized_alike(case, old, old + 1, case.rng)
        yield from elsewhere(case, inputs, "boundary", f"every axis of {old} longer by one")
    for k, x in arrays:
        others = {n for j, y in arrays if j != k for n in y.shape}
        for axis in range(x.ndim):
            if x.shape[axis] > 1 and x.shape[axis] not in others:
                inputs = resized_alone(case, k, axis, case.rng)
                what = f"axis {axis} of {case.names[k]} longer by one"
                yield from elsewhere(case, inputs, "boundary", what)


def _length(case: Case, axis: int) -> int:
    arrays = [x for x in case.inputs if isinstance(x, np.ndarray) and x.ndim > axis]
    return arrays[0].shape[axis] if arrays else 0


def _follows(case: Case, base: Outcome, inputs: list[Any], length: int) -> bool:
    """Whether the output's length follows the batch's, where it did before."""
    old = _length(case, 0)
    try:
        outputs = case.forward(case.subject.copy(), [fresh(x) for x in inputs])
    except SubjectError:
        return False
    pairs = zip(base.run.outputs, outputs)
    return all(y.ndim == z.ndim and (not y.ndim or y.shape[0] != old or z.shape[0] == length)
               for y, z in pairs)  # fmt: skip


def broadcasting(case: Case, base: Outcome) -> Iterator[Finding]:
    """Two inputs that are combined elementwise, one of them stretched.

    Only where the code deals with shapes at all: a layer for equal shapes is a layer too.
    """
    if len(differentiable(case)) != 2 or len(case.inputs) != 2 or case.subject.parameters:
        return
    a, b = (np.asarray(x) for x in case.inputs)
    output = base.run.outputs[0]
    if not output.ndim or not (a.shape == b.shape == output.shape or _stretches(a, b, output)):
        return
    if not re.search(r"\.shape|ndim|broadcast|axis|\.sum\(", class_source(case.subject)):
        return
    big = a if a.ndim >= b.ndim else b
    if big.ndim == 0 or big.size < 2:
        return
    if 1 < big.ndim < 4:
        yield from _crosswise(case, a, b, big.shape)
    for shape in _narrower(big.shape):
        small = np.resize(b if big is a else a, shape).astype(np.float64)
        small = small * case.rng.uniform(0.9, 1.1, shape)
        for inputs in ([big, small], [_like(case, small, a), _like(case, big, b)]):
            what = f"inputs of shapes {inputs[0].shape} and {inputs[1].shape}"
            yield from elsewhere(case, inputs, "broadcasting", what)


def _crosswise(
    case: Case, a: np.ndarray, b: np.ndarray, shape: tuple[int, ...]
) -> Iterator[Finding]:
    """One more axis on one side, and a kept axis of one on the other."""
    wide, column = (2, *shape), (*shape[:-1], 1)
    for one, two in ((wide, column), (column, wide), (column, (1, *shape[1:]))):
        inputs = [_like(case, np.empty(one), a), _like(case, np.empty(two), b)]
        yield from elsewhere(case, inputs, "broadcasting", f"inputs of shapes {one} and {two}")


def _stretches(a: np.ndarray, b: np.ndarray, output: np.ndarray) -> bool:
    try:
        return output.shape == np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        return False


def _like(case: Case, values: np.ndarray, original: np.ndarray) -> np.ndarray:
    """Values of the original in the shape of the other: each input keeps its own domain."""
    return np.resize(original, values.shape) * case.rng.uniform(0.9, 1.1, values.shape)


def _narrower(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Shapes that broadcast to this one."""
    narrow = [shape[1:], (1,) * len(shape), ()]
    narrow += [(*shape[:k], 1, *shape[k + 1 :]) for k in range(len(shape))]
    narrow += [(*shape[1:k], 1, *shape[k + 1 :]) for k in range(1, len(shape))]
    return list(dict.fromkeys(s for s in narrow if s != shape))


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
