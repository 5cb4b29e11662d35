"""What explains the difference between a wrong gradient and the numerical one?

An explanation says what backward would give if one certain mistake had been made. It is accepted
when it leaves next to nothing of the difference unexplained.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handgrad.prove.diagnosis import gradient, mutation, points, slices, sums, upstream
from handgrad.prove.diagnosis.hypothesis import Hypothesis
from handgrad.prove.measure.compare import Mismatch
from handgrad.prove.measure.point import differentiate
from handgrad.prove.verdict.evidence import Finding, Grade
from handgrad.prove.verdict.trial import Case, Outcome

# The simplest first: for a mismatch in a variant, the first that explains it is told.
EXPLANATIONS = (
    gradient.absent,
    gradient.not_finite,
    gradient.swapped,
    gradient.arranged,
    gradient.left_over,
    gradient.scaled,
    gradient.rounded,
    points.of_another_point,
    slices.wrong_slices,
    sums.overwritten,
    upstream.other_upstream,
    sums.over_other_axis,
    sums.stretched,
    sums.mixed,
)
OF_OTHER_SHAPE = (gradient.swapped, gradient.arranged)


def diagnose(case: Case, base: Outcome) -> Iterator[Finding]:
    """Findings that explain the mismatches of a trial."""
    hypotheses = [_hypothesis(case, base, mismatch) for mismatch in base.mismatches]
    found = [finding for hypothesis in hypotheses for finding in _explained(hypothesis)]
    yield from found
    sure = [f for f in found if f.grade < Grade.UNEXPLAINED and f.cause != "transpose"]
    if hypotheses and not sure:
        yield from mutation.undone_by_mutation(hypotheses)


def _explained(hypothesis: Hypothesis) -> Iterator[Finding]:
    explanations = OF_OTHER_SHAPE if hypothesis.misshapen else EXPLANATIONS
    found = [f for explanation in explanations for f in explanation(hypothesis)]
    yield from found
    if not found:
        yield hypothesis.guess("wrong_formula", "no simple mistake explains the difference")


def _hypothesis(case: Case, base: Outcome, mismatch: Mismatch) -> Hypothesis:
    assert base.point is not None
    for name in [g.name for g in base.mismatches] + case.wanted:
        if name not in base.parts:
            base.parts[name] = differentiate(base.point, name, 1e5, case.rng)
    part = base.parts[mismatch.name]
    numeric = mismatch.numeric if mismatch.part is part else part.expected(base.run.flat_upstream)
    bad = mismatch.bad if mismatch.part is part else np.ones(len(part.index), dtype=bool)
    return Hypothesis(case, base, mismatch, part, numeric, bad)
