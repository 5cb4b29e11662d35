"""A training that is interrupted and goes on comes out as one that is not, to the bit."""

import numpy as np
import pytest

from handgrad.train.engine.task import running

from .interruptions import compare


def test_interrupted_trainings_come_out_the_same():
    interruptions, differences = compare(30)
    assert interruptions >= 30
    assert differences == []


@pytest.mark.parametrize("size", [1, 2, 17, 300])
def test_sums_do_not_depend_on_how_they_are_grouped(size, rng):
    numbers = rng.normal(size=size) * 10.0 ** rng.integers(-12, 3, size)
    whole = running(0.0, numbers)
    one_by_one = 0.0
    for number in numbers:
        one_by_one = running(one_by_one, [number])
    assert one_by_one == whole
    for _ in range(20):
        cuts = np.sort(rng.integers(0, size + 1, 3))
        total = 0.0
        for part in np.split(numbers, cuts):
            total = running(total, part) if len(part) else total
        assert total == whole
