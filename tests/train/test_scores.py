"""Ranking, probability and weighted metrics beside scikit-learn; whole-set metrics in training."""

import warnings

import numpy as np
import pytest

import handgrad as hg
from handgrad.train import Trainer, metrics

PEER = "scikit-learn, the peer, is not installed"


@pytest.fixture
def peer():
    return pytest.importorskip("sklearn.metrics", reason=PEER)


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


CASES = [(seed, ties, weighted) for seed in range(3) for ties in (0, 1) for weighted in (0, 1)]


@pytest.mark.parametrize(("seed", "ties", "weighted"), CASES)
def test_two_classes_as_scikit_learn(peer, seed, ties, weighted):
    rng = np.random.default_rng(seed)
    t = rng.integers(0, 2, 80)
    p = np.clip(rng.random(80) * 0.7 + 0.3 * t, 0, 1)
    p = p.round(1) if ties else p
    w = rng.choice([0.0, 0.5, 1, 3], 80) if weighted else None
    for mine, name in (
        (metrics.roc_auc, "roc_auc_score"), (metrics.average_precision, "average_precision_score"),
        (metrics.log_loss, "log_loss"), (metrics.brier_loss, "brier_score_loss"),
    ):  # fmt: skip
        expected = getattr(peer, name)(t, p, sample_weight=w)
        for y in (p, p[:, None], np.stack([1 - p, p], 1)):
            assert mine(y, t, sample_weights=w) == pytest.approx(expected, rel=1e-12), name
        assert mine(p, t == 1, sample_weights=w) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("seed", "ties", "weighted"), CASES)
def test_several_classes_as_scikit_learn(peer, seed, ties, weighted):
    rng = np.random.default_rng(seed)
    t = rng.integers(0, 4, 90)
    p = softmax(rng.normal(size=(90, 4)) + np.eye(4)[t])
    if ties:
        p = softmax(np.log(p).round(0))
    w = rng.choice([0.0, 0.5, 1, 3], 90) if weighted else None
    one_hot = np.eye(4)[t]
    expected = peer.roc_auc_score(t, p, multi_class="ovr", sample_weight=w)
    assert metrics.roc_auc(p, t, sample_weights=w) == pytest.approx(expected, rel=1e-12)
    assert metrics.roc_auc(p, one_hot, sample_weights=w) == pytest.approx(expected, rel=1e-12)
    each = peer.average_precision_score(one_hot, p, average=None, sample_weight=w)
    np.testing.assert_allclose(metrics.average_precision(p, t, None, sample_weights=w), each)
    assert metrics.log_loss(p, t, sample_weights=w) == pytest.approx(
        peer.log_loss(t, p, sample_weight=w))  # fmt: skip
    square = np.average(np.square(p - one_hot).sum(axis=1), weights=w)
    assert metrics.brier_loss(p, t, sample_weights=w) == pytest.approx(square)
    guess = p.argmax(axis=1)
    for mine, name in ((metrics.accuracy, "accuracy_score"),
                       (metrics.balanced_accuracy, "balanced_accuracy_score")):  # fmt: skip
        expected = getattr(peer, name)(t, guess, sample_weight=w)
        assert mine(p, t, sample_weights=w) == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(metrics.confusion_matrix(p, t, sample_weights=w),
                               peer.confusion_matrix(t, guess, sample_weight=w))  # fmt: skip
    if not ties:  # which scikit-learn does not give to the first class
        assert metrics.top_k_accuracy(p, t, 2, sample_weights=w) == pytest.approx(
            peer.top_k_accuracy_score(t, p, k=2, sample_weight=w))  # fmt: skip
    for name in ("precision", "recall", "f1"):
        expected = getattr(peer, name + "_score")(
            t, guess, average="macro", sample_weight=w, zero_division=0
        )
        mine = getattr(metrics, name)(p, t, sample_weights=w)
        assert mine == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("weighted", [0, 1])
