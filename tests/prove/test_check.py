"""check: what it accepts, what it never does, and what it says when it cannot tell."""

import sys

import numpy as np
import pytest

from handgrad.prove import Report, check
from handgrad.prove.diagnosis import doctor
from tests.prove import learners

X = np.random.default_rng(0).normal(size=(4, 3))


class Double:
    def forward(self, x):
        return x * 2

    def backward(self, dout):
        return dout * 2


class Scale:
    def __init__(self, factor):
        self.factor = factor

    def forward(self, x):
        return x * self.factor

    def backward(self, dout):
        return dout * self.factor


def tanh_in_a_closure():
    kept = {}

    def forward(x):
        kept["y"] = np.tanh(x)
        return kept["y"]

    def backward(dout):
        return dout * (1 - kept["y"] ** 2)

    return forward, backward


def affine_forward(x, w, b):
    return x @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout, dout.sum(0)


@pytest.mark.parametrize(
    ("subject", "inputs"),
    [
        (Double(), (X,)),
        (Double, (X,)),
        ((Scale, 3.0), (X,)),
        (tanh_in_a_closure(), (X,)),
        ((affine_forward, affine_backward), (X, np.ones((3, 2)), np.zeros(2))),
        (Double(), (X.astype(np.float32),)),
        (Double(), (3.0,)),
        (Double(), ([1, 2, 3],)),
    ],
)
def test_subjects(subject, inputs):
    assert check(subject, *inputs)


@pytest.mark.parametrize("name", learners.RIGHT)
def test_layers_as_books_write_them_are_right(name):
    make, inputs = learners.RIGHT[name]
    report = check(make(), *inputs)
    assert report, report


class Silent(Double):
    def forward(self, x):
        x * 2


class Raises(Double):
    def forward(self, x):
        return x @ x


class Exits(Double):
    def forward(self, x):
        sys.exit(3)


class Refuses(Double):
    def forward(self, x):
        raise ValueError("only on Sundays")


class Talks(Double):
    def forward(self, x):
        return "two"


@pytest.mark.parametrize(
    ("subject", "verdict", "sentence"),
    [
        (Silent(), "wrong", "forward returns None"),
        (Raises(), "wrong", "forward raises: ValueError: matmul"),
        (Exits(), "wrong", "forward calls exit()"),
        (Refuses(), "cannot tell", "forward refuses: ValueError: only on Sundays"),
        (Talks(), "wrong", "forward returns str"),
        (object(), "cannot tell", "object has no forward and no backward"),
        (Scale, "cannot tell", "missing 1 required positional argument"),
    ],
)
def test_each_failure_has_its_own_sentence(subject, verdict, sentence):
    report = check(subject, X)
    assert report.verdict == verdict
    assert sentence in " ".join(report.evidence)


@pytest.mark.parametrize("phase", ["forward", "backward"])
def test_what_hangs_is_given_up(phase, hang):
    class Hangs(Double):
        def forward(self, x):
            return hang(spins=True) if phase == "forward" else super().forward(x)

        def backward(self, dout):
            hang()

    report = check(Hangs(), X, timeout=2.5)
    assert report.verdict == "cannot tell"
    assert f"{phase} did not return within 2.5 s" in " ".join(report.evidence)


def test_wrong_number_and_kind_of_inputs():
    assert "cannot be called with 2 inputs" in str(check(Double(), X, X))
    assert "arrays or numbers, got str" in str(check(Double(), "text"))
    assert "no gradient to prove" in str(check(Double(), np.array([1j])))


def test_lists_are_read_and_prints_are_kept_back(capsys):
    class Chatty:
        def forward(self, x):
            print("forward")
            return (x * 2).tolist()

        def backward(self, dout):
            return (np.asarray(dout) * 2).tolist()

    report = check(Chatty(), X)
    assert report
    assert len([n for n in report.notes if "list" in n or "printed" in n]) == 3
    assert capsys.readouterr().out == ""


