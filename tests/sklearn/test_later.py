"""Samples that come later, or never all at once: new classes, and sparse matrices."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the estimators are for scikit-learn")
from sklearn.datasets import load_iris

from handgrad import Affine, Sequential
from handgrad.sklearn import MLPClassifier, MLPRegressor, data

X, y = load_iris(return_X_y=True)


@pytest.mark.parametrize("order", [["b", "d", "a"], ["d", "b", "a"]])
def test_classes_that_come_later_are_learned(order):
    """Probabilities of the classes before keep their ratios, and copies go on alike."""
    labels = np.array(["b", "d", "a"])[y]
    some = np.isin(labels, order[:2])
    model = MLPClassifier(10, random_state=0, batch_norm=True, learning_rate_init=0.01)
    one = labels == order[0]
    model.partial_fit(X[one], labels[one], classes=order[:1])
    for _ in range(20):
        model.partial_fit(X[some], labels[some])
    assert list(model.classes_) == sorted(order[:2])
    before, copy = model.predict_proba(X), pickle.loads(pickle.dumps(model))
    grown = pickle.loads(pickle.dumps(model))
    grown._learn_classes(labels)
    known = np.isin(grown.classes_, order[:2])
    after = grown.predict_proba(X)
    np.testing.assert_allclose(after[:, known] / after[:, known].sum(1, keepdims=True), before)
    assert (after[:, ~known] > 0).all()
    for _ in range(60):
        model.partial_fit(X, labels)
        copy.partial_fit(X, labels)
    np.testing.assert_array_equal(model.coefs_[0], copy.coefs_[0])
    assert model.coefs_[-1].shape == (10, 3)
    assert model.score(X, labels) > 0.8


def test_classes_that_are_refused():
    first = np.arange(100)
    model = MLPClassifier(5).partial_fit(X[first], y[first], classes=[0, 1])
    with pytest.raises(ValueError, match="Mix of label input types"):
        model.partial_fit(X[:1], ["x"])
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        model.partial_fit(X[:1], [0.5])
    with pytest.raises(ValueError, match="classes not in"):
        MLPClassifier(5).partial_fit(X, y, classes=[0, 1])
    model = MLPClassifier(network=Sequential(Affine(1)))
    model.partial_fit(X[first], y[first], classes=[0, 1])
    with pytest.raises(ValueError, match="class 2 is new, and the given network has outputs for 2"):
        model.partial_fit(X, y)
    assert list(model.classes_) == [0, 1]
    labels = np.stack([y == 0, y == 1], axis=1) * 1
    model = MLPClassifier(5).partial_fit(X, labels, classes=[0, 1])
    for other in (np.stack([*labels.T, y == 2], axis=1) * 1, labels[:, 0]):
        with pytest.raises(ValueError, match="2\\) is needed, as in training, got"):
            model.partial_fit(X, other)


def mostly_zeros():
    """Samples with columns of few entries and of many, an outlier, and weights."""
    sparse = pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(0)
    few = sparse.random_array((400, 60), density=0.03, rng=rng, format="csr")
    x = sparse.hstack([few, sparse.csr_array(rng.normal(2, 1, (400, 5)))], format="csr")
    x[3, 62] = 1e6
    t = (x.toarray() @ rng.normal(size=65) > 9).astype(int)
    return x, t, rng.random(400)


def test_a_sparse_matrix_is_scaled_as_a_dense_one():
    x, _, weights = mostly_zeros()
    for given in (None, weights):
        found, expected = (data.scaling_of(X, given, []) for X in (x, x.toarray()))
        for a, b in zip(found, expected):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
        rows = data.Rows(x, found)
        np.testing.assert_allclose(rows[np.arange(7)], expected(x.toarray()[:7]), rtol=1e-6)


@pytest.mark.parametrize("options", [{}, {"early_stopping": True}])
def test_a_large_sparse_matrix_is_made_dense_batch_by_batch(options, monkeypatch):
    x, t, weights = mostly_zeros()
    for kind in (MLPClassifier, MLPRegressor):
        whole = kind(hidden_layer_sizes=8, random_state=0, **options).fit(x, t, weights)
        with monkeypatch.context() as patch:
            patch.setattr(data, "LARGEST", 0)
            patch.setattr(data, "_AT_ONCE", 9000)
            # equal samples are not made one, nor sorted, where there are few
            patch.setattr(data, "_MERGED", 0)
            expected = kind(hidden_layer_sizes=8, random_state=0, **options)
            expected.fit(x.toarray(), t, weights)
            parts = kind(hidden_layer_sizes=8, random_state=0, **options).fit(x, t, weights)
            np.testing.assert_allclose(parts.coefs_[0], expected.coefs_[0], rtol=1e-3, atol=1e-6)
            assert parts.score(x, t) == pytest.approx(expected.score(x.toarray(), t), abs=1e-3)
            if not options:
                assert parts.partial_fit(x, t).score(x, t) > 0.1
        np.testing.assert_allclose(whole.predict(x), whole.predict(x.toarray()))
