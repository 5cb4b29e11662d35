"""At other inputs: is a gradient that is right at the given ones right there too?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from handgrad.prove.verdict.evidence import Finding, Grade
from handgrad.prove.verdict.fade import fades
from handgrad.prove.verdict.trial import Case, Outcome
from handgrad.subject.sandbox import SubjectError

Inputs = list[Any]
Variant = tuple[str, str, Inputs | None]  # the cause that is suspected, what is varied, inputs
Variants = Callable[[Case, Outcome], Iterable[Variant]]


def elsewhere(case: Case, inputs: Sequence[Any], cause: str, what: str) -> Iterator[Finding]:
    """Findings at other inputs: what explains the mismatch there, else the cause that is given."""
    try:
        outcome = case.verify(inputs)
    except SubjectError as error:  # forward worked, backward did not
        yield from failed(cause, f"With {what}", error)
        return
    if outcome is None or not outcome.mismatches or fades(case, inputs):
        return
    mismatch = outcome.mismatches[0]
    text = f"With {what} d{mismatch.name} is wrong."
    where = mismatch.where()
    yield Finding(cause, text, mismatch.name, where, None, outcome, what, Grade.ELSEWHERE)


def failed(cause: str, where: str, error: SubjectError) -> Iterator[Finding]:
    """The finding that a pass fails where it should not; nothing where it refuses."""
    if not error.refused:
        text = f"{where} {error.sentence}."
        yield Finding(cause, text, line=error.line, grade=Grade.ELSEWHERE)


def proved(variants: Variants) -> Callable[[Case, Outcome], Iterator[Finding]]:
    """The experiment that proves the gradients at each of these inputs."""

    def experiment(case: Case, base: Outcome) -> Iterator[Finding]:
        for cause, what, inputs in variants(case, base):
            if inputs is not None:
                yield from elsewhere(case, inputs, cause, what)

    experiment.__name__ = variants.__name__
    return experiment
