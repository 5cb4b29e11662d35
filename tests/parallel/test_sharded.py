"""Trainings in shards: what they compute, and the same bits on any number of ranks."""

from __future__ import annotations

import numpy as np
import pytest

import handgrad as hg
from handgrad.arrays import Stream
from handgrad.layer import walk
from handgrad.parallel import STRIDE
from tests.parallel.simulated import run
from tests.train.test_engine import random_training

RNG = np.random.default_rng(3)
X, LABELS = RNG.normal(size=(53, 6)).astype(np.float32), RNG.integers(0, 4, 53)
PICTURES = RNG.normal(size=(45, 2, 4, 4)).astype(np.float32)
WORDS, NEXT = RNG.integers(0, 9, (40, 5)), RNG.integers(0, 9, (40, 5))
RANKS = (1, 2, 3, 4, 8)


def plain(**options):
    return hg.Sequential(hg.Affine(9), hg.Tanh(), hg.Affine(4), **options)


def dropped():
    return hg.Sequential(hg.Affine(12), hg.ReLU(), hg.Dropout(0.4), hg.Affine(8), hg.ReLU(),
                         hg.Dropout(0.2), hg.Affine(4))  # fmt: skip


def residual(**options):
    body = hg.Convolution(4, 3, pad=1), hg.BatchNorm(), hg.ReLU()
    return hg.Sequential(hg.Convolution(4, 3, pad=1), hg.Residual(*body), hg.BatchNorm(), hg.ReLU(),
                         hg.Flatten(), hg.Affine(4), **options)  # fmt: skip


def both():
    return hg.Sequential(hg.Affine(9), hg.BatchNorm(), hg.Dropout(0.3), hg.Affine(4))


def language():
    return hg.Sequential(hg.Embedding(9, 6), hg.LSTM(7), hg.Affine(9))


CASES = {
    "plain": (plain, X, LABELS), "dropout": (dropped, X, LABELS),
    "batch norm": (residual, PICTURES, LABELS[:45]), "lstm": (language, WORDS, NEXT),
    "both": (both, X, LABELS),
}  # fmt: skip
RULES = {"SGD": lambda: hg.SGD(0.1), "Adam": lambda: hg.Adam(0.01, clip_norm=0.5)}


def trainer_of(network, x, t, ranks=None, **options):
    options = {"epochs": 2, "batch": 20, "engine": "numpy", "progress": False} | options
    return hg.Trainer(network, x, t, parallel=ranks, **({"shards": 8} | options))


def all_of(trainer):
    """Everything that has to be the same on all ranks."""
    network, history = trainer.network, trainer.history
    columns = {k: v for k, v in history.columns.items() if k != "seconds"}
    layers = [x for _, x in walk(network)]
    buffers = [getattr(x, name).copy() for x in layers for name in getattr(x, "buffers", ())]
    steps = [x.stream.step for x in layers if getattr(x, "stream", None)]
    return [network.parameters.copy(), *buffers, np.array(steps), columns, trainer.step,
            history.stopped, trainer.state.optimizer.state_dict()]  # fmt: skip


def assert_same(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other):
        np.testing.assert_equal(a, b)  # to the bit, but that NaN is NaN


def assert_alike_on_all(make, sizes=RANKS):
    """make(ranks) trains: the same on every rank of any number as in one process."""
    alone = make(None)
    for size in sizes:
        for there in run(size, make):
            assert_same(there, alone)
    return alone


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("case", [c for c in CASES if c != "both"])
def test_the_number_of_ranks_changes_no_bit(case, rule):
    make, x, t = CASES[case]

    def train(ranks):
        trainer = trainer_of(make(), x, t, ranks, optimizer=RULES[rule](), validation=0.2)
        trainer.run()
        return all_of(trainer)

    start = make().build(x[:2]).parameters.copy()
    sizes = RANKS if case == "plain" else {"SGD": (4,), "Adam": (2, 3)}[rule]
    assert not np.array_equal(assert_alike_on_all(train, sizes)[0], start)


@pytest.mark.filterwarnings("ignore:shards:UserWarning")
@pytest.mark.parametrize("seed", range(0, 60, 4))
def test_random_trainings_in_shards_are_those_without_to_rounding(seed):
    """Losses, weights, ignored labels, accumulation, l2, clipping, schedules, frozen layers."""
    ran = []
    for shards in (None, 8):
        network, x, t, options = random_training(seed)
        if any(isinstance(layer, hg.Dropout) for _, layer in walk(network)):
            return  # whose masks are others
        trainer = trainer_of(network, x, t, **options, shards=shards)
        ran.append((trainer.run().columns, network.parameters))
    (one, before), (two, after) = ran
    np.testing.assert_allclose(after, before, rtol=2e-3, atol=2e-4)
    for name in one.keys() - {"seconds"}:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.filterwarnings("ignore:shards:UserWarning")
