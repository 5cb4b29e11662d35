"""The process's generators: seeded before every call only for a subject that draws from them."""

import random

import numpy as np
import pytest

from handgrad import check
from handgrad.subject.sandbox import Draws, Sandbox


class Dropout:
    """Right; draws from the process's own generator, one way or another."""

    def __init__(self, draw):
        self.draw = draw

    def forward(self, x):
        self.mask = self.draw(x.shape) < 0.6
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask


class Redrawn(Dropout):
    """Wrong: another mask in backward."""

    def backward(self, dy):
        return dy * (self.draw(dy.shape) < 0.6)


def by_numpy(shape):
    return np.random.random(shape)


def by_python(shape):
    return np.reshape([random.random() for _ in range(int(np.prod(shape)))], shape)


def without_seed(shape):
    return np.random.default_rng().random(shape)


DRAWS = [by_numpy, by_python, without_seed]


@pytest.mark.parametrize("draw", DRAWS)
def test_what_a_subject_draws_is_the_same_in_every_call(draw):
    x = np.random.default_rng(0).normal(size=(4, 3))
    assert check(Dropout(draw), x).verdict == "right"
    assert check(Redrawn(draw), x).cause == "nondeterministic"


@pytest.mark.parametrize("draw", DRAWS)
def test_a_sandbox_that_does_not_seed_tells_that_a_subject_draws(draw):
    sandbox = Sandbox(seeded=False)
    assert sandbox.run(lambda: sandbox.call("forward", np.ones, 3)).sum() == 3
    with pytest.raises(Draws):
        sandbox.run(lambda: sandbox.call("forward", draw, (2, 3)))


def test_the_generators_of_the_process_are_left_where_they_were():
    np.random.seed(5)
    random.seed(5)
    before = np.random.get_state()[1].copy(), random.getstate()
    check(Dropout(by_numpy), np.ones((3, 2)))
    assert np.array_equal(np.random.get_state()[1], before[0])
    assert random.getstate() == before[1]
