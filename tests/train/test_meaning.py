"""What is clearly meant is taken: targets of all kinds, names and classes for instances."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import BinaryCrossEntropy, SigmoidCrossEntropy, Standardize, meant
from handgrad.train import EarlyStopping, accuracy

RNG = np.random.default_rng(2)
X = RNG.normal(size=(40, 4)).astype(np.float32)
VALUE = (X[:, 0] + 0.5 * X[:, 1]).astype(np.float64)


def fitted(t, outputs=1, last=(), **options):
    network = hg.Sequential(hg.Affine(8), hg.Tanh(), hg.Affine(outputs), *last)
    options = {"epochs": 30, "progress": False, "batch": 7, "validation": 0.2} | options
    trainer = hg.Trainer(network, X, t, **options)
    return trainer, trainer.run()


@pytest.mark.parametrize("engine", ["numpy", "auto"])
@pytest.mark.parametrize(
    ("t", "outputs", "last", "loss"),
    [
        (VALUE, 1, (), hg.MeanSquaredError),
        (VALUE[:, None], 1, (), hg.MeanSquaredError),
        (VALUE[:, None], 1, (hg.Index((slice(None), 0)),), hg.MeanSquaredError),
        (np.round(VALUE * 8).astype(int), 1, (), hg.MeanSquaredError),
        (np.round(VALUE * 8).astype(int)[:, None], 1, (), hg.MeanSquaredError),
        (VALUE > 0, 1, (), SigmoidCrossEntropy),
        ((VALUE > 0)[:, None], 1, (), SigmoidCrossEntropy),
        ((VALUE > 0).astype(int), 1, (), SigmoidCrossEntropy),
        (VALUE > 0, 1, (hg.Sigmoid(),), BinaryCrossEntropy),
        (VALUE > 0, 2, (), hg.SoftmaxCrossEntropy),
        (VALUE.tolist(), 1, (), hg.MeanSquaredError),
        (np.eye(3, dtype=int)[RNG.integers(0, 3, 40)], 3, (), hg.SoftmaxCrossEntropy),
        (X[:, :3] > 0, 3, (), SigmoidCrossEntropy),
    ],
    ids=["(N)", "(N, 1)", "(N, 1) for (N)", "prices", "prices (N, 1)", "booleans",
         "booleans (N, 1)", "0 and 1", "after a Sigmoid", "booleans, two scores", "list", "one-hot",
         "several booleans"],
)  # fmt: skip
def test_targets_are_taken_as_they_are_meant(t, outputs, last, loss, engine):
    trainer, history = fitted(t, outputs, last, engine=engine)
    assert type(trainer.loss) is loss
    assert history["loss"][-1] < history["loss"][0]
    measured = trainer.network.evaluate(X, t)
    assert np.isfinite(measured["loss"])
    assert measured["loss"] < 2 * history["val_loss"][0]


@pytest.mark.parametrize("loss", [hg.MeanSquaredError, hg.MeanSquaredError(), hg.Huber])
@pytest.mark.parametrize(
    "t", [VALUE, np.round(VALUE).astype(int), VALUE > 0], ids=["real", "int", "bool"]
)
def test_with_a_loss_of_real_targets_all_targets_are_real_on_both_engines(loss, t):
    histories = [fitted(t, loss=loss, engine=engine)[1] for engine in ("numpy", "auto")]
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(histories[0][name], histories[1][name], rtol=1e-3)
    assert "accuracy" not in histories[0]


@pytest.mark.parametrize("engine", ["numpy", "auto"])
def test_one_score_and_labels_are_refused_on_both_engines(engine):
    with pytest.raises(hg.ShapeError, match="SoftmaxCrossEntropy: .* one output per class"):
        fitted(np.zeros(40, int), loss=hg.SoftmaxCrossEntropy(), engine=engine)


def test_a_name_or_a_class_stands_for_an_optimizer():
    for optimizer, kind in (("adam", hg.Adam), ("Momentum", hg.Momentum), (hg.SGD, hg.SGD),
                            (hg.Adam(0.02), hg.Adam), (None, hg.Adam)):  # fmt: skip
        trainer, _ = fitted(VALUE, optimizer=optimizer, epochs=1)
        assert type(trainer.optimizer) is kind
    for wrong, message in (
        ("adamant", "optimizer must be one of sgd, .*; got 'adamant'"),
        (0.01, "optimizer: .*Adam.*got 0.01"),
        (dict, "optimizer: .*got the class dict"),
    ):
        with pytest.raises(ValueError, match=message):
            fitted(VALUE, optimizer=wrong)


def test_a_class_or_a_single_one_stands_for_callbacks():
    trainer, _ = fitted(VALUE, callbacks=EarlyStopping, epochs=2)
    assert isinstance(trainer.state.callbacks[0], EarlyStopping)
    trainer, _ = fitted(VALUE, callbacks=[EarlyStopping], epochs=2)
    assert isinstance(trainer.state.callbacks[0], EarlyStopping)


def test_numbers_too_large_for_the_network_are_refused():
    with pytest.raises(ValueError, match="x holds 1e\\+39, too large for float32"):
        hg.Trainer(hg.Sequential(hg.Affine(1)), np.array([[1e39], [1.0]]), [0.0, 1.0])


def test_a_column_on_a_large_scale_is_warned_of():
    x = X * [1, 1, 500, 1]
    with pytest.warns(UserWarning, match=r"column 2 of x .* around \d+, .*Standardize.of\(x\)"):
        hg.Trainer(hg.Sequential(hg.Affine(1)), x, VALUE)
    images, network = np.full((9, 1, 4, 4), 255.0), hg.Sequential(hg.Flatten(), hg.Affine(2))
    with pytest.warns(UserWarning, match=r"^x holds .* x / 255 would do"):
        hg.Trainer(network, images, [0, 1, 1] * 3)
    with pytest.warns(UserWarning, match=r"the targets are around .*\(t - t.mean\(\)\) / t.std"):
        hg.Trainer(hg.Sequential(hg.Affine(1)), X, VALUE * 1e5)


def test_nothing_is_warned_of_where_the_network_scales():
    x = X * 1000
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for first in (Standardize.of(x), hg.BatchNorm(), hg.LayerNorm()):
            hg.Trainer(hg.Sequential(first, hg.Affine(1)), x, VALUE)
        hg.Trainer(hg.Sequential(hg.Embedding(900, 3), hg.LSTM(4), hg.Affine(900)),
                   RNG.integers(0, 900, (9, 5)), RNG.integers(0, 900, (9, 5)))  # fmt: skip
        hg.Trainer(hg.Sequential(hg.Affine(1)), X, VALUE)


@pytest.mark.parametrize("engine", ["numpy", "auto"])
@pytest.mark.parametrize(
    ("layers", "scale", "origin"),
    [
        ((hg.Affine(3),), 1e38, r"layer 0 \(Affine\)"),
        ((hg.Affine(5), hg.ReLU(), hg.Affine(3)), 1e20, r"layer 2 \(Affine\)"),
        ((hg.Affine(5), hg.Exp(), hg.Affine(3)), 100.0, r"layer 1 \(Exp\)"),
        ((hg.Affine(5), hg.ReLU(), hg.Affine(3), hg.Exp()), 100.0, r"layer 3 \(Exp\)"),
    ],
)  # fmt: skip
def test_the_layer_that_overflows_is_named(layers, scale, origin, engine):
    network = hg.Sequential(*copy.deepcopy(layers), seed=1).build(X)
    network.parameters[...] *= np.float32(scale)
    t = RNG.normal(size=(40, 3))
    with pytest.raises(hg.DivergenceError, match=rf"at step 0 .*it began in {origin}"):
        hg.fit(network, 8 * X, t, engine=engine, progress=False)


def test_a_loss_that_overflows_alone_is_blamed():
    network = hg.Sequential(hg.Affine(3)).build(X)
    network.parameters[...] *= np.float32(1e25)
    with pytest.raises(hg.DivergenceError, match=r"it began in the loss: .* are finite"):
        hg.fit(network, X, RNG.normal(size=(40, 3)), progress=False)


def test_meant_leaves_other_losses_targets_alone():
    class Own:
        def forward(self, y, t):
            return 0.0

        def backward(self, dloss=1.0):
            return None

    loss, t = meant(np.array([True, False]), np.zeros((2, 1)), Own)
    assert isinstance(loss, Own)
    assert t.dtype == bool


@pytest.mark.parametrize(
    ("option", "value"),
    [("loss", "mse"), ("loss", 3), ("loss", hg.Adam()), ("metrics", "accuracy"),
     ("metrics", ["accuracy"]), ("callbacks", 3), ("callbacks", [object()]),
     ("validation", (X,)), ("validation", "x"), ("validation", 1.5)],
)  # fmt: skip
def test_options_of_another_kind_are_refused_by_name(option, value):
    with pytest.raises(ValueError, match=f"^{option}: "):
        hg.fit(hg.Sequential(hg.Affine(2)), X, np.arange(40) % 2, progress=False, **{option: value})


def test_early_stopping_counts_whole_epochs():
    with pytest.raises(ValueError, match="EarlyStopping: patience: an integer of at least 1"):
        hg.EarlyStopping(2.5)


@pytest.mark.parametrize("engine", ["numpy", "auto"])
@pytest.mark.parametrize("layer", [hg.Affine(2), hg.ReLU(), hg.Sequential(hg.Affine(2))])
def test_a_layer_of_one_input_is_no_loss(layer, engine):
    with pytest.raises(ValueError, match=r"^loss: a loss such as .* forward\(y, t\), is needed"):
        fitted(VALUE, loss=layer, engine=engine)


def test_sample_weights_of_text_are_refused_by_name():
    with pytest.raises(ValueError, match="^sample_weights: real numbers are needed"):
        fitted(VALUE, sample_weights="a")


@pytest.mark.parametrize("loss", [hg.SoftmaxCrossEntropy, hg.NegativeLogLikelihood])
def test_a_column_of_labels_is_refused_with_the_way_out(loss):
    labels = (VALUE > 0).astype(int)[:, None]
    with pytest.raises(hg.ShapeError, match=r"t \(\d+, 1\); t\[\.\.\., 0\] would do"):
        fitted(labels, 3, loss=loss())


@pytest.mark.parametrize("engine", ["numpy", "auto"])
def test_an_output_without_a_batch_axis_is_refused(engine):
    network = hg.Sequential(hg.Affine(2), hg.Sum())
    for batch in (7, 40):
        with pytest.raises(hg.ShapeError, match="needs a batch axis .* got a scalar"):
            network.predict(X, batch=batch, engine=engine)


@pytest.mark.parametrize("loss", [hg.Add(), hg.Sub(), hg.MatMul()])
@pytest.mark.parametrize("t", [VALUE, VALUE[:, None], (VALUE > 0).astype(int)])
def test_a_layer_that_is_no_loss_is_refused_in_one_line(loss, t):
    network = hg.Sequential(hg.Affine(3))
    for use in (hg.fit, hg.Sequential.evaluate):
        with pytest.raises(ValueError, match="^loss: ") as refusal:
            use(network, X, t, loss=loss)
        assert "\n" not in str(refusal.value)


def test_a_network_refuses_an_engine_that_there_is_not_at_once():
    network = hg.Sequential(hg.Affine(3))
    assert network.engine == "auto"
    for name in ("cuda", "NumPy", None, 1):
        with pytest.raises(ValueError, match="^engine: one of 'auto', 'native', 'numpy' is needed"):
            network.engine = name
    network.engine = "numpy"
    assert copy.deepcopy(network).engine == "numpy"


def test_labels_that_came_as_real_numbers_are_told_from_a_regression():
    labels = np.arange(40) % 3
    with pytest.raises(hg.ShapeError, match=r"t: real targets of one number .* t\.astype\(int\)"):
        fitted(labels.astype(float), outputs=3)
    with pytest.raises(hg.ShapeError, match="t.astype"):
        hg.Sequential(hg.Affine(3)).build(X).evaluate(X, labels.astype(float))


def test_one_metric_needs_no_list():
    labels, network = np.arange(40) % 3, hg.Sequential(hg.Affine(3)).build(X)
    results = network.evaluate(X, labels, metrics=accuracy)
    assert results == network.evaluate(X, labels, metrics=[accuracy])
    with pytest.raises(ValueError, match="metrics: functions"):
        network.evaluate(X, labels, metrics="accuracy")
