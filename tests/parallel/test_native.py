"""Native trainings in shards: what NumPy computes, and the same bits on any number of ranks."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import handgrad as hg
from handgrad.compile.binary import why_not
from tests.parallel.simulated import run
from tests.parallel.test_sharded import LABELS, X, all_of, assert_same

pytestmark = [
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
    pytest.mark.filterwarnings("ignore:(shards|parallel):UserWarning"),
]

RNG = np.random.default_rng(5)
WEIGHTS = RNG.uniform(0.2, 3, len(X))
IGNORED = np.where(RNG.random(len(X)) < 0.4, -100, LABELS)
TARGETS = RNG.normal(size=(len(X), 4)).astype(np.float32)
RANKS = (3,)
MORE = {"labels": (2, 3, 5, 16), "one shard": (2,), "two shards": (2, 5)}


def layers():
    return hg.Affine(19), hg.ReLU(), hg.Affine(18), hg.Tanh(), hg.Affine(4)


class Shared(hg.Network):
    """A layer used twice."""

    def __init__(self):
        self.first, self.twice, self.last = hg.Affine(8), hg.Affine(8), hg.Affine(4)

    def __call__(self, x):
        return self.last(self.twice(self.twice(self.first(x))))


def absolute(y, t):
    return float(np.abs(np.argmax(y, axis=1) - t).mean())


class Expression(hg.Network):
    """Parameters in expressions: of a product, of a sum over the batch, and of each other."""

    def __init__(self):
        draw = np.random.default_rng(9)
        self.first, self.norm = hg.Affine(8), hg.LayerNorm()
        self.W = hg.Parameter(draw.normal(size=(8, 4)).astype(np.float32))
        self.c = hg.Parameter(draw.normal(size=4).astype(np.float32))

    def __call__(self, x):
        return self.norm(self.first(x)) @ (self.W * 2.0) + self.c * self.c


CASES = {
    "labels": (layers, {}),
    "clipping and l2": (layers, {"optimizer": lambda: hg.Momentum(0.05, l2=0.01, clip_norm=0.3)}),
    "weights": (layers, {"sample_weights": WEIGHTS}),
    "weights of the batch": (layers, {"sample_weights": WEIGHTS, "weighting": "batch"}),
    "ignored": (
        layers, {"t": IGNORED, "loss": lambda: hg.SoftmaxCrossEntropy(ignore_index=-100)}
    ),
    "classes": (layers, {"loss": lambda: hg.SoftmaxCrossEntropy(class_weights=[1, 2, 0.5, 3])}),
    "smoothing": (
        layers,
        {"loss": lambda: hg.SoftmaxCrossEntropy(
            class_weights=[1, 2, 1, 3], label_smoothing=0.1, ignore_index=-100
        ), "t": IGNORED},
    ),
    "squares": (layers, {"t": TARGETS, "loss": hg.MeanSquaredError}),
    "sums": (layers, {"t": TARGETS, "loss": hg.SumSquaredError, "sample_weights": WEIGHTS}),
    "a metric of one's own": (layers, {"metrics": [hg.accuracy, absolute]}),
    "augmented": (layers, {"augment": lambda x, number: x + np.float32(number % 7) / 10}),
    "used twice": (lambda: (Shared(),), {}),
    "expressions": (lambda: (Expression(),), {}),
    "normalized": (lambda: (hg.Affine(9), hg.LayerNorm(), hg.ReLU(), hg.Affine(4)), {}),
    "one shard": (layers, {"shards": 1}),
    "two shards": (layers, {"shards": 2, "batch": 53}),
    "more shards than samples": (layers, {"shards": 64}),
}  # fmt: skip


class Own(hg.Layer):
    """A layer without a native form, with a parameter: y = s · x."""

    params = ("s",)

    def __init__(self):
        self.s = np.ones(9, np.float32)

    def forward(self, x):
        self.x = x
        return x * self.s

    def backward(self, dy):
        self.ds = (dy * self.x).sum(axis=0)
        return dy * self.s


BY_SHARD = {
    "python": (lambda: (hg.Affine(9), Own(), hg.Affine(4)), {}),
    "dropout": (lambda: (hg.Affine(9), hg.Dropout(0.3), Own(), hg.Dropout(0.3), hg.Affine(4)), {}),
    "statistics of shards": (
        lambda: (hg.Affine(9), hg.BatchNorm(), Own(), hg.Affine(4)),
        {"batch_norm": "shard", "shards": 4, "optimizer": lambda: hg.SGD(0.1)},
    ),
    "used twice": (lambda: (hg.Affine(9), twice := Own(), twice, hg.Affine(4)), {}),
    "augmented": (
        lambda: (hg.Affine(9), Own(), hg.Affine(4)),
        {"augment": lambda x, number: x + np.float32(number % 7) / 10, "metrics": [absolute]},
    ),
}  # fmt: skip
CASES |= {f"{name}, shard by shard": case for name, case in BY_SHARD.items()}


def trained(case, ranks=None, *, engine="native", threads=1):
    make, options = CASES[case]
    options = {"loss": hg.SoftmaxCrossEntropy, "optimizer": lambda: hg.Adam(0.01)} | options
    loss, optimizer = options.pop("loss")(), options.pop("optimizer")()
    options = {"shards": 16, "batch": 20, "epochs": 2} | options
    network = hg.Sequential(*make(), seed=3)
    trainer = hg.Trainer(
        network, X, options.pop("t", LABELS), loss=loss, optimizer=optimizer, parallel=ranks,
        engine=engine, progress=False, threads=threads, **options,
    )  # fmt: skip
    trainer.run()
    return trainer


@pytest.mark.parametrize("case", CASES)
def test_the_number_of_ranks_and_of_threads_changes_no_bit(case):
    alone = trained(case)
    assert "native" in alone.engine
    assert ("shard by shard" in alone.engine) == ("shard by shard" in case)
    alone = all_of(alone)
    assert_same(all_of(trained(case, threads=2)), alone)
    for size in MORE.get(case, RANKS):
        for there in run(size, partial(trained, case, threads=1 + size % 2)):
            assert_same(all_of(there), alone)


@pytest.mark.parametrize("case", CASES)
def test_numpy_trains_alike(case):
    one, other = trained(case), trained(case, engine="numpy")
    np.testing.assert_allclose(one.network.parameters, other.network.parameters, atol=2e-5)
    for name, column in other.history.columns.items():
        if name != "seconds":
            np.testing.assert_allclose(one.history.columns[name], column, rtol=1e-4, err_msg=name)
    np.testing.assert_allclose(one.network.gradients, other.network.gradients, atol=1e-5)
