"""Random upstream gradients and directions: of both signs, and away from zero."""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array


def signed(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Every element between 0.5 and 1.5, with either sign."""
    x = rng.uniform(-1.0, 1.0, shape)
    return np.asarray(x + np.copysign(0.5, x))
