"""Sum, Mean and Max: axes, ties, errors, and the loop-level references of Max."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad import Max, Mean, ShapeError, Sum
from tests.reference.loops import max_backward

AXES = [None, 0, 1, 2, -1, (0, 1), (2, 0), (-1, -2), (0, 1, 2), ()]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize(("cls", "function"), [(Sum, np.sum), (Mean, np.mean), (Max, np.max)])
def test_forward_is_numpys(cls, function, axis, keepdims, rng):
    x = rng.standard_normal((2, 3, 4))
    y = cls(axis, keepdims=keepdims)(x)
    expected = function(x, axis=axis, keepdims=keepdims)
    assert np.shape(y) == np.shape(expected)
    np.testing.assert_allclose(y, expected, rtol=1e-14)


@pytest.mark.parametrize("axis", AXES)
def test_mean_is_sum_over_count_backward_too(axis, rng):
    x = rng.standard_normal((2, 3, 4))
    mean, total = Mean(axis), Sum(axis)
    dy = rng.standard_normal(np.shape(mean(x)))
    count = x.size / np.size(total(x))
    np.testing.assert_allclose(mean.backward(dy), total.backward(dy / count), rtol=1e-15)


def test_max_against_the_loops(rng):
    x = rng.integers(0, 3, (20, 5)).astype(float)  # full of ties
    dy = rng.standard_normal(20)
    layer = Max(axis=1)
    layer(x)
    np.testing.assert_array_equal(layer.backward(dy), max_backward(x, dy))


def test_at_a_tie_the_first_in_c_order_gets_the_gradient():
    layer = Max(axis=(2, 0))
    layer(np.ones((2, 3, 4)))
    dx = layer.backward(np.array([5.0, 6.0, 7.0]))
    np.testing.assert_array_equal(dx[0, :, 0], [5, 6, 7])
    assert np.count_nonzero(dx) == 3


def test_a_python_number_is_an_upstream_gradient(rng):
    for cls in (Sum, Mean, Max):
        layer = cls()
        layer(rng.standard_normal((3, 4)).astype(np.float32))
        dx = layer.backward(2.0)
        assert (dx.shape, dx.dtype) == ((3, 4), np.float32)


@pytest.mark.parametrize("axis", [2, -3, (0, 0), (1, -1), (0, 5)])
@pytest.mark.parametrize("cls", [Sum, Mean, Max])
def test_a_wrong_axis_is_named(cls, axis):
    with pytest.raises(ShapeError, match=rf"{cls.__name__}: axis .*\(3, 4\)"):
        cls(axis)(np.zeros((3, 4)))


@pytest.mark.parametrize("cls", [Mean, Max])
def test_nothing_has_no_mean_and_no_maximum(cls):
    with pytest.raises(ShapeError, match="at least one element"):
        cls(axis=1)(np.zeros((3, 0)))


def test_the_sum_of_nothing_is_zero():
    layer = Sum(axis=1)
    np.testing.assert_array_equal(layer(np.zeros((3, 0))), np.zeros(3))
    assert layer.backward(np.ones(3)).shape == (3, 0)
