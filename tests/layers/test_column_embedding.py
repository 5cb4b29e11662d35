"""Categories beside numbers in one array."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad.arrays import ShapeError
from handgrad.layers import ColumnEmbedding


def test_numbers_and_rows(rng):
    """By loops: numbers in order, then the rows of the codes, by column as they are named."""
    layer = ColumnEmbedding((3, 1), (4, 2), 3, seed=1)
    x = rng.standard_normal((7, 5))
    x[:, 3], x[:, 1] = rng.integers(0, 4, 7), rng.integers(0, 2, 7)
    y = layer(x)
    dy = rng.standard_normal(y.shape)
    dx = layer.backward(dy)
    dW = np.zeros((6, 3))
    for n in range(7):
        first, second = int(x[n, 3]), 4 + int(x[n, 1])
        np.testing.assert_array_equal(y[n], [*x[n, [0, 2, 4]], *layer.W[first], *layer.W[second]])
        dW[first] += dy[n, 3:6]
        dW[second] += dy[n, 6:]
        np.testing.assert_array_equal(dx[n], [dy[n, 0], 0, dy[n, 1], 0, dy[n, 2]])
    np.testing.assert_allclose(layer.dW, dW, atol=1e-14)


def test_what_is_refused():
    layer = ColumnEmbedding([1], [3], 2, seed=0)
    for wrong in (3.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="column 1 must lie from 0 to 2, got .* sample 1"):
            layer(np.array([[0.0, 2.0], [0.0, wrong]]))
    with pytest.raises(ShapeError, match=r"D > 1, the last column of codes, got \(2, 1\)"):
        layer(np.zeros((2, 1)))
    for columns, sizes in (((0, 0), (2, 2)), ((0, 1), (2,)), ((-1,), (2,)), ((), ())):
        with pytest.raises(ValueError, match="columns must be different indices"):
            ColumnEmbedding(columns, sizes)
    with pytest.raises(ValueError, match="vocabulary"):
        ColumnEmbedding((0,), (0,))
