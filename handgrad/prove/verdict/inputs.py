"""Other inputs for a subject, made from those at hand and like them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.verdict.trial import Case, fresh
from handgrad.subject.sandbox import SubjectError


def is_real(x: Any) -> bool:
    return isinstance(x, np.ndarray | np.floating) and x.dtype.kind == "f"


def differentiable(case: Case) -> list[int]:
    """Indices of the inputs that have a gradient."""
    return [k for k, n in enumerate(case.names) if n in case.wanted]


def movable(case: Case) -> list[int]:
    """Indices of the inputs with a gradient; without the shares among them, if others are not."""
    indices = differentiable(case)
    free = [k for k in indices if not _is_share(case.inputs[k])]
    return free or indices


def _is_share(x: Any) -> bool:
    """Whether all elements lie between 0 and 1: probabilities, targets, masks."""
    x = np.asarray(x)
    return bool(x.size and x.min() >= 0 and x.max() <= 1)


def bounds(case: Case) -> tuple[float, float]:
    """The least and the largest element of the movable inputs."""
    values = [x for x in (np.asarray(case.inputs[k]) for k in movable(case)) if x.size]
    lows, highs = [float(x.min()) for x in values], [float(x.max()) for x in values]
    return min(lows, default=0.0), max(highs, default=0.0)


def replaced(case: Case, change: Callable[[Any], Any]) -> list[Any]:
    """The inputs with `change` applied to those that are movable."""
    wanted = set(movable(case))
    return [change(x) if k in wanted else fresh(x) for k, x in enumerate(case.inputs)]


def scaled(case: Case, factor: float) -> list[Any]:
    """The movable inputs times a number."""
    return replaced(case, lambda x: factor * np.asarray(x))


def nearby(case: Case, seed: int = 7, inputs: Sequence[Any] | None = None) -> list[Any]:
    """Inputs of the same shapes and signs, with other values; labels stay."""
    rng, wanted = np.random.default_rng(seed), set(movable(case))
    return [np.asarray(x) * rng.uniform(0.6, 1.2, np.shape(x)) if k in wanted else fresh(x)
            for k, x in enumerate(case.inputs if inputs is None else inputs)]  # fmt: skip


def shuffled(case: Case, rng: np.random.Generator) -> list[Any]:
    """Another batch: the rows of the inputs in another order, slightly changed; labels too."""
    rows = length(case)
    if not any(np.ndim(x) for x in case.inputs):
        return nearby(case, 11)
    wanted = set(differentiable(case))
    given = [taken(x, np.roll(np.arange(rows), 1), rows, rng) for x in case.inputs]
    return [np.flip(x, -1) if k in wanted and np.ndim(x) else x for k, x in enumerate(given)]


def length(case: Case, axis: int = 0) -> int:
    """The length of an axis of the first input that has it; zero without one."""
    return next((x.shape[axis] for x in case.inputs if np.ndim(x) > axis), 0)


def resized(case: Case, axis: int, new: int, rng: np.random.Generator) -> list[Any] | None:
    """Inputs whose axis has another length, in every array that shares it; None if none has."""
    old = length(case, axis)
    if old in (0, new):
        return None
    if axis and any(_is_label(case, k, axis, old) for k in range(len(case.inputs))):
        return None  # a target that is made longer is no target any more
    tied: Collection[int] = range(len(case.inputs)) if axis else batched(case)
    return [taken(x, np.arange(new) % old, old, rng, axis) if k in tied else fresh(x)
            for k, x in enumerate(case.inputs)]  # fmt: skip


def _is_label(case: Case, k: int, axis: int, old: int) -> bool:
    """Whether an input without gradient has an axis of this length here."""
    x = case.inputs[k]
    has_axis = isinstance(x, np.ndarray) and x.ndim > axis and x.shape[axis] == old
    return has_axis and is_real(x) and case.names[k] not in case.wanted


def batched(case: Case) -> set[int]:
    """Indices of the inputs whose length is that of the batch, not by chance the same number.

    One that forward does not need longer or shorter when the others are has no part in it.
    """
    rows = length(case)
    if case.tied is None:
        equal = {k for k, x in enumerate(case.inputs) if rows and np.shape(x)[:1] == (rows,)}
        case.tied = equal
        if equal and not goes(case, equal, rows):
            others = equal - {min(equal)} if rows > 1 else set()
            case.tied = equal - {k for k in others if goes(case, equal - {k}, rows)}
    return case.tied


def goes(case: Case, indices: set[int], rows: int) -> bool:
    """Whether forward takes these inputs, and not the others, with a row more and a row less."""
    for count in (rows + 1, max(rows - 1, 1)):
        order = np.arange(count) % rows
        inputs = [np.take(x, order, 0) if k in indices else fresh(x)
                  for k, x in enumerate(case.inputs)]  # fmt: skip
        try:
            case.forward(case.subject.copy(), inputs)
        except SubjectError:
            return False
    return True


def resized_alike(case: Case, old: int, new: int, rng: np.random.Generator) -> list[Any]:
    """Inputs in which every axis of length `old`, wherever it stands, has another length."""
    inputs = [fresh(x) for x in case.inputs]
    for axis in range(max(np.ndim(x) for x in inputs)):
        inputs = [taken(x, np.arange(new) % old, old, rng, axis) for x in inputs]
    return inputs


def resized_odd(case: Case, rng: np.random.Generator) -> list[Any] | None:
    """A single input with an odd number of entries; None where there are others to fit."""
    if len(case.inputs) != 1 or not np.size(case.inputs[0]) or np.size(case.inputs[0]) % 2:
        return None
    x = np.asarray(case.inputs[0])
    for axis, old in enumerate(x.shape):
        x = taken(x, np.arange(old | 1) % old, old, rng, axis)
    return [x]


def resized_alone(case: Case, k: int, axis: int, rng: np.random.Generator) -> list[Any]:
    """Inputs of which one has one axis longer by one."""
    old = case.inputs[k].shape[axis]
    return [taken(x, np.arange(old + 1) % old, old, rng, axis) if j == k else fresh(x)
            for j, x in enumerate(case.inputs)]  # fmt: skip


def taken(x: Any, order: Array, old: int, rng: np.random.Generator, axis: int = 0) -> Any:
    """These entries along an axis that has this length, slightly changed where they are real."""
    if not isinstance(x, np.ndarray) or x.ndim <= axis or x.shape[axis] != old:
        return fresh(x)
    chosen = np.take(x, order, axis)
    if x.dtype.kind != "f" or np.all((x == 0) | (x == 1)):
        return chosen
    return chosen * rng.uniform(0.8, 1.1, chosen.shape)
