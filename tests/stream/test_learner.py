"""Learner: its updates are those of `fit`; what it refuses, it refuses before it learns."""

from __future__ import annotations

import threading
import tracemalloc

import numpy as np
import pytest

import handgrad as hg
from handgrad.compile import why_not
from handgrad.optim import CosineDecay, Plateau
from handgrad.stream import Learner
from handgrad.train import mean_absolute_error, roc_auc
from tests.stream.conftest import ENGINES

OPTIMIZERS = {
    "sgd": lambda: hg.SGD(0.05),
    "momentum, clipped": lambda: hg.Momentum(0.02, clip_norm=0.5),
    "adam, scheduled": lambda: hg.Adam(CosineDecay(0.02, steps=300), l2=1e-3),
    "amsgrad": lambda: hg.AMSGrad(0.01),
    "rmsprop, decayed": lambda: hg.RMSProp(0.005, weight_decay=0.1, clip_value=0.2),
}


def fitted(network, x, t, batch, **options):
    hg.fit(network, x, t, batch=batch, shuffle=False, progress=False, epochs=1, **options)
    return network


@pytest.mark.parametrize("rule", OPTIMIZERS)
@pytest.mark.parametrize("batch", [1, 4])
def test_the_same_bits_as_fit(engine, data, network, rule, batch):
    x, t = data
    online, offline = network(hg.Dropout(0.2)), network(hg.Dropout(0.2))
    learner = hg.online(online, hg.SoftmaxCrossEntropy(), OPTIMIZERS[rule](), engine=engine)
    for i in range(0, len(x), batch):
        learner.update(*(x[i], int(t[i])) if batch == 1 else (x[i : i + batch], t[i : i + batch]))
    fitted(offline, x, t, batch, optimizer=OPTIMIZERS[rule](), engine=engine)
    np.testing.assert_array_equal(online.parameters, offline.parameters)
    np.testing.assert_array_equal(learner.predict(x), offline.predict(x))


def test_real_targets_and_the_loss_are_those_of_fit(engine, data, network, rng):
    x, _ = data
    t = rng.normal(size=(len(x), 2)).astype(np.float32)
    online, offline = network(outputs=2), network(outputs=2)
    learner = hg.online(online, hg.Huber(), hg.Adam(0.01), engine=engine,
                        metrics=[mean_absolute_error])  # fmt: skip
    losses = [learner.update(row, target) for row, target in zip(x, t)]
    history = hg.fit(offline, x, t, loss=hg.Huber(), optimizer=hg.Adam(0.01), batch=1, epochs=1,
                     shuffle=False, progress=False, engine=engine,
                     metrics=[mean_absolute_error])  # fmt: skip
    np.testing.assert_array_equal(online.parameters, offline.parameters)
    measured = learner.metrics()
    assert measured["loss"] == history["loss"][-1]
    assert measured["mean_absolute_error"] == history["mean_absolute_error"][-1]
    assert np.mean(losses) == pytest.approx(measured["loss"])


def test_one_target_may_be_a_number(engine, data, network):
    x, _ = data
    one, other = network(outputs=1), network(outputs=1)
    a = hg.online(one, hg.MeanSquaredError(), hg.SGD(0.01), engine=engine)
    b = hg.online(other, hg.MeanSquaredError(), hg.SGD(0.01), engine=engine)
    for i in range(20):
        t = float(x[i, 0])
        assert a.update(x[i], t) == b.update(x[i : i + 1].tolist(), [[t]])
    np.testing.assert_array_equal(one.parameters, other.parameters)


def test_batches_of_any_size_in_any_order(engine, data, network):
    """The engines agree whatever comes after what; a program for one size serves others."""
    x, t = data
    found = []
    for name in (engine, "numpy"):
        made = network()
        learner = hg.online(made, optimizer=hg.Adam(0.01), engine=name)
        at = 0
        for n in (1, 3, 1, 1, 7, 33, 1, 2, 17, 1, 100, 5):
            learner.update(x[at : at + n], t[at : at + n])
            at += n
        found.append(made.parameters.copy())
    np.testing.assert_allclose(*found, rtol=2e-3, atol=2e-5)


