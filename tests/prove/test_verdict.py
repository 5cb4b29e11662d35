"""The verdict: by measurement alone, and on what the given sample does not show."""

from __future__ import annotations

import types

import numpy as np
import pytest

from handgrad.prove import check
from handgrad.subject.sandbox import interrupting

X = np.random.default_rng(0).normal(size=(4, 3))
W, B = np.random.default_rng(1).normal(size=(3, 2)), np.ones(2)
stream = np.random.default_rng(3)


class Cube:
    def forward(self, x):
        self.x = x
        return x**3

    def backward(self, dout):
        return 3 * dout * self.x**2


class OneLine(Cube):
    def forward(self, x):
        if x.ndim != 2: raise ValueError("a matrix")  # fmt: skip # noqa: E701
        return super().forward(x)

    def backward(self, dout):
        if dout.shape[0] > 5: raise ValueError("five rows")  # fmt: skip # noqa: E701
        return super().backward(dout)


class LayerNorm:
    """Another eps than its name suggests."""

    def forward(self, x):
        self.s = np.sqrt(x.var(-1, keepdims=True) + 1e-2)
        self.h = (x - x.mean(-1, keepdims=True)) / self.s
        return self.h * 1

    def backward(self, d):
        h = self.h
        return (d - d.mean(-1, keepdims=True) - h * (d * h).mean(-1, keepdims=True)) / self.s


class Property:
    def __init__(self):
        self.W = W

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.d = dout.copy()
        return dout @ self.W.T

    @property
    def dW(self):
        return self.x.T @ self.d


class Slots:
    __slots__ = ("W", "dW", "x")

    def __init__(self):
        self.W = W

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


class WeightedSquare:
    """`weights` are constants of a loss."""

    def __init__(self):
        self.weights = np.array([1.0, 2.0, 0.5])

    def forward(self, x):
        self.x = x
        return (self.weights * x**2).sum()

    def backward(self, dout=1.0):
        return 2 * dout * self.weights * self.x


class ModuleDropout:
    def forward(self, x):
        self.mask = stream.random(x.shape) > 0.5
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class Bias:
    def forward(self, x, b):
        return x + b

    def backward(self, dout):
        return dout * 1, dout.sum(0)


class Rotary:
    def forward(self, x, cos):
        self.cos = cos
        return x * cos

    def backward(self, dout):
        return dout * self.cos, None


class ListOut:
    def forward(self, x):
        self.x = x
        return [x * 1, x**2]

    def backward(self, douts):
        return douts[0] + 2 * douts[1] * self.x


class Guarded:
    def forward(self, y, t):
        self.y, self.t = y, t
        return -np.sum(t * np.log(y + 1e-7)) / len(y)

    def backward(self, dout=1.0):
        return -dout * self.t / self.y / len(self.y), None


def closures():
    kept = {}

    def forward(x):
        kept["t"] = np.tanh(x)
        return kept["t"] ** 2

    def backward(dout):
        return dout * 2 * kept["t"] * (1 - kept["t"] ** 2)

    return types.SimpleNamespace(forward=forward, backward=backward)


SHARES = np.random.default_rng(0).dirichlet([2, 2, 2], 4)


