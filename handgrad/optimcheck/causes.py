"""The mistakes of optimizers, what to do about each, and the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from handgrad.findings.report import RIGHT, UNKNOWN, wrapped

ADVICE = {
    "shared_state": "Keep a state for each parameter, in the instance: made in the constructor or "
    "at the first update, by name or position.",
    "writes_gradient": "The gradient belongs to the caller: compute in a new array.",
    "aliased_gradient": "The next backward may write into the same array: keep a copy.",
    "does_not_move": "Write into the array (p -= …), or put the new one back into what holds it.",
    "skipped_parameter": "Every parameter takes part in every update: look at the loop.",
    "dtype": "Keep parameters in the dtype they have: state and factors must not widen them.",
    "shape": "A parameter keeps its shape.",
    "not_finite": "Look at the first step: with t = 0 a bias correction divides by 0; with a "
    "gradient of 0 a root does, unless eps is added.",
    "moves_without_gradient": "Without decay and with state at 0, no gradient is no step.",
    "wrong_sign": "p ← p - η · step: the loss falls against the gradient.",
    "counter_per_parameter": "Count an update once, before the loop over the parameters.",
    "order_dependent": "Reach gradient and state by the parameter's own key.",
    "missing_gradient": "Leave a parameter without a gradient as it is, or refuse it.",
    "lost_state": "Save and load everything the next step needs: means, counter, learning rate.",
    "missing_bias_correction": "m starts at 0: divide it by 1 - beta1^t and v by 1 - beta2^t, with "
    "t = 1 in the first step.",
    "wrong_formula": "Compare the lines with the formula of the paper, term by term.",
    "wrong_scale": "A constant factor is wrong.",
    "wrong_decay": "Coupled decay adds λ p to the gradient before all else; decoupled decay takes "
    "η λ p off the parameter, beside the step.",
    "stale_lr": "Read the learning rate in every update: schedules change it.",
    "does_not_converge": "On so plain a problem every rule must get down.",
    "raises": "The same call has to work in every step, for arrays of any shape.",
}  # fmt: skip


class Finding(NamedTuple):
    """A mistake that was measured."""

    cause: str
    sentence: str


@dataclass
class OptimizerReport:
    """The verdict on an optimizer: see `handgrad.prove.Report`, whose words it uses."""

    subject: str
    verdict: str
    cause: str | None = None
    evidence: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rule: str | None = None  # the formula whose steps it takes, ...
    settings: dict[str, float] = field(default_factory=dict)  # ... with these, as measured

    def __bool__(self) -> bool:
        return self.verdict == RIGHT

    @property
    def paragraph(self) -> str:
        """The verdict, what was measured, and what to do."""
        head = self.verdict if self.verdict in (RIGHT, UNKNOWN) else f"wrong ({self.cause})"
        advice = [ADVICE[self.cause]] if self.cause else []
        return " ".join([f"{self.subject}: {head}.", *self.evidence, *advice])

    def __str__(self) -> str:
        notes = [wrapped(f"Note: {note}.") for note in self.notes]
        return "\n".join([wrapped(self.paragraph), *notes])

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {**vars(self), "evidence": [*self.evidence], "notes": [*self.notes]}