def test_a_weight_of_two_moves_twice_as_far(engine, data, network):
    x, t = data
    moved = []
    for weight in (None, 1.0, 2.0, [0.0]):
        made = network()
        made.build(x[:1])
        before = made.parameters.copy()
        learner = hg.online(made, optimizer=hg.SGD(0.1), engine=engine)
        learner.update(x[:1], t[:1], weight)
        moved.append(made.parameters - before)
    np.testing.assert_array_equal(moved[0], moved[1])
    np.testing.assert_allclose(moved[2], 2 * moved[1], rtol=1e-4, atol=1e-6)
    assert not moved[3].any()


def test_weights_of_mean_one_are_those_of_fit(engine, data, network):
    x, t = data
    weights = np.tile([0.5, 1.5], len(x) // 2)
    online, offline = network(), network()
    learner = hg.online(online, optimizer=hg.Adam(0.01), engine=engine)
    for row, label, weight in zip(x, t, weights):
        learner.update(row, int(label), float(weight))
    fitted(offline, x, t, 1, optimizer=hg.Adam(0.01), engine=engine, sample_weights=weights)
    np.testing.assert_array_equal(online.parameters, offline.parameters)


def test_weights_of_classes_count_and_ignored_labels_do_not(data, network):
    x, t = data
    t = np.where(np.arange(len(t)) % 5 == 0, -1, t)
    found = []
    for engine in ENGINES:
        made = network()
        loss = hg.SoftmaxCrossEntropy(class_weights=(1, 2, 0.5), ignore_index=-1)
        learner = hg.online(made, loss, hg.SGD(0.05), engine=engine)
        for i in range(0, 60, 3):
            learner.update(x[i], int(t[i]))
            learner.update(x[i + 1 : i + 3], t[i + 1 : i + 3], [2.0, 0.5])
        found.append((made.parameters.copy(), *learner.metrics().values()))
        before = made.parameters.copy()
        assert learner.update(x[0], -1) == 0
        np.testing.assert_array_equal(made.parameters, before)
    for other in found[1:]:
        for a, b in zip(found[0], other):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_labels_of_steps_in_time(engine, rng):
    made = hg.Sequential(hg.Embedding(9, 4), hg.RNN(5), hg.Affine(3), seed=1)
    learner = hg.online(made, hg.SoftmaxCrossEntropy(), hg.Adam(0.05), engine=engine)
    x = rng.integers(0, 9, (80, 6))
    for row in x:
        learner.update(row, row % 3)
    learner.update(x[:7], x[:7] % 3)
    assert learner.predict(x[0]).shape == (6, 3)
    assert learner.metrics(recent=True)["accuracy"] > 0.5
    with pytest.raises(ValueError, match=r"t: shape \(1, 6\) is needed, got \(1, 5\)"):
        learner.update(x[0], x[0, 1:] % 3)


def test_metrics_are_of_what_was_said_before_learning(engine, data, network):
    x, t = data
    made, twin = network(), network()
    learner = hg.online(made, optimizer=hg.Adam(0.01), engine=engine, window=50)
    right = []
    for row, label in zip(x, t):
        right.append(int(learner.predict(row).argmax()) == label)
        learner.update(row, int(label))
    assert learner.metrics()["accuracy"] == pytest.approx(np.mean(right))
    assert learner.metrics(recent=True)["accuracy"] == pytest.approx(np.mean(right[-50:]))
    assert learner.updates == len(x)
    assert twin.engine == "auto"


def test_predictions_are_those_of_the_network(engine, data, network):
    x, t = data
    learner = hg.online(network(), optimizer=hg.Adam(0.01), engine=engine)
    before = learner.predict(x[0])  # before the first update
    learner.update(x[:9], t[:9])
    after = learner.predict(x[0])
    assert before.shape == after.shape == (3,)
    assert (before != after).any()
    for n in (1, 5, 240):
        np.testing.assert_array_equal(learner.predict(x[:n]), learner.network.predict(x[:n]))
    kept = after.copy()
    learner.predict(x[1])
    np.testing.assert_array_equal(after, kept)  # a new array each time


def test_what_is_changed_from_outside_is_seen(engine, data, network):
    x, t = data
    made = network()
    learner = hg.online(made, optimizer=hg.SGD(0.1), engine=engine)
    for i in range(5):
        learner.update(x[i], int(t[i]))
    made[0].W = np.zeros_like(made[0].W)
    np.testing.assert_allclose(learner.predict(x[0]), made.predict(x[0]))
    made.freeze("0")
    b = made[0].b.copy()
    learner.update(x[5], int(t[5]))
    assert not made[0].W.any()
    np.testing.assert_array_equal(made[0].b, b)
    made.unfreeze()
    learner.optimizer.lr = 0.0
    before = made.parameters.copy()
    learner.update(x[6], int(t[6]))
    np.testing.assert_array_equal(made.parameters, before)
    made[2].W += 1
    np.testing.assert_array_equal(learner.predict(x[:3]), made.predict(x[:3]))


def test_a_schedule_that_watches(engine, data, network):
    x, t = data
    learner = hg.online(network(), optimizer=hg.SGD(Plateau(0.1, factor=0.0, patience=0)),
                        engine=engine)  # fmt: skip
    learner.update(x[0], int(t[0]))
    learner.observe(1.0)
    learner.observe(1.0)
    before = learner.network.parameters.copy()
    learner.update(x[1], int(t[1]))
    np.testing.assert_array_equal(learner.network.parameters, before)


def test_ids_of_words(engine, rng):
    made = hg.Sequential(hg.Embedding(11, 4), hg.Flatten(), hg.Affine(2))
    learner = hg.online(made, optimizer=hg.Adam(0.01), engine=engine)
    x = rng.integers(0, 11, (50, 3))
    for row in x:
        learner.update(row, int(row[0] > 5))
    np.testing.assert_array_equal(learner.predict(x), made.predict(x))
    before = made.parameters.copy()
    with pytest.raises(ValueError, match="from 0 to 10"):
        learner.update(np.array([1, 11, 2]), 0)
    np.testing.assert_array_equal(made.parameters, before)


def test_after_a_refusal_it_goes_on_as_if_nothing_had_been(engine, rng):
    found = []
    for wrong in (False, True):
        made = hg.Sequential(hg.Affine(8), hg.Dropout(0.5), hg.BatchNorm(), Refusing(), seed=1)
        learner = hg.online(made, hg.MeanSquaredError(), hg.SGD(0.1), engine=engine)
        x = np.random.default_rng(1).normal(size=(9, 2, 4)).astype(np.float32)
        for i, batch in enumerate(x):
            if wrong and i == 5:
                Refusing.now = True
                with pytest.raises(ValueError, match="not today"):
                    learner.update(batch + 1000, np.zeros((2, 8)))
                Refusing.now = False
            learner.update(batch, np.ones((2, 8)))
        found.append((made.parameters.copy(), made[2].running_mean.copy()))
    for one, other in zip(*found):
        np.testing.assert_array_equal(one, other)


class Refusing:
    now = False

    def forward(self, x):
        if self.now:
            raise ValueError("not today")
        return x

    def backward(self, dy):
        return dy


def test_samples_that_are_no_vectors(engine, rng):
    made = hg.Sequential(hg.Convolution(2, 3), hg.ReLU(), hg.Flatten(), hg.Affine(2))
    learner = hg.online(made, optimizer=hg.SGD(0.1), engine=engine, shape=(1, 6, 6))
    x = rng.normal(size=(4, 1, 6, 6)).astype(np.float32)
    assert learner.update(x[0], 1) > 0
    assert learner.update(x, [0, 1, 0, 1]) > 0
    assert learner.predict(x[0]).shape == (2,)
    with pytest.raises(ValueError, match="shape: that of one sample must be said"):
        hg.online(made).predict(x)


class Square:
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dy):
        return 2 * dy * self.x


