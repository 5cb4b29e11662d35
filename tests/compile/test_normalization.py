"""Normalizations as native rows, beside the layers themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handgrad import Sequential
from handgrad.compile import NotNative
from handgrad.compile.program import Prediction
from handgrad.layers import (
    Affine,
    BatchNorm,
    Convolution,
    Flatten,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LeakyReLU,
    MaxPooling,
    RMSNorm,
    Standardize,
)
from tests.compile.eager import Compiled, require_equal


def numbers(*shape, seed=0):
    """A mean and a size that are not 0 and 1."""
    return (3 + 2 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def stir(network, x):
    """γ and β that are not 1 and 0."""
    network.build(x)
    random = np.random.default_rng(1).standard_normal(network.parameters.shape)
    network.parameters[...] += 0.3 * random
    return network


@settings(max_examples=20, deadline=None)
@given(N=st.integers(4, 40), C=st.integers(1, 35))  # also a batch of N - 1: of two, all cancels
def test_over_the_batch(N, C):
    x, rtol = numbers(N, 4), 1e-4 if N > 4 else 1e-3  # of few rows, most of the gradient cancels
    # A bias would be taken off with the mean: its gradient is rounding alone.
    require_equal(stir(Sequential(Affine(C, bias=False), BatchNorm()), x), x, rtol=rtol)


@pytest.mark.parametrize(
    "shape", [(5, 3, 4, 6), (4, 20, 3, 3), (7, 1, 5, 5), (60, 33, 7, 9), (6, 4, 9)]
)
def test_images_over_the_batch(shape):
    x = numbers(*shape)
    axis = tuple(range(1, len(shape)))
    network = stir(Sequential(LayerNorm(axis=axis), BatchNorm()), x)
    require_equal(network, x, rtol=1e-4, threads=2)


@pytest.mark.parametrize("first", [[], [Affine(7)]], ids=["first", "second"])
def test_columns_by_statistics_that_stay(first):
    """Also after a layer, where dx is needed, and with an activation in its rows."""
    x = numbers(30, 7)
    scaled = Standardize(np.linspace(-3, 9, 7), np.linspace(0.5, 4, 7))
    network = Sequential(*first, scaled, LeakyReLU(0.1), Affine(3))
    require_equal(stir(network, x), x, rtol=1e-4)


def test_columns_far_from_zero_are_not_native():
    network = Sequential(Standardize([5000.0], [1.0]), Affine(1))
    x = 5000 + numbers(9, 1)
    network.build(x)
    with pytest.raises(NotNative, match="a mean of more than 4096 deviations"):
        Prediction(network, x, batch=9)


def test_running_statistics_follow_and_stand_in_when_predicting():
    x = numbers(30, 5)
    network = stir(Sequential(BatchNorm(momentum=0.7)), x)
    double = network.astype(np.float64)
    program = Compiled(network, x, np.ones((30, 5), np.float32), batch=10)
    for rows in np.arange(30).reshape(3, 10):
        program.run(rows)
        double.forward(x[rows])
    layer, other = network.layers[0], double.layers[0]
    np.testing.assert_allclose(layer.running_mean, other.running_mean, rtol=1e-5)
    np.testing.assert_allclose(layer.running_var, other.running_var, rtol=1e-5)
    before = layer.running_mean.copy()
    y = Prediction(network, x, batch=30)(x)
    np.testing.assert_allclose(y, double.eval().forward(x), atol=1e-5)
    assert np.array_equal(layer.running_mean, before)


def test_a_batch_of_one_leaves_the_running_statistics():
    x = numbers(3, 4)
    network = stir(Sequential(BatchNorm()), x)
    program = Compiled(network, x, np.ones((3, 4), np.float32), batch=3)
    y, gradients = program.run([1])
    assert np.array_equal(y[0], network.layers[0].beta)
    assert not network.layers[0].running_mean.any()
    assert np.array_equal(gradients, [0, 0, 0, 0, 1, 1, 1, 1])


def test_a_large_mean_costs_nothing():
    x = numbers(300, 4) + 10_000
    y, _ = Compiled(Sequential(BatchNorm()), x, x, batch=300).run(np.arange(300))
    np.testing.assert_allclose(y.std(axis=0), 1, rtol=5e-3)
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=5e-3)  # the mean's last digit is 1e-3


@pytest.mark.parametrize("kind", [LayerNorm, RMSNorm])
@settings(max_examples=20, deadline=None)
@given(N=st.integers(1, 12), D=st.integers(1, 50), T=st.integers(0, 4))
def test_over_each_sample(kind, N, D, T):
    x = numbers(N, T, D) if T else numbers(N, D)
    require_equal(stir(Sequential(Affine(D), kind()), x), x, rtol=2e-4)


@pytest.mark.parametrize("kind", [LayerNorm, RMSNorm])
def test_over_several_axes(kind):
    x = numbers(40, 5, 6, 7)
    require_equal(stir(Sequential(kind(axis=(1, 2, 3)), kind(axis=-1)), x), x, rtol=2e-4, threads=2)


@pytest.mark.parametrize("layer", [GroupNorm(1), GroupNorm(3), GroupNorm(6), InstanceNorm()])
@pytest.mark.parametrize("shape", [(5, 6, 4, 5), (3, 6, 1, 9), (50, 6, 11, 13)])
def test_groups_of_channels(layer, shape):
    x = numbers(*shape)
    network = Sequential(LayerNorm(axis=(1, 2, 3)), type(layer)(**layer.config()))
    require_equal(stir(network, x), x, rtol=2e-4, threads=2)


def test_groups_without_an_image():
    x = numbers(8, 12)
    require_equal(stir(Sequential(GroupNorm(4), Affine(6), GroupNorm(2)), x), x, rtol=2e-4)


def test_same_bits_on_any_number_of_threads():
    x = numbers(90, 6, 8, 9)
    network = stir(Sequential(BatchNorm(), GroupNorm(3), LayerNorm()), x)
    runs = [Compiled(network, x, x, batch=90, threads=k).run(np.arange(90)) for k in (1, 2, 3)]
    for y, gradients in runs[1:]:
        assert np.array_equal(y, runs[0][0])
        assert np.array_equal(gradients, runs[0][1])


def test_axes_before_the_last_have_no_native_form():
    x = numbers(5, 4, 3)
    with pytest.raises(NotNative, match="axes"):
        Compiled(Sequential(LayerNorm(axis=1)), x, x, batch=5)


def test_between_a_convolution_and_the_activation_that_is_fused():
    x = numbers(6, 2, 7, 8)
    layers = Convolution(5, 3), BatchNorm(), LeakyReLU(), MaxPooling(2), Flatten(), Affine(3)
    network = stir(Sequential(*layers), x)
    program = require_equal(network, x, rtol=1e-4)
    assert "BatchNorm + LeakyReLU" in str(program)
