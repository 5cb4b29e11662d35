"""L-BFGS: a quasi-Newton method for all data at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import Array
from handgrad.optim.checks import check_steps
from handgrad.optim.full_batch import FullBatch, Point, Problem, largest

C1, C2 = 1e-4, 0.9  # of the Wolfe conditions


class LBFGS(FullBatch):
    """Newton's steps, with what the last gradients say in place of the second derivatives.

    x ← x + α d,  d = -H g.  H is the inverse of the Hessian as the last `memory` pairs s = Δx,
    y = Δg show it, applied by two loops over them; α fulfils the strong Wolfe conditions
    f(x + αd) ≤ f + 10⁻⁴ α gᵀd,  |g(x + αd)ᵀd| ≤ 0.9 |gᵀd|.

    For small networks and data: every look takes all samples. Deterministic; float64 networks
    come closer to the minimum. BatchNorm counts as a function of the weights, dropout does not.

    memory: pairs that are kept. gtol: training ends where no element of the gradient is larger.
    ftol: and where an update lowers the loss f by no more than ftol · max(|f|, 1). evaluations: at
    most so many in one update. l2, decay_on: as in `Optimizer`.

    Source: Nocedal, Wright, "Numerical optimization", 2nd edition, 2006, algorithms 7.4, 7.5, 3.5
    and 3.6; Liu, Nocedal, "On the limited memory BFGS method for large scale optimization", 1989.
    """

    def __init__(
        self, *, memory: int = 10, gtol: float = 1e-5, ftol: float = 2.2e-9, evaluations: int = 25,
        l2: float = 0.0, decay_on: Iterable[str] | None = None,
    ):  # fmt: skip
        super().__init__(1.0, l2=l2, decay_on=decay_on)
        self.memory = check_steps("LBFGS", "memory", memory)
        self.gtol, self.ftol = self._number("gtol", gtol), self._number("ftol", ftol)
        self.evaluations = check_steps("LBFGS", "evaluations", evaluations)
        self._pairs: list[tuple[Array, Array]] = []

    def improve(self, problem: Problem) -> bool:
        now = problem.start()
        if largest(now.gradient) <= self.gtol:
            return self.finish(f"no element of the gradient is larger than {self.gtol:g}")
        found = self._search(problem, now)
        if found is None and self._pairs:  # what they say of the Hessian may be wrong here
            self._pairs.clear()
            found = self._search(problem, now)
        if found is None:
            problem.accept(now)
            return self.finish("no lower loss is found in this precision")
        s, y = found.x - now.x, found.gradient - now.gradient
        if s @ y > 2.2e-16 * (y @ y):
            self._pairs = [*self._pairs, (s, y)][-self.memory :]
        problem.accept(found)
        self.steps += 1
        if now.value - found.value <= self.ftol * max(abs(now.value), abs(found.value), 1.0):
            self.finish(f"the loss falls by no more than {self.ftol:g} of itself")
        return True

    def _search(self, problem: Problem, now: Point) -> Point | None:
        d = self.direction(now.gradient)
        if not now.gradient @ d < 0:
            self._pairs.clear()
            d = -now.gradient
        first = 1.0 if self._pairs else min(1.0, 1 / float(np.abs(now.gradient).sum()))
        return line_search(lambda a: problem.at(now.x + a * d), now, d, first, self.evaluations)

    def direction(self, g: Array) -> Array:
        """-H g by the two loops: from the last pair to the first, and back."""
        q, shares = -g, []
        for s, y in reversed(self._pairs):
            shares.append(s @ q / (s @ y))
            q = q - shares[-1] * y
        if self._pairs:
            s, y = self._pairs[-1]
            q = q * (s @ y / (y @ y))
        for (s, y), share in zip(self._pairs, reversed(shares)):
            q = q + s * (share - y @ q / (s @ y))
        return q

    def state_dict(self) -> dict[str, Any]:
        s, y = zip(*self._pairs) if self._pairs else ([], [])
        rows = (len(s), len(s[0]) if s else 0)
        return {"steps": self.steps, "s": np.array(s, float).reshape(rows),
                "y": np.array(y, float).reshape(rows)}  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self._pairs = list(zip(np.array(state["s"]), np.array(state["y"])))


class Trial(NamedTuple):
    """A step length, the loss there, and its derivative with respect to the length."""

    a: float
    value: float
    derivative: float
    point: Point


def line_search(
    at: Callable[[float], Point], now: Point, d: Array, first: float, most: int
) -> Point | None:
    """A point along d that fulfils the strong Wolfe conditions; else one that is lower, if any.

    at(a) is the point at the step length a, of which `first` is tried first, and at most `most`.
    Source: Nocedal, Wright, algorithm 3.5.
    """
    start = before = Trial(0.0, now.value, float(now.gradient @ d), now)
    a = first
    for left in reversed(range(most)):
        trial = _trial(at, a, d)
        if not _falls(trial, start) or (before.a and trial.value >= before.value):
            return _zoom(at, start, d, before, trial, left)
        if abs(trial.derivative) <= -C2 * start.derivative:
            return trial.point
        if trial.derivative >= 0:
            return _zoom(at, start, d, trial, before, left)
        before, a = trial, 2 * a
    return before.point


def _zoom(
    at: Callable[[float], Point], start: Trial, d: Array, low: Trial, high: Trial, left: int
) -> Point | None:
    """The same between two lengths, of which `low` has the lower loss (algorithm 3.6)."""
    for _ in range(left):
        trial = _trial(at, _between(low, high), d)
        if not _falls(trial, start) or trial.value >= low.value:
            high = trial
            continue
        if abs(trial.derivative) <= -C2 * start.derivative:
            return trial.point
        if trial.derivative * (high.a - low.a) >= 0:
            high = low
        low = trial
    return low.point if low.a else None


def _trial(at: Callable[[float], Point], a: float, d: Array) -> Trial:
    point = at(a)
    return Trial(a, point.value, float(point.gradient @ d), point)


def _falls(trial: Trial, start: Trial) -> bool:
    return trial.value <= start.value + C1 * trial.a * start.derivative


def _between(low: Trial, high: Trial) -> float:
    """The minimum of the cubic through both, kept off the ends; the middle where there is none."""
    width, middle = high.a - low.a, (low.a + high.a) / 2
    if not (math.isfinite(high.value) and math.isfinite(high.derivative)):
        return low.a + width / 10
    p = low.derivative + high.derivative - 3 * (high.value - low.value) / width
    under = p * p - low.derivative * high.derivative
    if under < 0:
        return middle
    q = math.copysign(math.sqrt(under), width)
    below = high.derivative - low.derivative + 2 * q
    share = 1 - (high.derivative + q - p) / below if below else 0.5
    return low.a + width * min(max(share, 0.1), 0.9)
