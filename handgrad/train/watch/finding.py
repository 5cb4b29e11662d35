"""The data of the training doctor: readings of a network, findings, and all of them together.

Everything is plain: `to_dict` gives numbers, text, lists and dicts, fit for JSON, and `of_dict`
gives the same again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

GRADES = ("measured", "likely", "hint")


@dataclass(frozen=True)
class Histogram:
    """How many finite elements lie in each of `counts` bins of equal width, from low to high."""

    low: float
    high: float
    counts: list[int]


@dataclass(frozen=True)
class OutputReading:
    """One use of a layer, in forward order, on the samples of a reading.

    rms and gradient: root mean squares of the output, and of the gradient with respect to it.
    dead: the share of units whose output is 0 for every sample; saturated: the share of elements
    where the derivative of the activation is below a twentieth of its largest. Both are None for
    layers that cannot be so. histogram: of the output. moved: root mean square of the elements
    that a gradient comes to, which those are not that fill a mask; None where it comes to none.
    """

    path: str
    kind: str
    shape: tuple[int, ...]
    rms: float
    gradient: float | None
    dead: float | None = None
    saturated: float | None = None
    histogram: Histogram | None = None
    moved: float | None = None

    @property
    def signal(self) -> float:
        """How large it is, without what only fills it."""
        return self.rms if self.moved is None else self.moved


@dataclass(frozen=True)
class ParameterReading:
    """A parameter: root mean squares of it, of its gradient, and of what the next update changed.

    update is None at the last reading, where no update follows. histogram: of the parameter;
    gradient_histogram: of its gradient.
    """

    path: str
    shape: tuple[int, ...]
    rms: float
    gradient: float
    update: float | None = None
    frozen: bool = False
    histogram: Histogram | None = None
    gradient_histogram: Histogram | None = None

    @property
    def ratio(self) -> float | None:
        """Update to weight; None where either is unknown or the weights are all 0."""
        return self.update / self.rms if self.update is not None and self.rms else None


@dataclass(frozen=True)
class Reading:
    """The network after `step` updates, on `samples` samples of the training data.

    loss: in training mode; eval_loss: in evaluation mode, on the same samples; both without the
    penalty of `l2`. gradient_norm: of all parameters that are not frozen.
    lr: the learning rate of the next update.
    """

    step: int
    epoch: int
    samples: int
    loss: float
    eval_loss: float
    gradient_norm: float
    lr: float
    outputs: list[OutputReading] = field(default_factory=list)
    parameters: list[ParameterReading] = field(default_factory=list)


@dataclass(frozen=True)
class Finding:
    """What ails a training, if anything does.

    name: of its rule, and the anchor of its section in docs/doctor.md; title: in words.
    grade: how sure: "measured" where the number itself is the mistake, "likely" where the mistake
    explains it best, "hint" where other causes explain it as well.
    where: layer, column, or part of the training. step: of the reading that showed it, or None.
    measured: what was measured, and the bound. advice: what to do. numbers: those in `measured`.
    """

    name: str
    title: str
    grade: str
    where: str
    measured: str
    advice: str
    step: int | None = None
    numbers: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        at = "" if self.step is None else f", step {self.step:,}"
        return (
            f"{self.title}: {self.where}{at} ({self.grade})\n"
            f"    measured: {self.measured}\n    to do: {self.advice}"
        )


@dataclass(frozen=True)
class Diagnosis:
    """All that the doctor saw of a training: findings, the most certain first, and readings.

    facts: numbers of the data and of the training as a whole. seconds: what watching cost.
    As a sequence it is its findings.
    """

    findings: list[Finding] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    facts: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def healthy(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def names(self) -> list[str]:
        """Names of the findings."""
        return [finding.name for finding in self.findings]

    def __len__(self) -> int:
        return len(self.findings)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __getitem__(self, i: int) -> Finding:
        return self.findings[i]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, fit for JSON where no number is NaN or infinite."""
        return asdict(self)

    @classmethod
    def of_dict(cls, data: Mapping[str, Any]) -> Diagnosis:
        """The same again from what `to_dict` gave, also after JSON."""
        return cls(
            [Finding(**f) for f in data["findings"]],
            [_reading(r) for r in data["readings"]],
            dict(data["facts"]),
            float(data["seconds"]),
        )

    def __str__(self) -> str:
        if self.healthy:
            return "training doctor: nothing found"
        n = len(self.findings)
        head = f"training doctor: {n} finding{'s' if n > 1 else ''}"
        return "\n".join([head, *map(str, self.findings)])


def _reading(data: Mapping[str, Any]) -> Reading:
    plain = {k: v for k, v in data.items() if k not in ("outputs", "parameters")}
    return Reading(
        **plain,
        outputs=[OutputReading(**_typed(o)) for o in data["outputs"]],
        parameters=[ParameterReading(**_typed(p)) for p in data["parameters"]],
    )


def _typed(data: Mapping[str, Any]) -> dict[str, Any]:
    """With tuples and histograms again where JSON made lists and dicts of them."""
    made = dict(data, shape=tuple(data["shape"]))
    for name in ("histogram", "gradient_histogram"):
        if made.get(name) is not None:
            made[name] = Histogram(**made[name])
    return made
