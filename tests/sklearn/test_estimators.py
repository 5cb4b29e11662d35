"""The estimators for scikit-learn: what they are beyond its checks and its tests."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the estimators are for scikit-learn")
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_iris, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from handgrad import Adam, Affine, ReLU, Sequential
from handgrad.sklearn import MLPClassifier, MLPRegressor
from handgrad.sklearn.data import scaling_of
from handgrad.sklearn.scaling import Scaling

X, y = load_iris(return_X_y=True)
CANCER = load_breast_cancer(return_X_y=True)


def by_hand(model, X):
    """The outputs of the last layer from coefs_ and intercepts_, with ReLU between."""
    for i, (W, b) in enumerate(zip(model.coefs_, model.intercepts_)):
        X = X @ W + b
        X = np.maximum(X, 0) if i < len(model.coefs_) - 1 else X
    return X


def test_defaults_are_right_where_scaling_decides():
    for options in ({}, {"hidden_layer_sizes": 30, "activation": "identity"}):
        assert cross_val_score(MLPClassifier(random_state=0, **options), *CANCER).mean() > 0.96


def test_targets_of_any_scale():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3)) * [1, 1e4, 1e-3] + [0, 1e6, 5]
    t = (x[:, 0] + (x[:, 1] - 1e6) / 1e4) ** 2
    for scale, shift in ((1, 0), (1e6, 3e8), (1e-5, -1)):
        model = MLPRegressor(random_state=0).fit(x[:200], t[:200] * scale + shift)
        assert model.score(x[200:], t[200:] * scale + shift) > 0.9


def test_one_entry_does_not_spoil_a_column():
    wrong = CANCER[0].copy()
    wrong[7, 3] = 1e9
    assert Scaling.of(wrong).width[3] < 3 * Scaling.of(CANCER[0]).width[3]
    assert MLPClassifier(random_state=0).fit(wrong, CANCER[1]).score(*CANCER) > 0.96


def test_columns_of_like_width_keep_their_proportions():
    x = np.random.default_rng(0).uniform(-1, 1, (500, 3)) * [1, 2, 4]
    constant, shared = np.full((500, 1), 7e-9), np.sqrt(x.var(axis=0).mean())
    for unit in (1.0, 1e6):
        model = MLPRegressor(max_iter=1).fit(np.hstack([x * unit, constant]), x[:, 0])
        np.testing.assert_allclose(model.scaling_.width[:3], unit * shared, rtol=1e-6)
    unlike = MLPRegressor(max_iter=1).fit(x * [1, 1, 4], x[:, 0])
    np.testing.assert_allclose(unlike.scaling_.width, x.std(axis=0) * [1, 1, 4], rtol=1e-6)
    codes = scaling_of(np.hstack([x, np.arange(500.0)[:, None]]), None, [3])
    np.testing.assert_allclose(codes.width[:3], shared, rtol=1e-6)


def test_a_long_tail_is_not_cut():
    """Where most values are nearly the same, the others are no outliers."""
    rng = np.random.default_rng(0)
    x = np.where(rng.random(1000) < 0.2, rng.lognormal(3, 1, 1000), rng.normal(0, 1e-3, 1000))
    assert np.mean(Scaling.of(x[:, None]).clip(x[:, None])[:, 0] == x) > 0.98


def test_the_weights_are_those_for_raw_inputs():
    model = MLPClassifier((20, 10), random_state=0).fit(X, y)
    np.testing.assert_allclose(by_hand(model, X), model.decision_function(X))
    t = 1e5 + 1e3 * X @ [[1, 2], [3, 4], [5, 6], [7, 8]]
    model = MLPRegressor(random_state=0).fit(X, t)
    np.testing.assert_allclose(by_hand(model, X), model.predict(X))
    model = MLPClassifier(20, batch_norm=True, random_state=0).fit(X, y)
    network = model._network
    np.testing.assert_allclose(
        by_hand(model, X), network.predict(model.scaling_(X)), rtol=1e-3, atol=1e-3
    )


def test_weights_that_are_put_there_count():
    model = MLPRegressor(random_state=0).fit(X, y)
    model.coefs_ = [0 * W for W in model.coefs_]
    model.intercepts_[-1][:] = 7
    np.testing.assert_array_equal(model.predict(X), 7.0)
    model.partial_fit(X, np.full(len(X), 7.0))
    np.testing.assert_allclose(model.predict(X), 7.0, atol=1e-2)


def test_epochs_stop_where_their_count_says():
    """Many epochs in one native call, but none too many: as when each is looked at."""
    several = MLPClassifier(solver="sgd", tol=0.01, max_iter=500, random_state=0).fit(X, y)
    seen = []

    class Look:
        def on_epoch(self, trainer):
            seen.append(trainer.network.parameters.copy())

    each = clone(several).set_params(callbacks=[Look()]).fit(X, y)
    assert len(seen) == each.n_iter_ == several.n_iter_ < 500
    assert several.loss_curve_ == each.loss_curve_
    np.testing.assert_array_equal(several.coefs_[0], each.coefs_[0])


def test_weights_mean_repetition():
    times = np.random.default_rng(0).integers(0, 4, len(X))
    for model in (MLPClassifier(random_state=0), MLPRegressor(random_state=0)):
        a = clone(model).fit(X, y, sample_weight=times)
        b = clone(model).fit(X.repeat(times, 0), y.repeat(times))
        np.testing.assert_array_equal(a.coefs_[0], b.coefs_[0])


def test_class_weight_means_sample_weight():
    Z, z = make_classification(400, weights=[0.9], random_state=0)
    share = np.bincount(z)
    for given, weights in (({0: 1, 1: 5}, np.where(z == 1, 5.0, 1.0)),
                           ("balanced", len(z) / (2 * share[z]))):  # fmt: skip
        a = MLPClassifier(class_weight=given, random_state=0).fit(Z, z)
        b = MLPClassifier(random_state=0).fit(Z, z, sample_weight=weights)
        np.testing.assert_allclose(a.coefs_[0], b.coefs_[0])
    with pytest.raises(ValueError, match="class_weight: 'balanced' needs the whole"):
        MLPClassifier(class_weight="balanced").partial_fit(Z, z, classes=[0, 1])


def test_validation_data_and_best_weights():
    model = MLPClassifier(random_state=0).fit(X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])
    assert len(model.validation_scores_) == model.n_iter_
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.score(X[1::2], y[1::2]) == pytest.approx(model.best_validation_score_)


def test_a_network_optimizer_and_schedule_of_ones_own(tmp_path):
    file = tmp_path / "net.py"
    file.write_text(
        "from handgrad import Affine, Sequential, Tanh\n"
        "network = Sequential(Affine(9), Tanh(), Affine(3))\n"
    )
    for network in (
        str(file),
        Sequential(Affine(16), ReLU(), Affine(3)),
        lambda inputs, outputs: Sequential(Affine(8, inputs=inputs), ReLU(), Affine(outputs)),
    ):
        model = MLPClassifier(network=network, optimizer=Adam(0.01), random_state=0, max_iter=60)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, y)
        assert model.score(X, y) > 0.9
        assert not hasattr(model, "coefs_")
    with pytest.raises(ValueError, match=r"network: an output of shape \(N, 3\) is needed"):
        MLPClassifier(network=Sequential(Affine(5))).fit(X, y)


def test_copies_and_files_predict_the_same_and_learn_on_the_same():
    for options in ({"solver": "sgd"}, {"batch_norm": True}, {"dropout": 0.1}):
        model = MLPClassifier(random_state=0, **options)
        for _ in range(3):
            model.partial_fit(X, y, classes=[0, 1, 2])
        network = model._network
        again = pickle.loads(pickle.dumps(model))  # what scikit-learn's users do with any estimator
        assert "_network" not in model.__getstate__()
        assert model._network is network
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
        np.testing.assert_array_equal(
            again.partial_fit(X, y).coefs_[0], model.partial_fit(X, y).coefs_[0]
        )


def test_in_the_company_of_scikit_learn():
    model = MLPClassifier(random_state=0, hidden_layer_sizes=10)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), model), {"mlpclassifier__alpha": [1e-4, 1.0]}, n_jobs=-1,
        cv=3,
    ).fit(X, y)  # fmt: skip
    assert search.best_score_ > 0.9
    calibrated = CalibratedClassifierCV(model, cv=3).fit(X, y)
    assert calibrated.predict_proba(X).shape == (150, 3)
    found = permutation_importance(model.fit(X, y), X, y, n_repeats=2, random_state=0)
    assert found.importances_mean[2] > found.importances_mean[0]


def test_metadata_is_routed():
    import sklearn

    with sklearn.config_context(enable_metadata_routing=True):
        model = MLPClassifier(random_state=0, hidden_layer_sizes=5).set_fit_request(
            sample_weight=True
        )
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), model)
        weights = np.where(y == 2, 0.0, 1.0)
        pipeline.fit(X, y, sample_weight=weights)
    assert pipeline.predict(X).max() < 2


def test_learning_rates_as_scikit_learn_has_them():
    few = [[3, 2], [1, 6], [5, 6], [-2, -4]], [1, 1, 1, 0]
    for rule in ("constant", "invscaling"):
        model = MLPClassifier(solver="sgd", learning_rate=rule, max_iter=2, power_t=0.25)
        with pytest.warns(ConvergenceWarning):
            model.fit(*few)
        expected = 0.001 if rule == "constant" else 0.001 / (8 + 1) ** 0.25
        assert model.learning_rate_ == pytest.approx(expected)
    model = MLPClassifier(solver="sgd", learning_rate="adaptive", tol=0.5, max_iter=3000)
    assert model.fit(*few).learning_rate_ < 1e-6


@pytest.mark.parametrize(
    ("options", "data", "text"),
    [
        ({}, ([[1.0, np.nan]], [0]), "Input X contains NaN"),
        ({}, ([[1.0, np.inf]], [0]), "Input X contains infinity"),
        ({}, ([["a", "b"]], [0]), "could not convert string to float"),
        ({}, (np.zeros((3, 0)), [0, 1, 0]), r"0 feature\(s\)"),
        ({"hidden_layer_sizes": (3, 0)}, (X, y), "hidden_layer_sizes must be > 0"),
        ({"activation": ["relu"], "hidden_layer_sizes": (3, 3)}, (X, y), "one for each of the 2"),
        ({"scale": "other"}, (X, y), "'scale' parameter"),
        ({"class_weight": {0: -1}}, (X, y), "class_weight: numbers >= 0 are needed, got -1 for 0"),
        ({"class_weight": {1: np.nan}}, (X, y), "class_weight: numbers >= 0 .* got nan for 1"),
        ({"class_weight": dict.fromkeys(range(3), 0)}, (X, y), "no sample has a weight above 0"),
        ({"class_weight": [{0: 1}]}, (X, y), "class_weight: a list is for several targets"),
    ],
)
def test_what_is_refused(options, data, text):
    with pytest.raises(ValueError, match=text):
        MLPClassifier(**options).fit(*data)


def test_one_class_one_sample_many_classes():
    model = MLPClassifier().fit(X[:5], ["only"] * 5)
    assert (model.predict(X) == "only").all()
    np.testing.assert_array_equal(model.predict_proba(X), 1)
    assert MLPRegressor().fit([[1.0, 2.0]], [5.0]).predict([[1.0, 2.0]]).shape == (1,)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        many = MLPClassifier(5, max_iter=1).fit(np.arange(3000.0)[:, None], np.arange(3000))
    assert many.predict_proba([[0.0]]).shape == (1, 3000)


def test_members_are_averaged_and_reproducible():
    model = MLPClassifier(10, n_members=3, random_state=0).fit(X, y)
    assert len(model.members_) == 3
    each = np.array([member.predict_proba(X) for member in model.members_])
    np.testing.assert_allclose(model.predict_proba(X), each.mean(axis=0))
    np.testing.assert_allclose(model.decision_function(X), np.log(each.mean(axis=0)))
    assert np.ptp(each, axis=0).max() > 0.01
    again = clone(model).set_params(n_jobs=1).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    alone = clone(model.members_[1]).fit(X, y)
    np.testing.assert_array_equal(alone.coefs_[0], model.members_[1].coefs_[0])
    t = X @ [1.0, 2.0, 3.0, 4.0]
    several = MLPRegressor(hidden_layer_sizes=10, n_members=3, random_state=0).fit(X, t)
    assert several.partial_fit(X, t).score(X, t) > 0.95


def passengers(library, n=400):
    rng = np.random.default_rng(0)
    sex = np.where(rng.random(n) < 0.4, "female", "male").astype(object)
    age = rng.gamma(5, 6, n)
    survived = np.where((sex == "female") ^ (age < 10), "yes", "no")
    age[::7], sex[3] = np.nan, None
    ticket = [f"T{i}" for i in rng.integers(0, 100, n)]
    data = {"sex": sex, "age": age, "ticket": ticket, "paid": rng.random(n) < 0.5}
    return library.DataFrame(data), survived


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_with_categories_and_missing_cells(library):
    library = pytest.importorskip(library)
    frame, survived = passengers(library)
    model = MLPClassifier(20, random_state=0).fit(frame, survived)
    assert model.score(frame, survived) > 0.85
    assert list(model.feature_names_in_) == ["sex", "age", "ticket", "paid"]
    assert model.n_features_in_ == 4
    assert model.coefs_[0].shape == (3 + 2 + 1 + 8, 20)  # a ticket is 8 numbers
    assert model.embeddings_.shape == (96, 8)  # of those that come twice, and two more
    one_hot = MLPClassifier(20, category_embedding=None, random_state=0).fit(frame, survived)
    assert one_hot.coefs_[0].shape == (3 + 2 + 65 + 1, 20)
    strange = library.DataFrame(
        {"sex": ["unknown"], "age": [20.0], "ticket": ["new"], "paid": [True]}
    )
    assert model.predict(strange).shape == (1,)
    with pytest.raises(ValueError, match="a data frame with the columns sex, age, ticket, paid"):
        model.predict(np.zeros((1, 4)))


def test_what_frames_are_refused():
    pandas = pytest.importorskip("pandas")
    frame, survived = passengers(pandas)
    twice = pandas.concat([frame, frame[["age"]]], axis=1)
    with pytest.raises(ValueError, match="X: column 'age' occurs more than once"):
        MLPClassifier(5).fit(twice, survived)
    model = MLPClassifier(5, random_state=0).fit(frame, survived)
    with pytest.raises(ValueError, match="'age' held numbers in training, but row 2 is 'old'"):
        model.predict(frame.assign(age=[None, 3.0, "old", *[1.0] * 397]))
    with pytest.raises(
        ValueError, match="column 'sex' of the training is missing; the nearest is 'sexe'"
    ):
        model.predict(frame.rename(columns={"sex": "sexe"}))


def test_losses_for_numbers():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2))
    t = 1000 * (x[:, 0] + x[:, 1] ** 2)
    t[::30] += 1e5
    clean = np.delete(np.arange(300), np.arange(0, 300, 30))
    robust, plain = (
        MLPRegressor(loss, random_state=0).fit(x, t).score(x[clean], t[clean])
        for loss in ("absolute_error", "squared_error")
    )
    assert robust > 0.9 > plain
    counts = rng.poisson(np.exp(x[:, 0] + 3))
    assert MLPRegressor("poisson", random_state=0).fit(x, counts).score(x, counts) > 0.9
    with pytest.raises(ValueError, match="loss='poisson': targets >= 0 are needed, got -1"):
        MLPRegressor("poisson").fit(x, counts - counts.min() - 1)


def test_the_poisson_loss_is_right():
    from handgrad import check
    from handgrad.sklearn.deviance import PoissonDeviance

    rng = np.random.default_rng(0)
    assert check(PoissonDeviance(), rng.normal(size=(5, 2)), rng.poisson(2.0, (5, 2)).astype(float))


def test_multilabel_targets_sparse_inputs_text_and_booleans():
    sparse = pytest.importorskip("scipy.sparse")
    both = np.column_stack([y == 0, y == 2]).astype(int)
    model = MLPClassifier(random_state=0).fit(sparse.csr_array(X), both)
    assert model.score(sparse.csc_array(X), both) > 0.95
    assert model.predict(X).shape == (150, 2)
    for labels in (np.array(["a", "b", "c"])[y], y == 1):
        assert set(MLPClassifier(random_state=0).fit(X, labels).predict(X)) == set(labels)
    with pytest.raises(ValueError, match="lbfgs: a sparse matrix .* would take 8.0 GB"):
        MLPClassifier(solver="lbfgs").fit(
            sparse.csr_array((20_000, 100_000)), np.arange(20_000) % 2
        )


def test_numbers_as_several_inputs():
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.uniform(0, 20, 400), np.ones(400)])
    t = np.floor(x[:, 0]) % 3
    options = {"random_state": 0, "hidden_layer_sizes": 30}
    plain = MLPRegressor(**options).fit(x[:300], t[:300])
    embedded = MLPRegressor(numeric_embedding=40, **options).fit(x[:300], t[:300])
    assert embedded.score(x[300:], t[300:]) > plain.score(x[300:], t[300:]) + 0.2
    assert embedded.coefs_[0].shape == (40 + 1, 30)
    np.testing.assert_allclose(by_hand(embedded, embedded.embedding_(x))[:, 0], embedded.predict(x))
    encoded = embedded.embedding_(np.array([[-5.0, 1.0], [10.0, 1.0], [25.0, 2.0]]))
    assert encoded[0, 0] < 0 == encoded[0, 1:40].max()
    assert ((encoded[1, :40] >= 0) & (encoded[1, :40] <= 1)).all()
    assert 1 < encoded[2, 39] <= 2
    np.testing.assert_array_equal(encoded[:, 40], 0)


def test_full_batches_of_several_targets_reach_the_least_squares():
    A = np.random.default_rng(0).normal(size=(4, 3)) * [1, 10, 1000]
    model = MLPRegressor(
        hidden_layer_sizes=5, activation="identity", solver="lbfgs", alpha=0, tol=1e-8,
        max_iter=1000, random_state=0,
    ).fit(X, X @ A)  # fmt: skip
    np.testing.assert_allclose(model.predict(X), X @ A, rtol=1e-3, atol=1e-3 * 1000)
    assert not hasattr(model, "partial_fit")


def test_a_bar_and_a_callback_where_asked_for(capsys):
    seen = []

    class Count:
        def on_epoch(self, trainer):
            seen.append(trainer.epoch)

    model = MLPClassifier(5, random_state=0, progress=True, callbacks=[Count()], n_jobs=-1).fit(
        X, y
    )
    assert seen == list(range(1, model.n_iter_ + 1))
    assert "training" in capsys.readouterr().err
