"""Weights mean what they say, whatever the batches: in updates, in accumulated ones, in losses."""

from __future__ import annotations

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import Loss

RNG = np.random.default_rng(3)
X, LABELS = RNG.normal(size=(24, 5)), RNG.integers(0, 3, 24)
WEIGHTS = RNG.uniform(0.1, 10, 24)
SEQUENCES, NEXT = RNG.normal(size=(6, 20, 5)), RNG.integers(0, 3, (6, 20))
for row, counted in enumerate((1, 20, 3, 0, 12, 2)):
    NEXT[row, counted:] = -1
SPARSE = LABELS.copy()
SPARSE[::3] = -1
REAL = RNG.normal(size=(24, 3))

CASES = {
    "sample weights": (X, LABELS, {"sample_weights": WEIGHTS}),
    "class weights": (X, LABELS, {"loss": hg.SoftmaxCrossEntropy(class_weights=[10, 1, 3])}),
    "both": (X, LABELS, {"sample_weights": WEIGHTS,
                         "loss": hg.SoftmaxCrossEntropy(class_weights=[10, 1, 3])}),
    "ignored": (X, SPARSE, {"loss": hg.SoftmaxCrossEntropy(ignore_index=-1)}),
    "sequences": (SEQUENCES, NEXT, {"loss": hg.SoftmaxCrossEntropy(ignore_index=-1)}),
    "weighted sequences": (SEQUENCES, NEXT, {"sample_weights": [1, 10, 1, 2, 3, 1],
                                             "loss": hg.SoftmaxCrossEntropy(ignore_index=-1)}),
    "smoothing": (X, LABELS, {"loss": hg.SoftmaxCrossEntropy(
        label_smoothing=0.1, class_weights=[10, 1, 3])}),
    "squares": (X, REAL, {"sample_weights": WEIGHTS, "loss": hg.MeanSquaredError()}),
    "sum of squares": (X, REAL, {"loss": hg.SumSquaredError()}),
    "plain": (X, LABELS, {}),
}  # fmt: skip


def network():
    return hg.Sequential(hg.Affine(4), hg.Tanh(), hg.Affine(3), dtype=np.float64)


def trained(x, t, **options):
    net = network()
    options = {"optimizer": hg.SGD(0.01), "epochs": 1, "shuffle": False, "progress": False,
               "metrics": []} | options  # fmt: skip
    history = hg.fit(net, x, t, **options)
    return net, history


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("weighting", ["data", "batch"])
@pytest.mark.parametrize("parts", [2, 3, 6])
def test_accumulated_parts_are_one_batch(case, weighting, parts):
    x, t, options = CASES[case]
    if weighting == "batch" and "sequences" in case:
        parts = min(parts, 3)  # one of six has nothing to learn from
    one, whole = trained(x, t, batch=len(x), weighting=weighting, **options)
    two, by_parts = trained(
        x, t, batch=len(x) // parts, accumulate=parts, weighting=weighting, **options
    )
    np.testing.assert_allclose(two.parameters, one.parameters, rtol=1e-9)
    np.testing.assert_allclose(by_parts["loss"], whole["loss"], rtol=1e-9)


@pytest.mark.parametrize(
    "case", ["sample weights", "class weights", "both", "smoothing", "squares", "plain"]
)
@pytest.mark.parametrize("batch", [1, 3, 4])
def test_a_sample_moves_the_weights_in_proportion_whatever_the_batch(case, batch):
    """With a small rate, the updates of an epoch sum to that of all of the data."""
    x, t, options = CASES[case]
    start = network().build(x).parameters
    rate = 1e-7
    one, _ = trained(x, t, batch=len(x), optimizer=hg.SGD(rate), **options)
    many, _ = trained(x, t, batch=batch, optimizer=hg.SGD(rate), **options)
    steps = len(x) // batch
    np.testing.assert_allclose(
        (many.parameters - start) / steps, one.parameters - start, rtol=2e-3, atol=1e-12
    )


