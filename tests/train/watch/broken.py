"""Trainings with a mistake that users make, and the finding that names it."""

from __future__ import annotations

import numpy as np

import handgrad as hg
from handgrad import optim
from tests.train.watch import data
from tests.train.watch.case import collector
from tests.train.watch.healthy import OwnReLU, mlp

BROKEN, broken = collector()
S, A, R = hg.Sequential, hg.Affine, hg.ReLU


# -- data ----------------------------------------------------------------------------------------


@broken("inputs-scale")
def pixels_from_0_to_255():
    x, t = data.digits()
    return mlp(40, 10), x * 255, t, {"validation": 0.2}


@broken("inputs-scale")
def one_column_in_another_unit():
    x, t, held = data.split(data.table())
    x, held = x.copy(), (held[0].copy(), held[1])
    x[:, 2] *= 1000
    held[0][:, 2] *= 1000
    return mlp(32, 1), x, t, {"validation": held, "epochs": 20}


@broken("inputs-scale")
def pixels_divided_by_255_twice():
    x, t = data.digits()
    return mlp(40, 10), x / 255, t, {"validation": 0.2}


@broken("inputs-scale")
def years_in_thousands():
    x, t = data.moons()
    return mlp(16, 2), 2 + x / 200, t, {"validation": 0.2, "optimizer": hg.SGD(0.1)}


@broken("constant-inputs")
def integers_divided_by_integers():
    x, t = data.digits()
    return mlp(40, 10), np.floor(x * 0.99).astype(np.float32) * 0, t, {"validation": 0.2}


@broken("constant-inputs")
def a_column_that_never_changes():
    x, t, held = data.split(data.table())
    five = [np.concatenate([a, np.full((len(a), 1), 5, a.dtype)], axis=1) for a in (x, held[0])]
    return mlp(32, 1), five[0], t, {"validation": (five[1], held[1]), "epochs": 20}


@broken("constant-targets")
def one_class_alone():
    x, t = data.digits()
    return mlp(40, 10), x, t * 0 + 3, {"validation": 0.2}


@broken("targets-scale")
def prices_in_dollars():
    x, t, held = data.split(data.table())
    return mlp(32, 1), x, 2e5 + 5e4 * t, {"validation": (held[0], 2e5 + 5e4 * held[1])}


@broken("targets-scale")
def values_far_from_0():
    x, t, held = data.split(data.table())
    return mlp(32, 1), x, 20 + t / 4, {"validation": (held[0], 20 + held[1] / 4)}


@broken("validation-inputs")
def validation_inputs_not_scaled():
    x, t, held = data.split(data.digits())
    return mlp(40, 10), x, t, {"validation": (held[0] * 16, held[1])}


@broken("validation-inputs")
def training_inputs_standardized_alone():
    x, t, held = data.split(data.table())
    x, far = x * 3 + 20, held[0] * 3 + 20
    return mlp(32, 1), (x - x.mean(0)) / x.std(0), t, {"validation": (far, held[1])}


@broken("leakage")
def training_samples_in_the_validation_data():
    x, t, held = data.split(data.digits())
    mixed = np.concatenate([held[0], x[:60]]), np.concatenate([held[1], t[:60]])
    return mlp(40, 10), x, t, {"validation": mixed}


@broken("leakage")
def validation_on_the_training_data():
    x, t = data.table()
    return mlp(16, 1), x, t, {"validation": (x, t)}


@broken("leakage")
def oversampled_before_the_split():
    x, t = data.rare(shift=2.0)
    again = np.concatenate([np.arange(len(t)), np.repeat(np.flatnonzero(t == 1), 10)])
    return mlp(8, 2), x[again], t[again], {"validation": 0.25}


@broken("target-among-inputs")
def the_target_is_a_column():
    x, t = data.table()
    return mlp(16, 1), np.concatenate([x, 3 * t], axis=1), t, {"validation": 0.25}


@broken("label-range")
def labels_from_1():
    x, t = data.digits()
    return mlp(40, 11), x, t + 1, {"validation": 0.2}


@broken("missing-class")
def split_without_shuffling():
    x, t = data.digits()
    order = np.argsort(t, kind="stable")
    x, t, held = data.cut((x[order], t[order]))
    return mlp(40, 10), x, t, {"validation": held}


@broken("shuffled-labels")
def labels_in_another_order():
    x, t = data.digits()
    return mlp(40, 10), x, np.random.default_rng(0).permutation(t), {"validation": 0.2,
                                                                     "epochs": 30}  # fmt: skip


@broken("shuffled-labels")
def values_in_another_order():
    x, t, _ = data.split(data.table())
    return mlp(32, 1), x, np.random.default_rng(0).permutation(t), {"validation": 0.25}


