"""Healthy trainings of many kinds, about which the doctor must say nothing."""

from __future__ import annotations

import numpy as np

import handgrad as hg
from handgrad import optim
from tests.train.watch import data
from tests.train.watch.case import collector

HEALTHY, healthy = collector()
S, A, R = hg.Sequential, hg.Affine, hg.ReLU


def mlp(*sizes, act=hg.ReLU, **options):
    layers = []
    for size in sizes[:-1]:
        layers += [A(size), act()]
    return S(*layers, A(sizes[-1]), **options)


@healthy()
def digits_with_the_defaults():
    return mlp(50, 10), *data.digits(), {"validation": 0.2}


@healthy()
def digits_with_sgd_and_momentum():
    x, t, held = data.split(data.digits())
    return mlp(50, 10), x, t, {"validation": held, "optimizer": hg.Momentum(0.05)}


@healthy()
def digits_with_plain_sgd():
    return mlp(40, 10), *data.digits(), {"validation": 0.2, "optimizer": hg.SGD(0.2), "epochs": 20}


@healthy()
def digits_with_small_normal_weights_as_in_the_book():
    network = S(A(50, init=0.01), R(), A(10, init=0.01))
    return network, *data.digits(), {"validation": 0.2, "optimizer": hg.SGD(0.3), "epochs": 25}


@healthy()
def digits_with_sigmoids():
    return mlp(40, 10, act=hg.Sigmoid), *data.digits(), {
        "validation": 0.2, "optimizer": hg.Adam(0.01), "epochs": 15}  # fmt: skip


@healthy()
def digits_for_very_long():
    return mlp(30, 10), *data.digits(400), {"validation": 0.25, "epochs": 60}


@healthy()
def digits_standardized():
    x, t = data.digits()
    return S(hg.Standardize.of(x), A(30), R(), A(10)), x, t, {"validation": 0.2}


@healthy()
def digits_standardized_by_hand():
    x, t = data.digits()
    return mlp(30, 10), (x - x.mean(0)) / (x.std(0) + 1e-6), t, {"validation": 0.2}


@healthy()
def digits_by_a_small_convolutional_network():
    x, t = data.digits(300, images=True)
    network = S(hg.Convolution(6, 3), R(), hg.MaxPooling(2), hg.Flatten(), A(10))
    return network, x, t, {"validation": 0.2, "optimizer": hg.Adam(0.01), "epochs": 8}


@healthy()
def digits_with_batch_normalization():
    network = S(A(40), hg.BatchNorm(), R(), A(10))
    return network, *data.digits(), {"validation": 0.2}


@healthy()
def digits_with_dropout():
    network = S(A(80), R(), hg.Dropout(0.4), A(10))
    return network, *data.digits(), {"validation": 0.2, "epochs": 15}


@healthy()
def digits_by_logistic_regression_from_zero():
    return S(A(10, init="zeros")), *data.digits(), {"validation": 0.2, "epochs": 15}


@healthy()
def digits_one_hot():
    x, t = data.digits()
    return mlp(40, 10), x, np.eye(10, dtype=np.float32)[t], {
        "validation": 0.2, "loss": hg.SoftmaxCrossEntropy()}  # fmt: skip


@healthy()
def digits_with_class_weights_and_label_smoothing():
    loss = hg.SoftmaxCrossEntropy(class_weights=np.linspace(1, 2, 10), label_smoothing=0.1)
    return mlp(40, 10), *data.digits(), {"validation": 0.2, "loss": loss}


@healthy()
def digits_with_weight_decay():
    return mlp(40, 10), *data.digits(), {"validation": 0.2, "optimizer": hg.AdamW(0.003)}


@healthy()
def digits_with_l2_and_momentum():
    return mlp(40, 10), *data.digits(), {
        "validation": 0.2, "optimizer": hg.Momentum(0.05, l2=1e-3)}  # fmt: skip


@healthy()
def digits_with_a_cosine_schedule():
    rule = hg.Adam(optim.CosineDecay(0.01, steps=15 * 15))
    return mlp(40, 10), *data.digits(), {"validation": 0.2, "optimizer": rule, "epochs": 15}


@healthy()
def digits_in_large_batches():
    return mlp(40, 10), *data.digits(), {
        "validation": 0.2, "optimizer": hg.Adam(0.02), "batch": 240, "epochs": 40}  # fmt: skip


@healthy()
def digits_with_the_native_engine():
    return mlp(50, 10), *data.digits(), {"validation": 0.2, "engine": "auto"}


@healthy()
def digits_with_half_of_the_network_frozen():
    x, t = data.digits()
    return mlp(100, 10).build(x).freeze("0"), x, t, {"validation": 0.2, "epochs": 15}


@healthy()
def a_deep_network_of_relus():
    return mlp(40, 40, 40, 40, 40, 10), *data.digits(), {"validation": 0.2, "epochs": 12}


@healthy()
def residual_blocks():
    network = S(A(32), *(hg.Residual(A(32), R(), A(32, init="zeros")) for _ in range(4)), A(10))
    return network, *data.digits(), {"validation": 0.2}


@healthy()
def noisy_moons():
    x, t = hg.datasets.moons(300, noise=0.35)
    return mlp(16, 2), x, t, {"validation": 0.25, "epochs": 25}


@healthy()
def labels_a_quarter_of_which_are_wrong():
    x, t = data.moons(400)
    wrong = np.random.default_rng(0).uniform(size=len(t)) < 0.2
    return mlp(8, 2), x, np.where(wrong, 1 - t, t), {"validation": 0.25, "epochs": 20}