def test_several_yes_or_no_as_scikit_learn(peer, weighted):
    rng = np.random.default_rng(4)
    t = rng.integers(0, 2, (70, 2))
    p = np.clip(rng.random((70, 2)) / 2 + t / 3, 0, 1).round(1)
    w = rng.random(70) if weighted else None
    for mine, name in ((metrics.roc_auc, "roc_auc_score"),
                       (metrics.average_precision, "average_precision_score")):  # fmt: skip
        expected = getattr(peer, name)(t, p, sample_weight=w)
        assert mine(p, t, sample_weights=w) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", [(50,), (50, 1), (50, 3)])
@pytest.mark.parametrize("weighted", [0, 1])
def test_values_as_scikit_learn(peer, shape, weighted):
    rng = np.random.default_rng(0)
    y, t = rng.normal(size=(2, *shape))
    t[3] = 0
    w = rng.choice([0.0, 0.5, 1, 3], 50) if weighted else None
    for name in ("mean_squared_error", "root_mean_squared_error", "mean_absolute_error",
                 "mean_absolute_percentage_error"):  # fmt: skip
        expected = getattr(peer, name)(t, y, sample_weight=w)
        mine = getattr(metrics, name)(y, t, sample_weights=w)
        assert mine == pytest.approx(expected, rel=1e-12), name
    assert metrics.r2(y, t, sample_weights=w) == pytest.approx(
        peer.r2_score(t, y, sample_weight=w), rel=1e-12)  # fmt: skip


@pytest.mark.parametrize("k", [None, 1, 3, 20])
@pytest.mark.parametrize("ties", [0, 1])
def test_ndcg_as_scikit_learn(peer, k, ties):
    rng = np.random.default_rng(1)
    t = rng.integers(0, 4, (30, 7)).astype(float)
    t[4] = 0
    y = rng.normal(size=(30, 7)).round(0 if ties else 8)
    w = rng.random(30)
    assert metrics.ndcg(y, t, k) == pytest.approx(peer.ndcg_score(t, y, k=k), rel=1e-12)
    expected = peer.ndcg_score(t, y, k=k, sample_weight=w)
    assert metrics.ndcg(y, t, k, sample_weights=w) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_calibration_as_scikit_learn(strategy):
    peer = pytest.importorskip("sklearn.calibration", reason=PEER)
    rng = np.random.default_rng(2)
    p = rng.random(200).round(2)
    t = (rng.random(200) < p).astype(int)
    observed, predicted = peer.calibration_curve(t, p, n_bins=7, strategy=strategy)
    mine = metrics.calibration_curve(p, t, 7, strategy)
    np.testing.assert_allclose(mine.observed, observed)
    np.testing.assert_allclose(mine.predicted, predicted)
    assert mine.weight.sum() == 200
    w = rng.integers(1, 4, 200)
    repeated = metrics.calibration_curve(p.repeat(w), t.repeat(w), 7)
    for a, b in zip(metrics.calibration_curve(p, t, 7, sample_weights=w), repeated):
        np.testing.assert_allclose(a, b)


def whole(y, t):
    """A metric of one's own that is no mean: how many different values there are."""
    return float(len(np.unique(t)) * 1000 + len(t))


whole.whole = True


