"""Embedding, scores against it, and negative sampling."""

from __future__ import annotations

import math

import numpy as np
import pytest

from handgrad.arrays import ShapeError, Stream
from handgrad.layers import (
    RNN,
    Affine,
    Embedding,
    EmbeddingDot,
    NegativeSampling,
    UnigramSampler,
)
from handgrad.network import Network, Sequential
from handgrad.prove import check
from handgrad.tensor import Tensor, learning, no_grad


@pytest.mark.parametrize("shape", [(5,), (1,), (2, 3), (), (2, 0)])
def test_rows_and_their_sums(shape, rng):
    layer = Embedding(6, 3, seed=1)
    ids = rng.integers(0, 3, shape)
    y = layer(ids)
    assert y.shape == (*shape, 3)
    dy = rng.standard_normal(y.shape)
    assert layer.backward(dy) is None
    expected = np.zeros((6, 3))
    for index in np.ndindex(shape):
        np.testing.assert_array_equal(y[index], layer.W[ids[index]])
        expected[ids[index]] += dy[index]
    np.testing.assert_allclose(layer.dW, expected, rtol=1e-14, atol=1e-15)
    np.testing.assert_array_equal(layer.rows, np.unique(ids))
    np.testing.assert_array_equal(layer.dW[layer.rows], layer.drows)


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64])
def test_any_integers_in_any_layout(kind, rng):
    layer, ids = Embedding(6, 3, seed=1), rng.integers(0, 6, (4, 6)).astype(kind)
    np.testing.assert_array_equal(layer(ids.T[::2]), layer.W[ids.T[::2].copy()])
    np.testing.assert_array_equal(layer(ids.tolist()), layer.W[ids])


def test_proved(rng):
    ids, h = rng.integers(0, 6, (4, 3)), rng.standard_normal((4, 5))
    assert check(Embedding(6, 3, seed=1), ids)
    assert check(EmbeddingDot(6, init=1.0, seed=1), h, ids[:, 0])
    assert check(EmbeddingDot(6, init=1.0, seed=1), h, ids)
    assert check(EmbeddingDot(6, init=1.0, seed=1), h[:1], ids[:1])
    assert check(NegativeSampling((3, 2, 1, 0, 4, 1), init=1.0, seed=1), h, ids[:, 0])


def test_in_a_network_by_hand(rng):
    network = Sequential(Embedding(6, 3), RNN(4), Affine(2), dtype=np.float64)
    ids = rng.integers(0, 6, (2, 5))
    y = network.forward(ids)
    dy = rng.standard_normal(y.shape)
    assert network.backward(dy) is None
    assert set(np.flatnonzero(network[0].dW.any(axis=1))) == set(ids.ravel())
    assert check(network, ids)


class Bag(Network):
    """The mean of a table's rows, used twice; ids are never a tensor."""

    dtype = np.float64

    def __init__(self):
        self.table, self.out = Embedding(6, 3), Affine(2)

    def __call__(self, ids):
        return self.out(self.table(ids).mean(axis=1) * self.table(ids[:, 0]))


def test_an_embedding_learns_in_a_network_on_tensors(rng):
    ids = rng.integers(0, 6, (3, 4))
    network = Bag()
    assert check(network, ids)
    network.forward(ids)
    network.backward(rng.standard_normal((3, 2)))
    assert network.table.dW.any(axis=1).sum() == len(np.unique(ids))


def test_the_summary_of_a_network_that_begins_with_an_embedding(rng):
    text = Sequential(Embedding(6, 3), RNN(4), Affine(2)).summary(rng.integers(0, 6, (2, 5)))
    assert [line.split()[1].split("(")[0] for line in text.splitlines()[2:5]] == [
        "Embedding", "RNN", "Affine",
    ]  # fmt: skip


def test_outside_a_network_arrays_stay_arrays(rng):
    layer, ids = Embedding(6, 3, seed=1), rng.integers(0, 6, 4)
    assert isinstance(layer(ids), np.ndarray)
    with learning():
        assert isinstance(layer(ids), Tensor)
        with no_grad():
            assert isinstance(layer(ids), np.ndarray)


@pytest.mark.parametrize("many", [False, True])
def test_scores_of_numbers(many, rng):
    layer, h = EmbeddingDot(6, init=1.0, seed=1), rng.standard_normal((4, 3))
    ids = rng.integers(0, 6, (4, 2) if many else 4)
    y = layer(h, ids)
    assert y.shape == ids.shape
    for index in np.ndindex(ids.shape):
        expected = sum(layer.W[ids[index], d] * h[index[0], d] for d in range(3))
        assert y[index] == pytest.approx(expected, rel=1e-13)


