"""Labels in the other form, and labels that are met exactly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.subject.sandbox import SubjectError
from handgrad.prove.verdict import state
from handgrad.prove.verdict.chance import close
from handgrad.prove.verdict.evidence import Finding, Grade
from handgrad.prove.verdict.inputs import is_real, movable
from handgrad.prove.verdict.sizes import elsewhere
from handgrad.prove.verdict.trial import Case, Outcome, fresh


def other_form(case: Case, base: Outcome) -> Iterator[Finding]:
    """Classes as numbers where the sample has one-hot vectors, and the other way about.

    Only where forward takes both to the same result.
    """
    for k in range(1, len(case.inputs)):
        for label, what in _forms(case.inputs[0], case.inputs[k]):
            inputs = [label if j == k else fresh(x) for j, x in enumerate(case.inputs)]
            try:
                outputs = case.run(inputs).outputs
            except SubjectError:  # it is for one form only
                continue
            if all(map(close, outputs, base.run.outputs)):
                yield from elsewhere(case, inputs, "wrong_formula", what)
                yield from state.backward_twice(_with(case, inputs), base)


def _forms(x: Any, label: Any) -> Iterator[tuple[Array, str]]:
    shape, label = np.shape(x), np.asarray(label)
    if len(shape) < 2:
        return
    if label.shape == shape and is_one_hot(label):
        yield label.argmax(-1), "labels as numbers"
        return
    classes = shape[-1]
    whole = label.shape == shape[:-1] and label.dtype.kind in "iu"
    if whole and np.all((label >= 0) & (label < classes)):
        yield np.eye(classes)[label], "labels as one-hot vectors"
        yield label[..., None], "labels as a column"


def masks(case: Case, base: Outcome) -> Iterator[Finding]:
    """Masks that leave out something else in every row, where the sample's let all through."""
    for k, x in enumerate(case.inputs):
        whole = isinstance(x, np.ndarray) and x.ndim > 1 and case.names[k] not in case.wanted
        if whole and np.all((x == 0) | (x == 1)) and not is_one_hot(x):
            kept = np.random.default_rng(case.seed).random(x.shape) < 0.6
            kept[..., 0] |= ~kept.any(-1)
            inputs = [kept.astype(x.dtype) if j == k else fresh(y)
                      for j, y in enumerate(case.inputs)]  # fmt: skip
            yield from elsewhere(case, inputs, "wrong_formula", f"another {case.names[k]}")


def is_one_hot(label: Array) -> bool:
    """Whether every row has a single one, and zeros."""
    ones = bool(np.all((label == 0) | (label == 1)))
    return ones and bool(label.ndim and label.size and np.all(label.sum(-1) == 1))


def _with(case: Case, inputs: list[Any]) -> Case:
    """The case with other inputs."""
    other = Case(case.subject, inputs, case.seed)
    other.names, other.wanted = case.names, case.wanted
    return other


def certain(case: Case, base: Outcome) -> Iterator[Finding]:
    """Probabilities that meet their labels exactly: 0 log 0 counts as 0."""
    indices = movable(case)
    if len(indices) != 1 or len(case.inputs) != 2:
        return
    x, label = np.asarray(case.inputs[indices[0]]), np.asarray(case.inputs[1 - indices[0]])
    share = x.size and x.min() >= 0 and x.max() <= 1
    if not share or label.shape != x.shape or label.shape[-1:] < (2,) or not is_one_hot(label):
        return
    met = [label.astype(x.dtype) if k in indices else fresh(y) for k, y in enumerate(case.inputs)]
    try:
        outputs = case.forward(case.subject.copy(), met)
    except SubjectError:
        return
    if any(np.isnan(y).any() for y in outputs) and is_real(x):
        text = "With probabilities that are exactly 0 and 1, and right, forward is NaN: 0 log 0."
        yield Finding("numeric_instability", text, grade=Grade.ELSEWHERE)