@pytest.mark.parametrize(
    ("subject", "inputs"),
    [
        (OneLine(), (X,)),
        (LayerNorm(), (X,)),
        (LayerNorm(), (0.05 * X,)),
        (Property(), (X,)),
        (Slots(), (X,)),
        (WeightedSquare(), (X,)),
        (ModuleDropout(), (X,)),
        (Bias(), (X, np.ones(3))),
        (Rotary(), (X, 0.5 * X)),
        (ListOut(), (X,)),
        (Guarded(), (SHARES, np.eye(3)[[0, 1, 2, 1]])),
        (closures(), (X,)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_right_in_unusual_styles(subject, inputs):
    report = check(subject, *inputs)
    assert report.verdict == "right", report
    assert any(note.startswith("tried: ") for note in report.notes)


def test_the_modules_generator_is_where_it_was():
    before = repr(stream.bit_generator.state)
    check(ModuleDropout(), X)
    assert repr(stream.bit_generator.state) == before


class Leaky:
    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def forward(self, x):
        self.positive = x > 0
        return np.where(self.positive, x, self.alpha * x)

    def backward(self, dout):
        return dout * 1


class Pad:
    def __init__(self, before=1, after=1):
        self.before, self.after = before, after

    def forward(self, x):
        return np.pad(x, [(0, 0), (self.before, self.after)])

    def backward(self, dout):
        return dout[:, self.before : -self.after].copy()


class Softmax:
    """backward sums over axis 1, whatever the rank."""

    def forward(self, x):
        e = np.exp(x - x.max(-1, keepdims=True))
        self.y = e / e.sum(-1, keepdims=True)
        return self.y.copy()

    def backward(self, dout):
        return self.y * (dout - (dout * self.y).sum(1, keepdims=True))


class SecondName:
    def __init__(self):
        self.W, self.turned = W, W.T

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.turned


class OneForTwo:
    def forward(self, x, y):
        return x + y

    def backward(self, dout):
        g = 1.0 * dout
        return g, g


class ByIdentity(Cube):
    def backward(self, dout):
        if getattr(self, "seen", None) is not dout:
            self.seen, self.g = dout, super().backward(dout)
        return self.g.copy()


class Masked:
    def forward(self, x, mask):
        self.mask = mask
        return np.where(mask, x, 0)

    def backward(self, dout):
        return dout * 1, None


@pytest.mark.parametrize(
    ("subject", "inputs"),
    [
        (Leaky(), (X,)),
        (Pad(), (X,)),
        (Softmax(), (X,)),
        (SecondName(), (X,)),
        (OneForTwo(), (X, X + 1)),
        (ByIdentity(), (X,)),
        (Masked(), (X, np.ones((4, 3), bool))),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_sample_does_not_show(subject, inputs):
    assert check(subject, *inputs).verdict == "wrong"


class Log:
    def forward(self, x):
        self.x = x
        return np.log(x)

    def backward(self, dout):
        return dout / self.x


class LogSquared(Log):
    def backward(self, dout):
        return dout / self.x**2


def test_outside_the_domain_of_forward():
    report = check(Log(), X)
    assert report.verdict == "cannot tell"
    assert "give inputs from the domain" in report.evidence[0]
    assert check(LogSquared(), X).verdict == "wrong"


def test_where_the_inputs_had_no_matrix():
    class Half:
        def forward(self, x):
            if np.ndim(x):
                raise ValueError("a number")
            return x / 2

        def backward(self, dout):
            return dout / 2

    assert "no matrix" in " ".join(check(Half(), 3.0).notes)


class MadeOnDemand:
    """Weights are made for the width of x, anew where another width comes."""

    W = dW = None

    def forward(self, x):
        if self.W is None or len(self.W) != x.shape[-1]:
            self.W = np.random.default_rng(0).normal(size=(x.shape[-1], 3))
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


def test_weights_that_are_made_anew_are_no_write():
    report = check(MadeOnDemand(), np.random.default_rng(1).normal(size=(4, 5)))
    assert report.cause != "inplace_input", report


class Floor:
    """y = x where x > 0.1, and 0.7 elsewhere: a jump at a round number."""

    def forward(self, x):
        self.on = x > 0.1
        return np.where(self.on, x, 0.7)

    def backward(self, dout):
        return np.where(self.on, dout, 0)


def test_a_jump_at_a_round_number_is_not_met_on_purpose():
    assert check(Floor(), np.random.default_rng(1).normal(size=(4, 5)))


def test_a_waiting_subject_holds_up_no_other_check(hang):
    class Waits(Floor):
        def forward(self, x):
            hang()

    x = np.random.default_rng(1).normal(size=(4, 5))
    before = check(Floor(), x)
    assert check(Waits(), x).verdict == "cannot tell"
    assert str(check(Floor(), x)) == str(before)
    assert interrupting()  # it was not waited for


class LikeInput:
    """The gradient is put into an array of the input's dtype."""

    def forward(self, x):
        self.x = x
        return x * 1.5

    def backward(self, dout):
        dx = np.empty_like(self.x)
        dx[...] = 1.5 * dout
        return dx


class Rows:
    def __init__(self):
        self.W = W

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


@pytest.mark.parametrize(
    ("layer", "limit"),
    [
        (LikeInput(), "integers as x: dx is cut"),
        (Rows(), "shape (2, 4, 3): backward raises ValueError"),
    ],
)
def test_what_was_not_given_and_is_not_served_is_a_limit(layer, limit):
    report = check(layer, X)
    assert report
    assert any(said.startswith(limit) for said in report.limits), report.limits
    assert "Right for what was given; not for " in str(report)
    assert report.to_dict()["limits"] == report.limits


def test_integers_that_were_given_have_to_be_served():
    report = check(LikeInput(), np.rint(3 * X).astype(int))
    assert (report.verdict, report.cause) == ("wrong", "dtype")


def test_float32_that_was_given_is_kept():
    class Zeros(Cube):
        def backward(self, dout):
            return np.zeros(self.x.shape) + super().backward(dout)

    assert check(Zeros(), X.astype(np.float32)).cause == "dtype"
    report = check(Zeros(), X)
    assert report
    assert "float32: dx comes back as float64" in report.limits


@pytest.mark.parametrize("shape", [(0, 3), (4, 0)])
def test_of_no_numbers_nothing_is_told(shape):
    class Wrong(Cube):
        def backward(self, dout):
            return -7 * dout

    report = check(Wrong(), np.zeros(shape))
    assert report.verdict == "cannot tell"
    assert f"x has no numbers (its shape is {shape})" in str(report).replace("\n", " ")


class Gain:
    """A factor for each column, which forward alone knows of: one at first."""

    def __init__(self):
        self.g = np.ones(3)

    def forward(self, x):
        self.x = x
        return self.factor() * x

    def factor(self):
        return self.g

    def backward(self, dout):
        self.dg = (dout * self.x).sum(0)
        return dout.copy()


class OldGain(Gain):
    """Another mistake: the factor of the beginning is kept."""

    def __init__(self):
        super().__init__()
        self.first = {"g": self.g * 1}

    def backward(self, dout):
        super().backward(dout)
        return self.first["g"] * dout


@pytest.mark.parametrize(("layer", "cause"), [(Gain, "wrong_formula"), (OldGain, "stale_state")])
def test_a_parameter_that_is_left_out_is_no_old_one(layer, cause):
    report = check(layer(), X)
    assert (report.verdict, report.cause) == ("wrong", cause)


def test_zero_by_zero_is_said_with_what_to_do_and_where():
    class Unit:
        def forward(self, x):
            self.x, self.n = x, np.sqrt((x * x).sum(1, keepdims=True))
            return x / self.n

        def backward(self, dout):
            y = self.x / self.n
            return (dout - y * (dout * y).sum(1, keepdims=True)) / self.n

    report = check(Unit(), X)
    assert report.cause == "numeric_instability"
    assert "Add a small number to what it divides by" in report.paragraph
    assert report.line.endswith("return x / self.n")


def test_what_an_error_says_ends_once():
    class Raises(Cube):
        def backward(self, dout):
            raise RuntimeError("No way.")

    assert ".." not in check(Raises(), X).paragraph


def test_a_network_with_loss_and_gradient_is_told_where_it_is_proved():
    class Network:
        def loss(self, x, t):
            return 0.0

        def gradient(self, x, t):
            return {}

    assert "`handgrad check FILE.py` proves networks" in check(Network(), X).paragraph
