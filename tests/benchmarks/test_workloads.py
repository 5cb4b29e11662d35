"""The workloads: their data, their order, their names."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.workloads import WORKLOADS, Dropout, find
from handgrad.train.data import random_order
from tests.benchmarks.small import IMAGES, SMALL, WORDS


def test_rows_go_through_each_epoch_in_its_own_order():
    n = IMAGES.batches * IMAGES.batch
    expected = np.concatenate([random_order(n, 0, e) for e in range(3)]).reshape(-1, IMAGES.batch)
    start, steps = IMAGES.batches - 2, IMAGES.batches + 5
    got = IMAGES.rows(start, steps)
    np.testing.assert_array_equal(got, expected[start : start + steps])


@pytest.mark.parametrize("workload", SMALL, ids=lambda w: w.name)
def test_data_and_weights_are_the_same_each_time_and_not_shared(workload):
    x, t = workload.data
    assert len(x) == len(t) == workload.batches * workload.batch
    assert x.shape[1:] == workload.shape
    assert t.min() >= 0
    assert t.max() < workload.classes
    first, second = workload.weights(), workload.weights()
    assert all(a.dtype == np.float32 for a in first)
    first[0][...] = 0
    assert np.abs(second[0]).min() > 0


def test_without_dropout_leaves_other_workloads_as_they_are():
    assert WORDS.without_dropout() is WORDS
    assert not IMAGES.without_dropout().has(Dropout)
    assert IMAGES.has(Dropout)


def test_find():
    assert find("two") is WORKLOADS["two"]
    assert find("width-64").layers[0].outputs == 64
    assert find("batch-7").batch == 7
    with pytest.raises(ValueError, match="workload: one of tiny, .* got 'batch-x'"):
        find("batch-x")
