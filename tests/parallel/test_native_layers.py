"""Native programs in shards: the same bits on any number of ranks, for every layer that adds up over
the batch or draws random numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import handgrad as hg
from handgrad.compile import why_not
from handgrad.compile.program import Training
from handgrad.layer import walk
from handgrad.parallel import Alone, Ranks, Shards
from tests.parallel.simulated import run

SAMPLES, BATCH = 22, 11
STARTS, COUNTS = np.array([0, 11, 5, 19]), np.array([11, 11, 6, 3])  # the last leaves shards empty

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "")


def reals(*sizes: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((SAMPLES, *sizes)).astype(np.float32)


def ids(length: int, most: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, most, (SAMPLES, length)) ** 2 // most


def table() -> np.ndarray:
    return np.concatenate([reals(3), ids(2, 5)], axis=1).astype(np.float32)


class Twice(hg.Network):
    """Layers that are used a second time on what they made."""

    def __init__(self, *layers: Any):
        self.inside, self.last = hg.Sequential(*layers), hg.Sequential(hg.Flatten(), hg.Affine(4))

    def __call__(self, x: Any) -> Any:
        return self.last(self.inside(self.inside(x)))


def image(*layers: Any) -> hg.Network:
    return hg.Sequential(*layers, hg.Flatten(), hg.Affine(4))


Case = tuple[np.ndarray, Callable[[], hg.Network]]
CONVOLUTIONS: dict[str, Case] = {
    "padded": (reals(2, 7, 6), lambda: image(hg.Convolution(5, 3, pad=1), hg.ReLU())),
    "pooled": (reals(1, 8, 8), lambda: image(hg.Convolution(5, 3), hg.ReLU(), hg.MaxPooling(2))),
    "two": (reals(2, 20, 20), lambda: image(hg.Convolution(4, 3), hg.Convolution(3, 3, pad=1))),
    "no bias": (reals(2, 6, 6), lambda: image(hg.Convolution(4, 3, bias=False))),
    "depthwise": (reals(4, 6, 6), lambda: image(hg.Convolution(8, 3, groups=4, stride=2))),
    "sequence": (reals(3, 9), lambda: image(hg.Convolution(4, (3,), dilation=2))),
    "transposed": (
        reals(3, 4, 5), lambda: image(hg.TransposedConvolution(2, 3, stride=2), hg.ReLU())
    ),
    "shared": (reals(3, 5, 5), lambda: Twice(hg.Convolution(3, 3, pad=1), hg.ReLU())),
}  # fmt: skip
OTHERS: dict[str, Case] = {
    "embedding": (ids(6, 9), lambda: image(hg.Embedding(9, 5))),
    "wide embedding": (ids(3, 40), lambda: image(hg.Embedding(40, 70))),
    "columns": (table(), lambda: image(hg.ColumnEmbedding([3, 4], [5, 5], 3))),
    "rnn": (reals(4, 3), lambda: image(hg.RNN(5))),
    "lstm": (reals(4, 3), lambda: image(hg.LSTM(5), hg.LSTM(9))),
    "gru": (reals(4, 3), lambda: image(hg.GRU(5))),
    "gru, reset before": (reals(4, 3), lambda: image(hg.GRU(5, reset="before"))),
    "both ways": (reals(4, 3), lambda: image(hg.Bidirectional(hg.GRU(5), hg.GRU(5)))),
    "stacked": (reals(4, 3), lambda: image(hg.Stacked([hg.LSTM(5), hg.LSTM(5)], dropout=0.3))),
    "words": (ids(4, 7), lambda: image(hg.Embedding(7, 6), hg.LSTM(5))),
    "heads": (reals(5, 6), lambda: image(hg.LearnedPosition(7), hg.MultiHeadAttention(2))),
}
RANDOM: dict[str, Case] = {
    "dropout": (reals(7), lambda: hg.Sequential(hg.Affine(9), hg.ReLU(), hg.Dropout(0.4), hg.Affine(4), hg.Dropout(0.2), seed=3)),
    "on images": (reals(3, 5, 3), lambda: image(hg.SpatialDropout(0.4), hg.Dropout(0.3))),
    "over time": (reals(4, 3), lambda: image(hg.VariationalDropout(0.4), hg.RNN(5))),
}  # fmt: skip
NORMAL: dict[str, Case] = {
    "columns": (reals(7), lambda: hg.Sequential(hg.Affine(9), hg.BatchNorm(), hg.ReLU(), hg.Affine(4))),
    "images": (reals(2, 30, 30), lambda: image(hg.Convolution(3, 3), hg.BatchNorm(), hg.ReLU())),
    "residual": (reals(2, 6, 6), lambda: image(hg.Residual(hg.BatchNorm(), hg.Convolution(2, 3, pad=1), hg.BatchNorm()))),
}  # fmt: skip


def trained(
    case: Case, shards: Shards | None, ranks: Ranks | None = None, threads: int = 1, **options: Any
) -> list[np.ndarray]:
    """Weights, losses and buffers after some updates."""
    x, make = case
    t = np.random.default_rng(2).integers(0, 4, SAMPLES)
    network = make()
    network.build(x[:3])
    rng = np.random.default_rng(3)
    network.parameters[...] += 0.1 * rng.standard_normal(network.parameters.size).astype("f4")
    program = Training(
        network, hg.SoftmaxCrossEntropy(), hg.Momentum(0.05), x, t, batch=BATCH, threads=threads,
        shards=shards, ranks=ranks, **options,
    )  # fmt: skip
    order = np.random.default_rng(4).permutation(SAMPLES)
    assert program.run(order, STARTS, COUNTS) == len(STARTS)
    kept = [b for _, layer in walk(network) for b in map(vars(layer).get, layer.buffers)]
    steps = [layer.stream.step for _, layer in walk(network) if "stream" in vars(layer)]
    return [
        network.parameters.copy(), program.losses[: len(STARTS)].copy(), *kept, np.array(steps)
    ]  # fmt: skip


ALL = CONVOLUTIONS | OTHERS | RANDOM | {f"norm {k}": v for k, v in NORMAL.items()}


@pytest.mark.parametrize("name", ALL)
def test_the_number_of_ranks_and_threads_changes_no_bit(name):
    case, shards = ALL[name], Shards(8)
    for options in [{}, {"batch_norm": "shard"}] if name.startswith("norm") else [{}]:
        alone = trained(case, shards, Alone(), **options)
        ranks = run(3, lambda ranks: trained(case, shards, ranks, **options))
        ranks += run(8, lambda ranks: trained(case, shards, ranks, **options))
        ranks.append(trained(case, shards, Alone(), threads=2, **options))
        ranks += run(2, lambda ranks: trained(case, shards, ranks, threads=2, **options))
        for other in ranks:
            for i, (got, expected) in enumerate(zip(other, alone, strict=True)):
                assert np.array_equal(got, expected), i


@pytest.mark.parametrize("name", [name for name in ALL if name not in RANDOM])
def test_shards_change_no_more_than_rounding(name):
    for got, expected in zip(trained(ALL[name], Shards(8)), trained(ALL[name], None), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-5)
