"""From a subject and inputs to a case: float64 copies, parameters found, gradients matched."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layer import Layer
from handgrad.prove.verdict.inputs import is_real
from handgrad.prove.verdict.large import first_run
from handgrad.prove.verdict.trial import Case, Run, close, fresh, same
from handgrad.subject.adapt import Subject
from handgrad.subject.copying import duplicate
from handgrad.subject.parameters import attributes, owners, reach
from handgrad.subject.sandbox import SubjectError, Unfit

LARGE = 400_000  # elements in a subject and its inputs, from which on it is copied once only, ...
HUGE = 4_000_000  # ... and from which on not even to float64


def prepare(subject: Subject, inputs: Sequence[Any], wrt: Sequence[Any] | None = None) -> Case:
    """The case in float64, with `wanted`: the arguments whose gradients can be proved.

    wrt: names or indices of those, where they are stated.
    """
    case = _prepared(subject, inputs)
    if wrt is not None:
        case.wanted = [_stated(case, key) for key in wrt]
    elif not case.wanted and hasattr(subject.thing, "asked"):  # autograd found no way to any input
        case.wanted = [n for n, x in zip(case.names, case.inputs) if is_real(x)]
    return case


def _stated(case: Case, key: Any) -> str:
    """The name of an argument given by its name or index; ValueError for what is none."""
    names = [*case.names, *case.subject.parameters]
    if isinstance(key, int) and 0 <= key < len(case.names):
        return case.names[key]
    if key not in names:
        raise ValueError(f"wrt: {case.subject.name} has {', '.join(names)}, and no {key!r}")
    return str(key)


def _prepared(subject: Subject, inputs: Sequence[Any]) -> Case:
    given = [_array(x, subject.notes) for x in inputs]
    held = [v for owner in owners(subject.thing) for v in attributes(owner).values()]
    arrays = {id(v): v.size for v in (*held, *given) if isinstance(v, np.ndarray)}
    elements = sum(arrays.values())
    if elements > HUGE:
        return _large(subject, given)
    real = [x.astype(np.float64) if is_real(x) else x for x in given]
    if elements > LARGE:
        return _large(_built(subject, given).cast(np.float64), real)
    case = Case(_built(subject, real).cast(np.float64), real, subject.sandbox.seed)
    try:
        _name_parameters(case)
    except SubjectError as error:
        if not error.refused or all(x is y for x, y in zip(real, given)):
            raise
        subject.notes.add("it takes no float64, and was checked in the precision it came in")
        case = Case(_built(subject, given), given, subject.sandbox.seed)
        case.dtype = np.float32
        _name_parameters(case)
    case.original, case.given = subject, given
    run = case.run()
    if _rounds(case, run.outputs):
        case.subject = case.subject.without_casts()
        run = case.run()
        if any(y.dtype == np.float16 for y in run.outputs):
            case.reason = "forward rounds its output to half precision: nothing can be told of it."
    if _counts_as_real(case, run.gradients):
        run = case.run()
    case.wanted = [n for n in case.names if _wants(case, n, run)]
    for name in (n for n in case.wanted if 0 in case.shape(n, case.inputs)):
        shape = case.shape(name, case.inputs)
        case.reason = f"{name} has no numbers (its shape is {shape}): give at least one row."
    case.wanted += list(case.subject.parameters)
    return case


def _rounds(case: Case, outputs: list[Array]) -> bool:
    """Whether forward is another without casts to fewer digits, by more than single precision."""
    if hasattr(case.subject.thing, "half"):  # of another library
        return False
    try:
        exact = case.forward(case.subject.without_casts(), [fresh(x) for x in case.inputs])
    except SubjectError:  # its arrays have to be NumPy's own
        return False
    half = any(is_real(x) and x.dtype.itemsize < 4 for x in case.given)
    return half or not all(close(a, b, 1e-5) for a, b in zip(exact, outputs))


def beside(case: Case, subject: Subject, inputs: list[Any]) -> Case:
    """A case of another subject that has gradients for the same inputs."""
    other = Case(subject, inputs, case.seed)
    if not _has_all(case, subject):
        _name_parameters(other)
    other.names, other.original, other.given = case.names, subject, inputs
    other.wanted = [n for n in case.names if n in case.wanted] + list(other.subject.parameters)
    return other


def _has_all(case: Case, subject: Subject) -> bool:
    """Whether a subject made like another has just its parameters, and no array beside."""
    one, two = ({n for n, v in attributes(s.thing).items() if isinstance(v, np.ndarray)}
                for s in (case.subject, subject))  # fmt: skip
    paths = [p.path for p in subject.parameters.values()]
    return two <= one and all(isinstance(reach(subject.thing, p), np.ndarray) for p in paths)


def _large(subject: Subject, inputs: list[Any]) -> Case:
    """The case of a large subject, in the precision it has."""
    case = Case(_built(subject, inputs), inputs, subject.sandbox.seed)
    worker, run = case.large = first_run(case)
    case.wanted = [n for n in case.names if _wants(case, n, run)] + list(worker.parameters)
    return case


def _array(x: Any, notes: set[str]) -> Any:
    if isinstance(x, str | bytes):
        raise Unfit(f"inputs have to be arrays or numbers, got {type(x).__name__}")
    if isinstance(x, list | tuple):
        notes.add("a list among the inputs was converted to an array")
        return np.asarray(x, dtype=np.float64 if np.asarray(x).dtype.kind == "f" else None)
    return x


def _built(subject: Subject, inputs: list[Any]) -> Subject:
    """The subject with its parameters made, where it makes them from the first inputs."""
    if not isinstance(subject.thing, Layer):
        return subject
    subject = subject.copy()
    subject.sandbox.call("forward", subject.thing.build, *duplicate(inputs))
    return subject


def _name_parameters(case: Case) -> None:
    """Find the parameters: what looks like one and is the same after another forward.

    Some are made by the first forward. What forward writes is a parameter if it reads it first.
    """
    used = case.subject.copy()
    outputs = [y.copy() for y in case.forward(used, [fresh(x) for x in case.inputs])]
    used.backward(case.upstream(outputs))
    used.find_parameters()
    before = {n: used.get(n).copy() for n in used.parameters}
    other = [x * 1.25 + 0.1 if is_real(x) else fresh(x) for x in case.inputs]
    with suppress(SubjectError):  # if it does not take them, nothing is learned
        case.forward(used, other)
    case.subject.parameters = dict(used.parameters)
    found, lazy = {}, False
    for name, parameter in used.parameters.items():
        start = case.subject.get(name)
        made = start.dtype.kind == "f" and start.shape == used.get(name).shape
        if made and not same(start, used.get(name)):
            made = _is_read(case, name, outputs)
        if made or (parameter.gradient and same(before[name], used.get(name))):
            found[name], lazy = parameter, lazy or not made
    if lazy:
        made_now = case.subject.copy()
        case.forward(made_now, [fresh(x) for x in case.inputs])
        case.subject = made_now
    case.subject.parameters = found


def _is_read(case: Case, name: str, outputs: list[Array]) -> bool:
    """Whether the output follows what an attribute is before forward."""
    subject = case.subject.copy()
    subject.put(name, subject.get(name) * 1.25 + 0.1)
    try:
        now = case.forward(subject, [fresh(x) for x in case.inputs])
    except SubjectError:
        return False
    return not all(map(close, now, outputs))


def _counts_as_real(case: Case, gradients: dict[str, Array | None]) -> bool:
    """Turn integers that have a gradient, and that forward takes as reals, into float64."""
    changed = False
    for k, (name, x) in enumerate(zip(case.names, case.inputs)):
        number = np.asarray(x).dtype.kind in "iu" or isinstance(x, float)
        if gradients[name] is None or not number:
            continue
        real = np.float64(x) if not isinstance(x, np.ndarray) else x.astype(np.float64)
        inputs = [real if j == k else y for j, y in enumerate(case.inputs)]
        try:
            case.forward(case.subject.copy(), [fresh(y) for y in inputs])
        except SubjectError:  # an index
            continue
        case.inputs, changed = inputs, True
    return changed


def _wants(case: Case, name: str, run: Run) -> bool:
    """Whether an input has a gradient that can be proved.

    None says that there is none. Where backward gives fewer gradients than there are inputs, the
    last ones of a loss have none, nor have masks, and arrays that say where and not how much.
    """
    k = case.names.index(name)
    x = case.inputs[k]
    if not (is_real(x) or isinstance(x, float)):
        return False
    asked = getattr(case.subject.thing, "asked", None)  # by requires_grad
    if run.gradients[name] is not None or asked:
        return not asked or name in asked
    # A gradient of what is not real tells that they are in the wrong order.
    whole = [n for n, y in zip(case.names, case.inputs) if np.asarray(y).dtype.kind != "f"]
    if k < run.declared and all(run.gradients[n] is None for n in whole):
        case.subject.notes.add(f"backward says by None that {name} has no gradient")
        return False
    loss = all(y.size == 1 for y in run.outputs) and k > 0
    return not loss and np.size(x) > 0 and not np.all(np.round(x) == x)
