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
    whole = 0.0
    for number in numbers:
        whole += number
    for _ in range(20):
        total, position = 0.0, 0
        for part in np.split(numbers, np.sort(rng.integers(0, size + 1, 3))):
            if len(part):
                total = running(total, part, position, size)[-1]
                position += len(part)
        assert total == whole


@pytest.mark.parametrize("updates", [1, 3, 100])
def test_sums_of_many_epochs_at_once_are_those_of_each_alone(updates, rng):
    numbers = rng.normal(size=250) * 10.0 ** rng.integers(-12, 3, 250)
    position = updates // 2
    alone, total = [], 0.25
    for i, number in enumerate(numbers, position):
        total = number + (total if i % updates or i == position else 0.0)
        alone.append(total)
    assert list(running(0.25, numbers, position, updates)) == alone
