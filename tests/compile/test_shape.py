"""Layers that move numbers as native rows, beside the layers themselves."""

import numpy as np
import pytest

from handgrad import Network, Sequential
from handgrad.compile import NotNative
from handgrad.layers import (
    Affine,
    Concat,
    Convolution,
    Flatten,
    Flip,
    Index,
    Pad,
    Reshape,
    Split,
    Stack,
    Transpose,
)
from tests.compile.eager import Compiled, require_equal


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(
    "layers",
    [
        [Flatten(), Affine(3)],
        [Reshape((-1, 6)), Affine(3), Reshape((-1, 60))],
        [Reshape((-1, 4, 3, 5, 2)), Transpose((0, 3, 1, 4, 2))],
        [Transpose((0, 2, 3, 1)), Affine(3)],
        [Transpose((2, 0, 3, 1)), Affine(3), Transpose((1, 0, 3, 2))],
        [Flip(1)],
        [Flip((-1, 1))],
        [Pad(((0, 0), (1, 0), (2, 3), (0, 1)), value=2.5)],
        [Index((slice(None), 2))],
        [Index((slice(None), slice(3, 0, -2), Ellipsis, -1))],
        [Index((Ellipsis, slice(1, 4)))],
    ],
)
@pytest.mark.parametrize("stem", [Convolution(4, 1), Affine(6)])
def test_moves(stem, layers):
    x = numbers(5, 4, 5, 6)
    require_equal(Sequential(stem, *layers), x)


def test_the_data_itself_moves():
    x = numbers(5, 2, 3)
    require_equal(Sequential(Transpose((0, 2, 1)), Affine(3)), x)
    require_equal(Sequential(Flatten(), Affine(3)), x)


class Branches(Network):
    """Parts of x, each through a layer of its own, and together again."""

    def __init__(self, axis, stems, joined):
        self.split, self.stems, self.joined = Split(2, axis), stems, joined

    def __call__(self, x):
        parts = self.split(self.stems[0](x))
        return self.joined(*(stem(part) for stem, part in zip(self.stems[1:], parts)))


@pytest.mark.parametrize("joined", [Concat(1), Concat(-1), Concat(2), Stack(1), Stack(-1)])
@pytest.mark.parametrize("kind", [lambda: Convolution(4, 1), lambda: Affine(6)])
def test_split_and_join(kind, joined):
    x = numbers(5, 4, 5, 6)
    require_equal(Branches(1, [kind() for _ in range(3)], joined), x)


class InFront(Branches):
    """What is joined along the first axis goes back behind the batch."""

    def __call__(self, x):
        return Transpose((1, 0, 2, 3, 4))(super().__call__(x))


def test_stacked_in_front_of_the_batch():
    x = numbers(5, 4, 5, 6)
    require_equal(InFront(1, [Affine(6) for _ in range(3)], Stack(0)), x)


class Half(Network):
    """One part of a split is not used."""

    def __init__(self):
        self.stem, self.split, self.affine = Affine(6), Split((2,)), Affine(2)

    def __call__(self, x):
        return self.affine(self.split(self.stem(x))[1])


def test_a_part_that_is_not_used():
    require_equal(Half(), numbers(5, 3))


def test_along_the_batch_is_not_native():
    x = numbers(4, 3)
    with pytest.raises(NotNative, match="along the batch"):
        Compiled(Sequential(Affine(2), Flip(0)), x, numbers(4, 2), batch=4)