def test_nothing_given_is_changed():
    class Spoils:
        def __init__(self):
            self.W = np.ones(3)
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            x *= 2
            self.W -= 0.5
            return x * self.W

        def backward(self, dout):
            self.dW = dout.sum(0)
            dout *= 0
            return dout

    subject, x = Spoils(), X.copy()
    state = np.random.get_state()[1].copy()
    assert check(subject, x).verdict == "wrong"
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(subject.W, np.ones(3))
    assert subject.calls == 0
    assert not hasattr(subject, "dW")
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_report_for_people_and_programs():
    class Half(Double):
        def backward(self, dout):
            dx = dout * 1.0
            return dx

    report = check(Half(), X)
    assert isinstance(report, Report)
    assert not report
    assert report.cause == "wrong_scale"
    assert report.where.gradient == "dx"
    assert report.where.ratio == pytest.approx(0.5)
    assert "dx = dout * 1.0" in report.line
    assert "should be" in str(report)
    assert repr(report) == str(report)
    assert report.to_dict()["where"]["ratio"] == pytest.approx(0.5)
    assert report.to_dict()["table"][0]["verdict"] == "wrong"


def refuses_nothing(x):
    return x + len(3)  # a slip


class Slip:
    def forward(self, x):
        return refuses_nothing(x)

    def backward(self, dout):
        return dout


def test_a_type_error_of_the_call_cannot_tell_and_one_inside_is_the_subjects_failure():
    report = check(Double(), X, X)
    assert report.verdict == "cannot tell"
    assert "Double.forward(x) cannot be called with 2 inputs" in str(report)
    report = check(Slip(), X)
    assert (report.verdict, report.cause) == ("wrong", "forward_bug")
    assert "TypeError: object of type 'int' has no len()" in report.paragraph
    assert report.line.endswith("return x + len(3)  # a slip")


def test_a_reference_that_fails_is_told_with_its_line():
    report = check(Double(), X, reference=refuses_nothing)
    assert report.verdict == "cannot tell"
    assert report.evidence[0].startswith("reference raises: TypeError: object of type 'int'")
    assert report.line.endswith("return x + len(3)  # a slip")


def test_an_error_of_checks_own_is_not_taken_for_an_answer(monkeypatch):
    def broken(*arguments):
        raise TypeError("not the subject's")

    monkeypatch.setattr(doctor, "examine", broken)
    with pytest.raises(TypeError, match="not the subject's"):
        check(Double(), X)


def test_a_reference_tells_a_wrong_forward_with_a_consistent_backward():
    assert check(Double(), X, reference=lambda x: x + x)
    report = check(Double(), X, reference=lambda x: 3 * x)
    assert report.cause == "forward_bug"


def test_in_a_network_the_first_wrong_layer_is_named():
    class Chain:
        def __init__(self, *layers):
            self.layers = list(layers)

        def forward(self, x):
            for layer in self.layers:
                x = layer.forward(x)
            return x

        def backward(self, dout):
            for layer in reversed(self.layers):
                dout = layer.backward(dout)
            return dout

    class Wrong(Scale):
        def backward(self, dout):
            return -dout * self.factor

    report = check(Chain(Double(), Wrong(3.0), Double()), X)
    assert report.layer == "layers[1]"
    assert report.blame.cause == report.cause == "wrong_sign"
    assert "first wrong layer is layers[1]" in str(report)


class Wide:
    """One wrong entry among a million."""

    evaluations = 0

    def forward(self, x):
        self.x = x
        type(self).evaluations += 1
        return np.tanh(x)

    def backward(self, dout):
        dx = dout * (1 - np.tanh(self.x) ** 2)
        dx[777, 333] *= 1.01
        return dx


@pytest.mark.slow
def test_one_wrong_entry_among_a_million_is_found_by_halving():
    Wide.evaluations = 0
    report = check(Wide(), np.random.default_rng(0).normal(size=(1000, 1000)))
    assert report.verdict == "wrong"
    assert report.where.index == (777, 333)
    assert report.where.ratio == pytest.approx(1.01, rel=1e-4)


def test_large_layers_are_checked_in_their_own_precision():
    r = np.random.default_rng(0)
    W = (0.02 * r.normal(size=(2500, 1700))).astype(np.float32)
    make, _ = learners.RIGHT["affine"]
    layer = make()
    layer.W, layer.b = W, np.zeros(1700, np.float32)
    assert check(layer, r.normal(size=(2, 2500)).astype(np.float32))


def test_float32_only_code_is_right():
    class Single(Double):
        def forward(self, x):
            self.x = np.asarray(x, np.float32)
            return np.tanh(self.x)

        def backward(self, dout):
            return np.asarray(dout, np.float32) * (1 - np.tanh(self.x) ** 2)

    assert check(Single(), X)
    assert check(Single(), X.astype(np.float32))
