"""The training doctor: what it names, what it leaves alone, and what it costs the training: no bit.

All of the zoo is scored by `python -m tests.train.watch.score`; here one broken training for each
rule, and some healthy ones.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

import handgrad as hg
from handgrad import Affine, BatchNorm, Dropout, ReLU, Sequential
from handgrad.train import History, Trainer, diagnose, fit
from handgrad.train.heads import head_layers
from handgrad.train.watch import Diagnosis, Watch
from handgrad.train.watch.finding import GRADES
from handgrad.train.watch.measure.network import histogram
from handgrad.train.watch.rules import RULES
from handgrad.train.watch.watcher import plan
from tests.train.watch import data
from tests.train.watch.broken import BROKEN
from tests.train.watch.case import run
from tests.train.watch.healthy import HEALTHY

NAMES = [rule.name for rule in RULES]
FIRST = {case.wants[0]: case for case in reversed(BROKEN)}


def test_the_zoo_is_large_and_has_a_training_for_every_rule():
    assert len(BROKEN) >= 40
    assert len(HEALTHY) >= 20
    assert {name for case in BROKEN for name in case.wants} == set(NAMES) - {"one-answer"}
    assert len(set(NAMES)) == len(NAMES)
    assert all(set(rule.after) <= set(NAMES) for rule in RULES)


def test_a_rule_comes_after_those_that_explain_it():
    for i, rule in enumerate(RULES):
        assert set(rule.after) <= set(NAMES[:i]), rule.name


@pytest.mark.parametrize("name", sorted(FIRST))
def test_each_mistake_is_named(name):
    found = run(FIRST[name])
    finding = next(f for f in found if f.name in FIRST[name].wants)
    assert finding.grade in GRADES
    assert finding.where
    assert finding.advice
    assert finding.measured


@pytest.mark.parametrize("case", HEALTHY[::4], ids=lambda case: case.name)
def test_nothing_is_said_of_healthy_trainings(case):
    assert run(case).names == []


# -- the training stays as it is ---------------------------------------------------------------


@pytest.mark.parametrize("engine", ["numpy", "auto"])
def test_watching_changes_no_bit(engine):
    def train(watch):
        x, t = data.digits(300)
        network = Sequential(Affine(20), BatchNorm(), ReLU(), Dropout(0.3), Affine(10))
        history = fit(network, x, t, epochs=3, batch=16, validation=0.2, progress=False,
                      engine=engine, watch=watch, optimizer=hg.Adam(0.01))  # fmt: skip
        layer = network.layers[1]
        return history, [network.parameters, layer.running_mean, layer.running_var]

    plain, watched = train(False), train(Watch(show=False, histograms=True))
    assert plain[0]["loss"] == watched[0]["loss"]
    assert plain[0]["val_loss"] == watched[0]["val_loss"]
    assert all(np.array_equal(a, b) for a, b in zip(plain[1], watched[1]))
    assert plain[0].diagnosis is None


def test_stateful_sequences_and_averages_stay_as_they_are():
    random = np.random.default_rng(0)
    x = random.normal(size=(40, 6, 3)).astype(np.float32)
    t = x.sum(axis=(1, 2))[:, None]

    def train(watch):
        network = Sequential(hg.RNN(5, stateful=True), hg.Index(np.s_[:, -1]), Affine(1))
        fit(network, x, t, epochs=3, batch=20, progress=False, watch=watch, shuffle=False,
            average=hg.train.EMA(0.8))  # fmt: skip
        return network.parameters

    assert np.array_equal(train(False), train(Watch(show=False)))


def test_few_steps_are_looked_at_and_none_twice():
    assert plan(0, 1000, 5) == {0, 62, 250, 999}
    assert plan(0, 1, 5) == {0}
    assert plan(990, 1000, 5) == {990, 992, 999}
    x, t = data.digits(200)
    trainer = Trainer(Sequential(Affine(10)), x, t, steps=100, progress=False, engine="numpy",
                      watch=Watch(show=False, readings=4))  # fmt: skip
    found = trainer.run().diagnosis
    assert [r.step for r in found.readings] == [0, 25, 99, 100]
    assert all(p.update for r in found.readings[:-1] for p in r.parameters)
    assert found.readings[-1].parameters[0].update is None


def test_a_reading_tells_the_truth():
    x, t = data.digits(128)
    network = Sequential(Affine(12), ReLU(), Affine(10))
    trainer = Trainer(network, x, t, steps=3, batch=128, progress=False, engine="numpy",
                      optimizer=hg.SGD(0.1), watch=Watch(show=False, histograms=True))  # fmt: skip
    reading = trainer.run().diagnosis.readings[0]
    fresh = Sequential(Affine(12), ReLU(), Affine(10)).build(x)
    loss = hg.SoftmaxCrossEntropy()
    assert reading.loss == pytest.approx(loss.forward(fresh.forward(x), t), rel=1e-5)
    fresh.backward(loss.backward()[0])
    W, dW = fresh.layers[0].W, fresh.layers[0].dW
    told = reading.parameters[0]
    assert told.path == "0.W"
    assert told.rms == pytest.approx(np.sqrt((W**2).mean()), rel=1e-5)
    assert told.gradient == pytest.approx(np.sqrt((dW**2).mean()), rel=1e-4)
    assert told.update == pytest.approx(0.1 * told.gradient, rel=1e-3)
    assert told.ratio == pytest.approx(told.update / told.rms)
    assert sum(told.histogram.counts) == W.size
    assert [(o.path, o.kind) for o in reading.outputs] == [("0", "Affine"), ("1", "ReLU"),
                                                           ("2", "Affine")]  # fmt: skip
    y = np.maximum(x @ W + fresh.layers[0].b, 0)
    assert reading.outputs[1].rms == pytest.approx(np.sqrt((y**2).mean()), rel=1e-5)
    assert reading.outputs[1].dead == pytest.approx(1 - (y > 0).any(axis=0).mean())


def test_data_frames_give_their_names():
    pandas = pytest.importorskip("pandas")
    x, t, _ = data.split(data.table())
    frame = pandas.DataFrame(x, columns=list("abcdef"))
    frame["c"] *= 1000
    with pytest.warns(UserWarning, match="column 2 of x"):
        history = fit(Sequential(Affine(8), ReLU(), Affine(1)), frame, t, steps=20, progress=False,
                      watch=Watch(show=False, columns=frame.columns))  # fmt: skip
    assert history.diagnosis[0].where == "column 'c'"


def test_it_speaks_on_standard_error_and_in_plain_data(capsys):
    x, t = data.digits(200)
    history = fit(Sequential(Affine(10, init="zeros")), x, t, steps=60, progress=False,
                  watch=True, optimizer=hg.SGD(0.0), engine="numpy")  # fmt: skip
    said = capsys.readouterr().err
    assert said.startswith("training doctor: 1 finding\nnothing moves: all parameters, step 0")
    assert said.strip() == str(history.diagnosis)
    found = history.diagnosis
    assert Diagnosis.of_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert (len(found), found.names, found.healthy) == (1, ["nothing-moves"], False)
    assert diagnose(history) is found


def test_a_divergence_is_diagnosed_too():
    x, t, _ = data.split(data.table())
    trainer = Trainer(Sequential(Affine(32), ReLU(), Affine(1)), x, t, optimizer=hg.SGD(50.0),
                      progress=False, engine="numpy", watch=Watch(show=False))  # fmt: skip
    with pytest.raises(hg.DivergenceError) as error:
        trainer.run()
    found = trainer.history.diagnosis
    assert error.value.diagnosis is found
    assert found[0].name == "diverged"
    assert found[0].step == trainer.step


@pytest.mark.parametrize(("watch", "said"), [("yes", "got 'yes'"), (1, "got 1")])
def test_another_value_of_watch_is_refused(watch, said):
    with pytest.raises(ValueError, match=said):
        Trainer(Sequential(Affine(10)), *data.digits(50), watch=watch)
    with pytest.raises(ValueError, match="integer of at least 3, got 2"):
        Watch(readings=2)


# -- a history alone ------------------------------------------------------------------------------


def curves(**columns):
    return diagnose(History({name: list(values) for name, values in columns.items()}))


def test_a_history_alone_shows_what_curves_show():
    down = np.exp(-np.arange(30) / 8)
    assert curves(loss=down, val_loss=down * 1.1 + 0.05).healthy
    assert curves(loss=[0.5], val_loss=[0.6]).healthy
    bowl = 0.5 + 0.02 * np.abs(np.arange(30) - 8)
    assert curves(loss=down, val_loss=bowl).names == ["overfitting"]
    assert curves(loss=1 + 0.1 * np.arange(10)).names == ["lr-too-high"]
    wild = 1 + 0.5 * (np.arange(20) % 2)
    assert curves(loss=wild).names == ["lr-too-high"]
    assert curves(loss=2.3 - 0.002 * np.arange(20)).names == ["lr-too-low"]
    flat = 0.69 + 1e-4 * np.sin(np.arange(20) * 2)
    assert curves(loss=flat).names == ["no-learning"]
    assert "one-answer" in curves(loss=flat, val_accuracy=[0.75] * 20).names
    fading = 0.1 * 0.5 ** np.arange(20)
    assert curves(loss=1.2 - 0.2 * (1 - fading / 0.1), lr=fading).names == ["lr-schedule"]


def test_an_end_by_nan_stands_in_the_history():
    history = History({"loss": [1.0, 2.0]}, stopped="the loss became nan")
    assert diagnose(history).names[0] == "diverged"


def test_a_history_is_needed():
    with pytest.raises(TypeError, match="a History is needed"):
        diagnose({"loss": [1, 2]})


@pytest.mark.parametrize(
    ("values", "counts"),
    [([0, 1, 1, 3], {0: 1, 10: 2, 29: 1}), ([2.5], {15: 1}), ([1e-45, 3e-45], {0: 1, 29: 1}),
     ([1.0, 1 + 2**-52], {0: 1, 29: 1}), ([-1.7e308, 1.7e308, np.nan], {0: 1, 29: 1}), ([], {}),
     ([5e-324, 1e-323], {15: 2})],
)  # fmt: skip
def test_a_histogram_counts_whatever_the_range(values, counts):
    found = histogram(np.array(values, np.float64))
    assert {i: count for i, count in enumerate(found.counts) if count} == counts
    assert found.high > found.low


def test_labels_that_the_loss_ignores_are_no_classes(rng):
    x, t = rng.normal(size=(80, 5)), np.where(np.arange(80) % 5 == 0, -1, np.arange(80) % 3)
    loss = hg.SoftmaxCrossEntropy(ignore_index=-1)
    history = fit(Sequential(Affine(3)), x, t, loss=loss, epochs=1, progress=False,
                  watch=Watch(show=False))  # fmt: skip
    assert history.diagnosis is not None


@pytest.mark.parametrize(("t", "loss"), [
    (np.where(np.arange(60) % 3 == 0, -1, np.arange(60) % 2),
     hg.SoftmaxCrossEntropy(ignore_index=-1)),
    (np.random.default_rng(0).dirichlet([1, 1], 60).astype(np.float32), hg.SoftmaxCrossEntropy()),
    (np.arange(60.0)[:, None] % 2 * 2 - 1, hg.Hinge()),
    (np.random.default_rng(0).normal(size=(60, 2)), hg.MeanAbsoluteError()),
])  # fmt: skip
def test_targets_of_all_kinds_are_read(t, loss):
    x = np.random.default_rng(1).normal(size=(60, 3)).astype(np.float32)
    outputs = t.shape[1] if t.ndim > 1 else 2
    history = fit(Sequential(Affine(4), ReLU(), Affine(outputs)), x, t, loss=loss, epochs=4,
                  validation=0.2, progress=False, watch=Watch(show=False),
                  sample_weights=np.linspace(1, 2, 60), accumulate=2, batch=8)  # fmt: skip
    assert len(history.diagnosis.readings) >= 4
    assert 0 < history.diagnosis.facts["chance"] < np.inf


def test_a_loss_of_ones_own_has_no_chance():
    class Own:
        def forward(self, y, t):
            self.e = y - t
            return float(np.abs(self.e).mean())

        def backward(self, dloss=1.0):
            return dloss * np.sign(self.e) / self.e.size

    x = np.random.default_rng(1).normal(size=(60, 3))
    history = fit(Sequential(Affine(1)), x, x[:, :1], loss=Own(), epochs=30, progress=False,
                  watch=Watch(show=False), optimizer=hg.Adam(0.03))  # fmt: skip
    assert "chance" not in history.diagnosis.facts
    assert set(history.diagnosis.names) <= {"target-among-inputs"}


def test_a_schedule_that_ends_within_the_first_epoch_is_found(rng):
    x = rng.normal(size=(600, 4))
    t = (x @ rng.normal(size=(4, 3))).argmax(axis=1)
    rate = hg.optim.CosineDecay(0.0003, steps=10)
    network = Sequential(Affine(16), ReLU(), Affine(3))
    history = fit(network, x, t, optimizer=hg.Adam(rate), batch=30, epochs=12, progress=False,
                  watch=Watch(show=False))  # fmt: skip
    assert set(history["lr"]) == {0.0}
    assert "lr-schedule" in history.diagnosis.names


def test_a_column_that_says_one_class_is_found_and_a_word_to_repeat_is_none(rng):
    def names(network, x, t):
        return fit(network, x, t, epochs=3, progress=False, watch=Watch(show=False)).diagnosis.names

    x, t = rng.normal(size=(200, 6)), rng.integers(0, 4, 200)
    leaking = np.column_stack([x, np.eye(4)[t]])
    assert "target-among-inputs" in names(Sequential(Affine(4)), leaking, t)
    ids = rng.integers(0, 5, (200, 6))
    repeating = Sequential(hg.Embedding(5, 8), hg.Flatten(), Affine(5))
    assert "target-among-inputs" not in names(repeating, ids, ids[:, 2])


def test_what_fills_a_mask_is_no_signal_that_grows(rng):
    x = rng.normal(size=(80, 4)).astype(np.float32)
    t = np.stack([x[:, 0] > 0, (x[:, 1] > 0) + (x[:, 2] > 0.0)], axis=1).astype(np.int64)
    layers = hg.Affine(8), hg.Tanh(), hg.Affine(5), *head_layers((2, 3))
    history = hg.fit(hg.Sequential(*layers, seed=0), x, t, epochs=30, watch=True, progress=False)
    assert "explode" not in str(history.diagnosis)
