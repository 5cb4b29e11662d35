"""Recurrent layers in C: masks of steps, states that are kept, given and returned, last steps."""

from __future__ import annotations

import numpy as np
import pytest

import handgrad as hg
from handgrad.interop.c import export_c
from handgrad.interop.c.writer import identifier
from tests.interop.compiled import Compiled, close, needs_compiler, self_test

RNG = np.random.default_rng(0)
N, T = 3, 4
X = RNG.standard_normal((N, T, 5)).astype(np.float32)
MASK = np.array([[1, 1, 0, 0], [0, 1, 1, 1], [1, 0, 1, 0]], bool)  # behind, before, and between
LABELS = np.array([0, 1, 1], np.int32)
SANITIZED = "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-Wno-unused"


def close_gradients(c, twin):
    """The gradients of the C file beside those of the network."""
    found = c.gradients()
    for path, g in twin.named_gradients().items():
        close(found[f"d{identifier(path)}"], g, path)


class Coded(hg.Network):
    """An encoder whose last states begin a decoder, each layer with the mask, and last steps."""

    def __init__(self, dropout=0.0):
        more = {"recurrent_dropout": dropout}
        self.before = hg.Affine(4)
        self.first = hg.LSTM(4, return_state=True, **more)
        self.second = hg.LSTM(4, return_state=True, **more)
        self.third = hg.GRU(4, return_state=True, **more)
        self.fourth = hg.GRU(4, reset="before", **more)
        self.fifth, self.sixth = hg.RNN(4, return_state=True, **more), hg.RNN(4, **more)
        self.last, self.out = hg.Index((slice(None), -1)), hg.Affine(2)

    def __call__(self, x, mask):
        x = self.before(x)
        y, h, c = self.first(x, mask)
        y, h, c = self.second(y, mask, h, c)
        y, h = self.third(y, mask, h + c)
        _, h = self.fifth(self.fourth(y, mask, h), mask)  # its y is not used
        y = self.sixth(y, mask, h)
        return self.out(self.last(y))


@needs_compiler
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_masks_and_states_that_are_given_and_returned(dropout, tmp_path):
    network = Coded(dropout)
    network.build(X, MASK)
    network.parameters[...] += 0.3 * RNG.standard_normal(network.parameters.size)
    e = export_c(network, tmp_path / "net", batch=N, x=(X, MASK), loss=hg.SoftmaxCrossEntropy())
    done = self_test(e.source, *SANITIZED * bool(dropout))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    c, twin, rule, loss = (
        Compiled(e),
        network.astype(np.float64),
        hg.SGD(),
        hg.SoftmaxCrossEntropy(),
    )
    with twin.evaluating(), hg.no_grad():
        close(c.predict(X, (N, 2), MASK), twin(X.astype(np.float64), MASK).data, "y")
    for _ in range(2):
        expected = loss.forward(twin.forward(X.astype(np.float64), MASK), LABELS)
        twin.backward(loss.backward()[0])
        close(c.backward(X, LABELS, MASK), expected, "loss")
        close_gradients(c, twin)
        rule.step(twin)
        c.update(rule.lr)


def kept(*more):
    """Layers that keep their states."""
    return hg.Sequential(
        hg.RNN(4, stateful=True), hg.LSTM(4, stateful=True), hg.GRU(4, stateful=True),
        hg.GRU(4, reset="before", stateful=True), *more, hg.Affine(2), seed=3,
    )  # fmt: skip


@needs_compiler
def test_one_step_at_a_time_is_the_sequence(tmp_path):
    network = kept()
    e = export_c(network, tmp_path / "net", batch=N, x=X[:, :1], training=False)
    done = self_test(e.source, *SANITIZED)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    c, expected = Compiled(e), network.astype(np.float64).predict(X)
    for _ in range(2):
        found = [c.predict(X[:, t : t + 1], (N, 1, 2)) for t in range(T)]
        close(np.concatenate(found, axis=1), expected, "y")
        c.reset()
    header = e.header.read_text()
    assert "/* The next call starts from states of 0" in header
    assert "stateful" not in header
    assert all(f"{name}[{N * 4}]" in header for name in ("h0", "h1", "c1", "h2", "h3"))


