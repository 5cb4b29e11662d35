"""Attention, softmax, positions and products of tensors as native rows, beside the layers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handgrad import Network, Parameter, Sequential
from handgrad.compile import NotNative
from handgrad.layers import (
    AdditiveAttention,
    Affine,
    DotProductAttention,
    LearnedPosition,
    LogSoftmax,
    MultiHeadAttention,
    Reshape,
    SinePosition,
    Softmax,
)
from tests.compile.eager import Compiled, require_equal


def sequences(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


class Three(Network):
    """Three projections of x, of which the second has other sequences, into an attention."""

    def __init__(self, attention, M=6, E=5, S=None):
        self.q, self.k, self.v = Affine(M), Affine(M), Affine(E)
        self.attention, self.S = attention, S

    def __call__(self, x):
        return self.attention(self.q(x), self.k(x), self.v(x))


@pytest.mark.parametrize("causal", [False, True])
@settings(max_examples=15, deadline=None)
@given(N=st.integers(1, 6), T=st.integers(1, 20), M=st.integers(1, 18), E=st.integers(1, 18))
def test_dot_products(causal, N, T, M, E):
    x = sequences(N, T, 3)
    require_equal(Three(DotProductAttention(causal=causal), M, E), x, rtol=1e-4)


def test_dot_products_without_the_scale_on_several_heads():
    class Heads(Three):
        def __call__(self, x):
            shape = Reshape((-1, 2, 5, 3))
            return self.attention(shape(self.q(x)), shape(self.k(x)), shape(self.v(x)))

    x = sequences(7, 5, 4)
    require_equal(Heads(DotProductAttention(scaled=False), 6, 6), x, rtol=1e-4, threads=2)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("heads", "dimension", "T"), [(1, 3, 4), (2, 8, 5), (4, 20, 17), (3, 51, 9)]
)
def test_attention_of_a_sequence_to_itself(causal, heads, dimension, T):
    x = sequences(6, T, 7)
    attention = MultiHeadAttention(heads, outputs=dimension, causal=causal)
    require_equal(Sequential(Affine(7), attention), x, rtol=1e-4, threads=2)


class Pair(Network):
    """Queries, and keys that are the values too."""

    def __init__(self, both):
        self.q, self.k = Affine(4), Affine(6)
        self.both, self.attention = both, MultiHeadAttention(2, outputs=8)

    def __call__(self, x):
        q, k = self.q(x), self.k(x)
        return self.attention(q, k, k) if self.both else self.attention(q, k)


@pytest.mark.parametrize("both", [False, True])
def test_attention_to_another_sequence(both):
    require_equal(Pair(both), sequences(5, 4, 3), rtol=1e-4)


@pytest.mark.parametrize("hidden", [1, 8, 19])
def test_additive_attention(hidden):
    x = sequences(6, 5, 4)
    require_equal(Three(AdditiveAttention(hidden)), x, rtol=1e-4, threads=2)


@pytest.mark.parametrize("layer", [Softmax(), LogSoftmax()])
@settings(max_examples=25, deadline=None)
@given(N=st.integers(1, 30), C=st.integers(1, 40))
def test_softmax_along_rows(layer, N, C):
    x = sequences(N, 3)
    require_equal(Sequential(Affine(C), type(layer)()), x, rtol=1e-4)


@pytest.mark.parametrize("layer", [Softmax(), LogSoftmax()])
def test_softmax_does_not_overflow(layer):
    x = np.array([[1e38, -1e38, 0.0], [-1e30, -1e30, -1e30], [88, 89, 90]], np.float32)
    require_equal(Sequential(layer), x)
    x[1, 1] = np.nan
    y, _ = Compiled(Sequential(layer), x, x, batch=3).run([0, 1, 2])
    assert np.array_equal(np.isnan(y).any(axis=1), [False, True, False])


def test_positions():
    x = sequences(9, 6, 5)
    require_equal(Sequential(Affine(5), SinePosition()), x)
    require_equal(Sequential(Affine(5), LearnedPosition(6)), x)
    require_equal(Sequential(LearnedPosition(8), SinePosition(), LearnedPosition(6)), x)


class Products(Network):
    """A matrix that is learned, then one of each sample."""

    def __init__(self):
        self.W, self.first = Parameter(sequences(7, 6)), Affine(7)

    def __call__(self, x):
        a = Reshape((-1, 3, 2))(self.first(x) @ self.W)
        return a @ Reshape((-1, 2, 3))(self.first(x) @ self.W)


def test_products_of_tensors():
    require_equal(Products(), sequences(8, 4), rtol=1e-4)


def test_same_bits_on_any_number_of_threads():
    x, dy = sequences(16, 9, 6), sequences(16, 9, 12, seed=1)
    network = Sequential(LearnedPosition(9), MultiHeadAttention(3, outputs=12), Softmax())
    runs = [Compiled(network, x, dy, batch=16, threads=k).run(np.arange(16)) for k in (1, 2, 3)]
    for y, gradients in runs[1:]:
        assert np.array_equal(y, runs[0][0])
        assert np.array_equal(gradients, runs[0][1])


@pytest.mark.parametrize(
    ("network", "what"),
    [
        (Sequential(Softmax(axis=1)), "axis"),
        (Sequential(LearnedPosition(4), Softmax(axis=0)), "axis"),
    ],
)
def test_what_has_no_native_form_says_so(network, what):
    x = sequences(5, 4, 3)
    with pytest.raises(NotNative, match=what):
        Compiled(network, x, x, batch=5)
