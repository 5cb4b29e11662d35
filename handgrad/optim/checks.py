"""Checks of options: each returns the number it was given, or raises ValueError in one line."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any


def check_number(owner: str, option: str, value: Any, below: float = math.inf) -> float:
    """value as a float, if it is a real number in [0, below)."""
    real = isinstance(value, (float, int, Real)) and not isinstance(value, bool)
    if not real or not 0 <= float(value) < below:
        rule = "finite and not negative" if below == math.inf else f"in [0, {below:g})"
        raise ValueError(f"{owner}: {option} must be a number {rule}, got {value!r}")
    return float(value)


def check_steps(owner: str, option: str, value: Any) -> int:
    """value as an int, if it is an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, Real) or value < 1 or value % 1:
        raise ValueError(f"{owner}: {option} must be an integer of at least 1, got {value!r}")
    return int(float(value))
