"""Steps one at a time: those of a run, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

import handgrad as hg
from handgrad.compile import compile_training
from handgrad.compile.step import BLOCK, NOT_NUMBERS, Steps


def program(x, t):
    network = hg.Sequential(hg.Affine(8), hg.ReLU(), hg.Dropout(0.3), hg.Affine(3), seed=1)
    made = compile_training(network, hg.SoftmaxCrossEntropy(), hg.Adam(0.01), x, t, batch=1)
    return network, made


@pytest.fixture
def data(rng):
    return rng.normal(size=(400, 5)).astype(np.float32), rng.integers(0, 3, 400)


def test_a_step_at_a_time_gives_the_bits_of_a_run(data):
    x, t = data
    whole, run = program(x, t)
    run.run(np.arange(400), np.arange(400), np.ones(400, int))
    into, label = x[:1].copy(), t[:1].astype(np.int32)
    one, stepped = program(into, label)
    steps, losses = Steps(stepped, into), []
    for row, right in zip(x, t):
        if steps.made == steps.room:
            steps.begin(anew=False)
        into[0], label[0] = row, right
        assert steps.step() == 0
        losses.append(stepped.losses[steps.made])
        steps.made += 1
        for after in stepped.after:
            after(1)
    assert steps.room == BLOCK
    np.testing.assert_array_equal(losses, run.losses[:400])
    np.testing.assert_array_equal(one.parameters, whole.parameters)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_seen_before_anything_is_done(data, wrong):
    into, label = data[0][:1].copy(), data[1][:1].astype(np.int32)
    network, stepped = program(into, label)
    steps = Steps(stepped, into)
    steps.begin(anew=True)
    before = network.parameters.copy()
    for column in range(5):
        into[...] = 0
        into[0, column] = wrong
        assert steps.step() == NOT_NUMBERS
    np.testing.assert_array_equal(network.parameters, before)
    assert stepped.done == 0
    into[...] = 1
    assert steps.step() == 0
    assert stepped.done == 1
    assert (network.parameters != before).any()
