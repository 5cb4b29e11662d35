"""check_optimizer: whether an optimizer is right, and which mistake it is when not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.prove.optimizer.causes import Finding, OptimizerReport
from handgrad.prove.optimizer.contract import EXPERIMENTS, Lab, flat, gap
from handgrad.prove.optimizer.fit import Fit
from handgrad.prove.optimizer.formulas import RULES
from handgrad.prove.optimizer.identify import Identity, spell
from handgrad.prove.optimizer.subject import find_way, is_own
from handgrad.prove.report import RIGHT, UNKNOWN, WRONG
from handgrad.prove.sandbox import Sandbox, SubjectError

NAMES = (*RULES, "adamw", "contract")
DECAYS = ("coupled", "decoupled", "none")


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
    against:     what it should be: "adam", another rule's name (see `handgrad.prove.optimizer.
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
    if decay not in (None, *DECAYS):
        raise ValueError(
            f"check_optimizer: decay must be one of {', '.join(DECAYS)}; got {decay!r}"
        )
    decay = "decoupled" if against == "adamw" and decay is None else decay
    sandbox = Sandbox(seed, timeout)
    report = OptimizerReport(_name(rule), RIGHT)
    try:
        sandbox.run(lambda: _examine(rule, report, sandbox, against, decay, elementwise, seed))
    except SubjectError as error:
        report.evidence.append(f"{error.sentence.rstrip('.')}.")
        report.verdict, report.cause = UNKNOWN, None
    if sandbox.printed.getvalue():
        report.notes.append("it printed while it was checked; that was kept back")
    return report


def _examine(
    rule: Any,
    report: OptimizerReport,
    sandbox: Sandbox,
    against: Any,
    decay: Any,
    elementwise: Any,
    seed: int,
) -> None:
    way = None
    try:
        way = find_way(rule, sandbox)
        lab = Lab(way, sandbox, seed, elementwise)
        report.notes = lab.notes
        for finding in _findings(lab, report, against, decay):
            report.verdict, report.cause = WRONG, finding.cause
            report.evidence.append(finding.sentence)
            return
    except SubjectError as error:
        if way is None and not is_own(error):  # it may want to be called in another way
            raise
        report.verdict, report.cause = WRONG, "raises"
        report.evidence.append(f"{error.sentence}.")


def _findings(
    lab: Lab, report: OptimizerReport, against: Any, decay: str | None
) -> Iterator[Finding]:
    """All experiments, until one finds a mistake."""
    for experiment in EXPERIMENTS:
        yield from experiment(lab)
    if against is not None and not isinstance(against, str):
        yield from _beside(lab, against)
        return
    if not lab.coupled and against != "contract":
        yield from _formula(lab, report, against, decay)
    yield from _descent(lab, report)


def _formula(
    lab: Lab, report: OptimizerReport, against: str | None, decay: str | None
) -> Iterator[Finding]:
    identity, wanted = Identity(lab), {"adamw": "adam"}.get(against or "", against)
    found, closest = identity.search(wanted)
    if found is None:
        text = f"closest are {spell(closest)}, off by up to {closest.error:.2g} of a step"
        if wanted:
            yield Finding("wrong_formula", f"Its steps are not those of {wanted}: {text}. "
                          f"{identity.instead(closest)}")  # fmt: skip
        report.verdict = UNKNOWN
        report.evidence.append(f"It keeps what every optimizer keeps to, but its steps are those of no "
                               f"known rule ({text}). Say against= what it should be.")  # fmt: skip
        return
    yield from identity.mistakes(found)
    unused = [n for n, v in found.settings.items() if v == 0 and not identity.holds(0)]
    if wanted and unused:
        yield Finding("wrong_formula", f"Its steps are those of {spell(found)}: nothing is kept from one "
                      f"step to the next by {unused[0]}.")  # fmt: skip
    if wanted and found.variant.rule != wanted:
        yield Finding(
            "wrong_formula", f"Its steps are not those of {wanted}, but of {spell(found)}."
        )
    yield from identity.late()
    yield from _decay(identity, found, report, decay)
    report.rule, report.settings = found.variant.rule, {"lr": found.lr, **found.settings}
    words = f" ({found.variant.words})" if found.variant.words else ""
    report.evidence.insert(
        0, f"Its steps are those of {spell(found)}{words}, to {found.error:.1g} of a step."
    )


def _decay(
    identity: Identity, found: Fit, report: OptimizerReport, decay: str | None
) -> Iterator[Finding]:
    kind, size = identity.decay(found)
    if kind == "odd":
        yield Finding("wrong_decay", "Its steps depend on the parameter, but neither as decay by λ p "
                      "in the gradient nor beside the step would make them.")  # fmt: skip
    elif size < 0:
        yield Finding("wrong_decay", f"The parameters grow: λ is {size:.6g}.")
    elif decay and kind not in (decay, "either"):
        yield Finding(
            "wrong_decay", f"Decay should be {decay}; measured is {kind}, λ = {size:.6g}."
        )
    elif kind != "none":
        report.evidence.append(f"Decay is {kind.replace('either', 'coupled or decoupled, the same here')}, "
                               f"λ = {size:.6g}.")  # fmt: skip


def _beside(lab: Lab, against: Any) -> Iterator[Finding]:
    """Both rules on the same gradients."""
    other = Lab(find_way(against, lab.sandbox), lab.sandbox, 0, None)
    g = lab.rng.normal(size=(60, 4, 3)) * np.logspace(0, -6, 12).reshape(4, 3)
    traces = [x.follow(x.start({"W": lab.p}), ({"W": a} for a in g)) for x in (lab, other)]
    if found := gap(*traces):
        yield Finding("wrong_formula", f"It leaves the path of {_name(against)}: {found}.")


def _descent(lab: Lab, report: OptimizerReport) -> Iterator[Finding]:
    """½ Σ cᵢ pᵢ², with 1/c and distance in the rule's own steps, has to fall in 200 of them."""
    far = 20 * abs(lab.trace(np.ones((6, 4, 3)), p=0 * lab.p)[-1]).mean() / 6
    start, c = far * np.sign(lab.p), np.linspace(0.3, 1, 12).reshape(4, 3) / far
    run, losses = lab.start(lab.parts(start)), [1.0]
    for _ in range(200):
        p = flat(run).reshape(4, 3)
        run.step(lab.parts(c * p))
        losses.append(float((c * flat(run).reshape(4, 3) ** 2).sum() / (c * start**2).sum()))
        if not losses[-1] < 1e3:
            break
    if not np.mean(losses[-20:]) < 0.5:
        yield Finding("does_not_converge", f"A quadratic, begun 20 steps from its minimum, is at "
                      f"{losses[-1]:.3g} of its first value after {len(losses) - 1} steps.")  # fmt: skip
    report.evidence.append(
        f"A quadratic falls to {losses[-1]:.2g} of its first value in 200 steps."
    )


def _name(rule: Any) -> str:
    return rule if isinstance(rule, str) else getattr(rule, "__name__", type(rule).__name__)
