"""Samples in other dtypes, ranks and layouts."""

import numpy as np
import pytest

from handgrad.testing import gradient_check
from handgrad.testing.variants import LAYOUTS, Variant


def variant(*inputs, dtype="float64", rank=None, layout="C"):
    return Variant((0, inputs), dtype, rank, layout).inputs()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_elements_are_equal_in_every_layout(rng, layout, dtype):
    x = rng.normal(size=(3, 5))
    (given,) = variant(x, dtype=dtype, layout=layout)
    assert given.dtype == dtype
    assert np.array_equal(given, x.astype(dtype))


def test_layouts_differ_in_memory(rng):
    x = rng.normal(size=(3, 5))
    assert len({variant(x, layout=layout)[0].strides for layout in LAYOUTS}) == len(LAYOUTS)


@pytest.mark.parametrize(
    ("rank", "shape"), [(1, (5,)), (2, (3, 5)), (3, (2, 3, 5)), (4, (2, 2, 3, 5))]
)
def test_ranks_grow_in_front(rng, rank, shape):
    x, labels = rng.normal(size=(3, 5)), np.array([0, 1, 2])
    given, same = variant(x, labels, rank=rank)
    assert given.shape == shape
    assert np.array_equal(same, labels)


def test_integers_stay(rng):
    ids = rng.integers(0, 5, (4,))
    assert variant(ids, dtype="float32")[0].dtype == ids.dtype


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtypes": ["int64"]}, "'int64' is not a dtype of real numbers"),
        ({"dtypes": ["real"]}, "'real' is not a dtype of real numbers"),
        ({"layouts": ["rows"]}, "layout 'rows'; there are"),
        ({"ranks": [0]}, "ranks begin at 1, got 0"),
        ({"layouts": []}, "each need one entry"),
    ],
)
def test_what_cannot_be_is_refused(rng, options, message):
    with pytest.raises(ValueError, match=message):
        gradient_check([rng.normal(size=(2, 3))], **options)
