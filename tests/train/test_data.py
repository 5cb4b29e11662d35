"""Data: checks that name the entry, splitting, order, batches, standardisation."""

import numpy as np
import pytest

from handgrad.arrays import ShapeError
from handgrad.train.data import (
    check_data,
    check_inputs,
    check_targets,
    encode_labels,
    random_order,
    split,
    split_rows,
)


class Frame:
    """What handgrad needs of a data frame: named columns, and a conversion to an array."""

    def __init__(self, values, columns):
        self.values, self.columns = np.array(values, dtype=object), columns

    def __array__(self, dtype=None, copy=None):
        return self.values


def test_lists_integers_and_floats_are_accepted_as_they_are():
    assert check_inputs([[1, 2], [3, 4]]).dtype == np.int64
    assert check_inputs([[1.5], [2]]).dtype == np.float64
    assert check_inputs(np.ones((2, 3), np.float32)).dtype == np.float32
    assert check_inputs([[True]], dtype=np.float32).dtype == np.float32
    x = np.ones((2, 3))
    assert check_inputs(x) is x


FIRST_TEN = [2, 7, 9, 5, 1, 0, 4, 6, 8, 3]

NAN = np.ones((4, 3))
NAN[2, 1] = np.nan
PICTURE = np.ones((2, 1, 3, 3))
PICTURE[1, 0, 2, 2] = -np.inf

BAD_INPUTS = [
    (NAN, "x must be finite, but row 2, column 1 is nan"),
    (PICTURE, r"x must be finite, but entry \[1, 0, 2, 2\] is -inf"),
    ([[1, "red"], [2, 3]], "x must hold numbers, but row 0, column 1 is red"),
    ([["1", "2"]], r"its dtype is <U1; convert it with astype\(float\)"),
    (np.array([[1.0, None]], dtype=object), "row 0, column 1 is None"),
    (np.array([[1.0, 2.0]], dtype=object), r"its dtype is object; convert it"),
    (Frame([[1, 2], [3, "x"]], ["age", "name"]), "row 1, column 'name' is x"),
    (np.ones((2, 2), complex), "its dtype is complex128"),
    ([[1, 2], [3]], "x must be rectangular, but its rows differ in length"),
    ([], r"x is empty: shape \(0,\)"),
    (np.ones((5, 0)), r"x is empty: shape \(5, 0\)"),
    (3.0, "x must be an array with rows, got float"),
    (None, "x must be an array with rows, got NoneType"),
]


@pytest.mark.parametrize(("x", "message"), BAD_INPUTS, ids=[m[:30] for _, m in BAD_INPUTS])
def test_bad_inputs(x, message):
    with pytest.raises(ValueError, match=message) as error:
        check_inputs(x)
    assert "\n" not in str(error.value)


def test_targets():
    x, t = check_data([[1.0], [2.0]], [0, 1])
    assert x.shape == (2, 1)
    assert t.dtype == np.int64
    with pytest.raises(ShapeError, match="validation: t must have the 2 samples of x, got 3"):
        check_data([[1.0], [2.0]], [0, 1, 2], "validation")
    with pytest.raises(ValueError, match=r"t holds text such as 'cat'; encode_labels\(t\)"):
        check_targets(["cat", "dog"], 2)
    with pytest.raises(ValueError, match="t must be finite, but row 1 is nan"):
        check_targets([0.0, np.nan], 2)


def test_encode_labels():
    indices, classes = encode_labels(["dog", "cat", "dog"])
    np.testing.assert_array_equal(indices, [1, 0, 1])
    assert list(classes) == ["cat", "dog"]
    with pytest.raises(ShapeError, match=r"one column \(N,\), got shape \(1, 2\)"):
        encode_labels([[0, 1]])


def test_order_depends_on_seed_and_epoch_alone():
    order = random_order(1000, seed=3, epoch=2)
    np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    np.testing.assert_array_equal(order, random_order(1000, seed=3, epoch=2))
    for other in (random_order(1000, 3, 1), random_order(1000, 4, 2), np.arange(1000)):
        assert (order == other).mean() < 0.02


def test_order_is_the_same_on_every_machine():
    assert random_order(10).tolist() == FIRST_TEN
    with pytest.raises(ValueError, match=r"seed must be an integer from 0 .* got -1"):
        random_order(10, seed=-1)


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5, 0.77])
def test_stratified_split_divides_every_class_in_proportion(fraction):
    t = np.random.default_rng(0).choice(4, size=500, p=[0.6, 0.3, 0.08, 0.02])
    train, held = split_rows(t, fraction)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, held])), np.arange(500))
    assert len(held) == round(500 * fraction)
    for label in range(4):
        assert abs((t[held] == label).sum() - fraction * (t == label).sum()) <= 1


def test_split_without_classes_is_random_and_seeded():
    t = np.arange(100.0)
    train, held = split_rows(t, 0.3)
    assert (len(train), len(held)) == (70, 30)
    np.testing.assert_array_equal(held, split_rows(t, 0.3)[1])
    assert (held != split_rows(t, 0.3, seed=1)[1]).any()
    ints = np.repeat([0, 1], 50)
    assert (split_rows(ints, 0.3)[1] != split_rows(ints, 0.3, stratify=False)[1]).any()


def test_split_keeps_rows_together():
    x, t = np.arange(20).reshape(10, 2), np.arange(0, 20, 2) % 4
    x_train, t_train, x_test, t_test = split(x, t, 0.4)
    np.testing.assert_array_equal(t_train, x_train[:, 0] % 4)
    np.testing.assert_array_equal(t_test, x_test[:, 0] % 4)


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 0.01, 0.99, np.nan])
def test_a_split_with_an_empty_part_is_refused(fraction):
    with pytest.raises(ValueError, match="of 10 samples leaves one part empty"):
        split_rows(np.zeros(10), fraction)


def test_split_errors():
    with pytest.raises(ShapeError, match="same length, got 3 and 4"):
        split(np.ones(3), np.ones(4))
    with pytest.raises(ShapeError, match=r"stratify needs class labels \(N,\)"):
        split(np.ones(4), np.ones((4, 2)), 0.5, stratify=True)
