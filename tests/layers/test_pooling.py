"""Pooling: beside loops and PyTorch, ties, padding, and bad input."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad import (
    AveragePooling,
    GlobalAveragePooling,
    GlobalMaxPooling,
    MaxPooling,
    Sequential,
    ShapeError,
    Tanh,
    check,
    grad,
    hvp,
)
from tests.reference import images


@pytest.mark.parametrize(("kernel", "stride", "pad"), [
    ((2, 2), (2, 2), (0, 0)), ((3, 2), (1, 2), (1, 0)), ((2, 3), (3, 1), (1, 2)),
])  # fmt: skip
def test_max_beside_loops_with_many_ties(kernel, stride, pad, rng):
    x = rng.integers(0, 3, (2, 2, 5, 6)).astype(float)
    layer = MaxPooling(kernel, stride=stride, pad=pad)
    y = layer(x)
    dy = rng.standard_normal(y.shape)
    expected = images.max_pooling(x, dy, kernel, stride, pad)
    np.testing.assert_array_equal(y, expected[0])
    np.testing.assert_allclose(layer.backward(dy), expected[1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(("kernel", "stride", "pad"), [
    (2, 2, 0), (2, 2, 1), (3, 2, 1), (3, 1, 1), (3, 3, 0), (4, 3, 2), (1, 2, 0), (2, 3, 1),
])  # fmt: skip
def test_the_same_as_pytorch(kernel, stride, pad, ceil_mode, dtype, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is a peer, not a dependency")
    F = torch.nn.functional
    x = rng.integers(-3, 3, (2, 3, 7, 6)).astype(dtype)
    options = {"stride": stride, "ceil_mode": ceil_mode}
    pairs = [
        (MaxPooling(kernel, pad=pad, **options),
         lambda t: F.max_pool2d(t, kernel, padding=pad, **options)),
    ] + [
        (AveragePooling(kernel, pad=pad, count_padding=counted, **options),
         lambda t, c=counted: F.avg_pool2d(t, kernel, padding=pad, count_include_pad=c, **options))
        for counted in (False, True)
    ]  # fmt: skip
    for layer, function in pairs:
        y = layer(x)
        dy = rng.standard_normal(y.shape).astype(dtype)
        leaf = torch.tensor(x, requires_grad=True)
        theirs = function(leaf)
        theirs.backward(torch.tensor(dy))
        assert y.dtype == dtype
        np.testing.assert_allclose(y, theirs.detach().numpy(), rtol=1e-6)
        np.testing.assert_allclose(layer.backward(dy), leaf.grad.numpy(), rtol=1e-5, atol=1e-6)


def test_padding_never_wins():
    for value in (-5.0, -np.inf):
        x = np.full((1, 1, 2, 2), value)
        layer = MaxPooling(3, stride=1, pad=1)
        np.testing.assert_array_equal(layer(x), x)
        dx = layer.backward(np.arange(1.0, 5.0).reshape(1, 1, 2, 2))
        np.testing.assert_array_equal(dx, [[[[10, 0], [0, 0]]]])


def test_the_average_counts_padding_or_not():
    x = np.ones((1, 1, 3))
    plain = AveragePooling((3,), stride=1, pad=1)
    np.testing.assert_allclose(plain(x), [[[2 / 3, 1, 2 / 3]]])
    inside = AveragePooling((3,), stride=1, pad=1, count_padding=False)
    np.testing.assert_allclose(inside(x), [[[1, 1, 1]]])


def test_a_rest_is_left_out_or_has_its_own_window(rng):
    x = rng.standard_normal((2, 1, 5))
    layer = MaxPooling((2,))
    assert layer(x).shape == (2, 1, 2)
    dx = layer.backward(rng.standard_normal((2, 1, 2)))
    assert not dx[..., 4].any()
    whole = MaxPooling((2,), ceil_mode=True)
    np.testing.assert_array_equal(whole(x)[..., 2], x[..., 4])


@pytest.mark.parametrize("shape", [(1, 1, 2, 2), (1, 3, 5, 3), (3, 2, 4, 4)])
def test_proved(shape, rng):
    x = rng.standard_normal(shape)
    for layer in (
        MaxPooling(2), MaxPooling(2, stride=1, pad=1), AveragePooling(2, ceil_mode=True),
        GlobalMaxPooling(), GlobalAveragePooling(),
    ):  # fmt: skip
        assert check(layer, x), layer


def test_global_pooling(rng):
    x = rng.standard_normal((2, 3, 4, 5)).astype(np.float32)
    np.testing.assert_array_equal(GlobalMaxPooling()(x), x.max(axis=(2, 3)))
    np.testing.assert_allclose(GlobalAveragePooling()(x), x.mean(axis=(2, 3)), rtol=1e-6)
    tie = GlobalMaxPooling()
    tie(np.ones((1, 2, 2, 2)))
    dx = tie.backward(np.array([[3.0, -4.0]]))
    np.testing.assert_array_equal(dx, [[[[3, 0], [0, 0]], [[-4, 0], [0, 0]]]])


def test_second_derivatives_of_overlapping_windows_through_a_network(rng):
    net = Sequential(MaxPooling(3, stride=1, pad=1), Tanh(), dtype=np.float64)
    x, v = rng.standard_normal((2, 2, 3, 5, 4))

    def f(z):
        return (net(z) ** 3.0).sum()

    step = 1e-6
    expected = (grad(f, x + step * v) - grad(f, x - step * v)) / (2 * step)
    np.testing.assert_allclose(hvp(f, x, v), expected, rtol=1e-6, atol=1e-8)


def test_bad_options_and_inputs():
    x = np.ones((2, 3, 4, 4))
    with pytest.raises(ValueError, match="MaxPooling: stride must be an integer ≥ 1, got 0"):
        MaxPooling(2, stride=0)
    with pytest.raises(ValueError, match="AveragePooling: pad must be below the kernel 2, got 2"):
        AveragePooling(2, pad=2)
    with pytest.raises(ShapeError, match=r"MaxPooling: the kernel reaches over \(5, 5\)"):
        MaxPooling(5)(x)
    with pytest.raises(ShapeError, match=r"AveragePooling: x must be \(N, C, T\)"):
        AveragePooling((2,))(x)
    for layer in (GlobalMaxPooling(), GlobalAveragePooling()):
        for bad in (x[0, 0], x[:, :, :0]):
            with pytest.raises(ShapeError, match=r"x must be \(N, C, …\) with at least one"):
                layer(bad)
