"""Dropout: which elements stay, in what proportion, and when."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad import Dropout, ShapeError, SpatialDropout, check
from handgrad.arrays import Stream


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.5, 0.9])
def test_the_mask_is_the_streams_words_compared_with_the_ratio(ratio):
    x = np.arange(1.0, 36.0, dtype=np.float32).reshape(5, 7)
    layer = Dropout(ratio, seed=3)
    words = Stream(3).bits(35)
    expected = [
        v * np.float32(1 / (1 - ratio)) if int(word) >= ratio * 2**32 else np.float32(0)
        for v, word in zip(x.ravel(), words)
    ]
    np.testing.assert_array_equal(layer(x).ravel(), expected)


def test_words_go_in_c_order_whatever_the_layout(rng):
    x = rng.standard_normal((6, 8))
    np.testing.assert_array_equal(Dropout(seed=1)(x), Dropout(seed=1)(np.asfortranarray(x)))


def test_share_and_mean():
    y = Dropout(0.3, seed=0)(np.ones(100_000))
    assert np.mean(y == 0) == pytest.approx(0.3, abs=0.006)
    assert y.mean() == pytest.approx(1, abs=0.01)


def test_each_forward_draws_anew_and_backward_draws_nothing():
    layer, x = Dropout(seed=5), np.ones((4, 50))
    first = layer(x)
    np.testing.assert_array_equal(layer.backward(x), first)
    np.testing.assert_array_equal(layer.backward(x), first)
    assert layer.stream.step == 1
    assert not np.array_equal(layer(x), first)


def test_the_same_seed_gives_the_same_masks_and_global_state_none():
    x = np.ones((4, 50))
    before = str(np.random.get_state())
    np.testing.assert_array_equal(Dropout(seed=5)(x), Dropout(seed=5)(x))
    assert not np.array_equal(Dropout(seed=5)(x), Dropout(seed=6)(x))
    assert str(np.random.get_state()) == before


def test_evaluation_is_the_identity(rng):
    x, dy = rng.standard_normal((2, 4, 5))
    layer = Dropout(0.9, seed=0).eval()
    np.testing.assert_array_equal(layer(x), x)
    np.testing.assert_array_equal(layer.backward(dy), dy)
    assert layer.stream.step == 0


def test_evaluation_after_training_forgets_the_mask(rng):
    x = rng.standard_normal((4, 5))
    layer = Dropout(0.9, seed=0)
    layer(x)
    layer.eval()
    layer(x)
    np.testing.assert_array_equal(layer.backward(x), x)


@pytest.mark.parametrize("ratio", [1, 1.5, -0.1, float("nan")])
def test_a_ratio_outside_is_refused(ratio):
    with pytest.raises(ValueError, match=r"Dropout: ratio must lie in \[0, 1\), got"):
        Dropout(ratio)


def test_a_word_equal_to_the_threshold_is_kept():
    words = Stream(2).bits(16)
    for i in (0, 7):
        ratio = int(words[i]) / 2**32
        y = Dropout(ratio, seed=2)(np.ones(16))
        assert y[i] == 1 / (1 - ratio)
        np.testing.assert_array_equal(y > 0, words >= words[i])


def test_the_scaled_form_keeps_in_training_and_shrinks_in_evaluation(rng):
    x, dy = rng.standard_normal((2, 6, 8))
    layer, inverted = Dropout(0.2, scaled=True, seed=3), Dropout(0.2, seed=3)
    y = layer(x)
    np.testing.assert_array_equal(y, np.where(inverted(x) == 0, 0, x))
    np.testing.assert_array_equal(layer.backward(dy), np.where(y == 0, 0, dy))
    layer.eval()
    np.testing.assert_allclose(layer(x), 0.8 * x)
    np.testing.assert_allclose(layer.backward(dy), 0.8 * dy)
    assert layer(x.astype(np.float32)).dtype == np.float32
    assert check(layer, x)


def test_spatial_dropout_drops_whole_channels(rng):
    x, dy = rng.uniform(1, 2, (2, 5, 6, 3, 2))
    layer = SpatialDropout(0.4, seed=3)
    y = layer(x)
    keep = Stream(3).bits(30).reshape(5, 6, 1, 1) >= 0.4 * 2**32
    np.testing.assert_allclose(y, x * keep / 0.6)
    np.testing.assert_allclose(layer.backward(dy), dy * keep / 0.6)
    assert 0 < keep.sum() < 30
    np.testing.assert_array_equal(layer.eval()(x), x)
    with pytest.raises(ShapeError, match=r"SpatialDropout: x must be \(N, C, …\) with an image"):
        layer(x[0, 0])
    with pytest.raises(ValueError, match=r"SpatialDropout: ratio must lie in \[0, 1\), got 1"):
        SpatialDropout(1)


def test_seeds_of_all_64_bits_are_different():
    draws = {Stream(seed, 1).bits(2).tobytes() for seed in (2**63, 2**63 + 3, 2**64 - 1, 3)}
    assert len(draws) == 4
