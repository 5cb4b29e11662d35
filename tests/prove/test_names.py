"""What a name suggests is a note, and never a verdict."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.prove import check

R = np.random.default_rng(5)
X = R.normal(size=(4, 6))
LN2 = 0.6931471805599453


def named(name, forward, derivative):
    """An elementwise layer with this name."""

    def keep(self, x):
        self.x = x
        return forward(x)

    return type(name, (), {"forward": keep, "backward": lambda self, d: d * derivative(self.x)})()


def softmax_at(temperature):
    class Softmax:
        def forward(self, x):
            e = np.exp((x - x.max(1, keepdims=True)) / temperature)
            self.y = e / e.sum(1, keepdims=True)
            return self.y

        def backward(self, d):
            return self.y * (d - (d * self.y).sum(1, keepdims=True)) / temperature

    return Softmax()


LOG2 = named("Log", np.log2, lambda x: 1 / x / LN2)
ELU = named("Elu", lambda x: np.where(x > 0, x, 0.3 * np.expm1(x)),
            lambda x: np.where(x > 0, 1, 0.3 * np.exp(x)))  # fmt: skip


@pytest.mark.parametrize(
    ("layer", "x", "says"),
    [
        (hg.LayerNorm(eps=1e-3), X, "of LayerNorm with eps = 1e-05: eps seems to be 0.001"),
        (hg.BatchNorm(eps=1e-3), X, "eps seems to be 0.001"),
        (LOG2, X**2 + 0.5, "of Log: a factor seems to be 1.443"),
        (softmax_at(2.5), X, "of Softmax: a factor of the input seems to be 0.4"),
        (ELU, X, "of ELU with alpha = 1: alpha seems to be 0.3"),
        (named("Tanh", lambda x: 2 * np.tanh(x), lambda x: 2 / np.cosh(x) ** 2), X,
         "a factor seems to be 2"),
        (named("MyGelu", lambda x: x * (x > 0), lambda x: x > 0), X, "of GELU: output["),
        (named("Swish", lambda x: 3 * x, lambda x: 3), X, "of SiLU: output["),
        (hg.LayerNorm(), 0.05 * X, None),
        (softmax_at(1.0), X, None),
        (named("LeakyRelu", lambda x: np.where(x > 0, x, 0.2 * x),
               lambda x: np.where(x > 0, 1, x.dtype.type(0.2))), X, None),
        (named("MSELoss", lambda x: 5 * x**2, lambda x: 10 * x), X, None),
        (named("Dropout", lambda x: 3 * x, lambda x: 3), X, None),
    ],
)  # fmt: skip
def test_other_values_are_noted(layer, x, says):
    report = check(layer, x)
    assert report, report
    said = [note for note in report.notes if "name suggests" in note]
    if says is None:
        assert not said
    else:
        begins = "its gradients are right; but its values are not those that its name suggests, "
        assert said[0].startswith(begins)
        assert says in said[0]


def test_a_wrong_gradient_of_a_layer_with_another_constant_is_what_it_is():
    wrong = named("Log", np.log2, lambda x: -1 / x / LN2)
    report = check(wrong, abs(X) + 0.5)
    assert report.cause == "wrong_sign"
    assert report.notes == ["its values are not those that its name suggests, of Log: a factor "
                            "seems to be 1.443"]  # fmt: skip


class Flipped:
    def forward(self, x):
        return 3 * x

    def backward(self, dout):
        return -3 * dout


def test_a_network_blames_the_layer_whose_gradient_is_wrong():
    network = hg.Sequential(hg.Affine(5), hg.LayerNorm(eps=1e-3), Flipped())
    report = check(network, X)
    assert report.cause == "wrong_sign"
    assert report.layer == "layers[2]", report


def test_a_layer_of_handgrad_that_takes_other_inputs_says_nothing():
    class Dot:
        def forward(self, a, b):
            self.a, self.b = a, b
            return np.sum(a * b)

        def backward(self, dout):
            return dout * self.b[:, None], dout * self.a

    assert check(Dot(), X[0], X[1]).cause == "shape"


def test_settings_that_give_another_shape_are_passed_over():
    class Sum:
        def forward(self, x):
            self.like = x
            return np.arange(1, len(x) + 1) @ x

        def backward(self, dout):
            return np.arange(1.0, len(self.like) + 1)[:, None] * dout

    assert check(Sum(), X), check(Sum(), X)