@needs_compiler
def test_training_goes_on_from_the_state_as_python_does(tmp_path):
    network = kept(hg.Index((slice(None), -1)))
    e = export_c(network, tmp_path / "net", batch=N, x=X, loss=hg.SoftmaxCrossEntropy())
    assert self_test(e.source).returncode == 0
    c, twin, rule, loss = (
        Compiled(e),
        network.astype(np.float64),
        hg.SGD(),
        hg.SoftmaxCrossEntropy(),
    )
    for step in range(3):
        x = (X * (step + 1)).astype(np.float64)
        expected = loss.forward(twin.forward(x), LABELS)
        twin.backward(loss.backward()[0])
        close(c.backward(x.astype(np.float32), LABELS), expected, "loss")
        close_gradients(c, twin)
        rule.step(twin)
        c.update(rule.lr)


class Twice(hg.Network):
    """A layer that keeps its state, used twice: the second use goes on from the first."""

    def __init__(self):
        self.words, self.lstm = hg.Embedding(7, 4), hg.LSTM(4, stateful=True, return_state=True)

    def __call__(self, ids, mask):
        y, _, _ = self.lstm(self.words(ids), mask)
        _, h, c = self.lstm(y, mask)
        return h * c


@needs_compiler
def test_ids_with_a_mask_and_a_state_that_both_uses_share(tmp_path):
    ids = RNG.integers(0, 7, (N, T)).astype(np.int32)
    network = Twice()
    network.build(ids, MASK)
    e = export_c(network, tmp_path / "net", batch=N, x=(ids, MASK), loss=hg.MeanSquaredError())
    assert self_test(e.source).returncode == 0
    c, twin, loss = Compiled(e), network.astype(np.float64), hg.MeanSquaredError()
    t = RNG.standard_normal((N, 4)).astype(np.float32)
    for _ in range(2):
        expected = loss.forward(twin.forward(ids, MASK), t)
        twin.backward(loss.backward()[0])
        close(c.backward(ids, t, MASK), expected, "loss")
        close_gradients(c, twin)


@needs_compiler
def test_steps_over_an_array(tmp_path):
    layers = (
        hg.Index((slice(None), -1)), hg.Index((slice(None), slice(None, None, -2), 1)),
        hg.Index((Ellipsis, None, slice(1, 4))), hg.Transpose((0, 2, 1)), hg.Transpose((0, -1, -2)),
    )  # fmt: skip
    branches = (hg.Sequential(hg.Affine(5), layer, hg.Flatten()) for layer in layers)
    network = hg.Sequential(hg.Parallel(*branches), hg.Affine(2), seed=1)
    e = export_c(network, tmp_path / "net", batch=2, x=X, loss=hg.MeanSquaredError())
    done = self_test(e.source, *SANITIZED)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


class Odd(hg.Network):
    """Python makes the mask, or picks samples."""

    def __init__(self, how):
        self.how, self.lstm, self.relu = how, hg.LSTM(2), hg.ReLU()

    def __call__(self, x, mask=None):
        if self.how == "made":
            return self.lstm(x, np.ones((len(x.data), T), bool))
        return self.lstm(x, mask)


@pytest.mark.parametrize(("how", "x", "text"), [
    ("made", X, "lstm LSTM (an input that Python computes, not a layer)"),
    ("given", (X, MASK, MASK), "x must be samples, or (x, mask), got 3 arrays"),
    ("given", [X, MASK], "x must be samples (N, ...), or the tuple (x, mask), got list"),
    ("given", (X, MASK[:, :3]), "a mask of booleans (N, T) = (3, 4), got bool (3, 3)"),
    ("given", (X, MASK.astype(int)), "a mask of booleans (N, T) = (3, 4), got int64 (3, 4)"),
])  # fmt: skip
def test_masks_that_do_not_fit_are_refused(how, x, text, tmp_path):
    with pytest.raises(ValueError) as error:
        export_c(Odd(how), tmp_path / "net", x=x)
    assert text in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_takes_no_mask_is_given_none(tmp_path):
    with pytest.raises(ValueError, match="export_c: Sequential does not take .x, mask."):
        export_c(hg.Sequential(hg.LSTM(2)), tmp_path / "net", x=(X, MASK))


def test_keys_of_indices_are_refused(tmp_path):
    network = hg.Sequential(hg.Affine(3, inputs=3), hg.Index((slice(None), [0, 2])))
    with pytest.raises(ValueError, match="1 Index .arrays of indices."):
        export_c(network, tmp_path / "net")
