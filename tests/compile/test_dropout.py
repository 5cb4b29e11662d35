"""Dropout as native rows: the same masks as the layer, to the bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handgrad import SGD, Sequential
from handgrad.arrays import Stream
from handgrad.compile import compile_prediction, compile_training
from handgrad.layers import (
    Affine,
    Convolution,
    Dropout,
    Flatten,
    MeanSquaredError,
    ReLU,
    SpatialDropout,
    Tanh,
)
from tests.compile.eager import Compiled
from tests.compile.rows import run


def mask_of(seed, layer, count, ratio):
    """Bits that the kernel keeps at step 0."""
    mask = np.zeros(-(-count // 32), np.int32)
    key = {"counter": 0, "seed": seed, "layer": layer, "limit": ratio * 2**32}
    assert run("keep", count=count, mask=mask, **key, threads=2) == 0
    return np.unpackbits(mask.view(np.uint8), bitorder="little")[:count].astype(bool)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**63 - 1), layer=st.integers(0, 2**31), count=st.integers(0, 300),
    ratio=st.floats(0, 1, exclude_max=True),
)  # fmt: skip
def test_masks_are_those_of_the_stream(seed, layer, count, ratio):
    expected = Stream(seed, layer).bits(count) >= ratio * 2**32
    assert np.array_equal(mask_of(seed, layer, count, ratio), expected)


def test_a_mask_of_many_words():
    expected = Stream(7, 3).bits(100_001) >= 0.3 * 2**32
    assert np.array_equal(mask_of(7, 3, 100_001, 0.3), expected)


def networks():
    yield [Affine(37), Dropout(0.4), Affine(5)], (6,)
    yield [Affine(37), ReLU(), Dropout(0.4), Affine(9), Tanh(), Dropout(0.2, scaled=True)], (6,)
    yield [Affine(8), Dropout(0.5), Dropout(0.5), Affine(3)], (6,)
    convolutions = [Convolution(5, 3), ReLU(), SpatialDropout(0.5), Convolution(3, 2)]
    yield [*convolutions, ReLU(), Dropout(0.3), Flatten(), Affine(4)], (2, 7, 8)
    yield [SpatialDropout(0.3), Flatten(), Affine(4)], (7, 5)
    yield [Dropout(0.3, seed=5), Affine(4)], (6,)


@pytest.mark.parametrize("number", range(6))
def test_forward_and_backward_over_several_steps(number):
    layers, shape = list(networks())[number]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((13, *shape)).astype(np.float32)
    network = Sequential(*layers, seed=2).build(x).train()
    reference = network.astype(np.float64)
    for (_, one), (_, other) in zip(_streams(network), _streams(reference)):
        other.step = one.step
    y = reference.forward(x)
    dy = rng.standard_normal(y.shape).astype(np.float32)
    program = Compiled(network, x, dy, batch=13)
    for _ in range(4):
        reference.backward(dy.astype(np.float64))
        got, gradients = program.run(np.arange(13))
        np.testing.assert_allclose(got, y, rtol=0, atol=1e-5)
        np.testing.assert_allclose(gradients, reference.gradients, rtol=0, atol=1e-4)
        y = reference.forward(x)
    for (_, one), (_, other) in zip(_streams(network), _streams(reference)):
        assert one.step == other.step - 1


def _streams(network):
    return [(i, x.stream) for i, x in enumerate(network.layers) if isinstance(x, Dropout)]


def test_a_layer_that_is_used_twice_draws_twice():
    shared = Dropout(0.5)
    x = np.ones((4, 6), np.float32)
    network = Sequential(Affine(8), shared, Affine(8), shared, Affine(3)).build(x).train()
    reference = network.astype(np.float64)
    program = Compiled(network, x, np.ones((4, 3), np.float32), batch=4)
    for _ in range(3):
        np.testing.assert_allclose(program.run(np.arange(4))[0], reference.forward(x), atol=1e-5)
    assert shared.stream.step == 6


@pytest.mark.parametrize("scaled", [False, True])
def test_evaluation_draws_nothing(scaled):
    x = np.random.default_rng(0).standard_normal((5, 6)).astype(np.float32)
    network = Sequential(Affine(8), Dropout(0.5, scaled=scaled), Affine(3)).build(x)
    y = compile_prediction(network, x, batch=5)(x)
    np.testing.assert_allclose(y, network.predict(x), rtol=0, atol=1e-6)
    assert network.layers[1].draw().step == 0


def test_any_number_of_threads_gives_the_same_weights():
    rng = np.random.default_rng(0)
    x, t = (rng.standard_normal((64, n)).astype(np.float32) for n in (30, 4))
    found = []
    for threads in (1, 2, 3):
        network = Sequential(Affine(700), Tanh(), Dropout(0.5), Affine(4), seed=1).build(x)
        program = compile_training(
            network, MeanSquaredError(), SGD(0.1), x, t, batch=64, threads=threads
        )
        assert program.run(np.arange(64), np.zeros(20), np.full(20, 64)) == 20
        found.append(network.flat.parameters.copy())
    assert all(np.array_equal(found[0], other) for other in found)
