"""Convolutions as native rows, beside the layers themselves."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from handgrad import Sequential
from handgrad.compile import NotNative
from handgrad.layers import Convolution, MaxPooling, ReLU, Sigmoid, TransposedConvolution
from tests.compile.eager import Compiled, require_equal

sizes = st.integers(5, 12)
SUMS = 3e-4  # db adds thousands of numbers of either sign: what is left may be small beside them
FEW = settings(max_examples=25, deadline=None)


def images(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def stir(network, x):
    """Biases that are not zero."""
    network.build(x)
    network.parameters[...] += 0.1 * images(network.parameters.size, seed=1)
    return network


@FEW
@given(
    N=st.integers(1, 5), C=st.integers(1, 5), F=st.integers(1, 35), H=sizes, W=sizes,
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 4)), stride=st.integers(1, 3),
    pad=st.sampled_from([0, 1, "same", ((2, 0), (1, 3)), (4, 5)]),
)  # fmt: skip
def test_any_geometry(N, C, F, H, W, kernel, stride, pad):
    x = images(N, C, H, W)
    layer = Convolution(F, kernel, stride=stride, pad=pad)
    require_equal(stir(Sequential(Convolution(C, 1), layer), x), x, rtol=SUMS)


@pytest.mark.parametrize("F", range(1, 34))
def test_every_number_of_filters(F):
    x = images(2, 3, 6, 5)
    require_equal(stir(Sequential(Convolution(F, 3, pad=1), Convolution(3, 2)), x), x)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 2), (3, 3), (7, 7), (40, 37)])
def test_small_and_large_images(size):
    x = images(9, 4, *size)
    require_equal(stir(Sequential(Convolution(5, 1), Convolution(6, 3, pad=1)), x), x)


def test_an_image_that_is_made_in_pieces():
    x = images(1, 20, 70, 61)
    require_equal(stir(Sequential(Convolution(20, 3, pad=2)), x), x, rows=[0])


@pytest.mark.parametrize("dilation", [2, (1, 3)])
@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("kind", [Convolution, TransposedConvolution])
def test_dilation_and_groups(kind, groups, dilation):
    x = images(3, 4, 9, 10)
    layer = kind(12, (3, 2), dilation=dilation, groups=groups, pad=1)
    require_equal(stir(Sequential(Convolution(6, 1), layer), x), x)


@FEW
@given(
    C=st.integers(1, 4), F=st.integers(1, 9), H=sizes, W=sizes,
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)), stride=st.integers(1, 3),
    pad=st.sampled_from([0, 1, "same"]),
)  # fmt: skip
@example(C=1, F=6, H=5, W=6, kernel=(4, 4), stride=2, pad=0)  # 96 columns: two equal panels
@example(C=2, F=9, H=5, W=6, kernel=(4, 4), stride=2, pad=0)  # 144
def test_transposed(C, F, H, W, kernel, stride, pad):
    x = images(3, C, H, W)
    layer = TransposedConvolution(F, kernel, stride=stride, pad=pad)
    require_equal(stir(Sequential(Convolution(C, 1), layer), x), x, rtol=SUMS)


def test_sequences():
    x = images(4, 3, 20)
    layers = Convolution(8, (3,), pad="same"), TransposedConvolution(5, (4,), stride=2)
    require_equal(stir(Sequential(*layers, Convolution(2, (2,), stride=2)), x), x)


def test_volumes_are_not_native():
    x = images(2, 1, 4, 4, 4)
    with pytest.raises(NotNative, match="3 axes"):
        Compiled(Sequential(Convolution(2, (2, 2, 2))), x, images(2, 2, 3, 3, 3), batch=2)


@pytest.mark.parametrize("bias", [True, False])
def test_weights_used_twice(bias):
    x = images(3, 4, 6, 6)
    layer = Convolution(4, 3, pad=1, bias=bias)
    require_equal(stir(Sequential(layer, layer), x), x)


@pytest.mark.parametrize("size", [(6, 6), (7, 9), (30, 33)])
@pytest.mark.parametrize("between", [[], [ReLU()], [Sigmoid()]])
@pytest.mark.parametrize("pooling", [MaxPooling(2), MaxPooling((3, 2)), MaxPooling((1, 2))])
def test_pooling_in_the_same_row(pooling, between, size):
    x = images(5, 3, *size)
    for filters in (5, 30):
        for stem in ([], [Convolution(4, 1)]):
            layer = Convolution(filters, 3, pad=1, groups=1)
            program = require_equal(stir(Sequential(*stem, layer, *between, pooling), x), x)
            assert "max_pooling" not in [row.kernel for row in program.rows]


def test_same_bits_on_any_number_of_threads():
    x = images(7, 1, 14, 14)
    network = stir(
        Sequential(Convolution(16, 3, pad=1), ReLU(), MaxPooling(2), Convolution(9, 3)), x
    )
    dy = images(7, 9, 5, 5, seed=2)
    results = [Compiled(network, x, dy, batch=7, threads=k).run(np.arange(7)) for k in (1, 2, 3, 8)]
    for y, gradients in results[1:]:
        assert np.array_equal(y, results[0][0])
        assert np.array_equal(gradients, results[0][1])
