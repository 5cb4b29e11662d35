"""The training loop: what it computes, and how it begins, ends and goes on."""

from __future__ import annotations

import copy
import os
import signal
import threading

import numpy as np
import pytest

from handgrad import (
    SGD,
    Adam,
    Affine,
    DivergenceError,
    Dropout,
    EarlyStopping,
    Exp,
    History,
    MeanSquaredError,
    Momentum,
    ReLU,
    Sequential,
    SoftmaxCrossEntropy,
    Trainer,
    accuracy,
    fit,
)
from handgrad.optim import Plateau
from handgrad.train import Call, Callback, SaveModel, load_checkpoint
from handgrad.train.datasets import digits, gates, sine, spiral
from handgrad.train.metrics import mean_absolute_error

from ..test_layer import BookAffine, BookRelu


def network(seed=0):
    return Sequential(Affine(16), ReLU(), Dropout(0.2), Affine(3), seed=seed)


@pytest.fixture
def data(rng):
    x = rng.normal(size=(50, 4)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)


def test_one_step_is_the_book_loop(data):
    x, t = data
    net = Sequential(Affine(3), dtype=np.float64)
    net.build(x)
    by_hand = copy.deepcopy(net)
    fit(net, x, t, optimizer=SGD(0.5), steps=1, batch=50, shuffle=False)
    loss = SoftmaxCrossEntropy()
    loss.forward(by_hand.forward(x), t)
    by_hand.backward(loss.backward()[0])
    by_hand.parameters[...] -= 0.5 * by_hand.gradients
    np.testing.assert_allclose(net.parameters, by_hand.parameters, rtol=1e-12)


@pytest.mark.parametrize("gate", ["and", "or", "nand", "xor"])
def test_gates_are_learned(gate):
    net = Sequential(Affine(8), ReLU(), Affine(2), seed=1)
    fit(net, *gates(gate), optimizer=Adam(0.05), epochs=200)
    assert net.evaluate(*gates(gate), metrics=[accuracy])["accuracy"] == 1


def test_regression_is_learned_and_metrics_are_recorded():
    x, t = sine(200, noise=0.0)
    net = Sequential(Affine(32), ReLU(), Affine(1))
    history = fit(net, x, t, optimizer=Adam(0.01), epochs=200, metrics=[mean_absolute_error],
                  validation=0.25)  # fmt: skip
    assert history["val_mean_absolute_error"][-1] < 0.1
    assert len(history) == 200
    assert history.best("val_loss") > 30


def test_a_network_of_book_classes_trains(rng):
    x, t = spiral(60)
    net = Sequential(
        BookAffine(rng.normal(size=(2, 30)), np.zeros(30)), BookRelu(),
        BookAffine(rng.normal(size=(30, 3)) * 0.3, np.zeros(3)),
    )  # fmt: skip
    history = fit(net, x, t, optimizer=Momentum(0.1), epochs=150)
    assert history["accuracy"][-1] > 0.9


def test_the_last_smaller_batch_is_used(data):
    x, t = data
    sizes = []

    class Sizes(SoftmaxCrossEntropy):
        def forward(self, y, t, weights=None):
            sizes.append(len(y))
            return super().forward(y, t, weights)

    trainer = Trainer(network(), x, t, batch=20, epochs=1, loss=Sizes())
    trainer.run()
    assert sizes == [20, 20, 10]
    assert trainer.step == 3


def test_the_same_seed_gives_the_same_bits(data):
    runs = [network() for _ in range(3)]
    for net, seed in zip(runs, (5, 5, 6)):
        fit(net, *data, optimizer=Adam(0.01), epochs=3, seed=seed)
    np.testing.assert_array_equal(runs[0].parameters, runs[1].parameters)
    assert (runs[0].parameters != runs[2].parameters).any()


def test_accumulated_batches_equal_one_large_batch(data):
    x, t = data
    one = Sequential(Affine(16), ReLU(), Affine(3), dtype=np.float64).build(x)
    parts = copy.deepcopy(one)
    fit(one, x, t, optimizer=SGD(0.3), epochs=4, batch=30, shuffle=False)
    fit(parts, x, t, optimizer=SGD(0.3), epochs=4, batch=10, accumulate=3, shuffle=False)
    np.testing.assert_allclose(parts.parameters, one.parameters, rtol=1e-10)


