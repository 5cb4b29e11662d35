"""Other ranks: is a backward that is right for a matrix right for a stack of matrices too?

Only where forward means it: on one axis more it gives what it gives slice by slice. An exception
in backward, or a gradient of the wrong shape, says of itself that this rank is not meant, unless
another parameter's gradient is right there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.prove.subject.sandbox import SubjectError
from handgrad.prove.verdict.chance import close
from handgrad.prove.verdict.evidence import Finding
from handgrad.prove.verdict.inputs import batched, nearby
from handgrad.prove.verdict.sizes import elsewhere
from handgrad.prove.verdict.trial import Case, Outcome, fresh


def ranks(case: Case, base: Outcome) -> Iterator[Finding]:
    """One axis more in front, and one less."""
    tied = batched(case)
    if not tied:
        return
    slices = [case.inputs, nearby(case, 5)]
    more = [np.stack([np.asarray(s[k]) for s in slices]) if k in tied else fresh(x)
            for k, x in enumerate(case.inputs)]  # fmt: skip
    yield from _proved(case, more, slices, "one axis more")
    rows = len(np.asarray(case.inputs[min(tied)]))
    parts = [[np.asarray(x)[i] if k in tied else fresh(x) for k, x in enumerate(case.inputs)]
             for i in range(min(rows, 8))]  # fmt: skip
    if rows <= 8:
        yield from _proved(case, parts[0], parts, "one axis less", whole=case.inputs)


def _proved(
    case: Case, inputs: list[Any], slices: list[list[Any]], what: str, whole: Any = None
) -> Iterator[Finding]:
    try:
        if not _same_by_slices(case, inputs if whole is None else whole, slices):
            return
        run = case.run(inputs)
    except SubjectError:  # not meant
        return
    if any(run.gradients[n] is None for n in case.wanted):
        return
    shapes = {n: (g, case.shape(n, inputs)) for n, g in run.gradients.items()
              if n in case.wanted and g is not None}  # fmt: skip
    misshapen = [n for n, (g, shape) in shapes.items() if g.shape != shape]
    for finding in elsewhere(case, inputs, "wrong_axis", what):
        wrong = {m.name for m in finding.outcome.mismatches} if finding.outcome else set()
        learned = set(case.subject.parameters)
        telling = misshapen or (whole is not None and wrong <= learned)
        if not telling or learned - wrong:
            yield finding


def _same_by_slices(case: Case, whole: list[Any], slices: list[list[Any]]) -> bool:
    """Whether forward gives for the stack what it gives for each slice, or their sum or mean."""
    outputs = case.forward(case.subject.copy(), [fresh(x) for x in whole])
    apart = [case.forward(case.subject.copy(), [fresh(x) for x in s]) for s in slices]
    for k, y in enumerate(outputs):
        alone = np.stack([p[k] for p in apart])
        options = [alone] if y.ndim else [alone.sum(0), alone.mean(0)]
        if not any(close(y, option, 1e-9) for option in options):
            return False
    return True
