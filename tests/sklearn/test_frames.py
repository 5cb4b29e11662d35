"""Frames, dates and schedules that reach the estimators through scikit-learn's own ways."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the estimators are for scikit-learn")
from sklearn.compose import make_column_transformer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from handgrad import Affine, ReLU, Sequential, check
from handgrad.optim import OneCycle
from handgrad.sklearn import MLPClassifier, MLPRegressor

pandas = pytest.importorskip("pandas")


def shops(n=1500, shops=150):
    """Sales of many shops, each with a level of its own, and a colour."""
    rng = np.random.default_rng(0)
    shop, level = rng.integers(0, shops, n), rng.normal(size=shops)
    x, colour = rng.normal(size=n), rng.integers(0, 3, n)
    t = level[shop] + x * (colour == 1) + rng.normal(0, 0.1, n)
    names = np.array([f"s{i}" for i in range(shops)], object)[shop]
    names[::40] = None
    frame = pandas.DataFrame(
        {"shop": names, "x": x, "colour": np.array(["r", "g", "b"], object)[colour]}
    )
    return train_test_split(frame, t, random_state=0)


def test_many_categories_are_embedded():
    """They are better told apart than with an input for some; copies go on to the same bits."""
    frame, other, t, expected = shops()
    plain = MLPRegressor(category_embedding=None, random_state=0).fit(frame, t)
    model = MLPRegressor(random_state=0).fit(frame, t)
    assert model.score(other, expected) > 0.8 > plain.score(other, expected)
    assert model.embeddings_.shape == (model.columns_.spec.codes()[0], 8)
    assert model.coefs_[0].shape == (1 + 3 + 8, 100)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(other), model.predict(other))
    inside = model._network.predict(model.scaling_(model.columns_(other)))[:, 0]
    scale = model.target_scaling_
    np.testing.assert_allclose(
        inside * scale.width[0] + scale.center[0], model.predict(other), atol=1e-3
    )
    strange = pandas.DataFrame({"shop": ["new", None], "x": [0.0, None], "colour": ["r", "?"]})
    assert np.isfinite(model.predict(strange)).all()
    np.testing.assert_array_equal(
        copy.partial_fit(frame, t).embeddings_, model.partial_fit(frame, t).embeddings_
    )


def test_embeddings_before_a_network_of_ones_own_and_in_all_categories():
    frame, other, t, expected = shops()
    model = MLPClassifier(
        network=lambda inputs, outputs: Sequential(Affine(30), ReLU(), Affine(outputs)),
        category_embedding=4, random_state=0,
    ).fit(frame, t > 0)  # fmt: skip
    assert model.score(other, expected > 0) > 0.8
    first = model.network_.layers[0]
    assert (first.vocabulary, first.hidden) == ((151, 5), 4)
    x = model.scaling_(model.columns_(other))
    assert check(first.astype(np.float64) if hasattr(first, "astype") else first, x[:5])


def test_dates_and_columns_that_are_left_out():
    rng = np.random.default_rng(0)
    days = pandas.Timestamp("2024-01-01") + pandas.to_timedelta(rng.integers(0, 700, 400), "D")
    frame = pandas.DataFrame({"day": days, "name": [f"n{i}" for i in range(400)], "none": None})
    weekend = np.isin(days.strftime("%a"), ["Sat", "Sun"])
    model = MLPClassifier(random_state=0).fit(frame, weekend)
    assert model.score(frame, weekend) > 0.95
    assert {left.name for left in model.columns_.left} == {"name", "none"}
    frame.loc[3, "day"] = pandas.NaT
    assert model.predict(frame).shape == (400,)
    with pytest.raises(ValueError, match="no column to learn from .name: 400 of 400 differ"):
        MLPClassifier().fit(frame[["name", "none"]], weekend)


def test_frames_out_of_a_pipeline():
    frame, other, t, expected = shops()
    encode = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["colour"]), (StandardScaler(), ["x"])
    )
    pipeline = make_pipeline(encode, MLPRegressor(random_state=0, max_iter=20))
    pipeline.set_output(transform="pandas")
    pipeline.fit(frame, t)
    names = list(pipeline[-1].feature_names_in_)
    assert names[-1] == "standardscaler__x"
    assert pipeline.predict(other).shape == expected.shape


def test_a_schedule_is_followed():
    x = np.random.default_rng(0).normal(size=(96, 2))
    schedule = OneCycle(0.01, steps=30)
    model = MLPClassifier(
        schedule=schedule, batch_size=32, max_iter=10, random_state=0, tol=0.0, n_iter_no_change=99
    )
    with pytest.warns(UserWarning, match="Maximum iterations"):
        model.fit(x, x[:, 0] > 0)
    assert model.n_iter_ == 10
    assert model.learning_rate_ == pytest.approx(schedule(30), abs=1e-9)