def test_sample_weights_stand_for_repeated_rows(data):
    x, t = data[0][:12], data[1][:12]
    count = np.array([1, 2, 3] * 4)
    one = Sequential(Affine(3), dtype=np.float64).build(x)
    other = copy.deepcopy(one)
    fit(one, x, t, sample_weights=count, optimizer=SGD(0.3), epochs=5, batch=12)
    fit(other, np.repeat(x, count, 0), np.repeat(t, count), optimizer=SGD(0.3), epochs=5, batch=24)
    np.testing.assert_allclose(one.parameters, other.parameters, rtol=1e-10)


def test_validation_can_be_given_or_held_out(data):
    held = Trainer(network(), *data, validation=0.2)
    assert (len(held.x), len(held.validation[0])) == (40, 10)
    parts = [np.bincount(t, minlength=3) / len(t) for t in (held.t, held.validation[1])]
    np.testing.assert_allclose(*parts, atol=0.11)  # stratified
    history = fit(network(), *data, validation=data, epochs=2)
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "lr", "seconds"} == set(history)


def test_early_stopping_brings_the_best_weights_back(data):
    net, kept = network(), {}

    def remember(trainer):
        kept[trainer.epoch] = trainer.network.parameters.copy()

    stopping = EarlyStopping(3)
    history = fit(net, *data, validation=0.3, optimizer=Adam(0.1), epochs=200,
                  callbacks=[stopping, Call(remember)])  # fmt: skip
    assert history.stopped == "val_loss has not improved for 3 epochs"
    assert len(history) == stopping.best_epoch + 3
    assert history.best("val_loss") == stopping.best_epoch
    np.testing.assert_array_equal(net.parameters, kept[stopping.best_epoch])


def test_the_plateau_schedule_hears_the_validation_loss(data):
    schedule = Plateau(0.5, patience=1)
    history = fit(network(), *data, validation=0.2, optimizer=SGD(schedule), epochs=40)
    assert history["lr"][-1] < history["lr"][0]


def test_callbacks_are_called_in_order(data):
    events = []

    class Listens(Callback):
        def on_start(self, trainer):
            events.append("start")

        def on_step(self, trainer):
            events.append(trainer.step)

        def on_epoch(self, trainer):
            events.append(f"epoch {trainer.epoch}")

        def on_end(self, trainer):
            events.append("end")

    fit(network(), *data, batch=25, epochs=2, callbacks=[Listens()])
    assert events == ["start", 1, 2, "epoch 1", 3, 4, "epoch 2", "end"]


@pytest.mark.parametrize("at", [1, 4, 7, 10])
def test_resumed_training_goes_on_to_the_bit(data, tmp_path, at):
    """Stopped after any step, in the middle of an epoch too."""
    whole = network()
    expected = fit(whole, *data, optimizer=Adam(0.01), epochs=4, batch=20)

    class StopAt(Callback):
        def on_step(self, trainer):
            if trainer.step == at:
                os.kill(os.getpid(), signal.SIGINT)

    first = Trainer(network(), *data, optimizer=Adam(0.01), epochs=4, batch=20,
                    callbacks=[StopAt()])  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        first.run()
    assert first.step == at
    SaveModel(tmp_path / "m").write(first)
    saved = load_checkpoint(tmp_path / "m")
    second = Trainer(saved.network, *data, optimizer=Adam(0.01), epochs=4, batch=20,
                     callbacks=[Callback()])  # fmt: skip
    second.load_state_dict(saved.training)
    history = second.run()
    np.testing.assert_array_equal(saved.network.parameters, whole.parameters)
    assert history["loss"] == expected["loss"]
    with pytest.raises(ValueError, match="batch: the training to continue had 20, this one 10"):
        Trainer(network(), *data, batch=10).load_state_dict(saved.training)


