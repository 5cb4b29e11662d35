"""Every ordered pair of lowerings, in chains of layers: native beside NumPy in float64."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import handgrad as hg
from handgrad import layers as L
from handgrad.arrays import Array
from handgrad.compile import compile_prediction
from tests.compile.eager import Compiled

LENGTH, BATCH = 7, 4
# One layer for each lowering and each way through it, so that the pairs are few.
LAYERS: dict[str, Any] = {
    "affine": lambda: L.Affine(6),
    "convolution": lambda: L.Convolution(6, 1),
    "sequence convolution": lambda: L.Convolution(6, (1,)),
    "transposed": lambda: L.TransposedConvolution(6, 2, stride=2),
    "relu": L.ReLU,
    "gelu": L.GELU,
    "python": L.Arctan,
    "softmax": L.Softmax,
    "dropout": lambda: L.Dropout(0.3, seed=1),
    "scaled dropout": lambda: L.Dropout(0.3, scaled=True, seed=1),
    "spatial dropout": lambda: L.SpatialDropout(0.3, seed=1),
    "variational dropout": lambda: L.VariationalDropout(0.3, seed=1),
    "batch norm": L.BatchNorm,
    "layer norm": L.LayerNorm,
    "instance norm": L.InstanceNorm,
    "max pooling": lambda: L.MaxPooling(2),
    "overlapping max pooling": lambda: L.MaxPooling(2, stride=1),
    "average pooling": lambda: L.AveragePooling(2),
    "sequence pooling": lambda: L.MaxPooling((2,)),
    "global average": L.GlobalAveragePooling,
    "global max": L.GlobalMaxPooling,
    "flatten": L.Flatten,
    "reshape": lambda: L.Reshape((-1, 6, 2, 3)),
    "transpose": lambda: L.Transpose((0, 2, 1)),
    "transpose images": lambda: L.Transpose((0, 2, 3, 1)),
    "flip": lambda: L.Flip(1),
    "pad": lambda: L.Pad(((0, 0), (1, 0), (0, 1)), value=0.5),
    "pad images": lambda: L.Pad(((0, 0), (0, 1), (1, 1), (0, 1))),
    "index": lambda: L.Index((slice(None), slice(0, 6))),
    "mean": lambda: L.Mean(-1),
    "max": lambda: L.Max(1, keepdims=True),
    "rnn": lambda: L.RNN(6),
    "gru": lambda: L.GRU(6),
    "bidirectional": lambda: L.Bidirectional(L.LSTM(3), L.LSTM(3)),
    "stacked": lambda: L.Stacked((L.LSTM(6), L.RNN(6)), dropout=0.2),
    "attention": lambda: L.MultiHeadAttention(2, outputs=6),
    "position": L.SinePosition,
    "learned position": lambda: L.LearnedPosition(30),
    "residual": lambda: hg.Residual(L.Affine(6), L.Tanh()),
    "residual convolution": lambda: hg.Residual(L.Convolution(6, 1), L.BatchNorm(), L.ReLU()),
    "residual attention": lambda: hg.Residual(L.MultiHeadAttention(2)),
}  # fmt: skip
INPUTS = (6,), (5, 6), (6, 6), (6, 4, 6), (1, 6, 6)


@cache
def output(name: str, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape of a sample behind the layer, where it fits and the result is worth going on."""
    x = np.zeros((BATCH, *shape), np.float32)
    try:
        y = hg.Sequential(LAYERS[name](), seed=1).build(x).eval().forward(x)
    except (ValueError, TypeError, IndexError):
        return None
    return y.shape[1:] if y.ndim > 1 and len(y) == BATCH and 0 < y[0].size < 600 else None


def chains(limit: int) -> Iterator[tuple[tuple[int, ...], list[str]]]:
    """Input shapes and chains of layers on them, until hardly a chain has a pair that is new."""
    rng, seen, stale = np.random.default_rng(0), set(), 0
    while stale < limit:
        first = shape = INPUTS[rng.integers(len(INPUTS))]
        chain: list[str] = []
        new = 0
        while len(chain) < LENGTH:
            fits = [n for n in rng.permutation(list(LAYERS)) if output(n, shape) is not None]
            fresh = [n for n in fits if chain and (len(shape), chain[-1], n) not in seen]
            if not fits:
                break
            name = (fresh or fits)[0]
            seen |= {(len(shape), before, name) for before in chain[-1:]}
            shape, new = output(name, shape), new + bool(fresh)
            chain.append(str(name))
        stale = 0 if new else stale + 1
        if new:
            yield first, chain


@cache
def every_chain() -> list[tuple[tuple[int, ...], list[str]]]:
    """All chains; made only where one of these tests runs."""
    return list(chains(3))


def require_close(got: Array, exact: Array, rounded: Array, what: str) -> None:
    """Assert that the program is off by no more than what float32 loses here in NumPy too."""
    lost = np.abs(rounded - exact).max(initial=0)
    limit = 1e-4 * (np.abs(exact).max(initial=0) + 1) + 10 * lost
    error = np.abs(got - exact).max(initial=0)
    assert error <= limit, f"{what}: off by {error:.2g}, float32 by {lost:.2g}"


def network_of(chain: list[str], shape: tuple[int, ...]) -> tuple[Any, Array]:
    """The network on random weights, and x."""
    x = np.random.default_rng(len(chain)).standard_normal((BATCH, *shape)).astype(np.float32)
    return hg.Sequential(*(LAYERS[name]() for name in chain), seed=1).build(x), x


def test_the_chains_have_every_lowering_of_a_layer_before_and_behind_others():
    pairs = {pair for _, chain in every_chain() for pair in pairwise(chain)}
    assert {one for one, _ in pairs} == {other for _, other in pairs} == set(LAYERS)
    assert len(pairs) > 700


@pytest.mark.parametrize("part", range(4))
def test_evaluation(part):
    for shape, chain in every_chain()[part::4]:
        network, x = network_of(chain, shape)
        program = compile_prediction(network, x, batch=BATCH, python=True)
        exact = network.astype(np.float64)
        for batch in (x, x[::-1][: BATCH - 1]):
            expected = exact.predict(batch.astype(np.float64))
            require_close(program(batch), expected, network.eval().forward(batch), f"{chain}")


@pytest.mark.parametrize("part", range(4))
def test_training(part):
    for shape, chain in every_chain()[part::4]:
        network, x = network_of(chain, shape)
        exact, rounded = (network.train().astype(t) for t in (np.float64, np.float32))
        size = exact.astype(np.float64).forward(x).shape
        dy = np.random.default_rng(part).standard_normal(size).astype(np.float32)
        program = Compiled(network, x, dy, batch=BATCH, python=True)
        for rows in (np.arange(BATCH), np.arange(BATCH)[::-1][: BATCH - 1]):
            y, gradients = program.run(rows)
            ys = [n.forward(x[rows].astype(n.dtype)) for n in (exact, rounded)]
            require_close(y, *ys, f"y of {chain}")
            for one in (exact, rounded):
                one.backward(dy[: len(rows)].astype(one.dtype))
            for path, start, stop, _ in exact.layout:
                found = (g[start:stop] for g in (gradients, exact.gradients, rounded.gradients))
                require_close(*found, f"{path} of {chain}")
