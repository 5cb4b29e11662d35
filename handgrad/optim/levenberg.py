"""Levenberg-Marquardt: least squares with the derivatives of every residual."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from handgrad.optim.full_batch import FullBatch, Problem, largest


class LevenbergMarquardt(FullBatch):
    """Gauss-Newton steps, damped as far as the loss asks for it; for small regressions.

    x ← x + δ,  (JᵀJ + μI) δ = -Jᵀr,  for the loss Σ r², J = ∂r/∂x. With the gain
    ρ = (loss - loss at x + δ) / (what the linear model promises):  where ρ > 0 the step is taken
    and μ ← μ · max(⅓, 1 - (2ρ - 1)³), ν ← 2; else μ ← μν, ν ← 2ν, and another step is tried.

    J takes a backward pass for each output of each sample, and δ the solution of P equations for P
    weights: meant for up to about a thousand of each, where it often needs tens of updates for
    what other rules need thousands of. The loss must be MeanSquaredError or SumSquaredError, with
    weights of samples and `l2` as they are; float64 networks come closest to the minimum.

    damping: the first μ, as a share of the largest element of the diagonal of JᵀJ. gtol, ftol: as
    in `LBFGS`. l2, decay_on: as in `Optimizer`.

    Source: Marquardt, "An algorithm for least-squares estimation of nonlinear parameters", 1963;
    Nielsen, "Damping parameter in Marquardt's method", 1999, for the rule of μ.
    """

    TRIES = 40  # steps in one update; μ then is 2^800 times what it was

    def __init__(
        self, *, damping: float = 1e-3, gtol: float = 1e-8, ftol: float = 1e-12, l2: float = 0.0,
        decay_on: Iterable[str] | None = None,
    ):  # fmt: skip
        super().__init__(1.0, l2=l2, decay_on=decay_on)
        self.damping = self._number("damping", damping)
        self.gtol, self.ftol = self._number("gtol", gtol), self._number("ftol", ftol)
        self._mu, self._nu = 0.0, 2.0

    def improve(self, problem: Problem) -> bool:
        now = problem.start()
        if largest(now.gradient) <= self.gtol:
            return self.finish(f"no element of the gradient is larger than {self.gtol:g}")
        r, J = problem.residuals()
        A, b = J.T @ J, J.T @ r
        self._mu = self._mu or self.damping * float(A.diagonal().max())
        for _ in range(self.TRIES):
            step = np.linalg.solve(A + self._mu * np.eye(len(A)), -b)
            found = problem.at(now.x + step)
            gain = (now.value - found.value) / float(step @ (self._mu * step - b))
            if gain > 0:
                self._mu *= max(1 / 3, 1 - (2 * gain - 1) ** 3)
                self._nu = 2.0
                break
            self._mu *= self._nu
            self._nu *= 2
        else:
            problem.accept(now)
            return self.finish("no lower loss is found in this precision")
        problem.accept(found)
        self.steps += 1
        if now.value - found.value <= self.ftol * max(abs(now.value), abs(found.value)):
            self.finish(f"the loss falls by no more than {self.ftol:g} of itself")
        return True

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "mu": self._mu, "nu": self._nu}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self._mu, self._nu = float(state["mu"]), float(state["nu"])