def test_layers_of_the_users_own(engine, data, network):
    x, t = data
    online, offline = network(Square()), network(Square())
    learner = hg.online(online, optimizer=hg.Adam(0.01), engine=engine)
    for i in range(60):
        learner.update(x[i], int(t[i]))
    fitted(offline, x[:60], t[:60], 1, optimizer=hg.Adam(0.01), engine=engine)
    np.testing.assert_array_equal(online.parameters, offline.parameters)


def test_batch_statistics_are_kept(engine, data):
    x, t = data
    make = lambda: hg.Sequential(hg.Affine(8), hg.BatchNorm(), hg.ReLU(), hg.Affine(3))  # noqa: E731
    online, offline = make(), make()
    learner = hg.online(online, optimizer=hg.Adam(0.01), engine=engine)
    for i in range(0, len(x), 8):
        learner.update(x[i : i + 8], t[i : i + 8])
    fitted(offline, x, t, 8, optimizer=hg.Adam(0.01), engine=engine)
    np.testing.assert_array_equal(learner.predict(x), offline.predict(x))


class Halving:
    """A rule of one's own: steps that become shorter with each."""

    def __init__(self):
        self.lr = 0.1

    def update(self, params, grads):
        for path, p in params.items():
            p -= self.lr * grads[path]
        self.lr *= 0.99