def test_the_sampler_draws_by_the_power_of_counts_and_never_the_target():
    counts, power = np.array([10.0, 0, 3, 1]), 0.75
    words = UnigramSampler(counts, power=power, seed=4).sample(np.full(20_000, 2), 5)
    assert words.shape == (20_000, 5)
    p = counts**power * (np.arange(4) != 2)
    np.testing.assert_allclose(np.bincount(words.ravel(), minlength=4) / words.size, p / p.sum(),
                               atol=0.006)  # fmt: skip
    assert not (words == 2).any()


def test_the_sampler_draws_from_its_stream():
    before = str(np.random.get_state())
    sampler, targets = UnigramSampler([1, 2, 3], seed=5), np.array([0, 1, 2])
    first = sampler.sample(targets, 8)
    np.testing.assert_array_equal(UnigramSampler([1, 2, 3], seed=5).sample(targets, 8), first)
    np.testing.assert_array_equal(sampler.sample(targets, 8, Stream(5)), first)
    assert not np.array_equal(sampler.sample(targets, 8), first)
    assert str(np.random.get_state()) == before


@pytest.mark.parametrize("size", [1, 4])
def test_the_loss_of_negative_sampling(size, rng):
    counts = (3, 2, 1, 0, 4)
    layer = NegativeSampling(counts, negatives=size, init=1.0, seed=3)
    h, t = rng.standard_normal((4, 3)), np.array([0, 4, 4, 2])
    layer.build(h)
    words = UnigramSampler(counts).sample(t, size, Stream(3, step=layer.stream.step))
    expected = 0.0
    for n in range(4):
        for word, sign in [(t[n], 1), *((w, -1) for w in words[n])]:
            expected += math.log(1 + math.exp(-sign * float(layer.W[word] @ h[n]))) / 4
    assert layer(h, t) == pytest.approx(expected, rel=1e-13)


def test_evaluation_always_draws_the_same_and_leaves_training_alone(rng):
    layer = NegativeSampling((3, 2, 1, 0, 4), negatives=3, init=1.0, seed=3)
    h, t = rng.standard_normal((4, 3)), np.array([0, 4, 4, 2])
    first, second = layer(h, t), layer(h, t)
    assert first != second
    step = layer.stream.step
    layer.eval()
    assert layer(h, t) == layer(h, t)
    assert layer.stream.step == step


def test_a_loss_without_overflow():
    layer = NegativeSampling((1, 1), negatives=1, init=1.0, seed=0)
    loss = layer(np.array([[1e4]], np.float32), np.array([0]))
    dh, _ = layer.backward()
    assert np.isfinite(loss)
    assert np.isfinite(dh).all()


def test_errors(rng):
    h = rng.standard_normal((4, 3))
    layer = Embedding(6, 3)
    with pytest.raises(ValueError, match="Embedding: ids must lie from 0 to 5, .* got 0 to 6"):
        layer(np.array([0, 6]))
    with pytest.raises(ValueError, match="Embedding: ids must lie from 0 to 5, .* got -1 to 2"):
        layer(np.array([-1, 2]))
    with pytest.raises(ValueError, match="Embedding: ids must be integers, got float64"):
        layer(h)
    with pytest.raises(ValueError, match="Embedding: vocabulary must be a positive integer"):
        Embedding(0, 3)
    with pytest.raises(ShapeError, match=r"EmbeddingDot: ids must be \(N\) or \(N, K\) with N = 4"):
        EmbeddingDot(6)(h, np.array([1, 2, 3]))
    with pytest.raises(ShapeError, match=r"EmbeddingDot: h must be \(N, D\) with D = 2, got"):
        EmbeddingDot(6, inputs=2)(h, np.array([1, 2, 3, 0]))
    narrow = EmbeddingDot(6)
    narrow(h.astype(np.float32), np.array([1, 2, 3, 0]))
    with pytest.raises(ValueError, match="EmbeddingDot: h is float64 but the parameters are"):
        narrow(h, np.array([1, 2, 3, 0]))
    with pytest.raises(ValueError, match="NegativeSampling: ids must lie from 0 to 1"):
        NegativeSampling((1, 2))(h, np.array([0, 1, 2, 0]))
    with pytest.raises(ShapeError, match=r"NegativeSampling: t must be \(N\), got"):
        NegativeSampling((1, 2))(h, np.zeros((4, 1), int))


@pytest.mark.parametrize(
    ("counts", "what"),
    [
        ([[1, 2]], r"counts must be \(V\)"),
        ([1, -2, 3], "counts must be finite and ≥ 0"),
        ([1, np.nan], "counts must be finite"),
        ([0, 3, 0], ".* two or more above 0, got 1 above 0"),
        ([1e9, 1e-9], "no word may have more than"),
    ],
)
def test_counts_that_leave_nothing_to_draw(counts, what):
    with pytest.raises(ValueError, match=f"UnigramSampler: {what}"):
        UnigramSampler(counts)
