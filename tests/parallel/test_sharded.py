"""Trainings in shards: what they compute, and the same bits on any number of ranks."""

from __future__ import annotations

import numpy as np
import pytest

import handgrad as hg
from handgrad.layer import walk
from tests.parallel.simulated import run

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


def language():
    return hg.Sequential(hg.Embedding(9, 6), hg.LSTM(7), hg.Affine(9))


CASES = {
    "plain": (plain, X, LABELS), "dropout": (dropped, X, LABELS),
    "batch norm": (residual, PICTURES, LABELS[:45]), "lstm": (language, WORDS, NEXT),
}  # fmt: skip
RULES = {"SGD": lambda: hg.SGD(0.1), "Adam": lambda: hg.Adam(0.01, clip_norm=0.5)}


def trainer_of(network, x, t, ranks=None, **options):
    options = {
        "epochs": 2,
        "batch": 20,
        "engine": "numpy",
        "progress": False,
        "shards": 8,
    } | options
    return hg.Trainer(network, x, t, parallel=ranks, **options)


def all_of(trainer):
    """Everything that has to be the same on all ranks."""
    network = trainer.network
    columns = {k: v for k, v in trainer.history.columns.items() if k != "seconds"}
    buffers = [
        getattr(x, name).copy() for _, x in walk(network) for name in getattr(x, "buffers", ())
    ]
    steps = [x.stream.step for _, x in walk(network) if getattr(x, "stream", None)]
    state = trainer.state.optimizer.state_dict()
    return [network.parameters.copy(), *buffers, np.array(steps), columns, trainer.step,
            trainer.history.stopped, state]  # fmt: skip


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
@pytest.mark.parametrize("case", CASES)
def test_the_number_of_ranks_changes_no_bit(case, rule):
    make, x, t = CASES[case]

    def train(ranks):
        trainer = trainer_of(make(), x, t, ranks, optimizer=RULES[rule](), validation=0.2)
        trainer.run()
        return all_of(trainer)

    start = make().build(x[:2]).parameters.copy()
    assert not np.array_equal(assert_alike_on_all(train)[0], start)
