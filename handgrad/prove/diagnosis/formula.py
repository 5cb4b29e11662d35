"""What explains the difference between a wrong gradient and the numerical one?

An explanation says what backward would give if one certain mistake had been made. It is accepted
when it leaves next to nothing of the difference unexplained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from handgrad.prove.diagnosis import gradient, inputs, paths, sums, upstream
from handgrad.prove.diagnosis.hypothesis import Hypothesis
from handgrad.prove.measure.compare import Mismatch
from handgrad.prove.measure.point import differentiate
from handgrad.prove.verdict.evidence import Finding
from handgrad.prove.verdict.trial import Case, Outcome
from handgrad.subject.sandbox import SubjectError

Explanation = Callable[[Hypothesis], Iterable[Finding]]

# The simplest first: for a mismatch in a variant, the first that explains it is told.
EXPLANATIONS: tuple[Explanation, ...] = (
    gradient.absent,
    gradient.not_finite,
    gradient.swapped,
    gradient.arranged,
    gradient.scaled,
    gradient.of_low_precision,
    inputs.of_another_point,
    gradient.in_slices,
    sums.overwritten,
    sums.mixed,
    upstream.other_upstream,
    inputs.stretched,
)
OF_OTHER_SHAPE: tuple[Explanation, ...] = (gradient.swapped, gradient.misshapen)


def diagnose(case: Case, base: Outcome) -> Iterator[Finding]:
    """Findings that explain the mismatches of a trial."""
    for mismatch in base.mismatches:
        hypothesis = _hypothesis(case, base, mismatch)
        explanations = OF_OTHER_SHAPE if hypothesis.misshapen else EXPLANATIONS
        found = [f for explanation in explanations for f in _tried(explanation, hypothesis)]
        if not found and not hypothesis.misshapen:
            found = _tried(paths.left_out, hypothesis)
        nothing = "no simple mistake explains the difference"
        yield from found or [hypothesis.guess("wrong_formula", nothing)]


def _tried(explanation: Explanation, hypothesis: Hypothesis) -> list[Finding]:
    try:
        return list(explanation(hypothesis))
    except SubjectError:  # it tries inputs that the subject does not take
        return []


def _hypothesis(case: Case, base: Outcome, mismatch: Mismatch) -> Hypothesis:
    assert base.point is not None
    for name in [g.name for g in base.mismatches] + case.wanted:
        if name not in base.parts:
            base.parts[name] = differentiate(base.point, name, 1e5, case.rng)
    part = base.parts[mismatch.name]
    numeric = mismatch.numeric if mismatch.part is part else part.expected(base.run.flat_upstream)
    bad = mismatch.bad if mismatch.part is part else np.ones(len(part.index), dtype=bool)
    return Hypothesis(case, base, mismatch, part, numeric, bad)