@broken("shuffled-labels")
def labels_in_another_order_without_validation():
    x, t = data.digits(300)
    return mlp(60, 10), x, np.random.default_rng(1).permutation(t), {"epochs": 60}


@broken("misaligned-labels")
def labels_of_the_next_sample():
    x, t = data.digits()
    order = np.random.default_rng(0).permutation(len(t))  # as they came, they count from 0 to 9
    x, t, held = data.cut((x[order], np.roll(t[order], 1)))
    return mlp(40, 10), x, t, {"validation": held, "epochs": 20}


@broken("validation-targets")
def validation_labels_in_another_order():
    x, t, held = data.split(data.digits())
    return mlp(40, 10), x, t, {"validation": (held[0], np.sort(held[1])), "epochs": 15}


@broken("sorted-batches")
def sorted_and_not_shuffled():
    x, t = data.digits()
    order = np.argsort(t, kind="stable")
    return mlp(40, 10), x[order], t[order], {"shuffle": False, "batch": 16}


@broken("imbalance")
def a_rare_class_that_is_never_found():
    return mlp(8, 2), *data.rare(shift=0.4), {"validation": 0.25, "epochs": 15}


@broken("imbalance")
def a_rare_yes():
    return mlp(8, 1), *data.rare(shift=0.4, seed=2), {"validation": 0.25, "epochs": 15}


@broken("words")
def a_vocabulary_made_of_other_texts():
    x, t, held = data.split(data.texts())
    return _reader(80), x, t, {"validation": (held[0] + 30, held[1]), "epochs": 4}


@broken("words")
def most_words_are_unknown():
    x, t, held = data.split(data.texts())
    return _reader(30), np.where(x > 3, 1, x), t, {
        "validation": (np.where(held[0] > 3, 1, held[0]), held[1]), "epochs": 4}  # fmt: skip


def _reader(words):
    return S(hg.Embedding(words, 8), hg.LSTM(12), hg.Index(np.s_[:, -1]), A(2))


# -- the network -----------------------------------------------------------------------------------


@broken("softmax-twice")
def softmax_before_softmax_cross_entropy():
    network = S(A(40), R(), A(10), hg.Softmax())
    return network, *data.digits(), {"validation": 0.2, "loss": hg.SoftmaxCrossEntropy()}


@broken("softmax-twice")
def sigmoid_before_sigmoid_cross_entropy():
    x, t = data.moons()
    return S(A(16), R(), A(1), hg.Sigmoid()), x, t.astype(float)[:, None], {
        "validation": 0.2, "loss": hg.SigmoidCrossEntropy()}  # fmt: skip


@broken("last-activation")
def a_relu_after_the_scores():
    return S(A(40), R(), A(10), R()), *data.digits(), {"validation": 0.2}


@broken("last-activation")
def a_sigmoid_for_values_of_any_size():
    x, t, held = data.split(data.table())
    return S(A(32), R(), A(1), hg.Sigmoid()), x, t, {"validation": held}


@broken("last-activation")
def a_relu_for_negative_values():
    x, t = data.sine()
    return S(A(32), hg.Tanh(), A(1), R()), x, t, {"validation": 0.2, "epochs": 20}


@broken("last-activation")
def softmax_before_the_negative_log_likelihood():
    network = S(A(40), R(), A(10), hg.Softmax())
    return network, *data.digits(), {"validation": 0.2, "loss": hg.NegativeLogLikelihood()}


@broken("labels-as-values")
def classes_by_mean_squared_error():
    x, t = data.digits()
    return mlp(40, 1), x, t.astype(np.float32)[:, None], {"validation": 0.2}


@broken("equal-weights")
def all_weights_zero():
    network = S(A(40, init="zeros"), R(), A(10, init="zeros"))
    return network, *data.digits(), {"validation": 0.2}


@broken("equal-weights")
def all_weights_equal():
    x, t = data.digits()
    network = S(A(40), hg.Tanh(), A(10)).build(x)
    network.parameters[...] = 0.1
    return network, x, t, {"validation": 0.2}


@broken("dropout")
def dropout_of_the_outputs():
    return S(A(40), R(), A(10), hg.Dropout(0.5)), *data.digits(), {"validation": 0.2}


@broken("dropout")
def dropout_of_nearly_everything():
    network = S(A(40), R(), hg.Dropout(0.95), A(30), R(), hg.Dropout(0.95), A(10))
    return network, *data.digits(), {"validation": 0.2, "epochs": 15}


class AlwaysNoise(hg.Layer):
    """Dropout that does not look at the mode."""

    def forward(self, x):
        self.mask = (np.random.default_rng().uniform(size=x.shape) > 0.5) * np.float32(2)
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask


