"""Whole programs: training and prediction beside the same network in NumPy."""

from __future__ import annotations

import copy
import threading

import numpy as np
import pytest

import handgrad as hg
from handgrad.compile import NotNative, compile_prediction, compile_training
from handgrad.compile.predict import Programs
from handgrad.compile.profile import percent, share_of_peak

RNG = np.random.default_rng(0)
X, LABELS = RNG.random((107, 12), np.float32), RNG.integers(0, 5, 107)
IMAGES = RNG.random((53, 2, 9, 8), np.float32)
IDS, NEXT = RNG.integers(0, 30, (41, 6)), RNG.integers(0, 30, (41, 6))


def mlp() -> hg.Sequential:
    return hg.Sequential(hg.Affine(17), hg.ReLU(), hg.Affine(9), hg.Tanh(), hg.Affine(5), seed=3)


def convnet() -> hg.Sequential:
    return hg.Sequential(
        hg.Convolution(6, 3, pad=1, bias=False), hg.BatchNorm(), hg.ReLU(), hg.MaxPooling(2),
        hg.Convolution(7, 3, stride=2), hg.ReLU(), hg.Flatten(), hg.Affine(8), hg.Dropout(0.3),
        hg.Affine(5), seed=4,
    )  # fmt: skip


def language_model() -> hg.Sequential:
    return hg.Sequential(hg.Embedding(30, 7), hg.LSTM(9), hg.Affine(30), seed=5)


class Residuals(hg.Network):
    """A network in plain Python: a weight of its own, two branches, an addition."""

    def __init__(self) -> None:
        self.enter, self.left, self.right = hg.Affine(8), hg.Affine(8), hg.Affine(8)
        self.leave = hg.Affine(5)
        self.scale = hg.Parameter(np.ones(8, np.float32))

    def __call__(self, x):
        h = hg.ReLU()(self.enter(x))
        return self.leave(h + hg.Sigmoid()(self.left(h)) * self.scale + self.right(h))


class Answers(hg.Network):
    """Columns of the input go to two encoders, as question and answer do."""

    def __init__(self) -> None:
        self.ask, self.read = hg.Embedding(30, 5), hg.LSTM(6)
        self.reply, self.write, self.leave = hg.Embedding(30, 5), hg.LSTM(6), hg.Affine(30)

    def __call__(self, x):
        last = self.read(self.ask(x[:, :4]))[:, -1]
        return self.leave(self.write(self.reply(x[:, 3:]), None, last, 0 * last))


CASES = {
    "answers": (Answers, IDS, NEXT[:, :3]),
    "mlp": (mlp, X, LABELS),
    "convnet": (convnet, IMAGES, LABELS[:53]),
    "language model": (language_model, IDS, NEXT),
    "residuals": (Residuals, X, LABELS),
}
OPTIMIZERS = {
    "sgd": lambda: hg.SGD(0.1),
    "momentum": lambda: hg.Momentum(0.05, clip_norm=1.0),
    "adam": lambda: hg.Adam(0.01, l2=1e-3),
    "adamw": lambda: hg.AdamW(lambda step: 0.01 / (1 + step), weight_decay=0.1),
}


def trained(make, x, t, optimizer, engine, **options):
    network = make()
    options = {"batch": 16, "epochs": 3, "progress": False} | options
    trainer = hg.Trainer(network, x, t, optimizer=optimizer(), engine=engine, **options)
    return trainer, trainer.run()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_agrees_with_numpy(case, optimizer):
    make, x, t = CASES[case]
    plain, by_numpy = trained(make, x, t, OPTIMIZERS[optimizer], "numpy")
    native, history = trained(make, x, t, OPTIMIZERS[optimizer], "auto")
    assert native.engine.startswith("native"), native.engine
    assert plain.engine == "NumPy"
    np.testing.assert_allclose(history["loss"], by_numpy["loss"], rtol=2e-4)
    np.testing.assert_allclose(history["accuracy"], by_numpy["accuracy"], atol=0.02)
    np.testing.assert_allclose(
        native.network.parameters, plain.network.parameters, rtol=2e-3, atol=2e-4
    )
    np.testing.assert_allclose(
        native.network.gradients, plain.network.gradients, rtol=2e-2, atol=2e-4
    )
    assert native.step == plain.step == native.optimizer.steps
    assert [s.step for s in streams(native)] == [s.step for s in streams(plain)]


@pytest.mark.parametrize("loss", [hg.SoftmaxCrossEntropy, hg.MeanSquaredError, hg.SumSquaredError])
@pytest.mark.parametrize("augmented", [False, True])
def test_weights_of_samples(loss, augmented):
    def shifted(x, number):
        return x + np.float32(number / 1000)

    options = {
        "loss": loss(), "sample_weights": RNG.random(len(X)) * 3,
        "augment": shifted if augmented else None,
    }  # fmt: skip
    t = LABELS if loss is hg.SoftmaxCrossEntropy else RNG.random((len(X), 5))
    plain, by_numpy = trained(mlp, X, t, lambda: hg.SGD(0.01), "numpy", **options)
    native, history = trained(mlp, X, t, lambda: hg.SGD(0.01), "native", **options)
    np.testing.assert_allclose(history["loss"], by_numpy["loss"], rtol=1e-5)
    np.testing.assert_allclose(
        native.network.parameters, plain.network.parameters, rtol=1e-4, atol=1e-5
    )


