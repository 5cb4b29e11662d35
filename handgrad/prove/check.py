"""check: is a backward pass right, and if not, which mistake is it?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.findings.report import RIGHT, UNKNOWN, WRONG, Report
from handgrad.prove.diagnosis import doctor
from handgrad.prove.diagnosis.blame import blame
from handgrad.prove.diagnosis.slips import missing_return, slip
from handgrad.prove.half import judge_half
from handgrad.prove.second import prove_second
from handgrad.prove.verdict.prepare import prepare
from handgrad.prove.verdict.trial import Case
from handgrad.subject.adapt import adapt, with_cache
from handgrad.subject.dressing import bound
from handgrad.subject.peers.adapt import as_arrays
from handgrad.subject.peers.library import half_of
from handgrad.subject.sandbox import Draws, Sandbox, SubjectError, Unfit
from handgrad.subject.surrogate import meant


def check(
    subject: Any,
    *inputs: Any,
    seed: int = 0,
    timeout: float = 20.0,
    reference: Callable[..., Any] | None = None,
    surrogate: Callable[..., Any] | None = None,
    wrt: Any = None,
    rtol: float | None = None,
    order: int = 1,
) -> Report:
    """Prove a backward pass by experiment, and diagnose it when it is wrong.

    `subject` is an object with forward and backward (a layer, a loss, a network; no base class
    is needed), a pair of functions `(forward, backward)`, a class, or `(Class, *arguments)`; of
    PyTorch's an autograd.Function or its apply, a Module, a custom operator, a function of
    tensors; of JAX's a custom_vjp, a custom_jvp, a function; forward and backward on tensors, or
    arrays of CuPy, JAX or any with DLPack. `inputs` are what its forward takes: arrays, tensors,
    containers of these; inputs in half precision are judged by what rounding explains.

    `reference(*inputs)` is what forward should compute, for a subject whose forward may be wrong
    too. `surrogate(*inputs)` is the function whose derivative backward is meant to be, where that
    is not forward's: x for a straight-through estimator, -x for gradient reversal; after the
    inputs it can name parameters of the layer. `wrt`: the names or indices of the inputs and
    parameters to differentiate; all that have a gradient, or, among tensors, those that require
    one. `rtol`: the largest relative error that is right, 3e-4 at first. `order=2` proves the
    second derivatives as well. `timeout`, in seconds, is for calls of the
    subject that never return, and is reported; how much is tried is counted, not timed, so equal
    arguments give an equal report on any machine.

    Nothing that is given is changed, and nothing that the subject does is raised: an exception
    inside it is a finding. The report is true when the verdict is "right", so
    `assert check(layer, x)` is a test. At a kink or a tie any subgradient is right.
    """
    if order not in (1, 2):
        raise ValueError(f"check: order is 1 or 2, got {order!r}")
    if rtol is not None and not 0 < rtol < 1:
        raise ValueError(f"check: rtol is between 0 and 1, got {rtol!r}")
    wrt = [wrt] if isinstance(wrt, str | int) else wrt
    asked = Asked(reference, surrogate, wrt, rtol, order)
    try:
        report = _reported(subject, inputs, Sandbox(seed, timeout, seeded=False), asked)
    except Draws:
        report = _reported(subject, inputs, Sandbox(seed, timeout), asked)
    for seen in _watching:
        seen.append(report)
    return report


def _reported(subject: Any, inputs: Sequence[Any], sandbox: Sandbox, asked: Asked) -> Report:
    """The report, whatever the subject does."""
    name = _name(subject)
    try:
        report: Report = sandbox.run(lambda: _examine(subject, inputs, sandbox, asked))
    except SubjectError as error:
        report = _failed(name, error, inputs)
        if told := slip(subject, error):
            report.evidence.append(f"{told}.")
    except Unfit as error:
        report = Report(name, UNKNOWN, evidence=[f"{error}."])
    if sandbox.printed.getvalue():
        report.notes.append("the subject printed while it was checked; that was kept back")
    if sandbox.forked:
        report.notes.append("the subject started processes; they ended with the call that did")
    return report


_watching: list[list[Report]] = []


@contextmanager
def watched() -> Iterator[list[Report]]:
    """The list of all reports that `check` makes inside the block."""
    seen: list[Report] = []
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching[:] = [other for other in _watching if other is not seen]


@dataclass(frozen=True)
class Asked:
    """What a caller of check states besides the subject and its inputs."""

    reference: Callable[..., Any] | None = None
    surrogate: Callable[..., Any] | None = None
    wrt: Sequence[Any] | None = None
    rtol: float | None = None
    order: int = 1


def _examine(thing: Any, given: Sequence[Any], sandbox: Sandbox, asked: Asked) -> Report:
    thing, inputs = as_arrays(thing, given)
    subject = adapt(thing, sandbox)
    subject.rtol = asked.rtol
    bound(subject.thing.forward, inputs, f"{subject.name}.forward")
    if asked.surrogate is not None:
        subject = meant(subject, asked.surrogate)
    half, dtype = half_of(given)
    try:
        case = prepare(subject, inputs, asked.wrt)
        report = doctor.examine(case, asked.reference)
        if report.verdict == WRONG and asked.surrogate is None:
            told = missing_return(subject.thing, "backward")
            returned = {f"d{name}" for name in subject.input_names}
            if told and any(row.gradient in returned for row in report.table):
                report.evidence.append(f"{told}.")
            _blame(report, case, sandbox)
        elif report.verdict == RIGHT and case.tried:
            report.notes.append(case.tried_at())
            report.limits = list(dict.fromkeys(case.limits))
        if report.verdict == RIGHT and half is not None:
            report = judge_half(case, report, half, dtype)
        if report.verdict == RIGHT and asked.order == 2:
            first = Asked(rtol=asked.rtol)
            report = prove_second(case, report, lambda t, xs: _examine(t, xs, sandbox, first))
        if report.verdict == WRONG and (pair := with_cache(subject)) is not None:
            second = _examine(pair, given, sandbox, asked)
            if second:
                what = "the last array that forward returns was read as what it keeps for backward"
                second.notes.append(what)
                return second
    finally:
        subject.outside.restore()
    report.notes += sorted(subject.notes | case.subject.notes)
    return report


def _blame(report: Report, case: Case, sandbox: Sandbox) -> None:
    """Name the first wrong layer of a network, with its own report."""
    found = blame(case, lambda layer, inputs: _examine(layer, inputs, sandbox, Asked()))
    if found is not None:
        report.layer, report.blame = found
        report.cause = report.blame.cause or report.cause
        report.line = report.blame.line or report.line


_CAUSES: dict[type, str] = {AttributeError: "stale_state", KeyError: "stale_state"}
_CAUSES |= {NameError: "stale_state", ValueError: "shape", IndexError: "shape"}


def _failed(name: str, error: SubjectError, inputs: Sequence[Any]) -> Report:
    """The report on a subject that did not survive its first forward and backward."""
    sentence = f"{error.sentence}."
    kind = error.type or type(None)
    if error.phase == "forward" and issubclass(kind, ValueError | IndexError | TypeError):
        given = ", ".join(str(np.shape(x)) for x in inputs)
        sentence += f" The inputs were of shape {given}: if it wants others, give it those."
    if error.kind in ("refused", "hang") or error.phase in ("constructor", "reference"):
        return Report(name, UNKNOWN, evidence=[sentence], line=error.line)
    cause = next((c for t, c in _CAUSES.items() if issubclass(kind, t)), "wrong_formula")
    cause = "forward_bug" if error.phase == "forward" else cause
    return Report(name, WRONG, cause, evidence=[sentence], line=error.line)


def _name(thing: Any) -> str:
    first = thing[0] if isinstance(thing, list | tuple) and thing else thing
    first = getattr(first, "func", first)
    return getattr(first, "__name__", type(first).__name__)
