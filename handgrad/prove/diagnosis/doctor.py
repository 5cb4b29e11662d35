"""The doctor: weighs what the verdict saw, tries to explain it, and names the cause."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from handgrad.findings.arrays import window
from handgrad.findings.causes import CAUSES
from handgrad.findings.report import RIGHT, UNKNOWN, WRONG, Report, Row, Where, gradient_of
from handgrad.prove.diagnosis import formula, forward
from handgrad.prove.diagnosis.source import line_of
from handgrad.prove.measure.compare import Mismatch
from handgrad.prove.verdict.evidence import Finding, Grade
from handgrad.prove.verdict.judge import judge
from handgrad.prove.verdict.trial import Case, Outcome
from handgrad.subject.sandbox import SubjectError


def examine(case: Case, reference: Callable[..., Any] | None = None) -> Report:
    """The report on a case."""
    if not case.wanted:
        reason = "there is no gradient to prove: no input is real, and no parameter was found."
        return Report(case.subject.name, UNKNOWN, evidence=[reason])
    base, seen = judge(case)
    seen = [replace(f, cause="wrong_formula") if _at_all_lengths(case, f) else f for f in seen]
    findings = [] if reference is None else list(forward.against_reference(case, reference))
    if base is None:
        return _not_finite(case, findings + seen)
    if base.mismatches:
        findings += formula.diagnose(case, base)
    findings += [*seen, *_explained(case, seen)]
    wrong = {f.gradient for f in findings if f.grade == Grade.EXPLAINED}
    wrong |= {mismatch.name for mismatch in base.mismatches}
    findings = [
        f for f in findings if f.cause != "aliasing" or f.gradient not in wrong
    ]  # db = dout
    note = None if case.large or reference is not None else forward.note_on_name(case)
    if note and base.mismatches:
        findings += forward.right_for_its_name(case, base)
    report = conclude(case, base, findings)
    if note and report.cause != "forward_bug":
        right = "its gradients are right; but " if report.verdict == RIGHT else ""
        report.notes.append(right + note)
    return report


def _at_all_lengths(case: Case, finding: Finding) -> bool:
    """Whether it is wrong for every other length of an axis: that is no matter of the edges."""
    if finding.cause != "boundary" or getattr(finding.outcome, "case", None) is not case:
        return False
    for name, x, there in zip(case.names, case.inputs, finding.outcome.run.inputs):
        right = [s for s in case.tried.get(name, ()) if len(s) == np.ndim(x) == np.ndim(there)]
        for axis, lengths in enumerate(zip(np.shape(x), np.shape(there))):
            if len(set(lengths)) == 2 and all(s[axis] == lengths[0] for s in right):
                return True
    return False


def _explained(case: Case, seen: list[Finding]) -> Iterator[Finding]:
    """What explains gradients that are wrong at other inputs than the given ones.

    One mistake that explains most of them is sure; one that explains a few of many is not.
    """
    found: list[Finding] = []
    wrong = [f for f in seen if f.outcome is not None]
    for finding in wrong:
        try:
            likely = list(formula.diagnose(finding.outcome.case or case, finding.outcome))
        except SubjectError:  # it fails for another upstream gradient, or beside
            continue
        told = [f for f in likely if f.grade == Grade.EXPLAINED]
        shapes = [f for f in likely if f.cause == "shape"]
        for other in (told or shapes)[:1]:
            text = f"With {finding.what} {other.sentence}"
            found.append(replace(other, sentence=text, line=None))
    for one in found:
        alike = sum(f.cause == one.cause and f.gradient == one.gradient for f in found)
        of = sum(f.gradient == one.gradient for f in wrong)
        sure = one.grade == Grade.EXPLAINED and 2 * alike >= of
        yield one if sure else replace(one, grade=Grade.ELSEWHERE)


def _not_finite(case: Case, findings: list[Finding]) -> Report:
    if not findings:
        return Report(case.subject.name, UNKNOWN, evidence=[case.reason])
    cause = ranked(findings)[0]
    said = [f.sentence for f in findings if f.cause == cause]
    line = line_of(case.subject, Finding(cause, said[0]))
    return Report(case.subject.name, WRONG, cause, None, said, line)


def conclude(case: Case, base: Outcome, findings: list[Finding]) -> Report:
    """The cause is that of the surest findings; the others are listed."""
    name, table = case.subject.name, _table(base)
    if not findings:
        if base.judged:
            return Report(name, RIGHT, table=table)
        reason = "the differences are within what rounding in this precision can explain."
        return Report(name, UNKNOWN, evidence=[reason], table=table)
    cause, *others = ranked(findings)
    chosen = sorted((f for f in findings if f.cause == cause), key=lambda f: f.grade)
    where = next((f.where for f in chosen if f.where), None) or _worst(base.mismatches)
    line = next((f.line for f in chosen if f.line), None) or line_of(case.subject, chosen[0])
    evidence = list(dict.fromkeys(f.sentence for f in chosen))[:4]
    report = Report(name, WRONG, cause, where, evidence, line, table, others)
    report.entries = _entries(base.mismatches)
    return report


def _entries(mismatches: list[Mismatch]) -> list[dict[str, Any]]:
    """Both gradients side by side, where their shapes are equal."""
    found = []
    for mismatch in mismatches:
        where = mismatch.where()
        if mismatch.part is not None and where is not None:
            analytic, part = mismatch.analytic.reshape(mismatch.shape), mismatch.part
            found.append(window(where.gradient, analytic, mismatch.numeric, part.index,
                                mismatch.bad, where.index))  # fmt: skip
    return [one for one in found if one is not None]


def ranked(findings: list[Finding]) -> list[str]:
    """The causes that were found: by grade, then by rank, then those found more often."""

    def order(cause: str) -> tuple[int, int, int]:
        grades = sorted(f.grade for f in findings if f.cause == cause)
        return grades[0], CAUSES[cause].rank, -grades.count(grades[0])

    surest = sorted(findings, key=lambda f: f.grade)
    return sorted(dict.fromkeys(f.cause for f in surest), key=order)


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
            numeric = base.nearest.get(name, part.expected(base.run.flat_upstream))
            numeric = wrong[name].numeric if name in wrong else numeric
            off = abs(gradient.reshape(-1)[part.index] - numeric)
            error = float(np.max(off / (abs(numeric).max(initial=0) + 1e-30), initial=0.0))
            method = f"{len(part.index)} of {gradient.size} entries differentiated"
        rows.append(Row(gradient_of(name), shape, error, WRONG if name in wrong else RIGHT, method))
    return rows
