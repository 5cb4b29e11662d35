"""What is handed out and what is kept: memory that two results share, or that the caller owns."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.subject.parameters import reach
from handgrad.prove.subject.sandbox import SubjectError
from handgrad.prove.verdict.chance import another, close
from handgrad.prove.verdict.evidence import Finding, Grade
from handgrad.prove.verdict.inputs import nearby, resized
from handgrad.prove.verdict.trial import Case, Outcome, fresh, same


def apart(case: Case, base: Outcome) -> Iterator[Finding]:
    """Gradients do not lie in each other's memory, nor parameters' gradients in the caller's."""
    for inputs in (case.inputs, resized(case, 0, 1, case.rng)):
        if inputs is not None:
            try:
                yield from _apart(case, inputs, {m.name for m in base.mismatches})
            except SubjectError:  # a batch of one may be refused
                continue


def _apart(case: Case, inputs: list, wrong: set[str]) -> Iterator[Finding]:
    used, given = case.subject.copy(), [fresh(x) for x in inputs]
    outputs = case.forward(used, given)
    dout = [fresh(u) for u in case.upstream(outputs)]
    returned = used.backward(dout)
    for (i, a), (j, b) in combinations(enumerate(returned[: len(case.names)]), 2):
        if _one(a, b) and not any(np.may_share_memory(a, u) for u in dout):
            one, two = case.names[i], case.names[j]
            text = f"d{one} and d{two} are one array: who adds to one changes both."
            yield Finding("aliasing", text, case.names[j])
            return
    for (_, a), (j, b) in combinations(enumerate(outputs), 2):
        if _one(a, b) and not any(np.may_share_memory(a, x) for x in given if _array(x)):
            yield Finding("aliasing", f"Output {j} is the same array as another output.")
            return
    before = {n: used.gradient(n) for n in used.parameters}
    kept = {n: None if g is None else g.copy() for n, g in before.items()}
    for u in dout:
        if isinstance(u, np.ndarray) and u.ndim:
            u[...] = 0.5 * u + 1.0
    for name, then in kept.items():
        now = used.gradient(name)
        if then is not None and now is not None and not same(now, then) and name not in wrong:
            text = f"d{name} changes when the caller writes into the upstream gradient."
            yield Finding("aliasing", text, name, grade=Grade.ELSEWHERE)
            return


def _one(a: Array | None, b: Array | None) -> bool:
    """Whether two results are one array."""
    if a is None or b is None or not a.size or a.shape != b.shape:
        return False
    return a.__array_interface__["data"] == b.__array_interface__["data"] and a.strides == b.strides


def _array(x: object) -> bool:
    return isinstance(x, np.ndarray)


def same_arrays_again(case: Case, base: Outcome) -> Iterator[Finding]:
    """The very arrays of the last call, with other numbers in them, give other results."""
    used, given = case.subject.copy(), [fresh(x) for x in case.inputs]
    dout = [fresh(u) for u in base.run.upstream]
    case.forward(used, given)
    used.backward(dout)
    other = [fresh(x) for x in nearby(case, 31)]
    for x, y in zip((*given, *dout), (*other, *(1.25 * u for u in base.run.upstream))):
        if isinstance(x, np.ndarray) and x.shape == np.shape(y):
            x[...] = y
    start = case.subject.copy()
    alone = case.run(given, dout, start)
    try:
        outputs = [y.copy() for y in case.forward(used, given)]
        gradients = case.named(used, used.backward(dout))
    except SubjectError:
        return
    if not all(map(close, outputs, alone.outputs)):
        return  # it keeps a state, or draws anew
    name = another(case, gradients, alone.gradients)
    if name is not None:
        text = f"When the same arrays come again with other numbers, d{name} is the old one."
        yield Finding("stale_state", text, name)


def assigned(case: Case, base: Outcome) -> Iterator[Finding]:
    """A parameter to which another array is assigned, before and after a call."""
    for early in (True, False):
        used = case.subject.copy()
        if not early:
            case.run(start=used, keep=True)
        for k, (name, parameter) in enumerate(used.parameters.items()):
            owner, (kind, key) = reach(used.thing, parameter.path[:-1]), parameter.path[-1]
            value = used.get(name) * (1.1 + 0.05 * k) + 0.01
            if kind != "." or not value.ndim or type(owner).__module__.startswith("handgrad."):
                return  # a list or dict of parameters is there to be changed in place
            try:
                setattr(owner, key, value)
            except AttributeError:  # it may not be assigned to
                return
        if not used.parameters:
            return
        outcome = case.verify(start=used)
        if outcome is not None and outcome.mismatches and not base.mismatches:
            name = outcome.mismatches[0].name
            text = f"After other arrays were assigned to the parameters d{name} is wrong: it, or "
            text += "forward, still uses the old ones."
            yield Finding("stale_state", text, name, outcome.mismatches[0].where())
            return
