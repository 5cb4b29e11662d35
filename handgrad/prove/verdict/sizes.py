"""Other sizes: a batch of one, odd lengths, operands that are stretched, indices that repeat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.prove.verdict.elsewhere import Inputs, Variant, elsewhere
from handgrad.prove.verdict.evidence import Finding, Grade
from handgrad.prove.verdict.inputs import (
    batched,
    differentiable,
    goes,
    length,
    nearby,
    resized,
    resized_alike,
    resized_alone,
    resized_odd,
)
from handgrad.prove.verdict.prepare import beside
from handgrad.prove.verdict.trial import Case, Outcome, fresh
from handgrad.subject.dressing import positional
from handgrad.subject.sandbox import SubjectError

Shape = tuple[int, ...]


def batches(case: Case, base: Outcome) -> Iterator[Finding]:
    """Batches of other lengths. One that loses its axis, as squeeze lets it, has to get it back."""
    rows = length(case)
    free = goes(case, batched(case), rows)  # else a batch of one is stretched to what is fixed
    for count in (1, 2, rows + 1, 17, 67)[0 if free else 1 :]:
        inputs, what = resized(case, 0, count, case.rng), f"a batch of {count}"
        if inputs is not None and _follows(case, base, inputs):
            # From a single sample on, it is first of all a sum over the batch that is missing.
            cause = "broadcasting" if count == 1 else "wrong_formula" if rows == 1 else "boundary"
            yield from elsewhere(case, inputs, cause, what)
        elif inputs is not None and count == 1:
            try:
                outcome = case.verify(inputs)
            except SubjectError:
                case.limits.append(f"{what}: backward raises")
                continue
            dropped = outcome is not None and outcome.run.outputs[0].ndim < base.run.outputs[0].ndim
            for m in outcome.mismatches[:1] if outcome is not None and dropped else ():
                text = f"With {what} d{m.name} is wrong: forward drops the axis of the batch."
                yield Finding("shape", text, m.name, m.where(), None, outcome, what,
                              Grade.ELSEWHERE)  # fmt: skip


def operands(case: Case, base: Outcome) -> Iterator[Finding]:
    """One operand more, where forward takes any number of them."""
    several = any(p.kind is p.VAR_POSITIONAL for p in positional(case.subject.thing.forward))
    named = case.subject.input_names
    if not several or len(named) >= len(case.inputs) or case.names[-1] not in case.wanted:
        return
    more = [*nearby(case, 3), 0.7 * np.asarray(case.inputs[-1])]
    other = beside(case, case.subject.copy(), more)
    other.names = [*case.names, f"x{len(case.names)}"]
    other.wanted = [*other.wanted, other.names[-1]]
    what = f"{len(more)} operands"
    try:
        outcome = other.verify()
    except SubjectError as error:
        case.limits.append(f"{what}: {error.phase} raises")
        return
    for m in outcome.mismatches[:1] if outcome is not None else ():
        text = f"With {what} the gradient of operand {m.name} is wrong."
        yield Finding("missing_term", text, m.name, m.where(), None, outcome, what,
                      Grade.ELSEWHERE)  # fmt: skip


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


def _lengths(case: Case) -> Iterator[tuple[str, Inputs | None]]:
    """Lengths of one are left alone where a parameter has one too, which may be stretched."""
    yield "every length odd", resized_odd(case, case.rng)
    single = any(1 in np.shape(case.subject.get(n)) for n in case.subject.parameters)
    deepest = max((x.ndim for x in case.inputs if isinstance(x, np.ndarray)), default=0)
    for axis in range(1, deepest):
        old = length(case, axis)
        free = old > 1 or not single
        classes = max((x.max() + 1 for x in case.inputs if np.ndim(x) and x.dtype.kind in "iu"
                       and x.size), default=0)  # fmt: skip
        for other in (old + 1, old + 2, old + 3, max(old - 1, 2, classes)) * free:
            yield f"axis {axis} of length {other}", resized(case, axis, other, case.rng)
    arrays = [(k, x) for k, x in enumerate(case.inputs) if isinstance(x, np.ndarray) and x.size]
    tied = batched(case)
    for k, x in arrays if len(arrays) > 1 else ():
        for axis in range(x.ndim):
            if x.shape[axis] > 1 and not (axis == 0 and k in tied and len(tied) > 1):
                what = f"only axis {axis} of {case.names[k]} longer by one"
                yield what, resized_alone(case, k, axis, case.rng)
    given = {n for k, x in arrays if case.names[k] not in case.wanted for n in x.shape[1:]}
    for old in sorted({n for _, x in arrays for n in x.shape if n > 1} - given):
        if len(arrays) > 1:
            yield f"every axis of {old} longer by one", resized_alike(case, old, old + 1, case.rng)


def _moved(case: Case, inputs: Inputs) -> set[int]:
    """Lengths of the given inputs that these have not."""
    return {old for x, z in zip(case.inputs, inputs)
            for old, new in zip(np.shape(x), np.shape(z)) if old != new}  # fmt: skip


def _follows(case: Case, base: Outcome, inputs: Inputs) -> bool:
    """Whether the outputs have the same rank, and follow the lengths that they had from inputs."""
    try:
        outputs = case.forward(case.subject.copy(), [fresh(x) for x in inputs])
    except SubjectError:
        return False
    moved, rows = _moved(case, inputs), length(case)
    for y, z in zip(base.run.outputs, outputs):
        if y.ndim != z.ndim or (y.shape == z.shape and moved & set(y.shape)):
            return False
        if y.ndim and y.shape[0] == rows in moved and z.shape[0] != np.shape(inputs[0])[0]:
            return False
    return True


def indices(case: Case, base: Outcome) -> Iterator[Variant]:
    """Indices that repeat; the first and the last one."""
    for k, x in enumerate(case.inputs):
        if not isinstance(x, np.ndarray) or x.dtype.kind not in "iu" or not x.size:
            continue
        low, high = int(x.min()), int(x.max())
        # The largest that there can be: rows of a parameter, else columns of a real input.
        held = [case.subject.get(n) for n in case.subject.parameters]
        sizes = [w.shape[0] for w in held if w.ndim > 1]
        sizes += [y.shape[-1] for y in case.inputs if np.ndim(y) > 1 and y.dtype.kind == "f"]
        top = next((n - 1 for n in sizes if n > high), high)
        for values, cause, what in (
            ([high], "missing_batch_sum", "an index that repeats"),
            ([low, high, low], "missing_batch_sum", "indices that repeat"),
            ([top, 0], "boundary", "the first and the last index"),
            (list(range(top + 1)), "boundary", "every index in turn"),
        ):
            filled = np.resize(np.asarray(values, dtype=x.dtype), x.shape)
            inputs = [filled if j == k else fresh(y) for j, y in enumerate(case.inputs)]
            yield cause, what, inputs


def broadcasting(case: Case, base: Outcome) -> Iterator[Variant]:
    """Two operands of which one is stretched: is what is stretched summed back?

    A layer for equal shapes, or for a row of biases, is a layer too. One means to broadcast if it
    returns gradients of the right shapes for stretches of both operands.
    """
    if len(differentiable(case)) != 2 or len(case.inputs) != 2 or case.subject.parameters:
        return
    full, shapes = base.run.outputs[0].shape, [np.shape(x) for x in case.inputs]
    if len(full) < 2 or _stretched(*shapes) != full:
        return
    served, tried = set(), []
    for one, two in _shapes(full):
        inputs = [_like(case, x, shape) for x, shape in zip(case.inputs, (one, two))]
        try:
            run = case.run(inputs)
        except SubjectError:  # not meant
            continue
        if run.outputs[0].shape == _stretched(one, two):
            gradients = [run.gradients[n] for n in case.names]
            if [() if g is None else g.shape for g in gradients] == [one, two]:
                served.add(one == full)
            tried.append((inputs, f"inputs of shapes {one} and {two}"))
    if tried and len(served) < 2:
        case.limits.append(f"{tried[0][1]}: what is stretched is not summed")
        return
    for inputs, what in tried:
        yield "broadcasting", what, inputs


def _stretched(a: Shape, b: Shape) -> Shape | None:
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        return None


def _shapes(full: Shape) -> Iterator[tuple[Shape, Shape]]:
    """Pairs of shapes that broadcast to this one, or to one axis more."""
    narrow = [full[1:], (1,) * len(full), ()]
    narrow += [(*full[:k], 1, *full[k + 1 :]) for k in range(len(full))]
    for shape in dict.fromkeys(s for s in narrow if s != full):
        yield from ((full, shape), (shape, full))
    wide, column = (2, *full), (*full[:-1], 1)
    yield from ((wide, column), (column, wide), (column, (1, *full[1:])))


def _like(case: Case, original: Any, shape: Shape) -> np.ndarray:
    """Values of the original in another shape: each input keeps its own domain."""
    return np.resize(original, shape) * case.rng.uniform(0.9, 1.1, shape)
