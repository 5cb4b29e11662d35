"""Numerical differentiation: exact where it can be, and with an error that is true."""

import numpy as np
import pytest

from handgrad import Affine, MeanSquaredError, Sequential, SoftmaxCrossEntropy, Tanh, Tensor
from handgrad.differences.numeric import careful, quick
from handgrad.prove import numerical_gradient


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 1, 3), (0, 2)])
def test_any_rank(shape):
    x = np.random.default_rng(0).normal(size=shape)
    gradient = numerical_gradient(lambda a: np.sum(np.sin(a) * a), x)
    np.testing.assert_allclose(gradient, np.cos(x) * x + np.sin(x), atol=1e-10)


@pytest.mark.parametrize("x", [np.array([3, 4]), [3.0, 4.0], [3, 4]])
def test_integers_and_lists_are_converted_with_a_warning(x):
    with pytest.warns(UserWarning, match="float64 copy"):
        gradient = numerical_gradient(lambda a: np.sum(a**2), x)
    np.testing.assert_allclose(gradient, [6, 8], rtol=1e-9)


def test_float32_is_differentiated_in_float64():
    x = np.array([0.3, -1.2], np.float32)
    gradient = numerical_gradient(lambda a: np.sum(np.exp(a)), x)
    np.testing.assert_allclose(gradient, np.exp(x.astype(np.float64)), rtol=1e-10)


def test_function_that_reads_the_array_by_another_name():
    W = np.array([1.0, 2.0])
    np.testing.assert_allclose(numerical_gradient(lambda _: np.sum(W**3), W), [3, 12], rtol=1e-9)


TIGHT = {"float64": 1e-8, "float32": 2e-3, "float16": 0.15}


def views(dtype):
    """Arrays of one dtype in any layout, none of them 0."""
    base = np.random.default_rng(4).uniform(0.5, 1.5, (4, 6)).astype(dtype)
    closed = base.copy()
    closed.flags.writeable = False
    flat = np.zeros(30, dtype)
    flat[3:27] = base.reshape(-1)
    return {
        "plain": base.copy(), "transposed": base.copy().T, "strided": base.copy()[::2, ::-3],
        "part of a flat array": flat[3:27].reshape(4, 6), "read-only": closed,
        "single": np.array(0.7, dtype), "one axis": base.copy()[0],
    }  # fmt: skip


@pytest.mark.parametrize("dtype", TIGHT)
@pytest.mark.parametrize("layout", views("float64"))
@pytest.mark.parametrize(
    "f",
    [lambda x: lambda a: np.sum(a.astype(float) ** 3), lambda x: lambda _: np.sum(x**3),
     lambda x: lambda a: float(np.sum(a * x * x))],
    ids=["argument", "array", "both"],
)  # fmt: skip
def test_any_dtype_and_layout_however_f_reads_it(dtype, layout, f):
    x = views(dtype)[layout]
    before, flags = x.copy(), x.flags.writeable
    gradient = numerical_gradient(f(x), x)
    assert gradient.dtype == np.float64
    true = 3 * x.astype(float) ** 2
    np.testing.assert_allclose(gradient, true, rtol=TIGHT[dtype], atol=TIGHT[dtype])
    np.testing.assert_array_equal(x, before)
    assert x.flags.writeable == flags


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_weights_of_a_network(dtype):
    rng = np.random.default_rng(2)
    network = Sequential(Affine(4), Tanh(), Affine(3), dtype=np.dtype(dtype))
    x, t, loss = rng.normal(size=(5, 3)), rng.integers(0, 3, 5), SoftmaxCrossEntropy()
    network.build(x)

    def f(_):
        return loss.forward(network.forward(x), t)

    f(None)
    network.backward(loss.backward()[0])
    analytic = network.gradients.copy()
    tight = {"float32": 2e-3, "float64": 1e-7}[dtype]
    for array, true in [
        (network.layers[0].W, network.layers[0].dW), (network.layers[2].b, network.layers[2].db),
        (network.parameters, analytic),
    ]:  # fmt: skip
        before = array.copy()
        np.testing.assert_allclose(numerical_gradient(f, array), true, rtol=tight, atol=tight)
        np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tensors(dtype):
    x = Tensor(np.array([0.5, 1.5], dtype))
    for f in (lambda a: (a * a).sum(), lambda _: (x * x).sum(), lambda _: np.sum(x.data**2)):
        np.testing.assert_allclose(numerical_gradient(f, x), [1, 3], rtol=TIGHT[dtype])
    np.testing.assert_array_equal(x.data, np.array([0.5, 1.5], dtype))


