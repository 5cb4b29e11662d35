"""The verdict on a case: right, wrong, or not to be told, by experiments alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from handgrad.prove.verdict import (
    extreme,
    history,
    layout,
    linearity,
    memory,
    precision,
    rank,
    settings,
    sizes,
    values,
)
from handgrad.prove.verdict.domain import beyond
from handgrad.prove.verdict.elsewhere import proved
from handgrad.prove.verdict.evidence import Finding
from handgrad.prove.verdict.fade import fades
from handgrad.prove.verdict.large import examine_large
from handgrad.prove.verdict.trial import Case, Outcome
from handgrad.subject.sandbox import SubjectError

Experiment = Callable[[Case, Outcome], Iterable[Finding]]


def own_rules(case: Case, base: Outcome) -> Iterator[Finding]:
    """What the library of the subject asks besides: see peers/."""
    subject = case.subject.copy()
    rules = getattr(subject.thing, "contract", None)
    if rules is not None and not base.mismatches:
        for rule in subject.sandbox.call("backward", lambda: list(rules(case.inputs))):
            cause, sentence, name = rule
            yield Finding(cause, sentence, name)


# Is the subject consistent with itself? These need no numerical gradient.
BEHAVIOUR: list[Experiment] = [
    memory.forward_trembles,
    linearity.linear,
    history.histories,
    history.new_parameters,
    memory.results_last,
    memory.apart,
    layout.layouts,
    own_rules,
]
# Is it right elsewhere too: other sizes, values, precisions? Asked when it is right here.
ELSEWHERE: list[Experiment] = [
    proved(values.ordinary),
    proved(values.ties),
    values.together,
    sizes.batches,
    sizes.lengths,
    proved(sizes.broadcasting),
    sizes.operands,
    rank.ranks,
    rank.alike,
    proved(sizes.indices),
    proved(values.labels),
    values.finite,
    values.other_parameters,
    precision.integers,
    precision.single,
    precision.own_dtype,
    extreme.large,
    values.undefined,
    settings.settings,
]

PATIENCE = 4e6  # effort after which no further experiment at other inputs begins
EFFORT = 5e5  # for differentiating everything at the given inputs


def judge(case: Case) -> tuple[Outcome | None, list[Finding]]:
    """The trial at the given inputs, None where forward is not finite, and what is broken."""
    if case.large:
        return examine_large(case)
    case.measure()
    base = None if case.reason else case.verify(effort=EFFORT / max(len(case.wanted), 1))
    if base is None and case.reason:
        return None, []
    if base is None:
        near, seen = beyond(case)
        return (near if near is not None and near.mismatches else None), seen
    if base.mismatches and fades(case, case.inputs):
        for m in base.mismatches:
            base.nearest[m.name] = m.given
            what = f"d{m.name} differs by what fades, as the guard in log(y + 1e-7) does"
            case.subject.notes.add(what)
        base.mismatches.clear()
    findings: list[Finding] = []
    for experiment in BEHAVIOUR:
        findings += _tried(experiment, case, base)
    limit = case.subject.sandbox.spent + PATIENCE
    here = getattr(case.subject.thing, "derived", None)  # set: asked at the given inputs alone
    for experiment in [] if base.mismatches or here else ELSEWHERE:
        if case.subject.sandbox.spent > limit:
            what = experiment.__name__.replace("_", " ")
            case.subject.notes.add(f"it is slow: not tried at other inputs, from {what} on")
            break
        findings += _tried(experiment, case, base)
    return base, findings + list(dict.fromkeys(case.writes))


def _tried(experiment: Experiment, case: Case, base: Outcome) -> list[Finding]:
    found: list[Finding] = []
    try:
        for finding in experiment(case, base):
            found.append(finding)
    except SubjectError as error:
        if error.kind == "hang":
            raise
    return found
