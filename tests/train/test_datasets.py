"""The embedded digits, and the sets made from a formula."""

import numpy as np
import pytest

from handgrad.train import datasets


def test_digits():
    x, t = datasets.digits()
    assert (x.shape, x.dtype, t.shape, t.dtype) == ((1797, 64), np.float32, (1797,), np.int64)
    assert (x.min(), x.max()) == (0, 1)
    assert np.bincount(t).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    images, _ = datasets.digits(images=True)
    np.testing.assert_array_equal(images.reshape(1797, 64), x)
    assert images.shape == (1797, 1, 8, 8)


def test_digits_are_those_of_scikit_learn():
    peer = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    x, t = datasets.digits()
    np.testing.assert_array_equal(x * 16, peer.load_digits().data)
    np.testing.assert_array_equal(t, peer.load_digits().target)


MADE = [datasets.spiral, datasets.moons, datasets.circles, datasets.sine]


@pytest.mark.parametrize("make", MADE)
def test_made_sets_are_seeded(make):
    x, t = make(seed=1)
    assert x.dtype == np.float32
    assert len(x) == len(t)
    assert x.tobytes() == make(seed=1)[0].tobytes()
    assert (x != make(seed=2)[0]).any()
    with pytest.raises(ValueError, match=f"{make.__name__}: n must be .* got 0"):
        make(0)


def test_shapes_without_noise():
    x, t = datasets.spiral(50, classes=4, noise=0)
    assert np.bincount(t).tolist() == [50] * 4
    np.testing.assert_allclose(np.hypot(*x.T), np.tile(np.arange(50) / 50, 4), atol=1e-6)
    x, t = datasets.circles(30, noise=0)
    np.testing.assert_allclose(np.hypot(*x.T), np.where(t == 1, 0.5, 1.0), atol=1e-6)
    x, t = datasets.moons(30, noise=0)
    centres = np.where(t[:, None] == 0, (0, 0), (1, 0.5))
    np.testing.assert_allclose(np.hypot(*(x - centres).T), 1, atol=1e-6)
    assert (x[t == 0, 1] >= 0).all()
    assert (x[t == 1, 1] <= 0.5).all()
    x, t = datasets.sine(30, noise=0)
    np.testing.assert_allclose(t, np.sin(x), atol=1e-6)
    assert np.abs(x).max() <= np.pi


def test_gates():
    rules = {
        "and": np.logical_and,
        "or": np.logical_or,
        "nand": lambda a, b: ~np.logical_and(a, b),
        "xor": np.logical_xor,
    }
    for name, rule in rules.items():
        x, t = datasets.gates(name)
        np.testing.assert_array_equal(t, rule(*(x.T > 0)))
    with pytest.raises(ValueError, match="one of and, or, nand, xor; got 'nor'"):
        datasets.gates("nor")
