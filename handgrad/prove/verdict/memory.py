"""Whose memory a result lies in: not another result's, not the caller's, and not a later call's."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.verdict.evidence import Finding, Grade
from handgrad.prove.verdict.history import instances, move_on
from handgrad.prove.verdict.inputs import nearby, resized
from handgrad.prove.verdict.trial import Case, Outcome, fresh, same
from handgrad.subject.adapt import Subject
from handgrad.subject.copying import duplicate
from handgrad.subject.sandbox import SubjectError


def results_last(case: Case, base: Outcome) -> Iterator[Finding]:
    """A result that was returned stays as it is, whatever is called later."""
    used = case.subject.copy()
    pairs = [(used, used, "later")]
    for one, other in instances(case):
        both = duplicate([one.thing, other.thing])
        pairs.append((one.around(both[0]), other.around(both[1]), "other instance's"))
    for one, other, whose in pairs:
        try:
            changed = _changed_by(case, one, other)
        except SubjectError:
            continue
        if changed:
            text = f"A {whose} call changes the {changed} that was returned before."
            yield Finding("aliasing", text)
            return


def _changed_by(case: Case, one: Subject, other: Subject) -> str | None:
    """The first result of one that a call of the other changes."""
    outputs = case.forward(one, [fresh(x) for x in case.inputs])
    held = [("output", y, y.copy()) for y in outputs]
    returned = one.backward(case.upstream(outputs))
    held += [(f"d{n}", g, g.copy()) for n, g in zip(case.names, returned) if g is not None]
    again = case.forward(other, nearby(case))
    if all(same(now, then) for _, now, then in held):
        other.backward(case.upstream(again))
    return next((name for name, now, then in held if not same(now, then)), None)


def apart(case: Case, base: Outcome) -> Iterator[Finding]:
    """Gradients do not lie in each other's memory, nor parameters' gradients in the caller's."""
    wrong = {m.name for m in base.mismatches}
    for inputs in (case.inputs, resized(case, 0, 1, case.rng)):
        try:
            yield from _apart(case, inputs, wrong) if inputs is not None else ()
        except SubjectError:  # a batch of one may be refused
            continue


def _apart(case: Case, inputs: list[Any], wrong: set[str]) -> Iterator[Finding]:
    used, given = case.subject.copy(), [fresh(x) for x in inputs]
    outputs = case.forward(used, given)
    dout = [fresh(u) for u in case.upstream(outputs)]
    returned = [(f"d{n}", g) for n, g in zip(case.names, used.backward(dout))]
    results = [(f"output {k}", y) for k, y in enumerate(outputs)]
    for group, lent in ((returned, dout), (results, [x for x in given if hasattr(x, "shape")])):
        for (one, a), (two, b) in combinations(group, 2):
            if _one(a, b) and not any(np.may_share_memory(a, x) for x in lent):
                text = f"{one} and {two} are one array: who adds to one changes both."
                yield Finding("aliasing", text, two.removeprefix("d"))
                return
    kept = {n: fresh(used.gradient(n)) for n in used.parameters}
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


def forward_trembles(case: Case, base: Outcome) -> Iterator[Finding]:
    """forward adds noise too small to have a purpose."""
    for seed in (5, 6):
        subject = case.subject.copy()
        move_on(subject)
        again = subject.forward([fresh(x) for x in case.inputs], seed)
        for y, z in zip(base.run.outputs, again):
            off = abs(y - z).max(initial=0) if z.shape == y.shape else np.inf
            if 1e-12 * abs(y).max(initial=0) < off < 5e-3 * abs(y).max(initial=0):
                text = f"Called again with the same input, forward is another by up to {off:.2g}."
                yield Finding("nondeterministic", text)
                return