def streams(trainer):
    layers = trainer.network.layers if isinstance(trainer.network, hg.Sequential) else []
    return [layer.stream for layer in layers]


@pytest.mark.parametrize("case", CASES)
def test_any_number_of_threads_gives_the_same_bits(case):
    make, x, t = CASES[case]
    alone, _ = trained(make, x, t, OPTIMIZERS["adam"], "native", threads=1)
    for threads in (2, 3, 8):
        other, _ = trained(make, x, t, OPTIMIZERS["adam"], "native", threads=threads)
        assert other.network.parameters.tobytes() == alone.network.parameters.tobytes()


def test_a_loss_curve_of_200_steps():
    options = {"epochs": None, "steps": 200, "batch": 20}
    _, plain = trained(mlp, X, LABELS, OPTIMIZERS["sgd"], "numpy", **options)
    _, native = trained(mlp, X, LABELS, OPTIMIZERS["sgd"], "native", **options)
    np.testing.assert_allclose(native["loss"], plain["loss"], rtol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_predictions_agree_for_every_size_of_batch(case):
    make, x, _ = CASES[case]
    network = make()
    network.build(x)
    right = copy.deepcopy(network).eval()(x)
    right = getattr(right, "data", right)
    program = compile_prediction(network, x, batch=40)
    for n in (1, 2, 7, 40):
        np.testing.assert_allclose(program(x[:n]), right[:n], rtol=1e-4, atol=1e-5)
    assert program(x[:0]).shape == (0, *right.shape[1:])
    for _ in range(3):  # by itself, once it pays
        np.testing.assert_allclose(network.predict(x), right, rtol=1e-4, atol=1e-5)
    assert network._programs.made


def test_predictions_follow_the_weights_and_the_layers():
    network = mlp()
    for _ in range(3):
        before = network.predict(X)
    network.parameters[...] *= 2
    assert not np.allclose(network.predict(X), before)
    network.layers = network.layers[:3]
    assert network.predict(X).shape == (107, 9)


def test_predictions_in_several_threads():
    network = mlp()
    right = network.predict(X)
    wrong = []

    def ask() -> None:
        for _ in range(50):
            if not np.allclose(network.predict(X), right, atol=1e-5):
                wrong.append(1)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


class Squared(hg.Layer):
    """y = x², with no native form."""

    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dy):
        return 2 * dy * self.x


def test_a_layer_without_native_form_runs_as_rows_of_python_and_is_listed():
    def make():
        return hg.Sequential(hg.Affine(6), Squared(), hg.Affine(5), seed=1)

    plain, _ = trained(make, X, LABELS, OPTIMIZERS["sgd"], "numpy")
    mixed, _ = trained(make, X, LABELS, OPTIMIZERS["sgd"], "native")
    assert "in Python" in mixed.engine
    np.testing.assert_allclose(mixed.network.parameters, plain.network.parameters, rtol=1e-4)
    program = compile_training(
        make(), hg.SoftmaxCrossEntropy(), hg.SGD(0.1), X, LABELS, batch=10, python=True
    )
    assert sum("python" in line and "Squared" in line for line in str(program).splitlines()) == 2
    by_itself, _ = trained(make, X, LABELS, OPTIMIZERS["sgd"], "auto")
    assert by_itself.engine == "NumPy (Squared has no native form)"


class Grown:
    """y = γ x, without a base class."""

    def __init__(self):
        self.gamma = np.linspace(0.5, 1.5, 6)

    def forward(self, x):
        self.x = x
        return self.gamma * x

    def backward(self, dy):
        self.dgamma = (dy * self.x).sum(axis=0)
        return self.gamma * dy


class Halved:
    """y = x / 2, without a base class or a parameter."""

    def forward(self, x):
        return x / 2

    def backward(self, dy):
        return dy / 2


def test_layers_without_a_base_class_run_as_rows_of_python():
    def make():
        return hg.Sequential(hg.Affine(6), Grown(), Halved(), hg.Affine(5), seed=1)

    plain, _ = trained(make, X, LABELS, OPTIMIZERS["sgd"], "numpy")
    mixed, _ = trained(make, X, LABELS, OPTIMIZERS["sgd"], "native")
    assert "4 rows in Python" in mixed.engine
    np.testing.assert_allclose(mixed.network.parameters, plain.network.parameters, rtol=1e-4)


