"""Convolution and its transpose: beside loops and PyTorch, awkward sizes, and bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest

from handgrad import Convolution, Sequential, ShapeError, TransposedConvolution, check, layers
from handgrad.derivative import grad, hvp
from handgrad.layers.convolution import input_gradient, unfold
from handgrad.layers.convolution.window import Window
from tests.reference import images

OPTIONS = [
    {}, {"stride": 2}, {"stride": (3, 2), "pad": 1}, {"pad": 4, "dilation": 2},
    {"pad": ((2, 0), (1, 3))}, {"groups": 2}, {"stride": 2, "pad": (0, 2), "groups": 4},
]  # fmt: skip


def make(cls, x, **options):
    """A layer of 4 filters (2, 3) whose bias is not zero."""
    layer = cls(4, options.pop("kernel", (2, 3)), seed=0, **options)
    layer.build(x)
    layer.b[:] = np.arange(1, 5)
    return layer


def padding(pad):
    pads = pad if isinstance(pad, tuple) else (pad, pad)
    return tuple(p[0] if isinstance(p, tuple) else p for p in pads)


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_beside_loops(options, rng):
    x = rng.standard_normal((2, 4, 7, 6))
    layer = make(Convolution, x, **options)
    y = layer(x)
    dy = rng.standard_normal(y.shape)
    dx = layer.backward(dy)
    expected = images.convolution(
        x, layer.W, layer.b, dy, pair(options.get("stride", 1)), padding(options.get("pad", 0)),
        pair(options.get("dilation", 1)), options.get("groups", 1),
    )  # fmt: skip
    for got, wanted in zip((y, dx, layer.dW, layer.db), expected):
        np.testing.assert_allclose(got, wanted, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize(("stride", "pad", "dilation", "groups"), [
    (1, 0, 1, 1), (2, 1, 1, 2), (3, 2, 2, 1), (2, 5, 1, 4), (1, 3, 3, 2),
])  # fmt: skip
def test_the_same_as_pytorch(rank, stride, pad, dilation, groups, dtype, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is a peer, not a dependency")
    x = rng.standard_normal((3, 4, 7, 9)[: rank + 2]).astype(dtype)
    options = {"stride": stride, "dilation": dilation, "groups": groups}
    tolerance = 1e-11 if dtype == np.float64 else 1e-4
    for cls, name in ((Convolution, "conv"), (TransposedConvolution, "conv_transpose")):
        layer = make(cls, x, kernel=(3, 2)[:rank], pad=pad, **options)
        try:
            y = layer(x)
        except ShapeError:
            assert name == "conv_transpose"  # the pad leaves nothing
            continue
        dy = rng.standard_normal(y.shape).astype(dtype)
        dx = layer.backward(dy)
        leaves = [torch.tensor(a, requires_grad=True) for a in (x, layer.W, layer.b)]
        peer = getattr(torch.nn.functional, f"{name}{rank}d")(*leaves, padding=pad, **options)
        peer.backward(torch.tensor(dy))
        theirs = [peer.detach(), *(leaf.grad for leaf in leaves)]
        for ours, their in zip((y, dx, layer.dW, layer.db), theirs):
            assert ours.dtype == dtype
            np.testing.assert_allclose(ours, their.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("size", "kernel", "stride"), [
    ((5, 6), 3, 1), ((5, 6), 2, 1), ((7, 5), 3, 2), ((4, 9), (5, 1), (3, 2)), ((1, 1), 4, 1),
])  # fmt: skip
def test_same_gives_size_over_stride_rounded_up(size, kernel, stride, rng):
    x = rng.standard_normal((2, 3, *size))
    layer = Convolution(2, kernel, stride=stride, pad="same", seed=0)
    expected = tuple(-(-n // s) for n, s in zip(size, pair(stride)))
    assert layer(x).shape == (2, 2, *expected)
    assert check(layer, x)
    up = TransposedConvolution(3, kernel, stride=stride, pad="same", seed=0)
    assert up(layer(x)).shape[2:] == tuple(n * s for n, s in zip(expected, pair(stride)))


@pytest.mark.parametrize("shape", [(1, 2, 3, 3), (1, 1, 1, 1), (2, 2, 5, 3)])
def test_proved_for_small_sizes(shape, rng):
    assert check(Convolution(3, 3, pad=2, stride=2, seed=0), rng.standard_normal(shape))
    assert check(TransposedConvolution(3, 3, stride=2, seed=0), rng.standard_normal(shape))


def test_the_transpose_is_the_transpose(rng):
    x = rng.standard_normal((2, 3, 7, 6))
    down = Convolution(4, 3, stride=2, pad=1, bias=False, seed=0)
    y = down(x)
    up = TransposedConvolution(3, 3, stride=2, pad=1, output_pad=(0, 1), bias=False, seed=0)
    g = rng.standard_normal(y.shape)
    up.build(g)
    up.W = down.W
    assert up(g).shape == x.shape
    assert np.sum(y * g) == pytest.approx(np.sum(x * up(g)))


def test_blocks_of_any_size_give_the_same(monkeypatch, rng):
    x = rng.standard_normal((7, 4, 6, 5))
    layer = make(Convolution, x, groups=2, pad=1)
    y = layer(x)
    dy = rng.standard_normal(y.shape)
    whole = y, layer.backward(dy), layer.dW
    for block in (1, 600, 1500):
        monkeypatch.setattr(unfold, "BLOCK", block)
        parts = layer(x), layer.backward(dy), layer.dW
        for a, b in zip(parts, whole):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("kernel", "pad", "dilation", "sizes"), [
    ((3, 2), 0, 1, (6, 5)), ((2, 3), ((1, 0), (2, 1)), (2, 1), (5, 6)), ((3,), 2, 2, (7,)),
    ((2, 1, 2), 1, 1, (3, 2, 4)),
])  # fmt: skip
def test_both_ways_to_add_up_windows_give_the_same(kernel, pad, dilation, sizes, rng):
    grid = Window("test", kernel, 1, pad, dilation).grid(sizes)
    filters = rng.standard_normal((2, 3 * math.prod(kernel), 4))
    dy = rng.standard_normal((5, 8, *grid.outputs))
    one, other = rng.standard_normal((2, 5, 6, *sizes))
    input_gradient.cell_by_cell(filters, dy, one, grid)
    input_gradient.in_one_sum(filters, dy, other, grid)
    np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("cls", [Convolution, TransposedConvolution])
def test_second_derivatives(cls, rng):
    x, v = rng.standard_normal((2, 2, 4, 4, 3))
    x, v = x[:, :2].copy(), v[:, :2].copy()
    layer = make(cls, x, stride=2, pad=1)

    def f(t):
        y = layer(t)
        return (y * y * y).sum()

    step = 1e-5
    expected = (grad(f, x + step * v) - grad(f, x - step * v)) / (2 * step)
    np.testing.assert_allclose(hvp(f, x, v), expected, rtol=1e-6, atol=1e-8)


def test_in_a_network_the_size_is_found_and_float32_kept(rng):
    network = Sequential(Convolution(4, 3), layers.ReLU(), layers.MaxPooling(2), layers.Flatten())
    y = network.forward(rng.standard_normal((5, 1, 8, 8)))
    assert (y.shape, y.dtype) == ((5, 36), np.float32)
    network.backward(np.ones_like(y))
    assert network.layers[0].dW.dtype == np.float32


def test_im2col_and_col2im(rng):
    x = rng.standard_normal((2, 3, 5, 4)).astype(np.float32)
    col = layers.im2col(x, 3, 2, stride=2, pad=1)
    assert (col.shape, col.dtype) == ((2 * 3 * 3, 3 * 3 * 2), np.float32)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    np.testing.assert_array_equal(col[1 * 9 + 2 * 3 + 1], padded[1, :, 4:7, 2:4].ravel())
    other = rng.standard_normal(col.shape)
    back = layers.col2im(other, x.shape, 3, 2, stride=2, pad=1)
    assert back.shape == x.shape
    assert np.sum(col * other) == pytest.approx(np.sum(x * back))
    with pytest.raises(ShapeError, match=r"col2im: col must be \(18, 18\) .*got \(3, 3\)"):
        layers.col2im(np.ones((3, 3)), x.shape, 3, 2, stride=2, pad=1)


@pytest.mark.parametrize("cls", [Convolution, TransposedConvolution])
@pytest.mark.parametrize(("options", "message"), [
    ({"stride": 0}, "stride must be an integer ≥ 1, got 0"),
    ({"kernel": 0}, "kernel must be an integer ≥ 1, got 0"),
    ({"kernel": 2.5}, "kernel must be an integer ≥ 1, got 2.5"),
    ({"outputs": 0}, "outputs must be a positive integer, got 0"),
    ({"pad": -1}, "pad must be an integer ≥ 0, got -1"),
    ({"pad": "valid"}, 'pad must be "same" or integers, got \'valid\''),
    ({"dilation": 0}, "dilation must be an integer ≥ 1"),
    ({"stride": (1, 2, 3)}, "stride needs 2 integers like the kernel"),
    ({"groups": 4}, "groups must divide outputs, got 4 and 6"),
    ({"groups": 0}, "groups must be a positive integer"),
])  # fmt: skip
def test_bad_options(cls, options, message):
    with pytest.raises(ValueError) as error:
        cls(**{"outputs": 6, "kernel": 3} | options)
    assert message in str(error.value)
    assert str(error.value).startswith(cls.__name__)


def test_bad_inputs(rng):
    x = rng.standard_normal((2, 4, 5, 5))
    with pytest.raises(ShapeError, match=r"Convolution: the kernel reaches over \(7, 7\)"):
        Convolution(2, 7)(x)
    with pytest.raises(ShapeError, match=r"reaches over \(7, 7\) .* pad \(\(0, 0\), \(0, 0\)\)"):
        Convolution(2, 4, dilation=2)(x)
    with pytest.raises(ValueError, match="groups must divide the channels of x, got 3 and 4"):
        Convolution(3, 3, groups=3)(x)
    with pytest.raises(ShapeError, match=r"x must be \(N, C, T\) for kernel \(3,\), got shape"):
        Convolution(3, (3,))(x)
    with pytest.raises(ShapeError, match=r"x must have 1 channels, got shape \(2, 4, 5, 5\)"):
        Convolution(3, 3, inputs=1)(x)
    with pytest.raises(ValueError, match="x is float32 but W is float64"):
        make(Convolution, x)(x.astype(np.float32))
    with pytest.raises(ValueError, match=r"output_pad must be below the stride \(2, 2\), got 2"):
        TransposedConvolution(3, 3, stride=2, output_pad=2)
    with pytest.raises(ShapeError, match="TransposedConvolution: the kernel reaches over"):
        TransposedConvolution(3, 2, pad=9)(x)
