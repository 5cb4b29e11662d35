"""Arithmetic, shape and Affine: loop-level references, why db is a sum, and bad inputs."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad import layers
from handgrad.arrays import ShapeError
from tests.reference.loops import affine, affine_backward


def test_affine_against_the_loops(rng):
    x, dy = rng.standard_normal((6, 3)), rng.standard_normal((6, 4))
    layer = layers.Affine(4, seed=0)
    layer.build(x)
    layer.b = rng.standard_normal(4)
    np.testing.assert_allclose(layer(x), affine(x, layer.W, layer.b), rtol=1e-12, atol=1e-14)
    got = (layer.backward(dy), layer.dW, layer.db)
    for a, b in zip(got, affine_backward(x, layer.W, dy)):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_db_is_ones_times_dy(rng):
    """y = x @ W + ones(N, 1) @ b: the ones copy b to each row, so their transpose sums."""
    dy = rng.standard_normal((6, 4))
    layer = layers.Affine(4, seed=0)
    layer(rng.standard_normal((6, 3)))
    layer.backward(dy)
    np.testing.assert_allclose(layer.db, np.ones(6) @ dy, rtol=1e-13)
    np.testing.assert_array_equal(layer.db, dy.sum(axis=0))


@pytest.mark.parametrize("name", ["Add", "Sub", "Mul", "Div", "Pow"])
def test_unequal_shapes_are_refused(name):
    with pytest.raises(ShapeError, match=rf"{name}: .*\(2, 3\) and \(3,\); put a Broadcast"):
        getattr(layers, name)()(np.ones((2, 3)), np.ones(3))


@pytest.mark.parametrize("shapes", [((2, 3), (2, 3)), ((3,), (3, 2)), ((4, 2, 3), (5, 3, 2))])
def test_matrices_that_do_not_fit_are_refused(shapes):
    with pytest.raises(ShapeError, match="MatMul: shapes"):
        layers.MatMul()(*map(np.ones, shapes))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Broadcast((2, 3)), (2,)), (layers.Broadcast((3,)), (2, 3)),
        (layers.Reshape((4, 2)), (3, 3)), (layers.Reshape((-1, 4)), (3, 3)),
        (layers.Flatten(), ()), (layers.Transpose((0, 0)), (2, 3)),
        (layers.Transpose((0, 1)), (2, 3, 4)), (layers.Index(5), (3,)),
        (layers.Index((0, 0)), (3,)),
    ],
    ids=str,
)  # fmt: skip
def test_shapes_that_break_the_rule_are_refused(layer, shape):
    with pytest.raises(ShapeError, match=f"{type(layer).__name__}: "):
        layer(np.ones(shape))


def test_concat_refuses_arrays_that_do_not_meet():
    for xs in ((np.ones((2, 3)), np.ones((3, 3))), ()):
        with pytest.raises(ShapeError, match="Concat: "):
            layers.Concat(axis=1).forward(*xs)


@pytest.mark.parametrize("outputs", [0, -1, 2.5, "10"])
def test_affine_needs_a_whole_number_of_outputs(outputs):
    with pytest.raises(ValueError, match="Affine: outputs must be a positive integer"):
        layers.Affine(outputs)


def test_affine_refuses_another_width_and_another_dtype():
    layer = layers.Affine(2, seed=0)
    layer(np.ones((4, 3)))
    with pytest.raises(ShapeError, match=r"last axis of x must be 3, got \(4, 5\)"):
        layer(np.ones((4, 5)))
    with pytest.raises(ValueError, match="x is float32 but W is float64"):
        layer(np.ones((4, 3), np.float32))


def test_an_element_read_twice_gets_both_gradients():
    layer = layers.Index([0, 2, 0])
    layer(np.zeros(3))
    np.testing.assert_array_equal(layer.backward(np.array([1.0, 10.0, 100.0])), [101, 0, 10])


def test_powers_at_the_edge():
    layer = layers.Pow()
    np.testing.assert_array_equal(layer(np.array([0.0, 0.0, -2.0]), np.array([0.0, 2.0, 3.0])),
                                  [1, 0, -8])  # fmt: skip
    dx, dp = layer.backward(np.ones(3))
    np.testing.assert_array_equal(dx, [0, 0, 12])
    np.testing.assert_array_equal(dp, [0, 0, 0])
