"""Pooling as native rows, beside the layers themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handgrad import Sequential
from handgrad.compile import NotNative
from handgrad.layers import (
    AveragePooling,
    Convolution,
    GlobalAveragePooling,
    GlobalMaxPooling,
    MaxPooling,
    ReLU,
)
from tests.compile.eager import Compiled, require_equal

POOLING = [MaxPooling, AveragePooling, lambda *a, **k: AveragePooling(*a, count_padding=False, **k)]


def images(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("kind", POOLING)
@settings(max_examples=20, deadline=None)
@given(
    N=st.integers(1, 4), C=st.integers(1, 19), H=st.integers(4, 9), W=st.integers(4, 9),
    kernel=st.tuples(st.integers(2, 4), st.integers(2, 4)), stride=st.integers(1, 5),
    pad=st.sampled_from([0, 1, ((1, 0), (0, 1))]), ceil_mode=st.booleans(),
)  # fmt: skip
def test_any_geometry(kind, N, C, H, W, kernel, stride, pad, ceil_mode):
    x = images(N, 2, H, W)
    layer = kind(kernel, stride=stride, pad=pad, ceil_mode=ceil_mode)
    require_equal(Sequential(Convolution(C, 1), layer), x)


@pytest.mark.parametrize("kind", [MaxPooling, AveragePooling])
@pytest.mark.parametrize("C", range(1, 34))
def test_every_number_of_channels(kind, C):
    x = images(2, 1, 6, 4)
    require_equal(Sequential(Convolution(C, 1), ReLU(), kind(2)), x)


@pytest.mark.parametrize("kind", [GlobalMaxPooling, GlobalAveragePooling])
def test_whole_images(kind):
    x = images(5, 3, 7, 6)
    require_equal(Sequential(Convolution(4, 3), ReLU(), kind()), x)


@pytest.mark.parametrize("kind", [MaxPooling, AveragePooling])
def test_sequences_and_the_data_itself(kind):
    x = images(4, 3, 11)
    require_equal(Sequential(kind((3,), stride=2), Convolution(2, (2,))), x)


def test_the_first_of_equal_cells_gets_the_gradient():
    x = np.random.default_rng(0).integers(0, 3, (3, 5, 8, 8)).astype(np.float32)
    stem = Convolution(5, 1, bias=False)
    network = Sequential(stem, MaxPooling(3, stride=2, pad=1))
    network.build(x)
    stem.W[...] = np.eye(5)[:, :, None, None]
    require_equal(network, x)


def test_nan_stays_and_sends_nothing_back():
    x = images(2, 1, 4, 4)
    x[0, 0, 1, 2] = np.nan
    network = Sequential(MaxPooling(2))
    y, _ = Compiled(network, x, images(2, 1, 2, 2), batch=2).run(np.arange(2))
    np.testing.assert_array_equal(y, network.forward(x))


def test_a_large_window_is_not_native():
    x = images(2, 1, 20, 20)
    with pytest.raises(NotNative, match="255 cells"):
        Compiled(Sequential(GlobalMaxPooling()), x, images(2, 1), batch=2)
