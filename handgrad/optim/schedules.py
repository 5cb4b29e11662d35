"""Schedules of the learning rate: callables from the number of updates made so far to η.

    Adam(lr=WarmUp(CosineDecay(0.001, steps=10_000), steps=500))

Any function of the step number serves an optimizer as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from handgrad.optim.checks import check_number, check_steps


class Schedule:
    """Base of the schedules: η(step) from `__call__`; most neither observe nor have a state."""

    def __call__(self, step: int) -> float:
        """The learning rate after `step` updates."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__()")

    def observe(self, value: float) -> None:
        """Take in the watched number after an epoch; ignored where η depends on the step alone."""

    def state_dict(self) -> dict[str, Any]:
        """What an exact continuation needs besides the step, as numbers."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` of the same kind of schedule returned."""

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({options})"


class Constant(Schedule):
    """η(s) = lr."""

    def __init__(self, lr: float):
        self.lr = check_number("Constant", "lr", lr)

    def __call__(self, step: int) -> float:
        return self.lr


class StepDecay(Schedule):
    """η(s) = lr · factor^⌊s / every⌋: one step down after every `every` updates."""

    def __init__(self, lr: float, *, every: int, factor: float = 0.1):
        self.lr = check_number("StepDecay", "lr", lr)
        self.every = check_steps("StepDecay", "every", every)
        self.factor = check_number("StepDecay", "factor", factor)

    def __call__(self, step: int) -> float:
        return self.lr * self.factor ** (step // self.every)


class ExponentialDecay(Schedule):
    """η(s) = lr · factor^(s / every): StepDecay, but a little with every update."""

    def __init__(self, lr: float, *, every: int, factor: float = 0.1):
        self.lr = check_number("ExponentialDecay", "lr", lr)
        self.every = check_steps("ExponentialDecay", "every", every)
        self.factor = check_number("ExponentialDecay", "factor", factor)

    def __call__(self, step: int) -> float:
        return float(self.lr * self.factor ** (step / self.every))


class CosineDecay(Schedule):
    """η(s) = end + (lr - end) · (1 + cos(π s / steps)) / 2, and `end` after `steps`.

    Source: Loshchilov, Hutter, "SGDR: stochastic gradient descent with warm restarts",
    ICLR 2017, eq. 5, without the restarts.
    """

    def __init__(self, lr: float, *, steps: int, end: float = 0.0):
        self.lr = check_number("CosineDecay", "lr", lr)
        self.steps = check_steps("CosineDecay", "steps", steps)
        self.end = check_number("CosineDecay", "end", end)

    def __call__(self, step: int) -> float:
        done = min(step / self.steps, 1.0)
        return self.end + (self.lr - self.end) * (1 + math.cos(math.pi * done)) / 2


class WarmUp(Schedule):
    """η(s) = then(0) · (s + 1) / (steps + 1) for s < steps, and then(s - steps) from there on.

    `then` is a schedule, or a number for a constant. The first step is not spent on η = 0.

    Source: Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017,
    section 2.2.
    """

    def __init__(self, then: Schedule | float, *, steps: int):
        self.then = then if isinstance(then, Schedule) else Constant(then)
        self.steps = check_steps("WarmUp", "steps", steps)

    def __call__(self, step: int) -> float:
        if step < self.steps:
            return self.then(0) * (step + 1) / (self.steps + 1)
        return self.then(step - self.steps)

    def observe(self, value: float) -> None:
        self.then.observe(value)

    def state_dict(self) -> dict[str, Any]:
        return self.then.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.then.load_state_dict(state)


class Plateau(Schedule):
    """η = lr, times `factor` each time a watched number has stopped getting better.

    `observe(value)` is called once per epoch. A value is better if it beats the best one by
    more than `threshold` times its size; after more than `patience` values in a row that do
    not, η is reduced and the counting starts anew. NaN is never better. η is never reduced to
    less than `minimum`. `mode` says whether lower ("min") or higher ("max") is better.
    """

    def __init__(
        self,
        lr: float,
        *,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        minimum: float = 0.0,
        mode: str = "min",
    ):
        if mode not in ("min", "max"):
            raise ValueError(f"Plateau: mode must be 'min' or 'max', got {mode!r}")
        self.lr = check_number("Plateau", "lr", lr)
        self.factor = check_number("Plateau", "factor", factor, below=1)
        self.patience = int(check_number("Plateau", "patience", patience))
        self.threshold = check_number("Plateau", "threshold", threshold)
        self.minimum = check_number("Plateau", "minimum", minimum)
        self.mode = mode
        self.best = math.inf if mode == "min" else -math.inf
        self.waited = 0
        self.now = self.lr

    def __call__(self, step: int) -> float:
        return self.now

    def observe(self, value: float) -> None:
        gain = self.best - value if self.mode == "min" else value - self.best
        first = math.isinf(self.best)
        if gain > (0 if first else self.threshold * abs(self.best)):
            self.best, self.waited = float(value), 0
        elif self.waited < self.patience:
            self.waited += 1
        else:
            self.now = min(self.now, max(self.now * self.factor, self.minimum))
            self.waited = 0

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "waited": self.waited, "now": self.now}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.best, self.now = float(state["best"]), float(state["now"])
        self.waited = int(state["waited"])
