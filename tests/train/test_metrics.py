"""Metrics: small cases by hand, and the numbers of scikit-learn."""

import numpy as np
import pytest

from handgrad.train import metrics

PEER = "scikit-learn, the peer, is not installed"


@pytest.fixture
def scores():
    rng = np.random.default_rng(3)
    t = rng.integers(0, 4, size=60)
    return rng.normal(size=(60, 6)) + 1.5 * np.eye(6)[t], t  # classes 4 and 5 never occur


def test_accuracy_by_hand():
    assert metrics.accuracy([[0.1, 0.9], [0.8, 0.2], [0.5, 0.5]], [1, 1, 0]) == pytest.approx(2 / 3)
    assert metrics.accuracy([1, 0, 2], np.eye(3)[[1, 0, 1]]) == pytest.approx(2 / 3)
    assert metrics.accuracy([1.0, 0.0], [True, False]) == 1


def test_ties_go_to_the_first_class():
    y = [[0.5, 0.5, 0.0]]
    assert [metrics.accuracy(y, [c]) for c in range(3)] == [1, 0, 0]
    assert [metrics.top_k_accuracy(y, [c], k=1) for c in range(3)] == [1, 0, 0]
    assert [metrics.top_k_accuracy(y, [c], k=2) for c in range(3)] == [1, 1, 0]


def test_confusion_matrix_by_hand():
    expected = [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    np.testing.assert_array_equal(metrics.confusion_matrix([0, 1, 1], [0, 0, 1], 3), expected)
    np.testing.assert_array_equal(metrics.confusion_matrix([0, 1], [0, 0]), [[1, 1], [0, 0]])
    assert metrics.confusion_matrix(np.eye(4)[[0, 1]], [0, 0]).shape == (4, 4)
    with pytest.raises(ValueError, match="there are 2 classes, but a label is 2"):
        metrics.confusion_matrix([0, 2], [0, 0], 2)


@pytest.mark.parametrize("shape", [(6, 9), (3, 2, 9)], ids=str)
def test_sequences_are_counted_element_by_element(shape):
    rng = np.random.default_rng(1)
    y, t = rng.normal(size=(*shape, 4)), rng.integers(0, 3, shape)
    rows, labels = y.reshape(-1, 4), t.reshape(-1)
    for metric in (metrics.accuracy, lambda y, t: metrics.top_k_accuracy(y, t, 2), metrics.f1,
                   metrics.confusion_matrix):  # fmt: skip
        expected = metric(rows, labels)
        np.testing.assert_array_equal(metric(y, t), expected)
    assert metrics.accuracy(y, np.eye(4)[t]) == metrics.accuracy(rows, labels)
    assert metrics.confusion_matrix(y, t).shape == (4, 4)


def test_zero_by_zero_is_zero():
    y, t = [0, 0, 1], [0, 2, 2]
    np.testing.assert_allclose(metrics.precision(y, t, None), [0.5, 0, 0])
    np.testing.assert_allclose(metrics.recall(y, t, None), [1, 0, 0])
    np.testing.assert_allclose(metrics.f1(y, t, None), [2 / 3, 0, 0])
    assert metrics.precision(y, t) == pytest.approx(0.5 / 3)


def test_classification_as_scikit_learn(scores):
    peer = pytest.importorskip("sklearn.metrics", reason=PEER)
    y, t = scores
    guess = y.argmax(axis=1)
    assert metrics.accuracy(y, t) == peer.accuracy_score(t, guess)
    for k in (1, 2, 5):
        expected = peer.top_k_accuracy_score(t, y, k=k, labels=range(6))
        assert metrics.top_k_accuracy(y, t, k) == pytest.approx(expected, rel=1e-14)
    expected = peer.confusion_matrix(t, guess, labels=range(6))
    np.testing.assert_array_equal(metrics.confusion_matrix(y, t), expected)
    for mine, name in (
        (metrics.precision, "precision_score"),
        (metrics.recall, "recall_score"),
        (metrics.f1, "f1_score"),
    ):
        score = getattr(peer, name)
        macro = score(t, guess, average="macro", zero_division=0)
        each = score(t, guess, average=None, labels=range(6), zero_division=0)
        assert mine(y, t) == pytest.approx(macro, rel=1e-14)
        np.testing.assert_allclose(mine(guess, t, None), each[: guess.max() + 1], rtol=1e-14)


@pytest.mark.parametrize("shape", [(20,), (20, 1), (20, 3)])
def test_regression_as_scikit_learn(shape):
    peer = pytest.importorskip("sklearn.metrics", reason=PEER)
    y, t = np.random.default_rng(0).normal(size=(2, *shape))
    assert metrics.mean_squared_error(y, t) == pytest.approx(peer.mean_squared_error(t, y))
    assert metrics.mean_absolute_error(y, t) == pytest.approx(peer.mean_absolute_error(t, y))
    assert metrics.r2(y, t) == pytest.approx(peer.r2_score(t, y), rel=1e-12)


def test_r2_of_a_constant_column_as_scikit_learn():
    peer = pytest.importorskip("sklearn.metrics", reason=PEER)
    t = np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]])
    y = np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 3.0]])
    assert metrics.r2(y, t) == peer.r2_score(t, y) == 0.5


def test_a_column_is_the_same_as_a_row_of_values():
    y, t = np.random.default_rng(0).normal(size=(2, 8))
    assert metrics.mean_squared_error(y[:, None], t) == metrics.mean_squared_error(y, t)
    assert metrics.mean_squared_error([1, 2], [1, 4]) == 2


def test_results_are_plain_numbers(scores):
    for name in ("accuracy", "top_k_accuracy", "precision", "recall", "f1"):
        assert type(getattr(metrics, name)(*scores)) is float


BAD = [
    (lambda: metrics.accuracy([0, 1], [0]), "same length, got 2 and 1"),
    (lambda: metrics.accuracy([0.3, 0.7], [0, 1]), r"y must be scores \(N, K\) with K ≥ 2"),
    (lambda: metrics.accuracy([[0.3], [0.7]], [0, 1]), r"got shape \(2, 1\) of float64"),
    (lambda: metrics.accuracy([-1, 1], [0, 1]), "y must be scores"),
    (lambda: metrics.accuracy(np.eye(2), [-1, 1]), r"from -1; leave .*counted\(loss, y, t\)"),
    (lambda: metrics.accuracy([], []), "y must be scores"),
    (lambda: metrics.accuracy(["a"], ["a"]), "y must be scores"),
    (lambda: metrics.top_k_accuracy([0, 1], [0, 1]), r"needs scores \(N, K\), got \(2,\)"),
    (lambda: metrics.top_k_accuracy(np.eye(3), [0, 1, 3]), r"needs scores \(N, K\)"),
    (lambda: metrics.top_k_accuracy(np.eye(3), [0, 1, 2], 4), "k must be from 1 to 3"),
    (lambda: metrics.f1([0], [0], "micro"), "average must be 'macro' or None"),
    (lambda: metrics.mean_squared_error([1.0, 2.0], [1.0]), r"got \(2,\) and \(1,\)"),
    (lambda: metrics.mean_squared_error(np.ones((2, 2)), [1.0, 2.0]), "same shape"),
    (lambda: metrics.mean_absolute_error([], []), "same shape"),
    (lambda: metrics.r2([1.0], [1.0]), "at least two samples"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
