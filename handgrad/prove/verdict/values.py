"""Other values: large and small, negative, all equal, zero; other labels and masks."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.differences.numeric import careful, quick
from handgrad.prove.measure.point import DOUBLE
from handgrad.prove.verdict.elsewhere import Inputs, Variant
from handgrad.prove.verdict.evidence import Finding, Grade
from handgrad.prove.verdict.inputs import (
    batched,
    bounds,
    movable,
    nearby,
    replaced,
    scaled,
    shuffled,
)
from handgrad.prove.verdict.prepare import beside
from handgrad.prove.verdict.trial import Case, Outcome, close, fresh
from handgrad.subject.parameters import attributes
from handgrad.subject.sandbox import SubjectError


def ordinary(case: Case, base: Outcome) -> Iterator[Variant]:
    """Values of other sizes and signs, within the domain that the sample shows."""
    for what, inputs in _ordinary(case, base):
        yield "wrong_formula", what, inputs


def _ordinary(case: Case, base: Outcome) -> Iterator[tuple[str, Inputs]]:
    yield "other values", nearby(case)
    yield "another batch", shuffled(case, case.rng)
    yield "the values in another order", replaced(case, lambda x: _permuted(case, x))
    if not movable(case):
        return
    low, high = bounds(case)
    size = max(abs(low), abs(high), 1e-300)
    open_below = low < 0 or not ends_at_zero(case)
    if low >= 0 and open_below:  # where forward is finite they count
        yield "negative values", scaled(case, -1.0)
        yield "negative values", scaled(case, -5.0)
        flip = case.rng.choice
        yield "values of both signs", replaced(case, lambda x: x * flip([-1.0, 1.0], np.shape(x)))
    if low >= 0 and high <= 1:
        yield "smaller values", scaled(case, 0.3)
        return
    loss = all(y.size == 1 for y in base.run.outputs)
    exact = base.point is not None and base.point.noise == DOUBLE
    tops = (0.5, 3.0) if loss else (0.1, 3.0, 8.0, 30.0) + (300.0,) * exact
    for top in tops:
        # A round number may be where the subject jumps.
        yield f"values up to {top:g}", scaled(case, 1.0137 * top / size)
    if open_below:
        for word, scale in (("positive", 1 / size), ("negative", -1 / size)):
            shifted = replaced(case, lambda x: 0.05 * size + abs(np.asarray(x)))
            moved = movable(case)
            yield f"{word} values", [scale * x if k in moved else x for k, x in enumerate(shifted)]
        yield "mixed values", replaced(case, lambda x: _mixed(case, x))


def _permuted(case: Case, x: Any) -> Array:
    flat = np.asarray(x).reshape(-1)
    return case.rng.permutation(flat).reshape(np.shape(x)) * case.rng.uniform(0.9, 1.0, np.shape(x))


def _mixed(case: Case, x: Any) -> Array:
    return np.asarray(case.rng.normal(0, 1.5, np.shape(x)))


def ends_at_zero(case: Case) -> bool:
    """Whether gradients grow without end towards zero, as those of a logarithm or a root do."""
    tops = []
    for scale in (1.0, 1e-3):
        try:
            gradients = case.run(scaled(case, scale)).gradients
        except SubjectError:  # it says itself where its domain ends
            return True
        found = [gradients[case.names[k]] for k in movable(case)]
        tops.append(max((abs(g).max(initial=0) for g in found if g is not None), default=0.0))
    return not tops[1] <= 30 * tops[0]


def ties(case: Case, base: Outcome) -> Iterator[Variant]:
    """Equal values, and zeros: any subgradient is right, but it has to be one."""
    rng = np.random.default_rng(case.seed)
    yield "boundary", "equal values", equal_values(case)
    if bounds(case)[0] > 0 and ends_at_zero(case):
        return
    some = replaced(case, lambda x: np.asarray(x) * (rng.random(np.shape(x)) < 0.6))
    yield "boundary", "zeros", _filled(case, 0.0)
    yield "boundary", "some zeros", some
    yield "boundary", "ties among the values", replaced(case, lambda x: np.round(np.asarray(x)))


def _level(case: Case) -> float:
    """The usual size of the inputs."""
    sizes = [abs(np.asarray(case.inputs[k])) for k in movable(case)]
    return float(np.mean([x.mean() for x in sizes if x.size] or [1.0]))


def equal_values(case: Case) -> Inputs:
    """Inputs of one value, of their usual size."""
    return _filled(case, _level(case))


def _filled(case: Case, value: float) -> Inputs:
    return replaced(case, lambda x: np.full(np.shape(x), value))


def together(case: Case, base: Outcome) -> Iterator[Finding]:
    """Where all inputs are equal they may move together: that derivative is between its sides."""
    level, names = _level(case), [case.names[k] for k in movable(case)]
    outcome = case.verify(_filled(case, level)) if names else None
    if outcome is None or outcome.point is None:
        return
    for group in [[name] for name in names] + [names] * (len(names) > 1):
        given = [g for g in (outcome.run.gradients[name] for name in group) if g is not None]
        if len(given) < len(group):
            return
        moves = {name: np.ones(np.shape(outcome.point.value(name))) for name in group}
        line, noise = functools.cache(outcome.point.along(moves)), outcome.point.noise
        total, size = (float(sum(f(g).sum() for g in given)) for f in (np.asarray, abs))
        near = quick(line, 1e-3 * max(level, 0.1), noise)[0] @ outcome.run.flat_upstream
        if abs(near - total) <= 1e-6 * size:
            continue
        best = careful(line, max(level, 0.1), noise)
        low, high = best.range(outcome.run.flat_upstream)
        slack = 1e-3 * (size + abs(low) + abs(high)) + 1e-12
        error = 10 * float(best.error @ abs(outcome.run.flat_upstream))
        if error < slack and not low - slack <= total <= high + slack:
            text = (
                f"With equal values d{' + d'.join(group)} adds up to {total:.6g}, and moving "
                f"them together gives {low:.6g}: a tie is counted more than once, or not at all."
            )
            yield Finding("boundary", text, group[0], grade=Grade.ELSEWHERE)


def undefined(case: Case, base: Outcome) -> Iterator[Finding]:
    """0 / 0 where all inputs are equal, or zero in the midst of the domain."""
    low, high = bounds(case)
    inside = low < 0 < high and len(movable(case)) == 1
    for what, value in (("equal inputs", _level(case)), ("zeros as input", 0.0))[: 1 + inside]:
        try:
            outputs = case.forward(case.subject.copy(), _filled(case, value))
        except SubjectError:
            continue
        if any(np.isnan(y).any() for y in outputs):
            text = (
                f"With {what} forward is NaN: it divides zero by zero. Add a small number to what "
                "it divides by, or raise an error for such inputs."
            )
            yield Finding("numeric_instability", text, grade=Grade.EXTREME)


def finite(case: Case, base: Outcome) -> Iterator[Finding]:
    """Where forward is finite gradients are: below zero, and where a mask leaves nothing."""
    low, _ = bounds(case)
    tried = [("negative values", scaled(case, -1.0))] if low >= 0 and movable(case) else []
    for k in _masks(case):
        x = case.inputs[k].copy()
        x[:1] = 0
        tried.append((f"a row that {case.names[k]} leaves out", _with(case, k, x)))
    for what, inputs in tried:
        try:
            run = case.run(inputs)
        except SubjectError:
            continue
        found = [n for n in case.wanted if (g := run.gradients[n]) is not None
                 and not np.isfinite(g).all()]  # fmt: skip
        if found and run.finite():
            text = f"With {what} d{found[0]} is NaN or infinite, where forward is finite."
            yield Finding("boundary", text, found[0], grade=Grade.ELSEWHERE)


def _masks(case: Case) -> list[int]:
    """Indices of the inputs without gradient that are zeros and ones, and no classes."""
    found = []
    for k, x in enumerate(case.inputs):
        if isinstance(x, np.ndarray) and x.size and case.names[k] not in case.wanted and x.ndim:
            two = bool(np.all((x == 0) | (x == 1))) and (x.ndim > 1 or x.dtype.kind in "bf")
            if two and not _is_one_hot(x):
                found.append(k)
    return found


def _is_one_hot(x: Array) -> bool:
    return x.ndim > 1 and bool(np.all((x == 0) | (x == 1)) and np.all(x.sum(-1) == 1))


def labels(case: Case, base: Outcome) -> Iterator[Variant]:
    """Masks that leave out something else in every row; labels in other forms that forward takes.

    Another form counts only where the result is the same.
    """
    for k in _masks(case):
        x = case.inputs[k]
        kept = np.asarray(np.random.default_rng(case.seed).random(x.shape) < 0.6)
        kept[..., 0] |= ~kept.any(-1)
        yield "wrong_formula", f"another {case.names[k]}", _with(case, k, kept.astype(x.dtype))
    for k, x in enumerate(case.inputs[1:], 1):
        if not isinstance(x, np.ndarray) or case.names[k] in case.wanted or not x.size:
            continue
        for what, label, usual in _forms(x, np.shape(case.inputs[0])):
            inputs = _with(case, k, label)
            try:
                run = case.run(inputs)
                outputs = run.outputs
                same = base.run.outputs if usual is x else case.run(_with(case, k, usual)).outputs
            except SubjectError:  # it is for one form only
                continue
            shapes = [(run.gradients[n], case.shape(n, inputs)) for n in case.wanted]
            if usual is not x and any(g is not None and g.shape != s for g, s in shapes):
                case.limits.append(f"labels {what}: what is stretched is not summed")
            elif len(outputs) == len(same) and all(map(close, outputs, same)):
                yield "wrong_formula", f"labels {what}", inputs
        if x.dtype.kind == "i" and x.shape == np.shape(case.inputs[0])[: x.ndim]:
            yield from _ignored(case, k, x)


def _forms(label: Array, shape: tuple[int, ...]) -> Iterator[tuple[str, Array, Array]]:
    """Classes as numbers, one-hot vectors, a column; one row for all. And the usual form of it."""
    if label.shape == shape and _is_one_hot(label):
        yield "as numbers", label.argmax(-1), label
    elif label.shape == shape and len(shape) > 1:
        for what, one in (("as one row", label[0]), ("as one column", label[..., :1])):
            yield what, one, np.broadcast_to(one, shape).copy()
    if label.dtype.kind in "iu" and label.shape == shape[:-1] and len(shape) > 1:
        yield "as a column", label[..., None], label
        if label.min() >= 0 and label.max() < shape[-1]:
            yield "as one-hot vectors", np.eye(shape[-1])[label], label


def _ignored(case: Case, k: int, x: Array) -> Iterator[Variant]:
    """A label that is ignored: the result is that without its row, or its share is zero."""
    held = [v for v in attributes(case.subject.thing).values() if type(v) is int]
    rows, alone = batched(case), {0, k}
    for value in dict.fromkeys((-1, -100, *held)) if len(x) > 2 and alone <= rows else ():
        label = x.copy()
        label[0] = value
        inputs = _with(case, k, label)
        rest = [y[1:] if j in rows else fresh(y) for j, y in enumerate(case.inputs)]
        try:
            pairs = list(zip(case.run(inputs).outputs, case.run(rest).outputs))
        except SubjectError:
            continue
        shares = (1.0, 1 - 1 / len(x))
        left = all(close(y[1:], z) and not y[0].any() for y, z in pairs if y.ndim)
        if left and all(any(close(y, s * z) for s in shares) for y, z in pairs if not y.ndim):
            yield "wrong_formula", f"a label of {value}, which is ignored,", inputs


def other_parameters(case: Case, base: Outcome) -> Iterator[Finding]:
    """Parameters without the symmetry that they may begin with: ones, zeros, one row for all."""
    subject = case.subject.copy()
    for k, name in enumerate(subject.parameters):
        subject.put(name, _uneven(subject.get(name), k))
    outcome = beside(case, subject, case.inputs).verify() if subject.parameters else None
    for m in (outcome.mismatches if outcome is not None else [])[:1]:
        what = "other parameters"
        yield Finding("wrong_formula", f"With {what} d{m.name} is wrong.", m.name, m.where(), None,
                      outcome, what, Grade.ELSEWHERE)  # fmt: skip


def _uneven(value: Array, seed: int) -> Array:
    """Every entry changed on its own; what is symmetric with several values stays so."""
    factor = np.random.default_rng(41 + seed).uniform(0.8, 1.3, value.shape)
    if value.ndim == 2 and np.array_equal(value, value.T) and len(np.unique(value)) > 2:
        factor = factor + factor.T
    return value * factor + 0.02 * factor


def _with(case: Case, k: int, value: Array) -> Inputs:
    return [value if j == k else fresh(x) for j, x in enumerate(case.inputs)]