@healthy()
def moons_with_tanh():
    return mlp(16, 16, 2, act=hg.Tanh), *data.moons(), {"validation": 0.2, "epochs": 40}


@healthy()
def a_spiral():
    return mlp(32, 32, 3), *data.spiral(), {"validation": 0.2, "epochs": 60}


@healthy()
def a_gate():
    x, t = hg.datasets.gates("xor")
    return mlp(8, 2, act=hg.Tanh), x, t, {"optimizer": hg.Adam(0.05), "epochs": 150}


@healthy()
def a_perceptron_for_and():
    x, t = hg.datasets.gates("and")
    return S(A(1)), x, t, {"optimizer": hg.SGD(1.0), "epochs": 200}


@healthy()
def a_gate_with_many_copies_of_its_rows():
    x, t = hg.datasets.gates("or")
    return mlp(4, 2), np.tile(x, (50, 1)), np.tile(t, 50), {"validation": 0.2, "epochs": 30}


@healthy()
def yes_or_no_with_a_sigmoid():
    x, t = data.moons()
    return S(A(16), R(), A(1), hg.Sigmoid()), x, t, {"validation": 0.2, "epochs": 40}


@healthy()
def yes_or_no_from_scores():
    return mlp(16, 1), *data.moons(), {"validation": 0.2, "epochs": 40}


@healthy()
def a_rare_class_that_is_found():
    x, t = data.rare(shift=2.5)
    return mlp(8, 2), x, t, {"validation": 0.25, "epochs": 20}


@healthy()
def a_sine():
    x, t = data.sine()
    return mlp(32, 1, act=hg.Tanh), x, t, {
        "validation": 0.2, "optimizer": hg.Adam(0.01), "epochs": 60}  # fmt: skip


@healthy()
def a_sine_of_positive_numbers_with_relus():
    x, t = data.sine()
    return mlp(40, 40, 1), (x + np.float32(np.pi)) / 3, t, {
        "validation": 0.2, "optimizer": hg.Adam(0.01), "epochs": 80}  # fmt: skip


@healthy()
def a_table_of_values():
    x, t, held = data.split(data.table())
    return mlp(32, 1), x, t, {"validation": held, "epochs": 30}


@healthy()
def a_table_of_very_noisy_values():
    x, t, held = data.split(data.table(noise=2.0))
    return mlp(8, 1), x, t, {"validation": held, "epochs": 15}


@healthy()
def values_by_huber_and_rmsprop():
    x, t, held = data.split(data.table())
    return (
        mlp(32, 1),
        x,
        t,
        {"validation": held, "epochs": 30, "loss": hg.Huber(), "optimizer": hg.RMSProp(0.003)},
    )


@healthy()
def a_straight_line_by_sgd():
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 1)).astype(np.float32)
    t = 2 * x + 1 + 0.1 * random.normal(size=(200, 1)).astype(np.float32)
    return S(A(1)), x, t, {"optimizer": hg.SGD(0.1), "epochs": 20}


@healthy()
def values_by_lbfgs():
    x, t, held = data.split(data.table())
    return mlp(8, 1, act=hg.Tanh), x, t, {"validation": held, "optimizer": hg.LBFGS(l2=1e-2),
                                          "epochs": 30}  # fmt: skip


@healthy()
def an_autoencoder():
    x, _ = data.digits(300)
    return S(A(16), R(), A(64)), x, x, {"validation": 0.2, "epochs": 30,
                                        "optimizer": hg.Adam(0.01)}  # fmt: skip


@healthy()
def words_by_an_lstm():
    x, t, held = data.split(data.texts())
    network = S(hg.Embedding(30, 8), hg.LSTM(16), hg.Index(np.s_[:, -1]), A(2))
    return network, x, t, {"validation": held, "optimizer": hg.Adam(0.02), "epochs": 6}


@healthy()
def padded_words_by_their_mean():
    x, t, held = data.split(data.texts())
    x = np.concatenate([x + 1, np.zeros((len(x), 20), int)], axis=1)
    held = np.concatenate([held[0] + 1, np.zeros((len(held[0]), 20), int)], axis=1), held[1]
    network = S(hg.Embedding(31, 8), hg.Flatten(), A(2))
    return network, x, t, {"validation": held, "optimizer": hg.Adam(0.01), "epochs": 8}


@healthy()
def with_early_stopping():
    return mlp(60, 10), *data.digits(200), {
        "validation": 0.3, "epochs": 80, "callbacks": [hg.EarlyStopping(5)]}  # fmt: skip


@healthy()
def an_average_of_the_weights():
    return mlp(40, 10), *data.digits(), {"validation": 0.2, "average": hg.train.EMA(0.9)}


@healthy()
def a_trained_network_trained_on():
    x, t = data.digits()
    network = mlp(40, 10)
    hg.fit(network, x, t, epochs=10, progress=False, engine="numpy")
    return network, x, t, {"optimizer": hg.Adam(0.001), "epochs": 3}


class OwnReLU:
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask


class OwnAffine:
    def __init__(self, inputs, outputs):
        self.W = np.random.default_rng(inputs).normal(size=(inputs, outputs)) / inputs**0.5
        self.b = np.zeros(outputs)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy):
        self.dW, self.db = self.x.T @ dy, dy.sum(axis=0)
        return dy @ self.W.T


@healthy()
def layers_of_ones_own():
    return S(OwnAffine(64, 40), OwnReLU(), OwnAffine(40, 10)), *data.digits(), {"validation": 0.2}
