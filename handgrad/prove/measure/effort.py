"""Effort: how much computing a call takes, counted instead of timed.

What is tried at all must not depend on how busy the machine is: budgets are in units of about a
microsecond, of which a call costs a fixed number, found from the lines of Python that it runs and
the elements that go through it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from handgrad.subject.sandbox import interrupting

_CALL, _LINE, _ELEMENT = 40.0, 0.6, 0.01  # units of a call, of a line of Python, of an element
_USUAL = 60  # lines of a call, where they cannot be counted


def effort_of(call: Callable[[], Any], arrays: Sequence[Any]) -> float:
    """Units of one call through which these arrays go; it should have run before."""
    elements = sum(np.size(a) for a in arrays)
    lines = min(_lines(call), _lines(call))  # other work, as the collector's, may run in between
    return _CALL + _LINE * lines + _ELEMENT * elements


def _lines(call: Callable[[], Any]) -> int:
    """How many lines of Python a call runs, those of libraries left out."""
    if interrupting():  # Python 3.11 does not trace until that thread wakes
        return _USUAL
    count = 0

    def inside(frame: Any, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return inside

    def entering(frame: Any, event: str, argument: Any) -> Any:
        file = frame.f_code.co_filename
        return None if "site-packages" in file and "handgrad" not in file else inside

    before = sys.gettrace()
    sys.settrace(entering)
    try:
        call()
    finally:
        sys.settrace(before)
    return count