@broken("random-evaluation", "evaluation-differs")
def dropout_in_evaluation_too():
    return S(A(60), R(), AlwaysNoise(), A(10)), *data.digits(), {"validation": 0.2}


@broken("batchnorm-small-batch")
def batch_normalization_of_one_sample():
    network = S(A(16), hg.BatchNorm(), R(), A(10))
    return network, *data.digits(150), {"validation": 0.2, "batch": 1, "epochs": 2}


@broken("evaluation-differs")
def running_statistics_that_hardly_move():
    network = S(A(40), hg.BatchNorm(momentum=0.9999), R(), A(10))
    x, t = data.digits()
    return network, x * 0.1, t, {"validation": 0.2}


@broken("no-activation")
def linear_layers_alone():
    return S(A(16), A(16), A(2)), *data.moons(), {"validation": 0.2, "epochs": 20}


@broken("dead-relu")
def biases_far_below_zero():
    x, t = data.digits()
    network = mlp(40, 10).build(x)
    network.layers[0].b[...] = -20
    return network, x, t, {"validation": 0.2}


@broken("dead-relu", "lr-too-high")
def relus_killed_by_a_large_step():
    return mlp(40, 40, 10), *data.digits(), {"validation": 0.2, "optimizer": hg.SGD(10.0)}


@broken("saturated", "loss-at-start")
def sigmoids_with_large_weights():
    network = S(A(100, init=1.0), hg.Sigmoid(), A(100, init=1.0), hg.Sigmoid(), A(10, init=1.0))
    return network, *data.digits(), {"validation": 0.2, "optimizer": hg.SGD(0.01)}


@broken("saturated")
def tanhs_with_large_weights():
    network = S(A(50, init=2.0), hg.Tanh(), A(10))
    return network, *data.digits(), {"validation": 0.2}


@broken("vanishing-gradient")
def a_deep_network_of_sigmoids():
    return mlp(*[30] * 8, 10, act=hg.Sigmoid), *data.digits(), {
        "validation": 0.2, "optimizer": hg.SGD(0.1)}  # fmt: skip


@broken("vanishing-gradient")
def a_deep_network_with_tiny_weights():
    layers = [layer for _ in range(6) for layer in (A(30, init=0.01), hg.Tanh())]
    return S(*layers, A(10, init=0.01)), *data.digits(), {
        "validation": 0.2, "optimizer": hg.SGD(0.1)}  # fmt: skip


@broken("exploding", "loss-at-start")
def a_deep_network_with_large_weights():
    layers = [layer for _ in range(5) for layer in (A(60, init=1.0), R())]
    return S(*layers, A(10, init=1.0)), *data.digits(), {"validation": 0.2}


@broken("loss-at-start")
def large_weights_in_the_last_layer():
    return S(A(50), R(), A(10, init=3.0)), *data.digits(), {"validation": 0.2}


@broken("gradient-stops")
def a_step_as_activation():
    return S(A(40), hg.Step(), A(10)), *data.digits(), {"validation": 0.2}


class NoGradient(OwnReLU):
    def backward(self, dy):
        return dy * 0


@broken("gradient-stops", "wrong-gradient")
def a_backward_that_returns_zero():
    return S(A(40), NoGradient(), A(10)), *data.digits(), {"validation": 0.2}


class WrongSign(OwnReLU):
    def backward(self, dy):
        return -dy * self.mask


@broken("wrong-gradient")
def a_backward_with_the_wrong_sign():
    return S(A(40), WrongSign(), A(10)), *data.digits(), {"validation": 0.2}


class ForgottenLayer(hg.Network):
    def __init__(self):
        self.first, self.second, self.last = A(40), A(40, inputs=40), A(10)

    def __call__(self, x):
        return self.last(np.maximum(self.first(x), 0))


@broken("gradient-stops")
def a_layer_that_is_never_called():
    return ForgottenLayer(), *data.digits(), {"validation": 0.2}


# -- the updates -----------------------------------------------------------------------------------


@broken("nothing-moves")
def everything_frozen():
    x, t = data.digits()
    network = mlp(40, 10).build(x)
    return network.freeze("0", "2"), x, t, {"validation": 0.2}


@broken("nothing-moves")
def a_learning_rate_of_zero():
    return mlp(40, 10), *data.digits(), {"validation": 0.2, "optimizer": hg.SGD(0.0)}


@broken("diverged", "lr-too-high")
def a_rate_that_ends_in_nan():
    x, t, held = data.split(data.table())
    return mlp(32, 1), x, t, {"validation": held, "optimizer": hg.SGD(5.0), "epochs": 30}


