"""Shards that run at the same time, each on a clone of the network, and meet for sums."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import handgrad as hg
from handgrad.layer import Parameter
from handgrad.parallel import STRIDE, Alone, Shards
from handgrad.parallel.handing import handed
from handgrad.train.engine.lockstep import Lockstep
from tests.parallel.simulated import run
from tests.parallel.test_sharded import LABELS, X, all_of, assert_alike_on_all, trainer_of


def test_the_sums_of_all_shards_come_back_whichever_thread_is_first():
    values = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    shards = Shards(8)

    def work(ranks):
        def job(i, whole):
            n, total = whole(i, values[i : i + 1])
            n, twice, count = whole(n, total, np.ones(2))
            return n, twice, count

        first, stop = shards.share(ranks.rank, ranks.size)
        jobs = {i: lambda whole, i=i: job(i, whole) for i in reversed(range(first, stop))}
        return Lockstep(shards, ranks).run(jobs)

    wanted = shards.sum(values.astype(np.float64)).astype(np.float32)
    for done in run(3, work):
        for n, twice, count in done.values():
            assert n == 8 * 28
            np.testing.assert_array_equal(twice, [8 * wanted])
            assert twice.dtype == np.float32
            assert count.tolist() == [8, 8]


def test_the_error_of_the_first_shard_is_raised_and_nobody_is_left_waiting():
    before = set(threading.enumerate())

    def job(i):
        def work(whole):
            whole(1, np.ones(2))
            if i in (2, 3):
                raise ZeroDivisionError(f"shard {i}")
            whole(1, np.ones(2))

        return work

    with pytest.raises(ZeroDivisionError, match="shard 2"):
        Lockstep(Shards(4), Alone()).run({i: job(i) for i in range(4)})
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("other", [lambda whole: None, lambda whole: whole(1, np.ones(5))])
def test_shards_that_take_different_ways_are_told_so(other):
    jobs = {0: lambda whole: whole(1, np.ones(2)), 1: other}
    with pytest.raises(ValueError, match="took different ways .* batch_norm='shard' would do"):
        Lockstep(Shards(2), Alone()).run(jobs)


class Free(hg.Network):
    """A parameter of its own, a layer used twice, batch norm and dropout."""

    def __init__(self, **options):
        self.scale = Parameter(np.full(6, 0.5))
        self.norm, self.twice = hg.BatchNorm(), hg.Affine(6)
        self.drop, self.last = hg.Dropout(0.0), hg.Affine(4)
        for name, value in options.items():
            setattr(self, name, value)

    def __call__(self, x):
        h = self.norm(self.twice(x * self.scale))
        return self.last(self.drop(self.norm(self.twice(h))))


def test_parameters_of_networks_and_layers_used_twice():
    def train(ranks, **options):
        trainer = trainer_of(Free(dtype=np.dtype(np.float64)), X.astype(float), LABELS, ranks,
                             optimizer=hg.SGD(0.1), **options)  # fmt: skip
        trainer.run()
        return all_of(trainer)

    one = assert_alike_on_all(train, [3])
    other = train(None, shards=None)
    np.testing.assert_allclose(one[0], other[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(one[2], other[2], rtol=1e-9)  # running_var, moved twice in a batch


def test_frozen_and_tied_parameters():
    def train(ranks, **options):
        first, second = hg.Affine(6, inputs=6), hg.Affine(6, inputs=6)
        network = hg.Sequential(first, hg.BatchNorm(), hg.Tanh(), second, hg.Affine(4), seed=2)
        network.build(X).tie("0.W", "3.W")
        network.freeze("0.b", "4")
        trainer = trainer_of(network, X, LABELS, ranks, **options)
        trainer.run()
        assert first.W is second.W
        return all_of(trainer)

    one = assert_alike_on_all(train, [2])
    np.testing.assert_allclose(one[0], train(None, shards=None)[0], rtol=1e-4, atol=1e-5)


class Still(hg.BatchNorm):
    """Always in evaluation mode."""

    training = property(lambda self: False, lambda self, value: None)


def test_a_batch_norm_in_evaluation_mode_meets_nobody():
    network = hg.Sequential(Still(), hg.Affine(4)).build(X)
    norm = network.layers[0]
    norm.running_mean[:] = 3
    trainer_of(network, X, LABELS).run()
    assert (norm.running_mean == 3).all()


class Draws(hg.Layer):
    """Draws more often than a shard may."""

    def forward(self, x):
        if self.training:
            self.draw().step += STRIDE + 1
        return x

    def backward(self, dy):
        return dy


def test_a_layer_that_draws_into_the_next_shard_is_refused():
    network = hg.Sequential(Draws(), hg.Affine(4))
    with pytest.raises(ValueError, match="drew 65,537 times in one batch; 65,536 are possible"):
        trainer_of(network, X, LABELS).run()


def test_a_batch_in_which_nothing_counts_is_an_error_on_all_ranks():
    loss = hg.SoftmaxCrossEntropy(ignore_index=-1)
    labels = np.where(np.arange(53) < 40, -1, LABELS)  # some shards of some batches, and a batch

    def train(ranks, **options):
        network = hg.Sequential(hg.Affine(4))
        trainer = trainer_of(network, X, labels, ranks, loss=loss, shuffle=False, **options)
        trainer.run()
        return all_of(trainer)

    assert_alike_on_all(train, [3])
    assert_alike_on_all(lambda ranks: train(ranks, weighting="batch", batch=53), [3])
    for ranks in (1, 3):
        with pytest.raises(ValueError, match="SoftmaxCrossEntropy: nothing to learn from"):
            run(ranks, lambda ranks: train(ranks, weighting="batch"))


def test_plain_data_with_arrays_is_handed_on():
    value = {"a": [1, None, 2.5, "b"], "array": np.arange(6.0).reshape(2, 3),
             "deep": {"x": [np.int64(3), np.zeros(0, np.float32)]}}  # fmt: skip
    for got in run(3, lambda ranks: handed(ranks, value if ranks.rank == 0 else None)):
        np.testing.assert_equal(got, value)
        assert got["deep"]["x"][1].dtype == np.float32
