"""Engines behind one interface: random trainings on two of them, a third, exact resuming."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest

import handgrad as hg
from handgrad.compile import why_not
from handgrad.optim import CosineDecay, ExponentialDecay, Plateau, StepDecay, WarmUp
from handgrad.train import Call, EarlyStopping, SaveModel, load_checkpoint
from handgrad.train.engine import Engine, NumPyEngine, Updates
from handgrad.train.engine import native_engine as native_module
from handgrad.train.engine.task import together

RNG = np.random.default_rng(7)
X, LABELS = RNG.normal(size=(53, 6)).astype(np.float32), RNG.integers(0, 4, 53)
needs_native = pytest.mark.skipif(bool(why_not()), reason=why_not())


def mlp(**options):
    return hg.Sequential(hg.Affine(9), hg.Tanh(), hg.Affine(4), **options)


class TwoShards(Engine):
    """Each update as two halves of its samples, as two processes would make it."""

    def prepare(self, task, state):
        super().prepare(task, state)
        self.worker = NumPyEngine()
        self.worker.prepare(task, state)

    def describe(self):
        return "two shards"

    def advance(self, limit):
        state, loss = self.state, self.task.loss
        (samples,) = self.task.batches(state.epoch, state.position)
        gradients, numerators, denominators = 0, 0.0, []
        for shard in np.array_split(samples, 2):
            numerator, denominator = self.worker.measure(shard, 0)["loss"]
            gradients = gradients + state.network.gradients * denominator
            numerators, denominators = numerators + numerator, [*denominators, denominator]
        whole = together(loss, *denominators)
        state.optimizer.step(SimpleNamespace(
            parameters=state.network.parameters, gradients=gradients / whole,
            layout=state.network.layout, frozen=state.network.frozen,
        ))  # fmt: skip
        return Updates.one({"loss": (numerators, whole)})


@pytest.mark.parametrize("weighted", [False, True])
def test_a_third_engine_needs_no_change_of_the_loop(weighted):
    options = {"epochs": 4, "batch": 10, "validation": 0.2, "metrics": [], "progress": False}
    if weighted:
        options |= {"sample_weights": RNG.random(53),
                    "loss": hg.SoftmaxCrossEntropy(class_weights=[1, 5, 2, 1])}  # fmt: skip
    plain, sharded = mlp(dtype=np.float64), mlp(dtype=np.float64)
    one = hg.Trainer(plain, X, LABELS, engine="numpy", **options)
    other = hg.Trainer(sharded, X, LABELS, engine=TwoShards(), **options)
    histories = one.run(), other.run()
    assert other.engine == "two shards"
    np.testing.assert_allclose(sharded.parameters, plain.parameters, rtol=1e-9)
    for name in ("loss", "val_loss", "lr"):
        np.testing.assert_allclose(histories[1][name], histories[0][name], rtol=1e-9)
    assert other.step == one.step == one.optimizer.steps


def random_training(seed):
    """A network, data and options, all drawn from a seed."""
    rng = np.random.default_rng(seed)

    def pick(*choices):
        return choices[rng.integers(len(choices))]

    n, classes, wide = int(rng.integers(20, 60)), int(rng.integers(2, 6)), int(rng.integers(2, 20))
    x, labels = rng.normal(size=(n, 5)).astype(np.float32), pick(True, True, False)
    layers = [hg.Affine(wide), pick(hg.Tanh, hg.Sigmoid, hg.GELU)()]
    if rng.random() < 0.3:
        layers.append(hg.Dropout(0.3))
    if rng.random() < 0.3:
        layers = [hg.Residual(hg.Affine(5), hg.Tanh()), *layers]
    network = hg.Sequential(*layers, hg.Affine(classes), seed=seed)
    options = {
        "batch": int(rng.integers(3, n * 2 // 3)),
        "epochs": 3,
        "progress": False,
        "seed": seed,
    }
    if labels:
        t = rng.integers(0, classes, n)
        loss = {"label_smoothing": pick(0.0, 0.1)}
        if rng.random() < 0.4:
            loss["ignore_index"] = pick(0, -1)
            t[rng.random(n) < 0.3] = loss["ignore_index"]
            t[:2] = 1
        if rng.random() < 0.3:
            loss["class_weights"] = rng.uniform(0.2, 3, classes)
        options["loss"] = hg.SoftmaxCrossEntropy(**loss)
    else:
        t = rng.normal(size=(n, classes)).astype(np.float32)
        options["loss"] = pick(hg.MeanSquaredError, hg.Huber, hg.SumSquaredError)()
    ignores = labels and "ignore_index" in loss  # then a batch may hold nothing to learn from
    options["weighting"] = "data" if ignores else pick("data", "data", "batch")
    if rng.random() < 0.25:
        options["sample_weights"] = rng.uniform(0.1, 4, n)
    options["accumulate"] = pick(1, 1, 1, 2, 3)
    options["validation"] = pick(None, 0.25)
    lr = pick(0.02, CosineDecay(0.02, steps=9), WarmUp(0.02, steps=4), StepDecay(0.02, every=3),
              ExponentialDecay(0.02, every=5), Plateau(0.02, patience=0))  # fmt: skip
    rule = pick(hg.SGD, hg.Momentum, hg.Nesterov, hg.AdaGrad, hg.RMSProp, hg.AdaDelta, hg.Adam,
                hg.AdamW, hg.AMSGrad, hg.NAdam, hg.RAdam)  # fmt: skip
    options["optimizer"] = rule(
        lr, l2=pick(0.0, 1e-2), clip_norm=pick(None, 1.0), clip_value=pick(None, 0.5)
    )
    network.build(x)
    if rng.random() < 0.3:
        network.freeze("0")
    return network, x, t, options


@needs_native
@pytest.mark.parametrize("first", range(0, 120, 20))
def test_random_trainings_agree_on_both_engines(first):
    native = 0
    for seed in range(first, first + 20):
        ran = {}
        for engine in ("numpy", "auto"):
            network, x, t, options = random_training(seed)
            trainer = hg.Trainer(network, x, t, engine=engine, **options)
            ran[trainer.engine.split()[0]] = trainer, trainer.run()
        if len(ran) == 1:
            continue
        native += 1
        (plain, one), (other, two) = ran["NumPy"], ran["native,"]
        assert one.columns.keys() == two.columns.keys()
        for name in one.columns.keys() - {"seconds"}:
            np.testing.assert_allclose(
                two[name], one[name], rtol=2e-3, atol=1e-4 if "loss" in name else 0.02,
                err_msg=f"seed {seed}: {name}",
            )  # fmt: skip
        np.testing.assert_allclose(
            other.network.parameters, plain.network.parameters, rtol=5e-3, atol=5e-4,
            err_msg=f"seed {seed}",
        )  # fmt: skip
        assert (other.step, other.optimizer.steps) == (plain.step, plain.optimizer.steps)
        assert two["lr"] == one["lr"]
    assert native > 5


@needs_native
def test_the_recorded_rate_is_that_of_each_epoch():
    for lr in (CosineDecay(0.1, steps=20), lambda step: 1 / (10 + step), 0.05):
        recorded = [
            hg.fit(mlp(), X, LABELS, batch=20, epochs=6, optimizer=hg.SGD(lr), engine=engine,
                   progress=False)["lr"]
            for engine in ("numpy", "native")
        ]  # fmt: skip
        assert recorded[0] == recorded[1]
        assert callable(lr) == (len(set(recorded[0])) == 6)


@needs_native
def test_the_penalty_of_frozen_weights_is_part_of_the_loss():
    histories = []
    for engine in ("numpy", "native"):
        network = mlp().build(X).freeze("0")
        optimizer = hg.SGD(0.05, l2=0.3)
        histories.append(hg.fit(network, X, LABELS, epochs=3, optimizer=optimizer, engine=engine,
                                progress=False))  # fmt: skip
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], rtol=1e-5)
    network = mlp().build(X).freeze("0", "2")
    frozen = hg.fit(network, X, LABELS, epochs=1, optimizer=hg.SGD(0.05, l2=0.3), progress=False)
    weights = sum(float((layer.W.astype(float) ** 2).sum()) for layer in (network[0], network[2]))
    expected = network.evaluate(X, LABELS)["loss"] + 0.15 * weights
    np.testing.assert_allclose(frozen["loss"], [expected], rtol=1e-5)


@needs_native
def test_a_program_is_made_once_for_a_training_and_again_when_the_network_changes(monkeypatch):
    made = []

    class Counting(native_module.Training):
        def __init__(self, *args, **options):
            made.append(1)
            super().__init__(*args, **options)

    monkeypatch.setattr(native_module, "Training", Counting)
    trainer = hg.Trainer(mlp(), X, LABELS, steps=5, progress=False)
    assert trainer.engine.startswith("native")
    trainer.run()
    assert trainer.engine.startswith("native")
    trainer.total_steps += 5
    trainer.run()
    assert made == [1]
    trainer.network.freeze("0")
    before = trainer.network[0].W.copy()
    trainer.total_steps += 5
    trainer.run()
    assert made == [1, 1]
    np.testing.assert_array_equal(trainer.network[0].W, before)


@needs_native
def test_a_run_is_given_the_samples_of_its_own_updates(monkeypatch):
    given, real = [], native_module.Training.start

    def start(self, order, starts, counts):
        given.append((order.tolist(), starts.tolist(), counts.tolist()))
        real(self, order, starts, counts)

    monkeypatch.setattr(native_module.Training, "start", start)
    trainer = hg.Trainer(mlp(), X[:10], LABELS[:10], batch=4, epochs=2, progress=False,
                         average=hg.train.EMA())  # fmt: skip
    trainer.run()
    assert [counts for _, _, counts in given] == [[4], [4], [2]] * 2
    assert [starts for _, starts, _ in given] == [[0]] * 6
    together = [i for order, _, _ in given for i in order]
    assert together == [*trainer.task.order(0), *trainer.task.order(1)]


def patient(network, engine, seen=None, stop_at=None):
    def look(trainer):
        if seen is not None:
            seen[trainer.epoch] = trainer.state_dict()
        if trainer.epoch == stop_at:
            trainer.stop("enough")

    return hg.Trainer(
        network, X, LABELS, validation=0.3, optimizer=hg.Adam(0.05), epochs=60, batch=8,
        engine=engine, progress=False, callbacks=[EarlyStopping(4), Call(look)],
    )  # fmt: skip


@pytest.mark.parametrize("engine", ["numpy", "auto"])
def test_patience_goes_on_exactly_after_a_stop_in_any_epoch(engine, tmp_path):
    whole = mlp()
    expected = patient(whole, engine).run()
    assert expected.stopped.startswith("val_loss has not improved for 4 epochs")
    last = len(expected)
    for at in (1, last - 4, last - 3, last - 1):  # before, at, and after the best epoch
        first = patient(mlp(), engine, stop_at=at)
        weights = {}
        first.state.callbacks.append(SaveModel(tmp_path / "m"))
        first.run()
        saved = load_checkpoint(tmp_path / "m")
        weights = saved.training["callbacks"]["0"]
        assert weights["best_epoch"] <= at
        second = patient(saved.network, engine)
        second.load_state_dict(saved.training)
        history = second.run()
        assert history.stopped == expected.stopped
        assert len(history) == last
        for name in expected.columns.keys() - {"seconds"}:
            assert history[name] == expected[name], (at, name)
        np.testing.assert_array_equal(saved.network.parameters, whole.parameters)


def test_a_state_of_the_format_before_is_continued_to_the_bit():
    """Batches were counted as `place`, and the sums of losses by samples."""
    options = {"batch": 10, "optimizer": hg.Adam(0.01), "progress": False, "metrics": []}
    whole = mlp()
    expected = hg.fit(whole, X, LABELS, epochs=3, **options)
    options["optimizer"] = hg.Adam(0.01)
    network = mlp()
    first = hg.Trainer(network, X, LABELS, epochs=3, **options)

    class Stop(hg.train.Callback):
        def on_step(self, trainer):
            if trainer.step == 8:
                trainer.interrupted = True
                trainer.stop("interrupted")

    first.state.callbacks.append(Stop())
    with pytest.raises(KeyboardInterrupt):
        first.run()
    state = first.state_dict()
    loss, count = state["sums"]["loss"]
    old = {k: v for k, v in state.items() if k not in ("position", "accumulate", "seconds")}
    old |= {"place": state["position"], "sums": {"count": count, "loss": loss}}
    options["optimizer"] = hg.Adam(0.01)
    second = hg.Trainer(copy.deepcopy(network), X, LABELS, epochs=3, **options)
    second.load_state_dict(old)
    assert second.run()["loss"] == expected["loss"]
    np.testing.assert_array_equal(second.network.parameters, whole.parameters)


def test_a_wrong_engine_is_refused():
    for engine, message in (
        ("fast", "got 'fast'"),
        (NumPyEngine, "give an instance"),
        (3, "got 3"),
    ):
        with pytest.raises(
            ValueError, match=f"engine: one of 'auto', 'native', 'numpy'.*{message}"
        ):
            hg.Trainer(mlp(), X, LABELS, engine=engine)
    for value, name in ((True, "native"), (False, "numpy")):
        with pytest.raises(ValueError, match=f"compile: .* engine='{name}' would do"):
            hg.fit(mlp(), X, LABELS, compile=value)


@pytest.mark.parametrize("other", [hg.Adam, hg.Nesterov])  # the second has the same arrays
def test_a_training_goes_on_with_the_optimizer_it_had_alone(other):
    first = hg.Trainer(mlp(), X, LABELS, optimizer=hg.Momentum(0.1), epochs=1, progress=False)
    first.run()
    second = hg.Trainer(first.network, X, LABELS, optimizer=other(0.1), epochs=2, progress=False)
    said = f"^optimizer: the training to continue had Momentum, this one {other.__name__}$"
    with pytest.raises(ValueError, match=said):
        second.load_state_dict(first.state_dict())
    unnamed = first.state_dict()  # as files had it that were written earlier
    del unnamed["rule"]
    hg.Trainer(first.network, X, LABELS, optimizer=hg.Momentum(0.1), epochs=2,
               progress=False).load_state_dict(unnamed)  # fmt: skip


def test_a_training_that_goes_on_with_other_data_says_so():
    first = hg.Trainer(mlp(), X, LABELS, optimizer=hg.Momentum(0.1), epochs=1, progress=False)
    first.run()
    second = hg.Trainer(first.network, X[:-3], LABELS[:-3], optimizer=hg.Momentum(0.1), epochs=2,
                        progress=False)  # fmt: skip
    with pytest.warns(UserWarning, match=f"had {len(X)} samples, this one {len(X) - 3}"):
        second.load_state_dict(first.state_dict())


TIED = {
    "affine": (lambda: hg.Affine(4), (4,)),
    "convolution": (lambda: hg.Convolution(2, 3, pad=1), (2, 4, 4)),
    "transposed": (lambda: hg.TransposedConvolution(2, 3, pad=1), (2, 4, 4)),
    "batch norm": (hg.BatchNorm, (4,)),
    "layer norm": (hg.LayerNorm, (4,)),
    "instance norm": (hg.InstanceNorm, (2, 4, 4)),
    "rnn": (lambda: hg.RNN(4), (3, 4)),
    "lstm": (lambda: hg.LSTM(4), (3, 4)),
    "gru": (lambda: hg.GRU(4), (3, 4)),
    "attention": (lambda: hg.MultiHeadAttention(2), (3, 4)),
}


@needs_native
@pytest.mark.parametrize("kind", TIED)
def test_one_of_a_layers_parameters_may_be_tied_alone(kind, rng):
    make, shape = TIED[kind]
    x, t = (rng.normal(size=(7, *shape)).astype(np.float32) for _ in range(2))

    def network():
        return hg.Sequential(make(), hg.Tanh(), make()).build(x)

    for path in (p for p in network().named_parameters() if p.startswith("0")):
        both = [network().tie(path, "2" + path[1:]) for _ in range(2)]
        for one, engine in zip(both, ("numpy", "native")):
            hg.fit(
                one, x, t, optimizer=hg.SGD(0.2), epochs=3, batch=4, metrics=[], progress=False,
                engine=engine,
            )  # fmt: skip
        np.testing.assert_allclose(
            both[1].parameters, both[0].parameters, rtol=1e-4, atol=1e-5, err_msg=path
        )


@pytest.mark.parametrize("engine", ["auto", "numpy"])
def test_a_loaded_network_predicts_the_same_bits(engine, tmp_path):
    network = mlp()
    hg.fit(network, X, LABELS, epochs=1, progress=False, engine=engine)
    again = hg.load(hg.save(network, tmp_path / "m"))
    assert again.engine == engine
    np.testing.assert_array_equal(again.predict(X), network.predict(X))


def test_a_refused_engine_leaves_the_networks_choice():
    network = mlp(dtype=np.float64).build(X)
    before = network.predict(X)
    with pytest.raises(ValueError, match="engine: "):
        hg.fit(network, X, LABELS, epochs=1, progress=False, engine="native")
    assert network.engine == "auto"
    np.testing.assert_array_equal(network.predict(X), before)


@pytest.mark.parametrize("good", [10**9, 130])
def test_what_numpy_keeps_does_not_depend_on_the_clock(good, monkeypatch):
    """However many updates fit into a call: history, weights, and the weights kept at a failure."""
    kept = []
    for seconds in (0.0, 60.0):
        monkeypatch.setattr("handgrad.train.engine.numpy_engine.SLICE", seconds)
        network = mlp()
        sgd = hg.SGD(lambda steps: 0.01 if steps < good else 1e38)
        try:
            history = hg.fit(network, X, LABELS, epochs=12, batch=2, engine="numpy",
                             optimizer=sgd, progress=False, metrics=[])  # fmt: skip
            said = history["loss"]
        except hg.train.DivergenceError as error:
            said = str(error)
        kept.append((said, network.parameters.tobytes()))
    assert kept[0] == kept[1]
    assert isinstance(kept[0][0], str) == (good == 130)