class LogOfAnything(hg.Layer):
    def forward(self, x):
        self.x = x
        return np.log(x)

    def backward(self, dy):
        return dy / self.x


@broken("diverged")
def a_logarithm_of_negative_numbers():
    return S(A(16), LogOfAnything(), A(2)), *data.moons(), {"validation": 0.2}


@broken("lr-too-high")
def adam_with_a_rate_of_one():
    return mlp(40, 10), *data.digits(), {"validation": 0.2, "optimizer": hg.Adam(1.0)}


@broken("lr-too-high")
def momentum_with_the_rate_of_sgd():
    return mlp(40, 10), *data.digits(), {
        "validation": 0.2, "optimizer": hg.Momentum(1.5, momentum=0.99)}  # fmt: skip


@broken("lr-too-high")
def sgd_on_values_with_a_large_rate():
    x, t, held = data.split(data.table())
    return mlp(32, 1, act=hg.Tanh), x, t, {"validation": held, "optimizer": hg.SGD(1.0)}


@broken("lr-too-low")
def sgd_with_the_rate_of_adam():
    return mlp(40, 10), *data.digits(), {"validation": 0.2, "optimizer": hg.SGD(0.0005)}


@broken("lr-too-low")
def adam_with_a_tiny_rate():
    return mlp(40, 10), *data.digits(), {"validation": 0.2, "optimizer": hg.Adam(1e-6)}


@broken("lr-too-low")
def a_sine_with_a_tiny_rate():
    return mlp(32, 1, act=hg.Tanh), *data.sine(), {
        "validation": 0.2, "optimizer": hg.Momentum(1e-5), "epochs": 20}  # fmt: skip


@broken("lr-schedule")
def a_schedule_that_fades_at_once():
    rule = hg.SGD(optim.ExponentialDecay(0.1, every=10))
    return mlp(40, 10), *data.digits(), {"validation": 0.2, "optimizer": rule, "epochs": 20}


@broken("decay-too-strong")
def a_large_weight_decay():
    return mlp(40, 10), *data.digits(), {
        "validation": 0.2, "optimizer": hg.SGD(0.1, l2=0.5), "epochs": 15}  # fmt: skip


@broken("decay-too-strong")
def adamw_with_a_decay_of_twenty():
    return (
        mlp(40, 10),
        *data.digits(),
        {"validation": 0.2, "optimizer": hg.AdamW(0.003, weight_decay=20.0), "epochs": 20},
    )


@broken("few-updates")
def all_data_in_one_batch():
    x, t = data.digits()
    return mlp(40, 10), x, t, {"batch": 600, "epochs": 10, "optimizer": hg.Adam(0.003)}


# -- the curves ------------------------------------------------------------------------------------


@broken("overfitting")
def a_large_network_on_few_samples():
    x, t, held = data.split(hg.datasets.moons(80, noise=0.4), 0.5)
    return mlp(100, 100, 2), x, t, {"validation": held, "epochs": 150,
                                    "optimizer": hg.Adam(0.01)}  # fmt: skip


@broken("overfitting")
def values_with_noise_learnt_by_heart():
    x, t, held = data.split(data.table(n=160, noise=1.5), 0.5)
    return mlp(100, 100, 1), x, t, {"validation": held, "epochs": 100,
                                    "optimizer": hg.Adam(0.005)}  # fmt: skip


@broken("overfitting")
def wrong_labels_learnt_by_heart():
    x, t = data.moons(300)
    wrong = np.random.default_rng(3).uniform(size=len(t)) < 0.25
    x, t, held = data.split((x, np.where(wrong, 1 - t, t)), 0.4)
    return mlp(120, 120, 2), x, t, {
        "validation": held, "epochs": 120, "optimizer": hg.Adam(0.01)}  # fmt: skip


@broken("no-learning", "no-activation")
def a_straight_line_for_exclusive_or():
    x, t = hg.datasets.gates("xor")
    return S(A(2)), np.tile(x, (25, 1)), np.tile(t, 25), {"epochs": 30}


@broken("vanishing-gradient")
def two_layers_with_tiny_weights():
    return S(A(40, init=1e-4), R(), A(10, init=1e-4)), *data.digits(), {
        "validation": 0.2, "optimizer": hg.SGD(0.1)}  # fmt: skip


@broken("lr-too-high")
def adam_with_the_rate_of_momentum():
    return mlp(40, 40, 10), *data.digits(), {"validation": 0.2, "optimizer": hg.Adam(0.3)}


@broken("lr-too-low")
def many_updates_with_a_tiny_rate():
    return mlp(30, 10), *data.digits(), {
        "validation": 0.2, "optimizer": hg.Adam(3e-6), "epochs": 40}  # fmt: skip
