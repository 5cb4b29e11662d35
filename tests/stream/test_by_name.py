"""Learners of dicts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from handgrad import SGD, Adam, Affine, ReLU
from handgrad.stream import DictClassifier, DictRegressor


def weather(rng):
    """A sample, and what to do: by temperature and rain."""
    x = {"temperature": rng.normal(15, 8), "rain": bool(rng.random() < 0.4), "noise": 1e4}
    return x, "walk" if x["temperature"] > 15 and not x["rain"] else "read"


def test_classes_are_learned_as_they_come(rng):
    model = DictClassifier(Affine(16), ReLU(), optimizer=Adam(0.01))
    assert model.predict_one({"temperature": 1.0}) is None
    assert model.predict_proba_one({}) == {}
    for _ in range(400):
        x, y = weather(rng)
        model.learn_one(x, y)
        p = model.predict_proba_one(x)
        assert set(p) == set(model.classes)
        assert sum(p.values()) == pytest.approx(1)
    assert model.metrics(recent=True)["accuracy"] > 0.85
    for _ in range(300):
        x, y = weather(rng)
        y = "swim" if x["temperature"] > 22 else y  # a class that was not there
        model.learn_one(x, y)
    assert list(model.classes) in (["walk", "read", "swim"], ["read", "walk", "swim"])
    assert model.predict_one({"temperature": 35.0, "rain": False, "noise": 1e4}) == "swim"
    assert model.predict_one({"temperature": -5.0, "rain": True, "noise": 1e4}) == "read"


def test_a_new_feature_changes_nothing_until_it_is_learned(rng):
    model = DictClassifier(Affine(8), ReLU(), optimizer=Adam(0.01), scale=False)
    for _ in range(50):
        x = dict(zip("abc", rng.normal(size=3)))
        model.learn_one(x, bool(x["a"] > 0))
    x = {"a": 0.3, "b": 1.0, "c": -1.0}
    before = model.predict_proba_one(x)
    assert model.predict_proba_one(x | {"d": 9.0}) == before  # unknown: ignored
    model.learner.optimizer.lr = 0.0  # so that only the columns come
    new = {f"new{i}": 5.0 for i in range(6)}
    model.learn_one(x | new, True)
    assert len(model.columns) == 9
    assert model.predict_proba_one(x | new) == pytest.approx(before, rel=1e-5)
    model.learner.optimizer.lr = 0.01
    for _ in range(300):
        x = dict(zip(("a", "b", "c", "late"), rng.normal(size=4)))
        model.learn_one(x, bool(x["late"] > 0))
    assert model.metrics(recent=True)["accuracy"] > 0.6
    assert model.predict_one({"late": 2.0}) is True
    assert model.predict_one({"late": -2.0}) is False


def test_features_may_be_ignored(rng):
    model = DictClassifier(optimizer=SGD(0.1), unseen="ignore")
    for _ in range(5):
        model.learn_one({"a": rng.normal(), "b": 1}, "yes")
        model.learn_one({"a": rng.normal(), "c": 1}, "no")
    assert list(model.columns) == ["a", "b"]


def test_a_regression_of_any_scale(rng):
    model = DictRegressor(Affine(16), ReLU(), optimizer=Adam(0.01))
    assert model.predict_one({"size": 3.0}) == 0.0
    for _ in range(600):
        size, rooms = rng.uniform(20, 200), int(rng.integers(1, 6))
        model.learn_one({"size": size, "rooms": rooms}, 3000 * size + 20_000 * rooms)
    for size, rooms in ((50, 2), (150, 4)):
        wanted = 3000 * size + 20_000 * rooms
        assert model.predict_one({"size": size, "rooms": rooms}) == pytest.approx(wanted, rel=0.15)


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        ([1, 2], "a", "a dict of features by name is needed, got"),
        ({"colour": "red"}, "a", "feature 'colour' is the text 'red'"),
        ({"size": math.nan}, "a", "feature 'size' is nan"),
        ({"size": None}, "a", "feature 'size' is None.*leave out what is missing"),
        ({"size": 1.0}, None, "y must be a class"),
        ({"size": 1.0}, ["a"], "y must be a class"),
    ],
)
def test_bad_samples_are_refused_and_change_nothing(x, y, said):
    model = DictClassifier()
    model.learn_one({"size": 2.0}, "a")
    with pytest.raises(ValueError, match=said) as error:
        model.learn_one(x, y)
    assert "\n" not in str(error.value)
    assert list(model.classes) == ["a"]
    assert list(model.columns) == ["size"]


def test_bad_targets_and_options():
    model = DictRegressor()
    with pytest.raises(ValueError, match="the target is nan"):
        model.learn_one({"a": 1}, float("nan"))
    with pytest.raises(ValueError, match="the target is the text '3,5'"):
        model.learn_one({"a": 1}, "3,5")
    with pytest.raises(ValueError, match="unseen: one of 'grow', 'ignore'"):
        DictClassifier(unseen="drop")


@pytest.mark.parametrize("kind", [DictClassifier, DictRegressor])
def test_going_on_from_a_file_gives_the_same(rng, kind, tmp_path):
    model, samples = (
        kind(Affine(8), ReLU(), optimizer=Adam(0.01)),
        [weather(rng) for _ in range(60)],
    )
    if kind is DictRegressor:
        samples = [(x, 3 * x["temperature"]) for x, _ in samples]
    for x, y in samples[:30]:
        model.learn_one(x, y)
    again = kind.load(model.save(tmp_path / "model"), optimizer=Adam(0.01))
    for x, y in samples[30:]:
        for one in (model, again):
            one.learn_one(x | {"late": 1.0}, y)
    assert model.predict_one(samples[0][0]) == again.predict_one(samples[0][0])
    assert model.metrics() == again.metrics()
    other = DictRegressor if kind is DictClassifier else DictClassifier
    with pytest.raises(ValueError, match=f"the file holds no {other.__name__}"):
        other.load(tmp_path / "model")


def test_what_cannot_be_in_a_file_is_said(tmp_path):
    model = DictClassifier()
    with pytest.raises(ValueError, match="nothing was learned yet"):
        model.save(tmp_path / "model")
    model.learn_one({"a": 1}, ("a", "pair"))
    with pytest.raises(ValueError, match=r"classes\[0\] must be text or a number"):
        model.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_the_same_stream_gives_the_same_model():
    found = []
    for _ in range(2):
        rng, model = np.random.default_rng(3), DictClassifier(Affine(4), ReLU(), seed=5)
        for _ in range(30):
            model.learn_one(*weather(rng))
        found.append(model.predict_proba_one({"temperature": 20.0, "rain": False}))
    assert found[0] == found[1]
