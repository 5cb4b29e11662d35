"""FullBatch: rules that look at the loss of all data several times in one update."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from handgrad.arrays import Array
from handgrad.optim.optimizer import Optimizer


class Point(NamedTuple):
    """Weights x (P), the loss there, and its gradient (P), in float64, both with `l2`."""

    x: Array
    value: float
    gradient: Array


class Problem(Protocol):
    """The loss of all data as a function of the weights that are learned."""

    def start(self) -> Point:
        """Where the network stands."""

    def at(self, x: Array) -> Point:
        """The loss at x, rounded to the network's dtype; infinite where it is not a number."""

    def accept(self, point: Point) -> None:
        """Move the network there."""

    def residuals(self) -> tuple[Array, Array]:
        """r (R) with loss = Σ r², and ∂r/∂x (R, P), where the network stands."""


class FullBatch(Optimizer):
    """Base of the rules that `fit` gives the loss of all data, as often as they ask in one update.

    A subclass writes `improve`. `finished` says why nothing better can be found, and ends training.
    An update is an epoch; the loss must be a function of the weights alone, so that dropout and
    augmentation are refused.
    """

    _finished = ""

    def improve(self, problem: Problem) -> bool:
        """Move the network once, to a lower loss; False, with a reason, where that cannot be."""
        raise NotImplementedError(f"{type(self).__name__} must define improve()")

    @property
    def finished(self) -> str:
        """Why there is nothing left to do, or ""."""
        return self._finished

    def begin(self) -> None:
        """Before a training, or its continuation."""
        self._finished = ""

    def finish(self, reason: str) -> bool:
        """End training; False."""
        self._finished = reason
        return False

    def rule(self, *args: Any, **kwargs: Any) -> None:
        name = type(self).__name__
        raise ValueError(
            f"{name}: it has to ask for the loss several times in an update, which step() and "
            f"update() cannot answer; use fit(network, x, t, optimizer={name}())"
        )

    def __repr__(self) -> str:
        hidden = ("lr", "steps", "state")
        given = {k: v for k, v in vars(self).items() if k[0] != "_" and k not in hidden}
        return f"{self._name}({', '.join(f'{k}={v!r}' for k, v in given.items() if v)})"


def largest(gradient: Array) -> float:
    """The largest size of an element."""
    return float(np.abs(gradient).max(initial=0.0))
