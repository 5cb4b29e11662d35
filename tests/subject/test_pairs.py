"""A pair of functions whose state travels by hand, as courses write it."""

from types import SimpleNamespace

import numpy as np
import pytest

from handgrad.prove import check
from handgrad.testing.discover import discover

R = np.random.default_rng(4)
X, W, B = R.normal(size=(4, 3)), R.normal(size=(3, 2)), R.normal(size=2)


def affine(x, w, b):
    return x @ w + b, (x, w)


def tanh_and_double(x):
    y = np.tanh(x)
    return y, 2 * x, {"y": y}


RIGHT = {
    "tuple": (
        affine,
        lambda dout, kept: (dout @ kept[1].T, kept[0].T @ dout, dout.sum(0)),
        X,
        W,
        B,
    ),
    "object": (lambda x: (x**2, SimpleNamespace(x=x)), lambda d, kept: 2 * d * kept.x, X),
    "nothing": (lambda x: (2 * x, None), lambda d, _: 2 * d, X),
    "an input": (lambda x: (x**3, x), lambda d, x: 3 * x**2 * d, X),
    "the output": (lambda x: (np.exp(x),) * 2, lambda d, y: d * y, X),
    "a mask": (lambda x: (x * (x > 0), x > 0), lambda d, mask: d * mask, X),
    "two outputs": (tanh_and_double, lambda dy, dz, kept: dy * (1 - kept["y"] ** 2) + 2 * dz, X),
    "cache first": (affine, lambda cache, d: (d @ cache[1].T, cache[0].T @ d, d.sum(0)), X, W, B),
    "two outputs, no cache": (lambda x: (2 * x, 3 * x), lambda a, b: 2 * a + 3 * b, X),
}


@pytest.mark.parametrize("pair", RIGHT.values(), ids=RIGHT)
def test_what_backward_gets_besides_gradients_is_kept(pair):
    forward, backward, *inputs = pair
    report = check((forward, backward), *inputs)
    assert report, report
    assert not any("was read as" in note for note in report.notes)


def test_an_array_of_its_own_may_be_either():
    pair = (lambda x: (np.sin(x), np.cos(x)), lambda d, c: d * c)
    report = check(pair, X)
    assert report, report
    assert "the last array that forward returns was read as what it keeps" in str(report)
    outputs = (pair[0], lambda d, c, x=X: d * np.cos(x) - c * np.sin(x))
    assert not any("was read as" in note for note in check(outputs, X).notes)


def test_a_mistake_is_named_as_usual():
    pair = affine, lambda dout, kept: (dout @ kept[1].T, kept[0].T @ dout, dout[0])
    report = check(pair, X, W, B)
    assert report.cause == "missing_batch_sum"
    flipped = check((lambda x: (x**3, x), lambda d, x: -3 * x**2 * d), X)
    assert flipped.cause == "wrong_sign"


def test_on_tensors():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    pair = (lambda x: (torch.tanh(x), (x,)), lambda d, kept: d * (1 - torch.tanh(kept[0]) ** 2))
    assert check(pair, torch.tensor(X))


def test_in_a_file(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n"
        "def affine_forward(x, w, b):\n    return x @ w + b, (x, w)\n"
        "def affine_backward(dout, kept):\n"
        "    x, w = kept\n    return dout @ w.T, x.T @ dout, dout.sum(axis=0)\n"
        "def relu_forward(x):\n    return np.maximum(x, 0), x\n"
        "def relu_backward(dout, x):\n    return dout * (x < 0)\n"
    )
    right, wrong = discover(tmp_path / "mine.py")
    assert (right.name, right.verdict) == ("affine", "right")
    assert (wrong.name, wrong.verdict) == ("relu", "wrong")