def test_an_update_rule_of_ones_own(data, network, tmp_path):
    x, t = data
    online, offline = network(), network()
    learner = hg.online(online, optimizer=Halving())
    for i in range(60):
        learner.update(x[i], int(t[i]))
    fitted(offline, x[:60], t[:60], 1, optimizer=Halving())
    np.testing.assert_array_equal(online.parameters, offline.parameters)
    again = Learner.load(learner.save(tmp_path / "own"), optimizer=Halving())
    assert again.optimizer.lr == learner.optimizer.lr == pytest.approx(0.1 * 0.99**60)
    with pytest.raises(ValueError, match="grow: what .*Halving.* remembers cannot grow"):
        learner.grow(inputs=6)
    learner.optimizer.lr = 1e30
    with np.errstate(all="ignore"), pytest.raises(hg.DivergenceError, match="after update 50"):
        [learner.update(row, int(label)) for row, label in zip(x, t)]
    assert learner.optimizer.lr == pytest.approx(0.1 * 0.99**50)


def test_nothing_is_allocated_from_update_to_update(data, network):
    if why_not():
        pytest.skip("no native library")
    x, t = data
    learner = hg.online(network(), optimizer=hg.Adam(0.01), window=10)
    rows, labels = list(x), t.tolist()

    def pass_over():
        for row, label in zip(rows, labels):
            learner.update(row, label)

    for _ in range(3):
        pass_over()
    tracemalloc.start()
    try:
        pass_over()  # what a block of steps holds is replaced by what the next one holds
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(4):
            pass_over()
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 2_000
    assert peak - before < 60_000  # while the numbers of 256 steps are made


def test_threads_wait_for_each_other(engine, data, network):
    x, t = data
    learner = hg.online(network(), optimizer=hg.SGD(0.001), engine=engine)
    learner.update(x[0], int(t[0]))

    def work(first):
        for i in range(first, 160, 4):
            learner.update(x[i], int(t[i]))
            assert np.isfinite(learner.predict(x[i])).all()

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert learner.updates == 161
    assert learner.metrics()["loss"] > 0


# -- what goes wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "t", "weight", "said"),
    [
        (np.zeros(4), 0, None, r"update: x: a sample of shape \(5,\), or a batch"),
        (np.zeros((2, 3)), [0, 1], None, r"a sample of shape \(5,\)"),
        (np.zeros(5), 3, None, "labels from 0 to 2 are needed, got 3; grow"),
        (np.zeros(5), -1, None, "labels from 0 to 2"),
        (np.zeros(5), 1.5, None, "the targets so far were integers, got float64"),
        (np.zeros(5), "wet", None, "t: numbers are needed, got 'wet'"),
        (["a"] * 5, 0, None, "update: x: numbers are needed"),
        ({"a": 1}, 0, None, "update: x: numbers are needed"),
        ([[1, 2], [3]], 0, None, "rectangular"),
        (np.array([0, 1, np.nan, 0, 0]), 0, None, "update: x must be finite, but row 0, column 2"),
        (np.array([[0, 1, 0, 0, np.inf]] * 3), [0, 1, 2], None, "column 4 is inf"),
        (np.zeros((3, 5)), [0, 1], None, r"t: shape \(3,\) is needed, got \(2,\)"),
        (np.zeros(5), 0, -1.0, "weight: 1 finite number ≥ 0"),
        (np.zeros((2, 5)), [0, 1], [1.0], "weight: 2 finite numbers ≥ 0"),
        (np.zeros((0, 5)), np.zeros(0, int), None, "empty"),
    ],
)
def test_bad_data_is_refused_and_changes_nothing(engine, data, network, x, t, weight, said):
    learner = hg.online(network(hg.BatchNorm()), optimizer=hg.Adam(0.01), engine=engine)
    learner.update(data[0][:4], data[1][:4])
    before, state = learner.network.parameters.copy(), learner.optimizer.state_dict()
    with pytest.raises(ValueError, match=said) as error:
        learner.update(x, t, weight)
    assert "\n" not in str(error.value)
    np.testing.assert_array_equal(learner.network.parameters, before)
    np.testing.assert_equal(learner.optimizer.state_dict(), state)
    learner.update(data[0][4:8], data[1][4:8])  # and it goes on
    assert learner.metrics()["loss"] > 0


