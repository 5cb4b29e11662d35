"""Embedding as native rows, beside the layer itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handgrad import Network, Sequential
from handgrad.compile import NotNative
from handgrad.compile.program import BAD_INDEX
from handgrad.layers import RNN, Affine, ColumnEmbedding, Embedding
from tests.compile.eager import Compiled, require_equal


def numbers(V, *shape, seed=0):
    return np.random.default_rng(seed).integers(0, V, shape)


@settings(max_examples=25, deadline=None)
@given(V=st.integers(1, 9), D=st.integers(1, 70), N=st.integers(1, 12), T=st.integers(0, 4))
def test_rows_and_their_sums(V, D, N, T):
    ids = numbers(V, N, T) if T else numbers(V, N)
    require_equal(Sequential(Embedding(V, D)), ids, threads=2)


def test_rows_of_the_batch_before_are_zero_again():
    ids = numbers(500, 60, 3)
    network = Sequential(Embedding(500, 5), RNN(4)).build(ids)
    dy = np.random.default_rng(1).standard_normal((20, 3, 4)).astype(np.float32)
    program = Compiled(network, ids, dy, batch=20)
    order, starts = np.arange(60, dtype=np.int32), np.array([0, 20, 25, 40])
    counts = np.array([20, 5, 15, 20])
    program.start(order, starts, counts)
    assert program.go(0) == 0
    several = network.flat.gradients.copy()
    network.flat.gradients[...] = 7  # written to between two runs
    assert np.array_equal(program.run(order[40:])[1], several)
    assert np.count_nonzero(several[:2500].reshape(500, 5).any(axis=1)) == len(np.unique(ids[40:]))


class Twice(Network):
    """One table, used twice."""

    def __init__(self):
        self.table, self.first, self.second = Embedding(20, 6), RNN(3), Affine(3)

    def __call__(self, ids):
        return self.first(self.table(ids)) + self.second(self.table(ids))


def test_a_table_that_is_used_twice():
    ids = numbers(20, 8, 4)
    network = Twice()
    require_equal(network, ids)
    require_equal(network, ids[::-1].copy())


def test_a_number_outside_the_vocabulary_stops_the_program():
    ids = numbers(10, 6, 2)
    network = Sequential(Embedding(10, 3)).build(ids)
    program = Compiled(network, ids, np.ones((6, 2, 3), np.float32), batch=6)
    for wrong in (10, -1, 2**31 - 1):
        program.native.arrays["x"][3, 1] = wrong
        program.start(np.arange(6), np.zeros(1, np.int64), np.array([6]))
        assert program.go(0) == BAD_INDEX


class Computed(Network):
    """Ids that do not come from the data."""

    def __init__(self):
        self.table = Embedding(4, 3)

    def __call__(self, x):
        return self.table(np.zeros((len(x), 2), int))


def test_ids_must_be_the_input():
    x = np.ones((5, 2, 3), np.float32)
    with pytest.raises(NotNative, match="no layer made"):
        Compiled(Computed(), x, x, batch=5)


@settings(max_examples=15, deadline=None)
@given(D=st.integers(1, 6), E=st.integers(1, 20), N=st.integers(1, 70), seed=st.integers(0, 99))
def test_codes_beside_numbers(D, E, N, seed):
    rng = np.random.default_rng(seed)
    columns = rng.permutation(D)[: rng.integers(1, D + 1)].tolist()
    sizes = rng.integers(1, 9, len(columns)).tolist()
    x = rng.standard_normal((N, D)).astype(np.float32)
    for column, size in zip(columns, sizes):
        x[:, column] = rng.integers(0, size, N)
    require_equal(Sequential(ColumnEmbedding(columns, sizes, E), Affine(3)), x, threads=2)


def test_a_code_that_is_too_large_stops_the_program():
    x = np.zeros((6, 2), np.float32)
    network = Sequential(ColumnEmbedding([1], [3], 4), Affine(1)).build(x)
    program = Compiled(network, x, np.ones((6, 1), np.float32), batch=6)
    for wrong in (3, -1, np.nan, np.inf, 2**40):
        program.native.arrays["x"][4, 1] = wrong
        program.start(np.arange(6), np.zeros(1, np.int64), np.array([6]))
        assert program.go(0) == BAD_INDEX