@pytest.mark.parametrize("engine", ["numpy", "auto"])
@pytest.mark.parametrize("kind", ["labels", "column", "ignored"])
def test_training_measures_on_all_data_what_is_no_mean(engine, kind):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 3)).astype(np.float32)
    t = (x[:, 0] + rng.normal(size=100) > 0).astype(np.int64)
    loss, outputs, counts = None, 2, np.ones(100, bool)
    if kind == "column":
        t, outputs, loss = t[:, None].astype(np.float32), 1, hg.SigmoidCrossEntropy()
    if kind == "ignored":
        counts, loss = rng.random(100) < 0.7, hg.SoftmaxCrossEntropy(ignore_index=-1)
        t[~counts] = -1
    seen = []

    def look(trainer):
        z = trainer.network.predict(x)[counts].astype(np.float64)
        p = 1 / (1 + np.exp(-z)) if kind == "column" else softmax(z)
        seen.append((metrics.roc_auc(p, t[counts]), metrics.log_loss(p, t[counts])))

    net = hg.Sequential(hg.Affine(4), hg.Tanh(), hg.Affine(outputs), seed=0)
    trainer = Trainer(
        net, x, t, loss=loss, batch=7, epochs=3, engine=engine, validation=(x, t),
        metrics=[metrics.roc_auc, metrics.log_loss, whole], callbacks=[hg.train.Call(look)],
    )  # fmt: skip
    history = trainer.run()
    auc, losses = np.array(seen).T
    np.testing.assert_allclose(history["roc_auc"], auc, rtol=1e-12)
    np.testing.assert_allclose(history["val_roc_auc"], auc, rtol=1e-12)
    np.testing.assert_allclose(history["val_log_loss"], losses, rtol=1e-6)
    np.testing.assert_allclose(history["log_loss"], history["loss"], rtol=1e-5)
    assert history["whole"] == history["val_whole"] == [2000 + counts.sum()] * 3
    assert net.evaluate(x, t, loss=loss, metrics=[metrics.roc_auc])["roc_auc"] == auc[-1]


def test_extreme_scores_are_no_overflow():
    net = hg.Sequential(hg.Affine(2, inputs=1), seed=0).build(np.ones((1, 1)))
    net.parameters[...] = [-500, 500, 0, 0]
    x = np.array([[-1.0], [1.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = net.evaluate(x, np.array([0, 1]), metrics=[metrics.log_loss, metrics.roc_auc])
    assert found["log_loss"] < 1e-6
    assert found["roc_auc"] == 1


Y, T = np.array([0.2, 0.7, 0.9]), np.array([0, 1, 1])
BAD = [
    (lambda: metrics.roc_auc(Y, T * 0), "roc_auc: t has no sample of the class; both are needed"),
    (lambda: metrics.roc_auc(Y, T * 0 + 1), "roc_auc: t has no sample of another class"),
    (lambda: metrics.roc_auc(np.eye(3), T), "column 2 of t has no sample of the class"),
    (lambda: metrics.roc_auc(Y, T, sample_weights=[1, 0, 0]), "t has no sample of the class"),
    (lambda: metrics.roc_auc(Y, [0, 1, 2]), "t must be labels, or 0 and 1 .*, got 2"),
    (lambda: metrics.roc_auc([0.1, np.nan, 0.2], T), "roc_auc: y must be finite, got nan"),
    (lambda: metrics.roc_auc(Y, T, "micro"), "roc_auc: average must be"),
    (lambda: metrics.roc_auc(np.eye(3)[:, :2], [0, 1, 2]), "y has 2 columns, but a label is 2"),
    (lambda: metrics.roc_auc(Y, T[:2]), "one length, got 3 and 2"),
    (lambda: metrics.roc_auc(Y, T, sample_weights=[1, 2]), "3 are needed, one per sample, got 2"),
    (lambda: metrics.roc_auc(Y, T, sample_weights=[1, -1, 1]), "finite numbers ≥ 0"),
    (lambda: metrics.average_precision(Y, T * 0), "average_precision: t has no sample"),
    (lambda: metrics.log_loss(Y * 3, T), "log_loss: y must be probabilities, got 0.6 to 2.7"),
    (lambda: metrics.brier_loss(-Y, T), "brier_loss: y must be probabilities"),
    (lambda: metrics.calibration_curve(np.eye(3), [0, 1, 2]), "probabilities of one class"),
    (lambda: metrics.calibration_curve(Y, T, 0), "bins must be an integer of at least 1, got 0"),
    (lambda: metrics.calibration_curve(Y, T, 3, "odd"), "strategy must be 'uniform' or"),
    (lambda: metrics.ndcg(np.eye(3), np.eye(4)), r"both be \(N, K\)"),
    (lambda: metrics.ndcg(np.eye(3), -np.eye(3)), "t must be ≥ 0"),
    (lambda: metrics.ndcg(np.eye(3), np.eye(3), 0), "k must be an integer of at least 1, got 0"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
