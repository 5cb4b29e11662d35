"""From a subject and inputs to a case: float64 copies, parameters found, gradients matched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layer import Layer
from handgrad.prove.copying import duplicate
from handgrad.prove.sandbox import SubjectError
from handgrad.prove.subject import Subject
from handgrad.prove.trial import Case, fresh, same

# Inputs with these names need no gradient: targets, indices, masks, modes.
_LABELS = {"t", "y", "label", "labels", "target", "targets", "y_true", "truth", "mask", "idx"}
_LABELS |= {"index", "indices", "ids", "weight_mask", "train_flg", "training", "lengths", "tgt"}


def prepare(subject: Subject, inputs: Sequence[Any]) -> Case:
    """The case in float64, with `wanted`: the arguments whose gradients can be proved."""
    given = [_array(x, subject.notes) for x in inputs]
    real = [x.astype(np.float64) if _is_float(x) else x for x in given]
    case = Case(_built(subject.cast(np.float64), real), real, subject.sandbox.seed)
    case.original, case.given = subject, given
    _name_parameters(case)
    run = case.run()
    if _counts_as_real(case, run.gradients):
        run = case.run()
    case.wanted = [n for n in case.names if _wants(case, n, run.gradients[n], run.outputs)]
    case.wanted += list(case.subject.parameters)
    return case


def _array(x: Any, notes: set[str]) -> Any:
    if isinstance(x, list | tuple):
        notes.add("a list among the inputs was converted to an array")
        return np.asarray(x, dtype=np.float64 if np.asarray(x).dtype.kind == "f" else None)
    return x


def _is_float(x: Any) -> bool:
    return isinstance(x, np.ndarray | np.floating) and x.dtype.kind == "f"


def _built(subject: Subject, inputs: list[Any]) -> Subject:
    """The subject with its parameters made, where it makes them from the first inputs."""
    if isinstance(subject.thing, Layer):
        copy = duplicate(inputs)
        subject.sandbox.call("forward", subject.thing.build, *copy)
        return subject.cast(np.float64)
    return subject


def _name_parameters(case: Case) -> None:
    """Find the parameters: what looks like one and is the same after another forward."""
    used = case.subject.copy()
    outputs = case.forward(used, [fresh(x) for x in case.inputs])
    used.backward(case.upstream(outputs))
    used.find_parameters()
    if any(p for p in used.parameters if not _there(case.subject, used, p)):
        lazy = case.subject.copy()  # parameters made by the first forward
        case.forward(lazy, [fresh(x) for x in case.inputs])
        case.subject = lazy
    case.subject.parameters = used.parameters
    before = {n: used.get(n).copy() for n in used.parameters}
    other = [x * 1.25 + 0.1 if _is_float(x) else fresh(x) for x in case.inputs]
    try:
        case.forward(used, other)
    except SubjectError:
        return
    start = case.subject
    start.parameters = {
        n: p
        for n, p in used.parameters.items()
        if same(before[n], used.get(n)) or _usual_owner(p.name)
    }


def _there(fresh_subject: Subject, used: Subject, name: str) -> bool:
    fresh_subject.parameters = used.parameters
    value = fresh_subject.get(name)
    return value.dtype.kind == "f" and value.shape == used.get(name).shape


def _usual_owner(name: str) -> bool:
    """Names so usual for parameters that forward's changing one is a mistake."""
    return name.split(".")[-1] in {"W", "b", "Wx", "Wh", "gamma", "beta", "weight", "bias"}


def _counts_as_real(case: Case, gradients: dict[str, Array | None]) -> bool:
    """Turn integers that have a gradient, and that forward takes as reals, into float64."""
    changed = False
    for k, name in enumerate(case.names):
        x = case.inputs[k]
        number = isinstance(x, int | np.integer) and not isinstance(x, bool | np.bool_)
        whole = number or (isinstance(x, np.ndarray) and x.dtype.kind in "iu")
        if gradients[name] is None or not (whole or isinstance(x, float)):
            continue
        real = np.float64(x) if not isinstance(x, np.ndarray) else x.astype(np.float64)
        inputs = [real if j == k else y for j, y in enumerate(case.inputs)]
        try:
            case.forward(case.subject.copy(), [fresh(y) for y in inputs])
        except SubjectError:  # an index
            continue
        case.inputs, changed = inputs, True
    return changed


def _wants(case: Case, name: str, gradient: Array | None, outputs: list[Array]) -> bool:
    x = case.inputs[case.names.index(name)]
    if not (_is_float(x) or isinstance(x, float)):
        return False
    if gradient is not None:
        return True
    loss = all(y.size == 1 for y in outputs) and name != case.names[0]
    return not loss and name.lower() not in _LABELS and np.size(x) > 0