def test_training_outside_the_main_thread(data):
    net = network()
    thread = threading.Thread(target=fit, args=(net, *data), kwargs={"epochs": 2})
    thread.start()
    thread.join()
    assert np.isfinite(net.parameters).all()


def test_divergence_names_step_and_layer_and_keeps_good_weights(rng):
    x = rng.normal(size=(64, 4))
    t = rng.normal(size=(64, 1))
    net = Sequential(Affine(8), Exp(), Affine(1), dtype=np.float32)
    with pytest.raises(DivergenceError, match=r"step \d+ .*it began in .*(Exp|Affine|gradient)"):
        fit(net, x, t, loss=MeanSquaredError(), optimizer=SGD(5.0), epochs=50)
    assert np.isfinite(net.parameters).all()
    assert np.isfinite(net.predict(x)).all()


def test_a_gradient_that_overflows_is_caught_before_the_update(data):
    class Explodes(SoftmaxCrossEntropy):
        def backward(self, dloss=1.0):
            dy, _ = super().backward(dloss)
            return dy * np.float32(np.inf), None

    net = network()
    net.build(data[0])
    before = net.parameters.copy()
    with pytest.raises(DivergenceError, match="a gradient is no longer finite at step 0"), \
            np.errstate(all="ignore"):  # fmt: skip
        fit(net, *data, loss=Explodes())
    np.testing.assert_array_equal(net.parameters, before)


def test_the_mode_of_the_network_is_as_before(data):
    net = network()
    net.eval()
    fit(net, *data, epochs=1)
    assert not net[2].training
    assert net.needs_input_grad


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 51}, "batch: 51 is more than the 50 samples"),
        ({"batch": 0}, "batch: an integer of at least 1"),
        ({"epochs": 1.5}, "epochs: an integer"),
        ({"epochs": 1, "steps": 1}, "give one of them"),
        ({"sample_weights": [1.0]}, "sample_weights: 50 finite numbers"),
        ({"validation": 1.5}, "fraction of 1.5"),
        ({"accumulate": -1}, "accumulate: an integer"),
    ],
)
def test_bad_options(data, options, message):
    with pytest.raises(ValueError, match=message):
        Trainer(network(), *data, **options)


def test_bad_data(data):
    x, t = data
    broken = x.copy()
    broken[7, 2] = np.nan
    for bad_x, bad_t, message in (
        (broken, t, "row 7, column 2 is nan"),
        (x[:0], t[:0], "empty"),
        (x, t[:-1], "50 samples"),
        ([["a", "b"]], [0], "must hold numbers"),
        (x, ["cat"] * 50, "encode_labels"),
    ):
        with pytest.raises(ValueError, match=message):
            fit(network(), bad_x, bad_t)
    with pytest.raises(ValueError, match="labels must lie from 0 to 2"):
        fit(network(), x, t + 1)


def test_digits_are_learned_to_97_percent():
    from handgrad.train.data import split

    x, t, x_test, t_test = split(*digits())
    net = Sequential(Affine(100), ReLU(), Affine(10))
    fit(net, x, t, optimizer=Adam(), epochs=40)
    assert net.evaluate(x_test, t_test, metrics=[accuracy])["accuracy"] >= 0.97


def test_mnist_is_learned_to_96_5_percent(mnist_folder):
    from handgrad.train.images import mnist

    (x, t), (x_test, t_test) = mnist(mnist_folder)
    net = Sequential(Affine(50), ReLU(), Affine(10))
    fit(net, x, t, optimizer=SGD(0.3), batch=100, steps=3_000, metrics=[])
    assert net.evaluate(x_test, t_test, metrics=[accuracy])["accuracy"] >= 0.965


def test_history_is_a_table():
    history = History()
    history.add(loss=2.0, accuracy=0.5)
    history.add(loss=1.0, accuracy=0.25)
    assert history.to_csv() == "epoch,loss,accuracy\n1,2.0,0.5\n2,1.0,0.25\n"
    assert (history.best("loss"), history.best("accuracy")) == (2, 1)
    assert History(**history.to_dict()).columns == history.columns
    with pytest.raises(KeyError, match="'f1' was not recorded; there are loss, accuracy"):
        _ = history["f1"]
