"""Samples that come later, or never all at once: new classes, and sparse matrices."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the estimators are for scikit-learn")
from sklearn.datasets import load_iris

from handgrad import Affine, Sequential
from handgrad.sklearn import MLPClassifier

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