def test_augmented_batches():
    def noisy(x, number):
        return x + np.random.default_rng(number).normal(0, 0.1, x.shape).astype(np.float32)

    _, plain = trained(mlp, X, LABELS, OPTIMIZERS["sgd"], "numpy", augment=noisy)
    native, history = trained(mlp, X, LABELS, OPTIMIZERS["sgd"], "auto", augment=noisy)
    assert native.engine.startswith("native")
    np.testing.assert_allclose(history["loss"], plain["loss"], rtol=1e-4)


def test_a_share_of_the_peak_is_of_memory_or_the_numbers_were_cached():
    assert percent(share_of_peak(0.6, 0.2)) == "60%"
    assert percent(share_of_peak(0.1, 0.9)) == "90%"
    assert percent(share_of_peak(1.04, 1.02)) == "104%"  # a peak is measured too
    assert percent(share_of_peak(0.1, 3.0)) == "cached"


def test_an_engine_says_why_it_cannot():
    with pytest.raises(ValueError, match="engine: accumulate is done in Python"):
        trained(mlp, X, LABELS, OPTIMIZERS["sgd"], "native", accumulate=2)
    with pytest.raises(ValueError, match="engine: one of 'auto', 'native', 'numpy', or an Engine"):
        trained(mlp, X, LABELS, OPTIMIZERS["sgd"], "yes")
    with pytest.raises(ValueError, match="compile: .* engine now; engine='numpy' would do"):
        hg.fit(mlp(), X, LABELS, compile=False)
    with pytest.raises(NotNative, match="float64"):
        compile_prediction(mlp().astype(np.float64), X, batch=4)


def test_metrics_that_are_python_functions():
    def mean_score(y, t):
        return float(y.mean())

    options = {"metrics": [hg.accuracy, mean_score]}
    _, plain = trained(mlp, X, LABELS, OPTIMIZERS["sgd"], "numpy", **options)
    _, native = trained(mlp, X, LABELS, OPTIMIZERS["sgd"], "native", **options)
    np.testing.assert_allclose(native["mean_score"], plain["mean_score"], rtol=1e-3, atol=1e-5)


def test_divergence_is_found_and_the_good_weights_come_back():
    layers = hg.Affine(17), hg.ReLU(), hg.Affine(9), hg.ReLU(), hg.Affine(5)
    network = hg.Sequential(*layers, seed=3)
    with (
        pytest.warns(UserWarning, match="column 0 of x"),
        pytest.raises(hg.DivergenceError, match="the loss became nan at step 1"),
    ):
        hg.fit(network, X * 1e4, LABELS, optimizer=hg.SGD(1e9), epochs=50, engine="native")
    assert np.isfinite(network.parameters).all()


def test_labels_out_of_range_are_refused_as_numpy_does():
    bad = LABELS.copy()
    bad[50] = 7
    with pytest.raises(ValueError, match="labels must lie from 0 to 4"):
        hg.fit(mlp(), X, bad, engine="native", progress=False)


def test_every_row_of_the_plan_is_checked():
    program = compile_training(mlp(), hg.SoftmaxCrossEntropy(), hg.SGD(0.1), X, LABELS, batch=10)
    text = str(program)
    assert "product" in text
    assert "Affine + ReLU" in text
    profile = program.profile(20)
    assert len(profile) == len(program.rows)
    assert all(row.seconds > 0 for row in profile)


def test_programs_are_not_copied_with_the_network():
    network = mlp()
    for _ in range(3):
        network.predict(X)
    assert isinstance(network._programs, Programs)
    assert copy.deepcopy(network)._programs is None


def test_integers_are_not_taken_for_real_numbers():
    x = RNG.integers(0, 9, (50, 6))
    network = mlp()
    right = network.predict(x)
    for _ in range(3):
        np.testing.assert_allclose(network.predict(x), right, rtol=1e-5)
    trainer, _ = trained(mlp, x, LABELS[:50], OPTIMIZERS["sgd"], "auto")
    assert trainer.engine == "NumPy (0 Affine of integers)"


@pytest.mark.parametrize("path", ["0.W", "0.b", "0"])
def test_frozen_parameters(path):
    def make():
        return mlp().build(X).freeze(path)

    plain, _ = trained(make, X, LABELS, OPTIMIZERS["sgd"], "numpy")
    other, _ = trained(make, X, LABELS, OPTIMIZERS["sgd"], "auto")
    np.testing.assert_allclose(
        other.network.parameters, plain.network.parameters, rtol=1e-4, atol=1e-6
    )


def test_a_program_refuses_inputs_of_another_shape():
    program = compile_prediction(mlp(), X, batch=8)
    for x in (X[:9], X[:4, :1], X[0]):
        with pytest.raises(hg.ShapeError, match="Prediction: x must be .N, 12. with N at most 8"):
            program(x)
    with pytest.raises(ValueError, match="threads"):
        hg.Trainer(mlp(), X, LABELS, threads=0)