def test_a_first_sample_that_the_network_does_not_take_is_forgotten(engine, data, network):
    made = network()
    made.build(data[0][:1])
    learner = hg.online(made, engine=engine)
    for call in (lambda: learner.update(np.zeros(4), 1), lambda: learner.predict(np.zeros((2, 6)))):
        with pytest.raises(hg.ShapeError, match="Affine: the last axis of x must be 5"):
            call()
    with pytest.raises(ValueError, match="labels from 0 to 2"):
        learner.update(data[0][0], 3)
    assert learner.update(data[0][0], 2) > 0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda n: hg.online(n, engine="torch"), "engine: one of 'auto'"),
        (lambda n: hg.online(n, optimizer="adem"), "optimizer must be one of"),
        (lambda n: hg.online(n, optimizer=hg.LBFGS()), "LBFGS looks at all of the data"),
        (lambda n: hg.online(n, window=0), "window: an integer of at least 1"),
        (lambda n: hg.online(n, metrics="accuracy"), "metrics: functions"),
        (lambda n: hg.online(n, threads=0), "threads: an integer"),
        (lambda n: hg.online(n, metrics=[roc_auc]), "roc_auc is no mean over samples"),
        (lambda n: hg.online(n, "mse").update(np.zeros(5), 1), "loss: a loss such as"),
        (lambda n: hg.online(n, engine="numpy").grow(inputs=9), "before the first sample"),
    ],
)
def test_options_that_do_not_fit(network, make, said):
    with pytest.raises(ValueError, match=said):
        make(network())


@pytest.mark.parametrize("rule", [hg.SGD(0.1), hg.Adam(0.1)])
def test_targets_that_the_loss_does_not_take(engine, data, network, rule):
    made = network(hg.BatchNorm(), outputs=2)
    learner = hg.online(made, hg.SigmoidCrossEntropy(), rule, engine=engine)
    learner.update(data[0][:3], [[0.0, 1.0]] * 3)
    before, mean = made.parameters.copy(), made[2].running_mean.copy()
    for t in ([0.0, 1.5], np.array([0.0, -1.0], np.float32)):
        with pytest.raises(ValueError, match=r"t must lie in \[0, 1\]"):
            learner.update(data[0][1], t)
    np.testing.assert_array_equal(made.parameters, before)
    np.testing.assert_array_equal(made[2].running_mean, mean)
    assert learner.update(data[0][1], [1.0, 0.0]) > 0


def test_a_closed_learner_is_refused(engine, data, network):
    with hg.online(network(), engine=engine) as learner:
        learner.update(data[0][0], int(data[1][0]))
    for call in (lambda: learner.update(data[0][0], 0), lambda: learner.predict(data[0][0])):
        with pytest.raises(ValueError, match="this learner is closed"):
            call()
    assert learner.metrics()["loss"] > 0


def test_without_a_native_form_the_reason_is_said(data, network):
    made = hg.Sequential(hg.Affine(3), seed=1, dtype=np.float64)
    learner = hg.online(made)
    learner.update(data[0][0], 1)
    assert learner.engine.startswith("NumPy (")
    with pytest.raises(ValueError, match="engine: "):
        hg.online(made, engine="native").update(data[0][0], 1)


@pytest.mark.parametrize("rule", [lambda: hg.SGD(1e4), lambda: hg.Momentum(1e30)])
def test_divergence_goes_back_to_good_weights(engine, data, rule):
    x, _ = data
    made = hg.Sequential(hg.Affine(8), hg.Affine(1), seed=1)
    learner = hg.online(made, hg.MeanSquaredError(), hg.SGD(1e-3), engine=engine,
                        metrics=[mean_absolute_error])  # fmt: skip
    for i in range(130):
        learner.update(x[i], float(x[i, 0]))
    learner.optimizer.lr = rule().lr
    with np.errstate(all="ignore"), pytest.raises(hg.DivergenceError, match="as after update 50"):
        [learner.update(row, float(row[0])) for row in x[:60]]
    assert np.isfinite(made.parameters).all()
    assert learner.updates == 50
    learner.optimizer.lr = 1e-3
    assert np.isfinite(learner.update(x[0], 1.0))
    assert set(learner.metrics()) == {"loss", "mean_absolute_error"}
