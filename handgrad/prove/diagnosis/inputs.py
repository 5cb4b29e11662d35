"""Third table: backward is right for other inputs, or other parameters, than it was given."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.diagnosis.hypothesis import Hypothesis
from handgrad.prove.measure.point import Point
from handgrad.prove.verdict.evidence import Finding
from handgrad.prove.verdict.trial import fresh
from handgrad.subject.adapt import Subject
from handgrad.subject.sandbox import SubjectError


def of_another_point(hypothesis: Hypothesis) -> Iterator[Finding]:
    """The first such point of which it is the gradient."""
    case, count = hypothesis.case, len(hypothesis.upstream)
    for cause, sentence, subject, inputs in _points(hypothesis) if not case.large else ():
        try:
            right = hypothesis.is_right_at(Point(subject, case.names, inputs, count))
        except SubjectError:
            continue
        if right:
            yield hypothesis.finding(cause, sentence)
            return


def _points(hypothesis: Hypothesis) -> Iterator[tuple[str, str, Subject, list[Any]]]:
    subject, inputs = hypothesis.case.subject, hypothesis.base.run.inputs
    for name in subject.parameters if not hypothesis.is_parameter else ():
        for other, what in _rearranged(subject.get(name)):
            changed = subject.copy()
            changed.put(name, other)
            yield "transpose", f"{name} is {what}", changed, inputs
    for k, name in enumerate(hypothesis.case.names):
        real = isinstance(inputs[k], np.ndarray) and inputs[k].dtype.kind == "f"
        for other, what in _rearranged(inputs[k]) if real and name != hypothesis.name else ():
            moved = [other if j == k else x for j, x in enumerate(inputs)]
            yield "transpose", f"{name} is {what}", subject, moved
    arrays = [x for x in inputs if isinstance(x, np.ndarray)]
    for axis in range(max((x.ndim for x in arrays), default=0)):
        lengths = [x.shape[axis] for x in arrays if x.ndim > axis]
        for end, word in ((0, "first"), (-1, "last")) if lengths[0] > 1 else ():
            moved = [_one_for_all(x, axis, end, lengths[0]) for x in inputs]
            cause = "missing_batch_sum" if not axis and hypothesis.serves_batch else "wrong_formula"
            text = f"the {word} slice of the inputs along axis {axis} stands for every one"
            yield cause, text, subject, moved


def _one_for_all(x: Any, axis: int, end: int, length: int) -> Any:
    if not isinstance(x, np.ndarray) or x.ndim <= axis or x.shape[axis] != length:
        return fresh(x)
    return np.broadcast_to(x.take([end], axis), x.shape).copy()


def _rearranged(value: Array) -> Iterator[tuple[Array, str]]:
    """What a parameter becomes when it is transposed, or reshaped instead; also undone."""
    for axes in list(permutations(range(value.ndim)))[1:] if value.ndim < 5 else ():
        if value.transpose(axes).shape == value.shape:
            yield value.transpose(axes).copy(), "used where its transpose belongs"
        inner = value.reshape([value.shape[a] for a in axes]).transpose(np.argsort(axes))
        yield inner.copy(), "reshaped where it has to be transposed"
    if value.ndim > 2:
        yield np.flip(value, (-1, -2)).copy(), "rotated, or not, where the other belongs"


def stretched(hypothesis: Hypothesis) -> Iterator[Finding]:
    """Of the inputs of an elementwise layer, only one that was stretched is wrong."""
    base, shape = hypothesis.base, hypothesis.shape
    target = base.run.outputs[0].shape
    if hypothesis.serves_batch or len(base.run.outputs) != 1 or not _is_stretched(shape, target):
        return
    if any(g.shape == target for g in base.mismatches):
        return
    inputs = [np.broadcast_to(x, target) * hypothesis.case.rng.uniform(0.8, 1.2, target)
              if np.asarray(x).dtype.kind == "f" and _is_stretched(np.shape(x), target) else x
              for x in base.run.inputs]  # fmt: skip
    outcome = hypothesis.case.verify(inputs)
    if outcome and not outcome.mismatches and outcome.run.outputs[0].shape == target:
        text = f"shape {shape} was stretched to {target}; for equal shapes it is right"
        yield hypothesis.finding("broadcasting", text)


def _is_stretched(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Whether a shape becomes the target by broadcasting alone."""
    try:
        return shape != target and np.broadcast_shapes(shape, target) == target
    except ValueError:
        return False
