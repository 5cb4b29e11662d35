"""check: is a backward pass right, and if not, which mistake is it?"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from handgrad.prove.diagnosis import doctor
from handgrad.prove.diagnosis.blame import blame
from handgrad.prove.diagnosis.slips import missing_return, slip
from handgrad.prove.report import RIGHT, UNKNOWN, WRONG, Report
from handgrad.prove.subject import peers
from handgrad.prove.subject.adapt import adapt
from handgrad.prove.subject.sandbox import Sandbox, SubjectError
from handgrad.prove.verdict.prepare import prepare
from handgrad.prove.verdict.trial import Case


def check(
    subject: Any,
    *inputs: Any,
    seed: int = 0,
    timeout: float = 20.0,
    reference: Callable | None = None,
) -> Report:
    """Prove a backward pass by experiment, and diagnose it when it is wrong.

    `subject` is an object with forward and backward (a layer, a loss, a network; no base class
    is needed), a pair of functions `(forward, backward)`, a class, or `(Class, *arguments)`; a
    torch.autograd.Function, a torch.nn.Module, a function of JAX's; a layer on CuPy arrays.
    `inputs` are what its forward takes. `reference(*inputs)` is what forward should compute,
    for a subject whose forward may be wrong too. `timeout`, in seconds, is for calls of the
    subject that never return, and is reported; how much is tried is counted, not timed, so equal
    arguments give an equal report on any machine.

    Nothing that is given is changed, and nothing that the subject does is raised: an exception
    inside it is a finding. The report is true when the verdict is "right", so
    `assert check(layer, x)` is a test. At a kink or a tie any subgradient is right.
    """
    sandbox = Sandbox(seed, timeout)
    name = _name(subject)
    try:
        report = sandbox.run(lambda: _examine(subject, inputs, sandbox, reference))
    except SubjectError as error:
        report = _failed(name, error, inputs)
        if told := slip(subject, error):
            report.evidence.append(f"{told}.")
    except TypeError as error:
        report = Report(name, UNKNOWN, evidence=[f"{error}."])
    if sandbox.printed.getvalue():
        report.notes.append("the subject printed while it was checked; that was kept back")
    if sandbox.forked:
        report.notes.append("the subject started processes; they ended with the call that did")
    for seen in _watching:
        seen.append(report)
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


def _examine(
    thing: Any, inputs: Sequence[Any], sandbox: Sandbox, reference: Callable | None
) -> Report:
    thing, inputs = peers.adapt(thing, inputs)
    subject = adapt(thing, sandbox)
    _bind(subject.thing.forward, inputs, subject.name)
    try:
        case = prepare(subject, inputs)
        report = doctor.examine(case, reference)
        if report.verdict == WRONG:
            told = missing_return(subject.thing, "backward")
            returned = {f"d{name}" for name in subject.input_names}
            if told and any(row.gradient in returned for row in report.table):
                report.evidence.append(f"{told}.")
            _blame(report, case, sandbox)
        elif report.verdict == RIGHT and case.tried:
            report.notes.append(case.tried_at())
    finally:
        subject.outside.restore()
    report.notes += sorted(subject.notes | case.subject.notes)
    return report


def _blame(report: Report, case: Case, sandbox: Sandbox) -> None:
    """Name the first wrong layer of a network, with its own report."""
    found = blame(case, lambda layer, inputs: _examine(layer, inputs, sandbox, None))
    if found is not None:
        report.layer, report.blame = found
        report.cause = report.blame.cause or report.cause
        report.line = report.blame.line or report.line


def _bind(forward: Callable, inputs: Sequence[Any], name: str) -> None:
    try:
        signature = inspect.signature(forward)
    except (ValueError, TypeError):  # written in C, without a signature
        return
    try:
        signature.bind(*inputs)
    except TypeError as error:
        raise TypeError(
            f"{name}.forward{signature} cannot be called with {len(inputs)} "
            f"input{'s' * (len(inputs) != 1)}: {error}"
        ) from None


_CAUSES: dict[type, str] = {AttributeError: "stale_state", KeyError: "stale_state"}
_CAUSES |= {NameError: "stale_state", ValueError: "shape", IndexError: "shape"}


def _failed(name: str, error: SubjectError, inputs: Sequence[Any]) -> Report:
    """The report on a subject that did not survive its first forward and backward."""
    sentence = f"{error.sentence.rstrip()}."
    kind = error.type or type(None)
    if error.phase == "forward" and issubclass(kind, ValueError | IndexError | TypeError):
        given = ", ".join(str(np.shape(x)) for x in inputs)
        sentence += f" The inputs were of shape {given}: if it wants others, give it those."
    if error.kind in ("refused", "hang") or error.phase == "constructor":
        return Report(name, UNKNOWN, evidence=[sentence], line=error.line)
    cause = next((c for t, c in _CAUSES.items() if issubclass(kind, t)), "wrong_formula")
    cause = "forward_bug" if error.phase == "forward" else cause
    return Report(name, WRONG, cause, evidence=[sentence], line=error.line)


def _name(thing: Any) -> str:
    first = thing[0] if isinstance(thing, list | tuple) and thing else thing
    first = getattr(first, "func", first)
    return getattr(first, "__name__", type(first).__name__)