@pytest.mark.parametrize("seed", [3, 8, 17, 30, 41])
def test_random_trainings_are_the_same_on_three_ranks(seed):
    def train(ranks):
        network, x, t, options = random_training(seed)
        trainer = trainer_of(network, x, t, ranks, **options)
        trainer.run()
        return all_of(trainer)

    assert_alike_on_all(train, sizes=[3])


@pytest.mark.filterwarnings("ignore:shards:UserWarning")
@pytest.mark.parametrize("n", [1, 7, 20])
def test_statistics_of_the_whole_batch_are_exact(n):
    """In float64 the update with batch norm is that without shards, also of uneven, empty ones."""
    after, buffers = [], []
    for options in ({"shards": None}, {"shards": 8}, {"shards": 8, "batch_norm": "shard"}):
        network = residual(dtype=np.float64)
        trainer = trainer_of(network, PICTURES[:n].astype(float), LABELS[:n], batch=n, steps=1,
                             epochs=None, optimizer=hg.SGD(0.1), **options)  # fmt: skip
        trainer.run()
        after.append(network.parameters.copy())
        buffers.append(network.layers[2].running_var.copy())
    np.testing.assert_allclose(after[1], after[0], rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(buffers[1], buffers[0], rtol=1e-12)
    assert n == 1 or not np.allclose(after[2], after[0], rtol=1e-6)


@pytest.mark.filterwarnings("ignore:shards:UserWarning", "ignore:parallel:UserWarning")
@pytest.mark.parametrize("case", ["dropout", "both"])
@pytest.mark.parametrize("options", [{"batch": 3, "shards": 16}, {"shards": 1, "batch": 5},
                                     {"shards": 4, "batch": 7, "batch_norm": "shard",
                                      "accumulate": 2}],
                         ids=["empty shards", "one shard", "accumulated"])  # fmt: skip
def test_shards_without_samples_and_ranks_without_shards(case, options):
    make, x, t = CASES[case]

    def train(ranks):
        trainer = trainer_of(make(), x[:17], t[:17], ranks, **options, epochs=1)
        trainer.run()
        return all_of(trainer)

    assert_alike_on_all(train, sizes=[2, 5, 6])


def test_masks_depend_on_update_and_shard_alone():
    network, seen = hg.Sequential(hg.Dropout(0.5), hg.Affine(4)), []
    dropout = network.layers[0]
    before = dropout.stream = Stream(5)
    forward = hg.Dropout.forward

    class Spy(hg.Dropout):
        def forward(self, x):
            y = forward(self, x)
            if self.training:
                seen.append((self.stream.step - 1, self.mask.copy()))
            return y

    dropout.__class__ = Spy
    trainer_of(network, X[:40], LABELS[:40], shards=4, shuffle=False, epochs=1).run()
    assert [step for step, _ in seen] == [(batch * 4 + i) * STRIDE for batch in (0, 1)
                                          for i in range(4)]  # fmt: skip
    for step, mask in seen:
        alone = hg.Dropout(0.5)
        alone.stream = Stream(5, before.layer, step)
        alone.forward(np.ones((5, 6), np.float32))
        np.testing.assert_array_equal(mask, alone.mask)
    assert before.step == 8 * STRIDE


class Counts:
    """A user's layer without a base class, which says what it carries."""

    buffers, training = ("seen", "limits", "largest"), True

    def __init__(self):
        self.seen, self.limits = np.zeros(()), np.array([-np.inf, np.inf])
        self.largest = np.zeros(2, np.int64)

    def forward(self, x):
        if self.training:
            self.seen = self.seen + x.mean()
            self.largest[1] = self.largest[1] + 10 * x.max()
        return 2 * x

    def backward(self, dy):
        return 2 * dy


def test_buffers_are_the_mean_over_shards_and_integers_those_of_the_first():
    x = np.arange(7, dtype=np.float32)[:, None]

    def train(ranks):
        layer = Counts()
        network = hg.Sequential(layer, hg.Affine(1))
        trainer_of(network, x, x, ranks, epochs=1, batch=7, shards=4, shuffle=False).run()
        return layer

    for layer in (train(None), *run(3, train)):
        np.testing.assert_allclose(layer.seen, x.mean())
        assert layer.largest.tolist() == [0, 0]  # of the first shard, of sample 0 alone
        assert layer.limits.tolist() == [-np.inf, np.inf]
