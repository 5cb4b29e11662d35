"""EMA and SWA of weights: the means of their definition, where they are seen, and going on."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.train import EMA, SWA, Call, EarlyStopping, SaveModel, Trainer, load_checkpoint

ENGINES = ["numpy", "auto"]


def data(n=90):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    return x, (x[:, 0] * x[:, 1] > 0).astype(np.int64)


def network():
    return hg.Sequential(hg.Affine(8), hg.BatchNorm(), hg.ReLU(), hg.Affine(2), seed=1)


def trainer(average, engine="numpy", epochs=4, **options):
    net = options.pop("network", None) or network()
    net.engine = engine
    return Trainer(net, *data(), batch=20, epochs=epochs, optimizer=hg.Adam(0.03),
                   average=average, **options)  # fmt: skip


def path_of(engine, epochs=4):
    """The weights and running means after each update of a training without an average."""
    seen = []

    class Watch:
        def on_step(self, trainer):
            norm = trainer.network.layers[1]
            seen.append(np.concatenate([trainer.network.parameters, norm.running_mean]))

    trainer(None, engine, epochs, callbacks=[Watch()]).run()
    return np.array(seen, np.float64)


def held(net):
    return np.concatenate([net.parameters, net.layers[1].running_mean])


@pytest.mark.parametrize("engine", ENGINES)
def test_the_mean_is_that_of_the_weights_passed(engine):
    w = path_of(engine)
    for average, expected in (
        (EMA(0.8), np.average(w, axis=0, weights=0.8 ** np.arange(len(w))[::-1])),
        (EMA(0.8, every=3), np.average(w[2::3], axis=0, weights=0.8 ** np.arange(6)[::-1])),
        (SWA(0.5), w[[9, 14, 19]].mean(axis=0)),
        (SWA(0.0, every=1), w.mean(axis=0)),
    ):
        run = trainer(average, engine)
        run.run()
        np.testing.assert_allclose(held(run.network), expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(average.last[: run.network.parameters.size],
                                      w[-1, : run.network.parameters.size])  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
def test_validation_callbacks_and_the_end_see_the_mean(engine):
    seen, average = [], EMA(0.9)

    def look(trainer):
        seen.append((held(trainer.network), trainer.history["val_loss"][-1]))

    x, t = data()
    run = trainer(average, engine, validation=(x, t), callbacks=[Call(look)])
    history = run.run()
    w = path_of(engine)
    for epoch, (weights, loss) in enumerate(seen):
        past = w[: 5 * (epoch + 1)]
        mean = np.average(past, axis=0, weights=0.9 ** np.arange(len(past))[::-1])
        np.testing.assert_allclose(weights, mean, rtol=1e-5, atol=1e-6)
        assert loss == history["val_loss"][epoch]
    assert run.network.evaluate(x, t)["loss"] == history["val_loss"][-1]
    np.testing.assert_array_equal(held(run.network), seen[-1][0])


class Stop:
    """Does after step 17 what Ctrl-C does."""

    def on_step(self, trainer):
        if trainer.step == 17:
            trainer._interrupt()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("make", [lambda: EMA(0.9, every=2), lambda: SWA(0.3)])
def test_going_on_from_a_file_gives_the_same_bits(engine, make, tmp_path):
    whole = trainer(make(), engine, epochs=6)
    whole.run()
    path = tmp_path / "m.safetensors"
    first = trainer(make(), engine, epochs=6, callbacks=[SaveModel(path), Stop()])
    with pytest.raises(KeyboardInterrupt):
        first.run()
    assert first.step == 17  # in the middle of an epoch
    saved = load_checkpoint(path)
    second = trainer(make(), engine, epochs=6, network=saved.network)
    second.load_state_dict(saved.training)
    second.run()
    np.testing.assert_array_equal(second.network.parameters, whole.network.parameters)
    np.testing.assert_array_equal(second.state.average.mean, whole.state.average.mean)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_file_of_an_epochs_end_has_the_mean_and_goes_on_to_the_same_bits(engine, tmp_path):
    path, means, kept = tmp_path / "m.safetensors", [], []

    class Keep:
        def on_step(self, trainer):  # the file that is there when a process is killed
            if trainer.step == 12:
                kept.append(path.read_bytes())

    def note(trainer):
        means.append(trainer.network.parameters.copy())

    whole = trainer(EMA(0.9), engine, callbacks=[Call(note), SaveModel(path), Keep()])
    whole.run()
    path.write_bytes(kept[0])
    saved = load_checkpoint(path)
    np.testing.assert_array_equal(saved.network.parameters, means[1])
    second = trainer(EMA(0.9), engine, network=saved.network)
    second.load_state_dict(saved.training)
    second.run()
    np.testing.assert_array_equal(second.network.parameters, whole.network.parameters)
    np.testing.assert_array_equal(second.state.average.last, whole.state.average.last)


def test_early_stopping_brings_the_best_mean_back():
    x, t = data()
    seen = []
    run = trainer(EMA(0.9), validation=(x, t), epochs=9, callbacks=[
        Call(lambda trainer: seen.append(trainer.network.parameters.copy())),
        EarlyStopping(patience=20, monitor="val_loss"),
    ])  # fmt: skip
    history = run.run()
    best = history.best("val_loss")
    np.testing.assert_array_equal(run.network.parameters, seen[best - 1])


def test_before_swa_begins_the_network_is_as_it_is():
    plain, run = trainer(None), trainer(SWA(0.99, every=7))
    plain.run()
    run.run()
    np.testing.assert_array_equal(plain.network.parameters, run.network.parameters)


def test_a_state_of_another_average_is_refused():
    run = trainer(EMA())
    run.run()
    for other, what in ((None, "None"), (SWA(), "SWA")):
        with pytest.raises(ValueError, match=f"average: .* had EMA, this one {what}"):
            trainer(other).load_state_dict(run.state_dict())
    with pytest.raises(ValueError, match="average: .* had None, this one EMA"):
        trainer(EMA()).load_state_dict(trainer(None).state_dict())


@pytest.mark.parametrize(("make", "message"), [
    (lambda: EMA(1.0), r"EMA: decay must be a number in \[0, 1\), got 1.0"),
    (lambda: EMA(every=0), "EMA: every"),
    (lambda: SWA(-0.1), "SWA: start"),
    (lambda: SWA(every=2.5), "SWA: every"),
    (lambda: trainer(0.9), r"average: EMA\(\) or SWA\(\) is needed, got 0.9"),
])  # fmt: skip
def test_bad_options(make, message):
    with pytest.raises(ValueError, match=message):
        make()
