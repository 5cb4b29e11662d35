"""Given inputs at which forward is not finite: is it right close by, and was it only overflow?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.verdict.evidence import Finding
from handgrad.prove.verdict.inputs import is_real
from handgrad.prove.verdict.precision import cast
from handgrad.prove.verdict.trial import Case, Outcome, fresh
from handgrad.subject.sandbox import SubjectError


def beyond(case: Case) -> tuple[Outcome | None, list[Finding]]:
    """A trial at inputs like the given ones where forward is finite, and what precision shows."""
    case.reason = "forward gives NaN or infinity, or fails beside the given inputs: give others."
    for what, change in _INSIDE.items():
        inputs = [change(np.nan_to_num(x)) if is_real(x) else fresh(x) for x in case.inputs]
        try:
            outcome = case.verify(inputs, effort=1e5)
        except SubjectError:
            continue
        if outcome is not None:
            case.reason = (
                "forward gives NaN or infinity at the given inputs. The gradients are right at "
                f"{what}: give inputs from the domain of forward."
            )
            return outcome, list(_overflow(case))
    return None, list(_overflow(case))


def _shrunk(x: Array) -> Any:
    return x / (1e-300 + abs(x).max(initial=0))


_INSIDE: dict[str, Callable[[Array], Any]] = {
    "their absolute values": lambda x: abs(x) + 0.05,
    "their negatives": lambda x: -abs(x) - 0.05,
    "values between 0.1 and 0.9": lambda x: 0.1 + 0.8 * abs(_shrunk(x)),
    "smaller values": _shrunk,
    "values above one": lambda x: 1.1 + abs(x),
}


def _overflow(case: Case) -> Iterator[Finding]:
    """With more digits forward is finite: an intermediate result has overflowed."""
    inputs = [cast(x, np.longdouble) for x in case.inputs]
    wider = np.finfo(np.longdouble).max > np.finfo(np.float64).max
    if not wider or not all(np.isfinite(x).all() for x in inputs if is_real(x)):
        return
    try:
        outputs = case.forward(case.subject.cast(np.longdouble), inputs)
    except SubjectError:
        return
    if all(np.isfinite(y).all() and abs(y).max(initial=0) < 1e300 for y in outputs):
        text = "forward gives NaN or infinity for these inputs, where the answer is finite."
        yield Finding("numeric_instability", text)