@pytest.mark.parametrize("option", ["sample_weights", "class_weights"])
def test_in_a_batch_of_one_a_weight_is_w_over_its_mean(option):
    x, t, w = X[:2], np.array([0, 1]), np.array([10.0, 2.0])
    options = (
        {"sample_weights": w} if option == "sample_weights"
        else {"loss": hg.SoftmaxCrossEntropy(class_weights=[*w, 1])}
    )  # fmt: skip
    moved = {}
    for name, more in (("weighted", options), ("batch", options | {"weighting": "batch"}),
                       ("plain", {})):  # fmt: skip
        net, _ = trained(x, t, batch=1, steps=1, epochs=None, optimizer=hg.SGD(1.0), **more)
        moved[name] = net.parameters - network().build(x).parameters
    np.testing.assert_allclose(moved["weighted"], moved["plain"] * 10 / 6, rtol=1e-9)
    np.testing.assert_allclose(moved["batch"], moved["plain"], rtol=1e-9)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("batch", [1, 5, 24])
def test_one_definition_of_the_loss_that_is_shown(case, batch):
    """Σ u·ℓ / Σ u: of training where no weight moves, of validation, of evaluate."""
    x, t, options = CASES[case]
    batch = min(batch, len(x))
    rate = {"optimizer": hg.SGD(0.0), "epochs": 2}
    weights = options.get("sample_weights")
    net, history = trained(x, t, batch=batch, validation=(x, t), **rate, **options)
    assert history["val_loss"][0] == net.evaluate(x, t, loss=options.get("loss"))["loss"]
    loss = options.get("loss") or hg.SoftmaxCrossEntropy()
    y = net.predict(x)
    expected = float(loss.forward(y, t, *([] if weights is None else [np.asarray(weights, float)])))
    np.testing.assert_allclose(history["loss"], [expected] * 2, rtol=1e-9)
    _, half = (
        trained(x, t, batch=batch, weighting="batch", **rate, **options)
        if "sequences" not in case and not (batch == 1 and "ignored" in case)
        else (0, history)
    )
    np.testing.assert_allclose(half["loss"], history["loss"], rtol=1e-9)


def test_a_loss_of_ones_own_counts_by_samples():
    class Own:
        def forward(self, y, t):
            self.d = (y - t) / len(y)
            return float(((y - t) ** 2).sum() / 2 / len(y))

        def backward(self, dloss=1.0):
            return self.d

    one, _ = trained(X, REAL, loss=Own(), batch=24)
    two, history = trained(X, REAL, loss=Own(), batch=5, accumulate=5)
    np.testing.assert_allclose(two.parameters, one.parameters, rtol=1e-9)
    assert not isinstance(Own(), Loss)
    y = network().build(X).predict(X)
    np.testing.assert_allclose(history["loss"], [((y - REAL) ** 2).sum() / 48], rtol=1e-9)


def test_a_normalizer_of_the_users_stays():
    loss = hg.SoftmaxCrossEntropy()
    loss.normalizer = 2.0
    trainer = hg.Trainer(network(), X, LABELS, loss=loss, sample_weights=WEIGHTS)
    assert trainer.task.loss.normalizer == 2.0
    other = hg.SoftmaxCrossEntropy()
    assert hg.Trainer(network(), X, LABELS, loss=other, sample_weights=WEIGHTS).loss is other
    assert other.normalizer is None
    with pytest.raises(ValueError, match="weighting: one of 'data', 'batch', got 'none'"):
        hg.Trainer(network(), X, LABELS, weighting="none")


def test_validation_without_a_label_that_counts_is_refused_before_training():
    network = hg.Sequential(hg.Affine(3))
    held = X[:4], np.full(4, -1)
    with pytest.raises(ValueError, match="validation data: every label is ignored"):
        hg.Trainer(
            network, X, SPARSE, loss=hg.SoftmaxCrossEntropy(ignore_index=-1), validation=held
        )


@pytest.mark.parametrize("engine", ["numpy", "auto"])
def test_labels_that_are_all_ignored_are_refused(engine):
    network = hg.Sequential(hg.Affine(3))
    x, t = np.ones((8, 2), np.float32), np.full(8, -1)
    with pytest.raises(ValueError, match="SoftmaxCrossEntropy: "):
        hg.fit(network, x, t, loss=hg.SoftmaxCrossEntropy(ignore_index=-1), engine=engine)
