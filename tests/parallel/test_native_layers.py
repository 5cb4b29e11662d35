"""Native layers that add up over the batch, or draw random numbers, in shards: what NumPy computes,
and the same bits on any number of ranks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import handgrad as hg
from handgrad.compile.binary import why_not
from tests.parallel.simulated import run
from tests.parallel.test_sharded import all_of, assert_same

pytestmark = [
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
    pytest.mark.filterwarnings("ignore:(shards|parallel):UserWarning"),
]

SAMPLES, BATCH, SHARDS = 25, 11, 8  # so that shards are uneven, and some of the last batch empty
LABELS = np.random.default_rng(2).integers(0, 4, SAMPLES)


def reals(*sizes: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((SAMPLES, *sizes)).astype(np.float32)


def ids(length: int, most: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, most, (SAMPLES, length)) ** 2 // most


def rare() -> np.ndarray:
    """Many words in some samples, one in the others."""
    words = np.arange(SAMPLES * 30).reshape(SAMPLES, 30) % 400
    words[::2] = 7
    return words


def table() -> np.ndarray:
    return np.concatenate([reals(3), ids(2, 5)], axis=1).astype(np.float32)


def end(*layers: Any) -> hg.Network:
    return hg.Sequential(*layers, hg.Flatten(), hg.Affine(4), seed=3)


class Twice(hg.Network):
    """Layers that are used a second time on what they made."""

    def __init__(self, *layers: Any):
        self.inside, self.end = hg.Sequential(*layers), end()

    def __call__(self, x: Any) -> Any:
        return self.end(self.inside(self.inside(x)))


class Words(hg.Network):
    """Two columns of words in one table."""

    def __init__(self) -> None:
        self.table, self.end = hg.Embedding(7, 5), end()

    def __call__(self, x: Any) -> Any:
        return self.end(self.table(x[:, :2]) + self.table(x[:, 2:]))


def convolution(*given: Any, **options: Any) -> Callable[[], hg.Network]:
    return lambda: end(hg.Convolution(*given, **options), hg.ReLU())


CASES: dict[str, tuple[np.ndarray, Callable[[], hg.Network]]] = {
    "convolution": (reals(2, 7, 6), convolution(5, 3, pad=1)),
    "no bias": (reals(2, 6, 6), convolution(4, 3, bias=False)),
    "groups": (reals(4, 6, 6), convolution(8, 3, groups=4, stride=2)),
    "one axis": (reals(3, 9), convolution(4, (3,), dilation=2)),
    "pooled": (
        reals(1, 8, 8), lambda: end(hg.Convolution(5, 3), hg.ReLU(), hg.MaxPooling(2))
    ),
    "large images": (reals(2, 20, 20), lambda: end(hg.Convolution(4, 3), hg.Convolution(3, 3))),
    "transposed": (
        reals(3, 4, 5), lambda: end(hg.TransposedConvolution(2, 3, stride=2), hg.ReLU())
    ),
    "filters used twice": (reals(3, 5, 5), lambda: Twice(hg.Convolution(3, 3, pad=1), hg.ReLU())),
    "embedding": (ids(6, 9), lambda: end(hg.Embedding(9, 5))),
    "wide embedding": (rare(), lambda: end(hg.Embedding(400, 70))),
    "table used twice": (ids(4, 7), Words),
    "columns": (table(), lambda: end(hg.ColumnEmbedding([3, 4], [5, 5], 3))),
    "rnn": (reals(4, 3), lambda: end(hg.RNN(5))),
    "lstm": (reals(4, 3), lambda: end(hg.LSTM(5), hg.LSTM(9))),
    "gru": (reals(4, 3), lambda: end(hg.GRU(5))),
    "gru, reset before": (reals(4, 3), lambda: end(hg.GRU(5, reset="before"))),
    "both ways": (reals(4, 3), lambda: end(hg.Bidirectional(hg.GRU(5), hg.GRU(5)))),
    "language": (ids(4, 7), lambda: end(hg.Embedding(7, 6), hg.LSTM(5))),
    "heads": (reals(5, 6), lambda: end(hg.LearnedPosition(7), hg.MultiHeadAttention(2))),
    "dropout": (
        reals(7),
        lambda: end(hg.Affine(9), hg.ReLU(), hg.Dropout(0.4), hg.Affine(4), hg.Dropout(0.2)),
    ),
    "one dropout used twice": (reals(3), lambda: Twice(hg.Dropout(0.3), hg.Affine(3))),
    "channels dropped": (reals(3, 5, 3), lambda: end(hg.SpatialDropout(0.4), hg.Affine(3))),
    "dropped over time": (
        reals(4, 3), lambda: end(hg.Stacked([hg.RNN(5), hg.RNN(5)], dropout=0.3))
    ),
    "batch norm": (reals(7), lambda: end(hg.Affine(9), hg.BatchNorm(), hg.ReLU())),
    "of images": (reals(2, 30, 30), lambda: end(hg.Convolution(3, 3), hg.BatchNorm(), hg.ReLU())),
    "residual": (
        reals(2, 6, 6),
        lambda: end(hg.Residual(hg.BatchNorm(), hg.Convolution(2, 3, pad=1), hg.BatchNorm())),
    ),
}  # fmt: skip
NORMAL = ("batch norm", "of images", "residual")
BOTH = [(name, how) for name in CASES for how in ("global", "shard")[: 1 + (name in NORMAL)]]


def trained(
    name: str, how: str, ranks: Any = None, *, engine: str = "native", threads: int = 1
) -> Any:
    x, make = CASES[name]
    trainer = hg.Trainer(
        make(), x, LABELS, loss=hg.SoftmaxCrossEntropy(), optimizer=hg.Momentum(0.02), epochs=2,
        batch=BATCH, shards=SHARDS, parallel=ranks, batch_norm=how, engine=engine, threads=threads,
        progress=False,
    )  # fmt: skip
    trainer.run()
    assert engine == "numpy" or ("native" in trainer.engine and "by shard" not in trainer.engine)
    return trainer


@pytest.mark.parametrize(("name", "how"), BOTH)
def test_the_number_of_ranks_and_of_threads_changes_no_bit(name, how):
    alone = all_of(trained(name, how))
    assert_same(all_of(trained(name, how, threads=2)), alone)
    for size in (3, 8):
        for there in run(size, partial(trained, name, how, threads=1 + size % 2)):
            assert_same(all_of(there), alone)


def test_ranks_without_shards_have_the_same_statistics():
    alone = all_of(trained("batch norm", "global"))
    for there in run(SHARDS + 2, partial(trained, "batch norm", "global")):
        assert_same(all_of(there), alone)


@pytest.mark.parametrize(("name", "how"), BOTH)
def test_numpy_trains_alike(name, how):
    (*one, steps), (*other, expected) = (
        all_of(trained(name, how, engine=engine))[:-4] for engine in ("native", "numpy")
    )
    drew = steps > 100  # the streams of others stay
    assert np.array_equal(steps[drew], expected[drew])
    for got, array in zip(one, other, strict=True):
        np.testing.assert_allclose(got, array, rtol=1e-4, atol=1e-5)
