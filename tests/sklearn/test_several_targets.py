"""Several targets of several classes each: the estimator, and the layers that part their scores."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the estimators are for scikit-learn")
from scipy.special import softmax

import handgrad as hg
from handgrad.sklearn import MLPClassifier
from handgrad.train.heads import head_layers

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_several_targets_of_several_classes():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4))
    y = np.stack([np.digitize(X[:, 0], [-0.5, 0.5]), np.digitize(X[:, 1], [-1, -0.3, 0.3, 1])], 1)
    model = MLPClassifier(max_iter=60, random_state=0).fit(X, y)
    p = model.predict_proba(X)
    assert [part.shape for part in p] == [(400, 3), (400, 5)] == [
        (400, len(classes)) for classes in model.classes_
    ]  # fmt: skip
    for part, scores, logs in zip(p, model.decision_function(X), model.predict_log_proba(X)):
        np.testing.assert_allclose(part.sum(axis=1), 1)
        np.testing.assert_allclose(part, softmax(scores, axis=1))
        np.testing.assert_allclose(logs, np.log(part))
    found = model.predict(X)
    np.testing.assert_array_equal(found, np.stack([part.argmax(axis=1) for part in p], axis=1))
    weights = rng.uniform(1, 2, 400)
    right = (found == y).all(axis=1)
    assert model.score(X, y, weights) == np.average(right, weights=weights) > 0.8
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X)[1], p[1])


def test_words_as_several_targets_in_each_way():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(150, 3))
    y = np.stack([np.where(X[:, 0] > 0, "yes", "no"), np.array(list("abc"))[(X > 0).sum(1) % 3]], 1)
    ways = [{"n_members": 2}, {"solver": "lbfgs"}, {"early_stopping": True},
            {"class_weight": "balanced"}, {"network": small}]  # fmt: skip
    for way in ways:
        model = MLPClassifier(20, max_iter=20, random_state=0, **way).fit(X, y)
        assert set(model.predict(X)[:, 0]) == {"yes", "no"}, way
        assert [part.shape[1] for part in model.predict_proba(X)] == [2, 3]
    model = MLPClassifier(20, learning_rate_init=0.03, random_state=0)
    for _ in range(20):
        model.partial_fit(X, y, classes=[["no", "yes"], ["a", "b", "c"]])
    assert np.mean(model.predict(X)[:, 0] == y[:, 0]) > 0.9
    with pytest.raises(ValueError, match="target 1 has the class d, which was not there"):
        model.partial_fit(X, np.where(y == "a", "d", y))


def small(inputs, outputs):
    return hg.Sequential(hg.Affine(8), hg.Tanh(), hg.Affine(outputs))


def test_several_targets_learn_what_the_sum_of_their_losses_says():
    """Heads of one size are the scores (N, T, K) of one loss: to the same weights."""
    rng = np.random.default_rng(2)
    sizes, y = (3, 2), rng.normal(size=(6, 5)).astype(np.float32)
    t = np.stack([rng.integers(0, n, 6) for n in sizes], axis=1)
    network = hg.Sequential(*head_layers(sizes)).build(y)
    loss = hg.SoftmaxCrossEntropy()
    value = loss.forward(network.forward(y), t)
    dy = network.backward(loss.backward()[0])
    for part, dpart, labels in zip(np.split(y, [3], 1), np.split(dy, [3], 1), t.T):
        one = hg.SoftmaxCrossEntropy()
        value = value - one.forward(part, labels) / 2
        np.testing.assert_allclose(dpart, one.backward(0.5)[0], rtol=1e-6)
    assert abs(value) < 1e-6
