"""Spaces of hyperparameters: a distribution for each name, and the candidates drawn from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np


class Distribution:
    """Base: at(u) is the value below which the share u of all values lies, 0 ≤ u < 1."""

    def at(self, u: float) -> Any:
        """The value at u."""
        raise NotImplementedError(f"{type(self).__name__} must define at()")


@dataclass(frozen=True)
class Uniform(Distribution):
    """Real numbers from low to high, or their logarithms, each as probable."""

    low: float
    high: float
    log: bool = False

    def at(self, u: float) -> float:
        if self.log:
            return math.exp(math.log(self.low) + u * (math.log(self.high) - math.log(self.low)))
        return self.low + u * (self.high - self.low)


@dataclass(frozen=True)
class Integer(Distribution):
    """Integers from low to high, both included, or by their logarithms."""

    low: int
    high: int
    log: bool = False

    def at(self, u: float) -> int:
        if self.log:
            ends = math.log(self.low), math.log(self.high + 1)
            return min(int(math.exp(ends[0] + u * (ends[1] - ends[0]))), self.high)
        return self.low + int(u * (self.high - self.low + 1))


@dataclass(frozen=True)
class Choice(Distribution):
    """One of some values, each as probable."""

    options: tuple[Any, ...]

    def at(self, u: float) -> Any:
        return self.options[int(u * len(self.options))]


def uniform(low: float, high: float) -> Uniform:
    """Real numbers from low to high. Raises ValueError unless low < high, both finite."""
    return Uniform(*_bounds("uniform", low, high))


def log_uniform(low: float, high: float) -> Uniform:
    """Real numbers whose logarithms are uniform: each power of ten is as probable as another.

    For learning rates and decays. Raises ValueError unless 0 < low < high.
    """
    low, high = _bounds("log_uniform", low, high)
    if low <= 0:
        raise ValueError(f"log_uniform: low must be above 0, for its logarithm counts, got {low:g}")
    return Uniform(low, high, log=True)


def integer(low: int, high: int, *, log: bool = False) -> Integer:
    """Integers from low to high, both included; log=True: by their logarithms, as for sizes."""
    for value in (low, high):
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise ValueError(f"integer: low and high must be integers, got {value!r}")
    _bounds("integer", low, high)
    if log and low < 1:
        raise ValueError(f"integer: low must be at least 1 with log=True, got {low}")
    return Integer(int(low), int(high), log)


def choice(*options: Any) -> Choice:
    """One of these values, or of those in one list."""
    if len(options) == 1 and isinstance(options[0], list | tuple):
        options = tuple(options[0])
    if not options:
        raise ValueError("choice: at least one value is needed")
    return Choice(options)


def _bounds(name: str, low: Any, high: Any) -> tuple[float, float]:
    for value in (low, high):
        if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
            raise ValueError(f"{name}: low and high must be finite numbers, got {value!r}")
    if not low < high:
        raise ValueError(f"{name}: low must be below high, got {low!r} and {high!r}")
    return float(low), float(high)


def check_space(space: Any) -> dict[str, Distribution]:
    """A distribution for each name; a list of values stands for a choice."""
    if not isinstance(space, Mapping) or not space:
        raise ValueError(
            "search: space must be a dict with a distribution for each parameter, such as "
            f"{{'lr': log_uniform(1e-4, 1e-1)}}, got {space!r}"
        )
    checked: dict[str, Distribution] = {}
    for name, values in space.items():
        if isinstance(values, Sequence) and not isinstance(values, str):
            values = choice(*values) if values else choice()
        if not isinstance(name, str) or not isinstance(values, Distribution):
            raise ValueError(
                f"search: space[{name!r}] must be uniform, log_uniform, integer or choice, or a "
                f"list, got {values!r}"
            )
        checked[name] = values
    return checked


def drawn(space: Mapping[str, Distribution], seed: int, number: int) -> dict[str, Any]:
    """The parameters of a candidate, which depend on the space, the seed and its number alone."""
    key = np.array([seed, number], np.uint64)  # a list with a number of 64 bits becomes floats
    rng = np.random.Generator(np.random.Philox(key=key))
    found = {name: space[name].at(rng.random()) for name in sorted(space)}
    return {name: found[name] for name in space}
