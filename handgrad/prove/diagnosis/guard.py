"""Losses that guard a logarithm: -log(y + 1e-7) is consistent with y - t only where y is not tiny.

Books and courses write such losses, and take the derivative of the loss without its guard. That
is no mistake; it only shows where the logarithm's argument comes near the guard.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from handgrad.prove.diagnosis.source import called_source
from handgrad.prove.verdict.trial import Case

_GUARDED = re.compile(r"log\(.*(\d*\.?\d*e-\d+|eps|delta|tiny)|clip\(.*(e-\d+|eps|delta|tiny)")


def is_guarded(case: Case) -> bool:
    """Whether the code keeps the argument of a logarithm away from zero."""
    return bool(_GUARDED.search(called_source(case.subject)))


def explains(case: Case, inputs: Sequence[Any]) -> bool:
    """Whether a mismatch comes from a guard: it is gone where the inputs are small."""
    if not is_guarded(case):
        return False
    positions = [k for k, n in enumerate(case.names) if n in case.wanted]
    size = max((float(abs(np.asarray(inputs[k])).max(initial=0)) for k in positions), default=0.0)
    if size <= 1:
        return False
    small = [np.asarray(x) / size if k in positions else x for k, x in enumerate(inputs)]
    outcome = case.verify(small)
    return outcome is not None and not outcome.mismatches
