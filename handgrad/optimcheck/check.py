"""check_optimizer: whether an optimizer is right, and which mistake it is when not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from handgrad.findings.report import RIGHT, UNKNOWN, WRONG
from handgrad.optimcheck.causes import Finding, OptimizerReport
from handgrad.optimcheck.contract import EXPERIMENTS, Lab, descends, gap, whole
from handgrad.optimcheck.formulas import RULES
from handgrad.optimcheck.identify import Identity
from handgrad.optimcheck.subject import find_way, is_own
from handgrad.subject.sandbox import Sandbox, SubjectError

KINDS = ("coupled", "decoupled", "none")
NAMES = (*RULES, "adamw", "contract")
DECAYS = {
    "coupled": "coupled", "decoupled": "decoupled", "none": "none",
    "either": "coupled or decoupled, here the same",
    "odd": "of neither kind, although steps depend on the parameter",
}  # fmt: skip


class Asked(NamedTuple):
    """The options of a check."""

    against: Any
    decay: str | None
    elementwise: bool | None
    seed: int


def check_optimizer(
    rule: Any,
    *,
    against: Any = None,
    decay: str | None = None,
    elementwise: bool | None = None,
    seed: int = 0,
    timeout: float = 20.0,
) -> OptimizerReport:
    """Prove an optimizer by experiment, and name its mistake when it is wrong.

    rule:        an optimizer of handgrad, or its name; an object or a class with
                 update(params, grads), on dicts, lists or single arrays; a class that takes its
                 parameters and has step(); a function (params, grads); a torch.optim class, or a
                 function that makes such a thing, as `lambda params: torch.optim.Adam(params)`.
    against:     what it should be: "adam", another rule's name (see `handgrad.optimcheck.
                 RULES`), or any rule that is right; "contract" asks for no formula. Without it
                 the formula is found by comparing 60 steps with those of all known rules.
    decay:       "coupled" (λ p is added to the gradient), "decoupled" or "none", if it should be.
    elementwise: False where a step may depend on other entries (clipping by norm, LARS), True
                 where it must not; None notes it.
    timeout:     seconds for one call that never returns.

    Tried besides the formula: two instances, gradients that are kept or written into, a gradient
    of 0, parameters parted, reordered, without a gradient, of float32 and of several shapes;
    saving and loading; another learning rate between two steps; a quadratic to be descended.
    A mistake that is measured makes "wrong"; a formula that is not known, and no mistake besides,
    "cannot tell". A name or a source text decides nothing. Conventions (eps inside the root,
    η inside the velocity) are said, and right.

    Nothing that is given is changed, and nothing that the rule does is raised. The report is true
    when the verdict is "right", so `assert check_optimizer(rule)` is a test.

    Raises ValueError for an unknown name in `rule`, `against` or `decay`.
    """
    if isinstance(against, str) and (against := against.lower()) not in NAMES:
        raise ValueError(f"check_optimizer: against must be a rule or one of {', '.join(NAMES)}; "
                         f"got {against!r}")  # fmt: skip
    if decay not in (None, *KINDS):
        raise ValueError(f"check_optimizer: decay must be one of {', '.join(KINDS)}; got {decay!r}")
    decay = "decoupled" if against == "adamw" and decay is None else decay
    asked, sandbox = Asked(against, decay, elementwise, seed), Sandbox(seed, timeout)
    report = OptimizerReport(_name(rule), RIGHT)
    try:
        sandbox.run(lambda: _examine(report, sandbox, rule, asked))
    except SubjectError as error:
        report.verdict, report.cause = UNKNOWN, None
        report.evidence = [f"{error.sentence}.", "If it has to be made or called in "
                           "another way, give a function that makes it."]  # fmt: skip
    if sandbox.printed.getvalue():
        report.notes.append("it printed while it was checked; that was kept back")
    return report


def _examine(report: OptimizerReport, sandbox: Sandbox, rule: Any, asked: Asked) -> None:
    way = None
    try:
        way = find_way(rule, sandbox)
        lab = Lab(way, sandbox, asked.seed, asked.elementwise)
        report.notes = lab.notes
        finding = next(_findings(lab, report, asked), None)
    except SubjectError as error:
        if way is None and not is_own(error):  # it may want to be called in another way
            raise
        finding = Finding("shape" if error.phase == "shape" else "raises", f"{error.sentence}.")
    if finding is not None:
        report.verdict, report.cause, report.evidence = WRONG, finding.cause, [finding.sentence]


def _findings(lab: Lab, report: OptimizerReport, asked: Asked) -> Iterator[Finding]:
    """The mistakes that the experiments find, one after the other."""
    for experiment in EXPERIMENTS:
        yield from experiment(lab)
        if lab.random:  # and no state is shared: that is the first experiment
            report.verdict = UNKNOWN
            report.evidence.append(f"Its steps are random: with another seed, {lab.random}.")
            return
    named = isinstance(asked.against, str) and asked.against != "contract"
    if asked.against is not None and not isinstance(asked.against, str):
        yield from _beside(lab, asked.against)
    elif not lab.coupled and asked.against != "contract":
        yield from _formula(lab, report, asked)
    elif named and asked.elementwise is None:
        yield Finding("wrong_formula", f"In {asked.against} no entry's step depends on others.")
    yield from descends(lab)
    report.evidence.append("It keeps what every optimizer keeps to, and descends a quadratic.")


def _formula(lab: Lab, report: OptimizerReport, asked: Asked) -> Iterator[Finding]:
    identity, wanted = Identity(lab), {"adamw": "adam"}.get(asked.against or "", asked.against)
    found, fits = identity.search(wanted)
    changing = None if fits else identity.scheduled()
    if changing and wanted in (None, changing.variant.rule):
        report.rule, report.settings = changing.variant.rule, changing.settings
        report.evidence.append(f"Its steps are those of {changing} at first: it changes lr itself.")
        return
    if not fits:
        closest = f"closest are {found}, off by up to {found.error:.2g} of a step"
        if wanted:
            yield Finding("wrong_formula", f"Its steps are not those of {wanted}: {closest}. "
                          f"{identity.instead(found)}")  # fmt: skip
        report.verdict = UNKNOWN
        report.evidence.append(f"Its steps are those of no rule that is known here ({closest}). "
                               "Say against= what it should be.")  # fmt: skip
        return
    yield from identity.mistakes(found)
    unused = [n for n, v in found.settings.items() if v == 0 and not identity.holds(0)]
    if wanted and (unused or found.variant.rule != wanted):
        yield Finding("wrong_formula", f"Its steps are not those of {wanted}, but of {found}.")
    named = [name for name in RULES if name in report.subject.lower()]
    if not wanted and named and found.variant.rule not in named:
        lab.notes.append(f"its name suggests {named[0]}: for a verdict on that, say against=")
    report.rule, report.settings = found.variant.rule, {"lr": found.lr, **found.settings}
    report.evidence.append(f"Its steps are those of {found}, to {found.error:.1g} of a step.")
    kind, size = identity.decay(found)
    measured = f"{DECAYS.get(kind, kind)}, λ = {size:.6g}" if size else DECAYS["none"]
    if kind == "odd" or size < 0 or (asked.decay and kind not in (asked.decay, "either")):
        should = f", and should be {asked.decay}" if asked.decay else ""
        yield Finding("wrong_decay", f"Decay is {measured}{should}.")
    if kind != "none":
        report.evidence.append(f"Decay is {measured}.")


def _beside(lab: Lab, against: Any) -> Iterator[Finding]:
    """Both rules on the same gradients."""
    other = Lab(find_way(against, lab.sandbox), lab.sandbox, 0, None)
    g = lab.rng.normal(size=(60, 4, 3)) * np.logspace(0, -6, 12).reshape(4, 3)
    traces = [x.follow(x.start({"W": lab.p}), map(whole, g)) for x in (lab, other)]
    if found := gap(*traces):
        yield Finding("wrong_formula", f"It leaves the path of {_name(against)}: {found}.")


def _name(rule: Any) -> str:
    return rule if isinstance(rule, str) else getattr(rule, "__name__", type(rule).__name__)
