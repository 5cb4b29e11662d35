"""The doctor: runs the experiments, weighs what they saw, and names the cause."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod

import numpy as np

from handgrad.prove.diagnosis import factor, formula, forward, guard
from handgrad.prove.diagnosis.source import line_of
from handgrad.prove.measure.compare import Mismatch
from handgrad.prove.report import RIGHT, UNKNOWN, WRONG, Finding, Report, Row, Where
from handgrad.prove.subject.sandbox import SubjectError
from handgrad.prove.verdict import (
    chance,
    labels,
    layout,
    linearity,
    precision,
    sizes,
    state,
    values,
)
from handgrad.prove.verdict.large import examine_large
from handgrad.prove.verdict.trial import Case, Outcome

Experiment = Callable[[Case, Outcome], Iterable[Finding]]

# Is the subject consistent with itself? These need no numerical gradient.
BEHAVIOUR: list[Experiment] = [
    chance.backward_draws,
    linearity.linear,
    factor.slight,
    state.calls_in_turn,
    state.backward_twice,
    state.new_parameters,
    state.two_instances,
    state.held_by_class,
    state.results_last,
    layout.layouts,
]
# Is it right elsewhere too: other sizes, values, precisions? Asked when it is right here.
ELSEWHERE: list[Experiment] = [
    values.ordinary,
    values.ties,
    sizes.batches,
    sizes.lengths,
    sizes.broadcasting,
    sizes.indices,
    labels.other_form,
    labels.certain,
    precision.integers,
    precision.single,
    precision.own_dtype,
    precision.large,
    precision.undefined,
]

PATIENCE = 4e6  # effort after which no further experiment at other inputs begins
EFFORT = 5e5  # for differentiating everything at the given inputs


def examine(case: Case, reference: Callable | None = None) -> Report:
    """The report on a case."""
    if not case.wanted:
        reason = "there is no gradient to prove: no input is real, and no parameter was found."
        return Report(case.subject.name, UNKNOWN, evidence=[reason])
    if case.large:
        outcome, found = examine_large(case)
        return conclude(case, outcome, found)
    case.measure()
    base = case.verify(effort=EFFORT / max(len(case.wanted), 1))
    if base is not None and base.mismatches and guard.explains(case, case.inputs):
        base.mismatches.clear()
    findings = list(forward.against_name(case, base))
    if reference is not None:
        findings += forward.against_reference(case, base, reference)
    if base is None:
        return _not_finite(case, findings)
    if base.mismatches:
        findings += formula.diagnose(case, base)
    for experiment in BEHAVIOUR:
        findings += _tried(experiment, case, base)
    limit = case.subject.sandbox.spent + PATIENCE
    for experiment in [] if base.mismatches else ELSEWHERE:
        if case.subject.sandbox.spent > limit:
            what = experiment.__name__.replace("_", " ")
            case.subject.notes.add(f"it is slow: not tried at other inputs, from {what} on")
            break
        findings += _tried(experiment, case, base)
    findings += dict.fromkeys(case.writes)
    return conclude(case, base, findings)


def _tried(experiment: Experiment, case: Case, base: Outcome) -> list[Finding]:
    found: list[Finding] = []
    try:
        for finding in experiment(case, base):
            found.append(finding)
    except SubjectError as error:
        if "did not return" in error.sentence:
            raise
    return found


def _not_finite(case: Case, findings: list[Finding]) -> Report:
    said = [f.sentence for f in findings]
    sentence = "forward gives NaN or infinity for these inputs."
    line = line_of(case.subject, Finding("forward_bug", 1.0, sentence))
    return Report(case.subject.name, WRONG, "forward_bug", None, [sentence, *said], line)


def conclude(case: Case, base: Outcome, findings: list[Finding]) -> Report:
    """The cause is the one whose findings weigh most; the others are listed."""
    name, table = case.subject.name, _table(base)
    if not findings:
        if base.judged:
            return Report(name, RIGHT, table=table)
        reason = "the differences are within what rounding in this precision can explain."
        return Report(name, UNKNOWN, evidence=[reason], table=table)
    weights = weigh(findings)
    cause = next(iter(weights))
    chosen = [f for f in findings if f.cause == cause]
    chosen.sort(key=lambda f: -f.weight)
    where = next((f.where for f in chosen if f.where), None) or _worst(base.mismatches)
    line = next((f.line for f in chosen if f.line), None) or line_of(case.subject, chosen[0])
    evidence = list(dict.fromkeys(f.sentence for f in chosen))[:4]
    others = {c: w for c, w in weights.items() if c != cause}
    return Report(name, WRONG, cause, where, evidence, line, table, others)


def weigh(findings: list[Finding]) -> dict[str, float]:
    """Weight of each cause, largest first: the doubts of its findings multiply."""
    strongest = {c: max(f.weight for f in findings if f.cause == c) for c in _causes(findings)}
    doubts = {c: prod(1 - 0.2 * f.weight for f in findings if f.cause == c) for c in strongest}
    order = sorted(strongest, key=lambda c: (-strongest[c], doubts[c]))
    return {c: round(strongest[c], 3) for c in order}


def _causes(findings: list[Finding]) -> list[str]:
    return list(dict.fromkeys(f.cause for f in findings))


def _worst(mismatches: list[Mismatch]) -> Where | None:
    found = [w for w in (g.where() for g in mismatches) if w is not None]
    return max(found, key=lambda w: abs(w.analytic - w.numeric), default=None)


def _table(base: Outcome) -> list[Row]:
    wrong = {g.name: g for g in base.mismatches}
    rows = []
    for name, gradient in base.run.gradients.items():
        if name not in base.parts and name not in wrong:
            continue
        shape = () if gradient is None else gradient.shape
        error, method = float("inf"), "the shape differs"
        misshapen = name in wrong and wrong[name].part is None
        if name in base.parts and gradient is not None and not misshapen:
            part = base.parts[name]
            numeric = part.expected(base.run.flat_upstream)
            numeric = wrong[name].numeric if name in wrong else numeric
            off = abs(gradient.reshape(-1)[part.index] - numeric)
            error = float(np.max(off / (abs(numeric).max(initial=0) + 1e-30), initial=0.0))
            method = f"{len(part.index)} of {gradient.size} entries differentiated"
        rows.append(Row(f"d{name}", shape, error, WRONG if name in wrong else RIGHT, method))
    return rows
