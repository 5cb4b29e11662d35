"""Augmentation: seeded, in shape, and what each transform does."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad import SGD, Affine, Flatten, Sequential, ShapeError, fit
from handgrad.train.augment import (
    Augment,
    Brightness,
    Crop,
    Flip,
    Noise,
    Rotate,
    Shift,
    Warp,
    Zoom,
)


@pytest.fixture
def pictures(rng):
    return rng.random((6, 2, 7, 5), np.float32)


@pytest.mark.parametrize(
    "transform",
    [Flip(), Shift(2), Crop(3), Rotate(30), Zoom(0.8, 1.2), Warp(10, (0.9, 1.1)), Brightness(0.2),
     Noise(0.1)],
    ids=lambda t: type(t).__name__,
)  # fmt: skip
def test_seeded_in_shape_and_inputs_unchanged(transform, pictures):
    before = pictures.copy()
    augment = Augment(transform, seed=3)
    first, again, other = augment(pictures, 1), augment(pictures, 1), augment(pictures, 2)
    assert first.shape == pictures.shape
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    np.testing.assert_array_equal(pictures, before)
    assert augment(pictures[:0]).shape == (0, 2, 7, 5)


def test_flip_exchanges_left_and_right(pictures):
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(Flip(1.0)(pictures, rng), pictures[..., ::-1])
    np.testing.assert_array_equal(Flip(0.0)(pictures, rng), pictures)


def test_shift_moves_whole_pixels_and_fills_with_zeros(pictures):
    moved = Shift(2)(pictures, np.random.default_rng(0))
    for before, after in zip(pictures, moved):
        padded = np.pad(before, ((0, 0), (2, 2), (2, 2)))
        fits = [
            (padded[:, i : i + 7, j : j + 5] == after).all() for i in range(5) for j in range(5)
        ]
        assert sum(fits) == 1


def test_a_quarter_turn_is_a_permutation():
    x = np.arange(9, dtype=np.float64).reshape(1, 1, 3, 3)

    class Quarter:
        """Draws the ends of the ranges."""

        def uniform(self, low, high, n):
            return np.full(n, high)

    np.testing.assert_allclose(Rotate(90)(x, Quarter())[0, 0], np.rot90(x[0, 0], -1), atol=1e-12)
    np.testing.assert_allclose(Warp()(x, Quarter()), x)
    doubled = Zoom(2, 2)(x, Quarter())
    assert doubled[0, 0, 1, 1] == 4
    assert doubled[0, 0, 1, 2] == pytest.approx(4.5)  # between its neighbours


def test_brightness_changes_a_picture_as_a_whole(pictures):
    change = Brightness(0.5)(pictures, np.random.default_rng(1)) - pictures
    assert np.ptp(change, axis=(1, 2, 3)).max() < 1e-6
    assert np.ptp(change) > 0.1


def test_training_uses_it(pictures):
    t = np.array([0, 1, 0, 1, 0, 1])
    networks = [Sequential(Flatten(), Affine(2)) for _ in range(3)]
    for network, augment in zip(networks, (None, Augment(Flip()), Augment(Flip()))):
        fit(network, pictures, t, optimizer=SGD(0.1), epochs=3, augment=augment)
    plain, first, second = (network.parameters for network in networks)
    np.testing.assert_array_equal(first, second)
    assert (plain != first).any()


def test_clear_errors(pictures):
    with pytest.raises(ShapeError, match=r"pictures \(N, C, H, W\) are needed, got shape \(7, 5\)"):
        Augment(Flip())(pictures[0, 0])
    with pytest.raises(ValueError, match="Flip: ratio must lie from 0 to 1, got 2"):
        Flip(2)
