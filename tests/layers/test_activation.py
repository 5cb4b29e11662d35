"""Activations beside their loop-level references, at the ends of the number line, and at kinks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from handgrad import ShapeError, layers
from handgrad.layers.elementwise.error_function import cdf_and_pdf
from tests.reference.loops import ACTIVATIONS, DERIVATIVES, elementwise, softmax, softmax_backward

SMOOTH_ENDS = [*ACTIVATIONS, "Softmax", "LogSoftmax"]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_forward_and_backward_are_those_of_the_loops(name, rng):
    x, dy = 3 * rng.standard_normal((2, 30, 4))
    layer = getattr(layers, name)()
    np.testing.assert_allclose(layer(x), elementwise(ACTIVATIONS[name], x), rtol=1e-12, atol=1e-15)
    expected = dy * elementwise(DERIVATIVES[name], x)
    np.testing.assert_allclose(layer.backward(dy), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SMOOTH_ENDS)
def test_no_overflow_far_from_zero(name, dtype):
    """Warnings are errors, so an overflow on the way fails too."""
    x = np.array([[-1000, -100, -20, 0, 20, 100, 1000], [1e4, -1e4, 1e10, -1e10, 0, 1, -1]], dtype)
    layer = getattr(layers, name)()
    y = layer(x)
    dx = layer.backward(np.full_like(x, 0.5))
    assert np.isfinite(y).all()
    assert np.isfinite(dx).all()


def test_the_tanh_form_of_gelu_far_from_zero():
    x = np.array([-1e30, -1000, 1000, 1e30], np.float32)
    layer = layers.GELU(approximate="tanh")
    np.testing.assert_array_equal(layer(x), [0, 0, 1000, np.float32(1e30)])
    np.testing.assert_array_equal(layer.backward(np.ones_like(x)), [0, 0, 1, 1])


def test_the_tails_keep_their_digits():
    assert layers.Sigmoid()(np.array([-40.0]))[0] == pytest.approx(math.exp(-40), rel=1e-14)
    assert layers.Softplus()(np.array([-40.0]))[0] == pytest.approx(math.exp(-40), rel=1e-14)
    assert layers.GELU()(np.array([-9.0]))[0] == pytest.approx(
        -9 * math.erfc(9 / math.sqrt(2)) / 2, rel=1e-13)  # fmt: skip
    assert layers.ELU()(np.array([-1e-20]))[0] == pytest.approx(-1e-20, rel=1e-14)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.ReLU(), 0.0), (layers.LeakyReLU(0.2), 0.2), (layers.ELU(0.5), 0.5),
        (layers.SELU(), 1.0507009873554805 * 1.6732632423543772), (layers.Step(), 0.0),
    ],
    ids=str,
)  # fmt: skip
def test_the_rule_at_the_kink_is_the_one_in_the_docstring(layer, expected):
    layer(np.zeros(3))
    np.testing.assert_allclose(layer.backward(np.array([1.0, -2.0, 3.0])) / [1, -2, 3], expected)


def test_step_of_zero_is_zero():
    np.testing.assert_array_equal(layers.Step()([-0.1, 0.0, 0.1]), [0, 0, 1])


def test_gelu_refuses_an_unknown_approximation():
    with pytest.raises(ValueError, match='"none" or "tanh", got \'sigmoid\''):
        layers.GELU(approximate="sigmoid")


def test_text_is_refused():
    with pytest.raises(ValueError, match="real numbers"):
        layers.ReLU()(np.array(["a"]))


def test_the_normal_distribution_function_against_math():
    x = np.linspace(-37, 9, 4001)
    cdf, pdf = cdf_and_pdf(x)
    expected = np.array([math.erfc(-v / math.sqrt(2)) / 2 for v in x])
    np.testing.assert_allclose(cdf, expected, rtol=0, atol=3e-16)
    np.testing.assert_allclose(cdf, expected, rtol=2e-12)
    near = x > -3
    np.testing.assert_allclose(cdf[near], expected[near], rtol=5e-15)
    density = [math.exp(-v * v / 2) / math.sqrt(2 * math.pi) for v in x]
    np.testing.assert_allclose(pdf, density, rtol=1e-14)


def test_the_normal_distribution_function_in_float32():
    x = np.linspace(-12, 9, 4001, dtype=np.float32)
    cdf, pdf = cdf_and_pdf(x)
    assert cdf.dtype == pdf.dtype == np.float32
    expected = [math.erfc(-float(v) / math.sqrt(2)) / 2 for v in x]
    np.testing.assert_allclose(cdf, expected, rtol=1e-7)


def test_the_normal_distribution_function_at_the_ends():
    cdf, pdf = cdf_and_pdf(np.array([-np.inf, -1e300, 0, 1e300, np.inf, np.nan]))
    np.testing.assert_array_equal(cdf, [0, 0, 0.5, 1, 1, np.nan])
    np.testing.assert_array_equal(pdf[[0, 1, 3, 4, 5]], [0, 0, 0, 0, np.nan])


def test_softmax_against_the_whole_matrix_of_derivatives(rng):
    x, dy = rng.standard_normal((2, 6, 4))
    layer = layers.Softmax()
    np.testing.assert_allclose(layer(x), [softmax(row) for row in x], rtol=1e-14)
    expected = [softmax_backward(row, g) for row, g in zip(x, dy)]
    np.testing.assert_allclose(layer.backward(dy), expected, rtol=1e-12, atol=1e-15)


def test_softmax_of_shifted_scores_is_the_same(rng):
    x = rng.standard_normal((5, 4))
    np.testing.assert_allclose(layers.Softmax()(x), layers.Softmax()(x + 1000), rtol=1e-12)
    np.testing.assert_allclose(layers.Softmax()(x).sum(axis=1), 1, rtol=1e-15)
    np.testing.assert_allclose(np.exp(layers.LogSoftmax()(x)), layers.Softmax()(x), rtol=1e-14)


@pytest.mark.parametrize("cls", [layers.Softmax, layers.LogSoftmax])
def test_softmax_refuses_what_has_no_such_axis(cls):
    with pytest.raises(ShapeError, match=rf"{cls.__name__}: axis 2 .* \(3, 4\)"):
        cls(axis=2)(np.zeros((3, 4)))
    with pytest.raises(ShapeError, match="axis -1"):
        cls()(np.array(1.0))
    with pytest.raises(ShapeError, match="at least one"):
        cls()(np.zeros((3, 0)))
