"""Clipping: keeping a gradient from growing too large."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from handgrad.arrays import Array


def global_norm(gradients: Sequence[Array]) -> float:
    """The Euclidean norm of several arrays taken as one long vector, summed in float64."""
    return float(np.sqrt(sum(float(np.square(g, dtype=np.float64).sum()) for g in gradients)))


def clip_by_value(gradients: Sequence[Array], limit: float) -> None:
    """Move each entry into [-limit, limit], in place: g ← min(max(g, -limit), limit)."""
    for g in gradients:
        np.clip(g, -limit, limit, out=g)


def clip_by_norm(gradients: Sequence[Array], limit: float) -> float:
    """Shorten the gradients, as one vector, to length `limit` if they are longer, in place.

    g ← g · min(1, limit / ‖g‖): the direction stays. Returns the norm before. A norm that is
    not finite has no direction to keep, and raises FloatingPointError before anything changes.

    Source: Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural
    networks", ICML 2013, algorithm 1.
    """
    norm = global_norm(gradients)
    if not np.isfinite(norm):
        raise FloatingPointError(f"the norm of the gradients is {norm}; there is nothing to clip")
    if norm > limit:
        for g in gradients:
            g *= limit / norm
    return norm