def test_never_zeros_where_f_reads_something_else():
    x = np.random.default_rng(0).normal(size=(2, 3))
    copy = x.copy()
    for given in (x, x.astype(np.float32), np.float64(2.0)):
        with pytest.raises(ValueError, match="it reads neither its argument nor this array"):
            numerical_gradient(lambda _: np.sum(copy**2), given)
    whole = np.array([1, 2])
    for given in (whole, whole > 1):
        with (
            pytest.warns(UserWarning, match="float64 copy"),
            pytest.raises(ValueError, match="f reads x itself, which holds integers"),
        ):
            numerical_gradient(lambda _, x=given: float(np.sum(x * 2.0)), given)
    same = np.broadcast_to(np.array([1.0]), 3)
    windows = np.lib.stride_tricks.sliding_window_view(np.ones(4, np.float32), 2)
    for given in (same, windows):
        with pytest.raises(ValueError, match="one number for several|neither its argument"):
            numerical_gradient(lambda _, x=given: float(np.sum(x * 2.0)), given)
        np.testing.assert_allclose(numerical_gradient(lambda a: np.sum(a * 2), given), 2)


def test_zeros_where_they_are_the_derivative():
    x = np.array([-1.0, -2.0])
    np.testing.assert_array_equal(numerical_gradient(lambda a: np.sum(np.maximum(a, 0)), x), 0)
    np.testing.assert_array_equal(x, [-1.0, -2.0])
    np.testing.assert_array_equal(numerical_gradient(lambda a: np.sum(np.floor(a + 0.5)), x), 0)


def test_array_is_put_back_when_the_function_raises():
    x = np.array([1.0, 2.0])
    calls = []

    def f(a):
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("enough")
        return a.sum()

    with pytest.raises(RuntimeError, match="enough"):
        numerical_gradient(f, x)
    np.testing.assert_array_equal(x, [1.0, 2.0])


def test_refuses_what_has_no_gradient():
    with pytest.raises(ValueError, match="one number"):
        numerical_gradient(lambda a: a, np.ones(2))
    with pytest.raises(ValueError, match="real numbers"):
        numerical_gradient(lambda a: 1.0, np.array([1j]))


def test_the_error_is_an_upper_bound():
    x = np.random.default_rng(1).normal(size=40)
    gradient, error = numerical_gradient(lambda a: np.sum(np.tanh(3 * a)), x, with_error=True)
    true = 3 * (1 - np.tanh(3 * x) ** 2)
    assert np.all(abs(gradient - true) <= error + 1e-12)
    assert np.all(error < 1e-4)


def test_quick_is_exact_for_cubics():
    value, _ = quick(lambda t: np.array([(2 + t) ** 3]), 0.5)
    np.testing.assert_allclose(value, 12, rtol=1e-13)


def test_careful_finds_the_scale_of_the_function():
    best = careful(lambda t: np.array([np.sin(1e4 * (0.3 + t))]))
    np.testing.assert_allclose(best.value, 1e4 * np.cos(3000), rtol=1e-5)


def test_kink_has_two_sides():
    best = careful(lambda t: np.array([abs(t), max(t, 0.0), t]))
    np.testing.assert_allclose(best.left, [-1, 0, 1], atol=1e-9)
    np.testing.assert_allclose(best.right, [1, 1, 1], atol=1e-9)


def test_step_function_is_flat_between_its_steps_and_undefined_at_them():
    assert careful(lambda t: np.array([np.floor(3.5 + t)])).value == 0
    assert not np.isfinite(careful(lambda t: np.array([np.floor(3.0 + t)])).error)


def test_vertical_tangent_and_edge_of_the_domain_have_no_derivative():
    with np.errstate(invalid="ignore"):
        best = careful(lambda t: np.array([np.sqrt(t), np.sqrt(abs(t))]))
    assert not np.any(np.isfinite(best.error) & (best.error < 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("way", ["argument", "read", "number"])
def test_the_input_of_a_float32_network(dtype, way):
    rng = np.random.default_rng(4)
    network = Sequential(Affine(5), Tanh(), Affine(2), seed=1)
    x, t = rng.normal(size=(6, 3)).astype(dtype), rng.normal(size=(6, 2)).astype(np.float32)
    loss = MeanSquaredError()
    loss.forward(network.forward(x), t)
    expected = network.backward(loss.backward()[0])

    def f(v):
        y = network.forward(x if way == "read" else v)
        return float(np.mean((y - t) ** 2)) if way == "number" else loss.forward(y, t)

    gradient, error = numerical_gradient(f, x, with_error=True)
    np.testing.assert_allclose(gradient, expected, atol=1e-4)
    assert error.max() < 1e-3


def test_a_stationary_point_and_a_kink_are_not_taken_for_rounding():
    np.testing.assert_allclose(numerical_gradient(lambda v: 1.0 + np.sum(v**2), np.zeros(3)), 0)
    half = numerical_gradient(lambda v: 5.0 + np.sum(np.maximum(v, 0.0)), np.zeros(3))
    np.testing.assert_allclose(half, 0.5, atol=1e-9)
