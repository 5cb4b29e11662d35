"""A difference that fades: log(y + 1e-7) with the gradient of log(y).

Books guard a logarithm or a root by a small number and take the derivative without it. The
difference is eps/y: it fades smoothly towards inputs at which y is ordinary, through every size
down to nothing. The difference that a wrong formula makes is as large as the gradient itself, or
gone at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from handgrad.prove.measure.compare import RELATIVE, signs
from handgrad.prove.measure.numeric import quick
from handgrad.prove.measure.point import Point
from handgrad.prove.verdict.inputs import differentiable, movable
from handgrad.prove.verdict.trial import Case
from handgrad.subject.sandbox import SubjectError

_SMALL, _TINY = 1e-4, 1e-7  # between them a difference is fading
_DIRECTIONS = 4


def fades(case: Case, inputs: Sequence[Any]) -> bool:
    """Whether the difference between backward and differentiation fades towards other inputs:
    towards the given ones, or towards these scaled down."""
    fits = all(np.shape(a) == np.shape(b) for a, b in zip(inputs, case.inputs))
    homes, indices = [case.inputs] if fits else [], movable(case)
    size = max((float(abs(np.asarray(inputs[k])).max(initial=0)) for k in indices), default=0.0)
    if size > 1:
        homes.append([np.asarray(x) / size if k in indices else x for k, x in enumerate(inputs)])
    return any(_fades(case, inputs, home) for home in homes)


def _fades(case: Case, inputs: Sequence[Any], home: Sequence[Any]) -> bool:
    if not _difference(case, inputs, home, 0.0) <= RELATIVE:
        return False
    low, high, far = 0.0, 1.0, _difference(case, inputs, home, 1.0)
    for _ in range(14):
        middle = (low + high) / 2
        off = _difference(case, inputs, home, middle)
        if _TINY < off < min(_SMALL, 0.1 * far):
            nearer = _difference(case, inputs, home, 0.9 * middle)
            return 1e-3 * off < nearer < off
        low, high = (low, middle) if not off <= _TINY else (middle, high)
    return False


def _difference(case: Case, inputs: Sequence[Any], home: Sequence[Any], share: float) -> float:
    """How far the gradients are off along a few directions, in terms of their size; NaN if
    unclear. Along a single one differences may cancel by chance."""
    indices = differentiable(case)  # what has no gradient, like a mask, is nowhere in between
    there = [np.asarray(a) + share * (b - np.asarray(a)) if k in indices else b
             for k, (a, b) in enumerate(zip(home, inputs))]  # fmt: skip
    try:
        run = case.run(there)
        point = Point(case.subject, case.names, there, len(run.upstream))
    except SubjectError:
        return np.nan
    given = {n: run.gradients[n] for n in case.wanted}
    if any(g is None or g.shape != point.value(n).shape for n, g in given.items()):
        return np.nan
    rng, upstream, shares = np.random.default_rng(13), run.flat_upstream, []
    for _ in range(_DIRECTIONS):
        moves = {n: signs(rng, np.zeros(np.shape(g))) for n, g in given.items()}
        terms = [given[n] * move for n, move in moves.items()]
        total, size = sum(t.sum() for t in terms), np.sqrt(sum((t**2).sum() for t in terms))
        value, error = quick(point.along(moves), 1e-4, point.noise)
        off, doubt = abs(value @ upstream - total), error @ abs(upstream)
        shares.append(np.nan if doubt > 0.1 * off and doubt > _TINY * size else off / size)
    return float(np.sqrt(np.mean(np.square(shares))))
