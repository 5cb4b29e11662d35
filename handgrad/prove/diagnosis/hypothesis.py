"""A hypothesis: one wrong gradient, with what is needed to test explanations of it."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from handgrad.arrays import Array
from handgrad.differences.numeric import quick
from handgrad.findings.report import gradient_of
from handgrad.prove.measure.compare import Mismatch, signs
from handgrad.prove.measure.point import DOUBLE, Part, Point, differentiate_at
from handgrad.prove.verdict.evidence import Finding, Grade
from handgrad.prove.verdict.trial import Case, Outcome, same

_LEFT, _LEFT_SINGLE = 1e-3, 0.05  # share of the difference that may be left unexplained


@dataclass
class Hypothesis:
    """A mismatch, the columns of the Jacobian for it, and the trial in which it was seen."""

    case: Case
    base: Outcome
    mismatch: Mismatch
    part: Part
    numeric: Array  # the right gradient, at part.index
    bad: Array  # mask over part.index

    def __post_init__(self) -> None:
        run, names = self.base.run, self.case.names
        self.name, self.shape = self.mismatch.name, self.mismatch.shape  # the argument's
        self.upstream = run.upstream
        self.misshapen = self.mismatch.analytic.shape != self.shape
        self.given = self.mismatch.analytic.reshape(-1)[:0]  # what backward gave, at part.index
        if not self.misshapen:
            self.given = self.mismatch.analytic.reshape(-1)[self.part.index]
            self.off = abs(self.given - self.numeric)  # what has to be explained
        self.whole = len(self.part.index) == prod(self.shape)  # every entry was differentiated
        self.elsewhere = not all(map(same, run.inputs, self.case.inputs))
        self.is_parameter = self.name in self.case.subject.parameters
        # A parameter, or one that is given as an input: forward(x, W, b).
        self.serves_batch = self.is_parameter
        if not self.is_parameter and len(names) > 2 and self.name != names[0]:
            batch = np.shape(run.inputs[0])[:1], np.shape(run.inputs[names.index(self.name)])[:1]
            self.serves_batch = all(batch) and batch[0] != batch[1]

    @property
    def contributions(self) -> Array:
        """What each entry of the only output adds to each entry of the gradient."""
        each: Array = self.part.value * self.base.run.flat_upstream
        return each.reshape(-1, *self.upstream[0].shape)

    def explains(self, gradient: Array) -> bool:
        """Whether backward's result is this, and the numerical one is not."""
        return self.near(self.given, gradient, self.off)

    def fits(self, array: Array) -> bool:
        """Whether a whole array is the right gradient, where backward's was not."""
        if array.size != prod(self.shape):
            return False
        there = array.reshape(-1)[self.part.index].astype(np.float64)
        return self.near(there, self.numeric, None if self.misshapen else self.off)

    def near(self, a: Array, b: Array, difference: Array | None = None) -> bool:
        """Whether a and b are equal, measured against a difference that needs explaining."""
        size = abs(self.numeric).max(initial=1e-300) if difference is None else difference.max()
        left = abs(a - b).max(initial=0)
        assert self.base.point is not None
        share = _LEFT if self.base.point.noise == DOUBLE else _LEFT_SINGLE
        return bool(np.isfinite(left) and left <= share * size)

    def again(self) -> tuple[list[Array], Array]:
        """Another upstream gradient, of the other sign on the whole, and what backward gives."""
        noise = self.case.upstream(self.upstream)
        second = [-0.7 * u + 0.2 * n for u, n in zip(self.upstream, noise)]
        gradient = self.case.run(self.base.run.inputs, second).gradients[self.name]
        if gradient is None or gradient.shape != self.mismatch.analytic.shape:
            return second, np.full(self.given.shape, np.nan)
        return second, gradient.reshape(-1)[self.part.index]

    def is_right_at(self, point: Point) -> bool:
        """Whether backward's result is the right gradient of another point.

        Along one direction first: that is cheap.
        """
        move = signs(np.random.default_rng(3), point.value(self.name))
        derivative = quick(point.along({self.name: move}), point.step() / 10, point.noise)[0]
        upstream, given = self.base.run.flat_upstream, self.mismatch.analytic * move
        if derivative.size != upstream.size:
            return False
        off = abs(derivative @ upstream - given.sum())
        if not off <= 1e-3 * np.sqrt((given**2).sum()):
            return False
        part = differentiate_at(point, self.name, self.part.index)
        return self.explains(part.expected(upstream))

    def finding(self, cause: str, sentence: str, grade: Grade = Grade.EXPLAINED) -> Finding:
        """A mistake that explains the whole difference of this gradient."""
        text = f"{gradient_of(self.name)}: {sentence}."
        return Finding(cause, text, self.name, self.mismatch.where(), grade=grade)

    def guess(self, cause: str, sentence: str) -> Finding:
        """A mistake that would explain a part of the difference."""
        return self.finding(cause, sentence, Grade.UNEXPLAINED)
