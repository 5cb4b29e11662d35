"""Standardize: columns brought to mean 0 and deviation 1."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad import Standardize
from handgrad.arrays import ShapeError


def test_columns_far_from_zero_and_constant_ones(rng):
    x = (1e6 + 3 * rng.normal(size=(50, 3))).astype(np.float32)
    x[:, 1] = 0.1
    z = Standardize.of(x).forward(x)
    assert z.dtype == np.float32
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(z.std(axis=0), [1, 0, 1], atol=1e-6)


def test_errors():
    with pytest.raises(ShapeError, match="one number per column"):
        Standardize([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match=r"scale must be positive, got 0\.0"):
        Standardize([1.0], [0.0])
    with pytest.raises(ShapeError, match=r"x needs 2 columns \(N, 2\), got shape \(4, 3\)"):
        Standardize([1.0, 2.0], [1.0, 1.0]).forward(np.ones((4, 3)))
