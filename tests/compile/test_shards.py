"""Sums by shards: those of a program for some shards are the tree of those for each alone."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import handgrad as hg
from handgrad.compile import NotNative, Training
from handgrad.compile.binary import why_not
from handgrad.parallel import Alone, Shards, TreeSum

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

RNG = np.random.default_rng(8)
X, T = RNG.normal(size=(700, 35)).astype(np.float32), RNG.integers(0, 3, 700)
ORDER = RNG.permutation(len(X))


class Rank(Alone):
    """A rank that meets nobody."""

    def __init__(self, rank, size):
        self.rank, self.size = rank, size


def sums(shards, n, rank, size, threads=1):
    """What a rank adds up of a batch of n samples: (blocks, words)."""
    network = hg.Sequential(hg.Affine(67), hg.ReLU(), hg.Affine(18), hg.LayerNorm(), hg.Affine(3),
                            seed=2)  # fmt: skip
    training = Training(
        network, hg.SoftmaxCrossEntropy(), hg.SGD(), X, T, batch=max(n, 7), threads=threads,
        shards=shards, ranks=Rank(rank, size), updates=False,
    )  # fmt: skip
    assert training.run(ORDER, np.zeros(1), np.array([n])) == 1
    return training.sums


@cache
def single(count, n, shard):
    return sums(Shards(count), n, shard, count)[0]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("count", "n"), [(16, 53), (16, 640), (2, 601), (32, 20), (8, 5), (16, 0), (1, 300)]
)
def test_a_rank_adds_its_shards_in_the_tree(count, n, threads):
    shards = Shards(count)
    for rank, size in (0, 1), (0, 2), (1, 3), (2, 5):
        first, stop = shards.share(rank, size)
        tree = TreeSum()
        for i in range(first, stop):
            tree.add(single(count, n, i), i)
        found = sums(shards, n, rank, size, threads)[: len(tree.sums)]
        np.testing.assert_array_equal(found, np.reshape(tree.sums, found.shape))


def test_the_sums_of_all_shards_are_those_of_the_batch():
    n = 300
    whole, cut = sums(Shards(1), n, 0, 1)[0], sums(Shards(16), n, 0, 1)[0]
    np.testing.assert_allclose(cut, whole, rtol=1e-4, atol=1e-3)
    assert whole[np.flatnonzero(whole)[-1]] == n  # the last of the sums is the count
    assert not np.array_equal(cut, whole)


def test_what_mixes_the_samples_of_a_batch_is_not_cut():
    class Mixed(hg.Network):
        def __init__(self):
            self.first, self.last = hg.Affine(8), hg.Affine(3)

        def __call__(self, x):
            y = self.first(x)
            return self.last(y - y.sum(axis=0))

    with pytest.raises(NotNative, match="of a sum over the batch"):
        Training(Mixed(), hg.SoftmaxCrossEntropy(), hg.SGD(), X, T, batch=20, shards=Shards(4))
