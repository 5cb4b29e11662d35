"""Mistakes that share a cause are told apart by their sentence."""

import numpy as np
import pytest

from handgrad.prove import check

R = np.random.default_rng(8)


class Logistic:
    """y = 1 / (1 + exp(-(x W + b))), whose gradients may lack y (1 - y)."""

    def __init__(self, lacking=(), twice=()):
        self.W, self.b = R.normal(size=(3, 2)), R.normal(size=2)
        self.lacking, self.twice = lacking, twice

    def forward(self, x):
        self.x = x
        self.y = 1 / (1 + np.exp(-(x @ self.W + self.b)))
        return self.y

    def _through(self, name, dout):
        times = 1 - (name in self.lacking) + (name in self.twice)
        return dout * (self.y * (1 - self.y)) ** times

    def backward(self, dout):
        self.dW = self.x.T @ self._through("dW", dout)
        self.db = self._through("db", dout).sum(0)
        return self._through("dx", dout) @ self.W.T


class Windows:
    """Sums of three neighbours, two apart: the windows overlap."""

    def forward(self, x):
        self.like = x
        return np.stack([x[:, s : s + 3].sum(1) for s in (0, 2, 4)], 1)

    def backward(self, dout):
        dx = np.zeros_like(self.like)
        for k, s in enumerate((0, 2, 4)):
            self.put(dx[:, s : s + 3], dout[:, [k]])
        return dx

    def put(self, window, values):
        window += values


class Overwriting(Windows):
    def put(self, window, values):
        window[...] = values


class Embedding:
    def __init__(self):
        self.W = R.normal(size=(5, 2))

    def forward(self, index):
        self.index = index
        return self.W[index]

    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        self.dW[self.index] = dout


class Masked:
    """ReLU at every step; backward uses the mask of one step for all."""

    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask[:, :1]


class Heads:
    """Each of four heads has its own weights; some get no gradient."""

    def __init__(self, kept):
        self.W, self.kept = R.normal(size=8), kept

    def forward(self, x):
        self.x = x
        return np.tanh(x * self.W)

    def backward(self, dout):
        d = dout / np.cosh(self.x * self.W) ** 2
        self.dW = (d * self.x).sum(0) * np.repeat(self.kept, 2)
        return d * self.W


class Recurrent:
    """h = x + h / 2 over time, without the gradient of the first state."""

    def forward(self, x, h0):
        h, steps = h0, []
        for t in range(x.shape[1]):
            h = x[:, t] + 0.5 * h
            steps.append(h)
        return np.stack(steps, 1)

    def backward(self, dout):
        dx, dh = np.empty_like(dout), 0
        for t in reversed(range(dout.shape[1])):
            dx[:, t] = dh = dout[:, t] + 0.5 * dh
        return dx, np.zeros_like(dh)


X = R.normal(size=(4, 3))


@pytest.mark.parametrize(
    ("layer", "inputs", "cause", "says"),
    [
        (Logistic(lacking=("dW",)), (X,), "missing_term",
         "dW: the factor y (1 − y) is missing; dx, db have it"),
        (Logistic(lacking=("dx",)), (X,), "missing_term",
         "dx: the factor y (1 − y) is missing; dW, db have it"),
        (Logistic(twice=("db",)), (X,), "wrong_formula",
         "db: the factor y (1 − y) is there once too often; dx, dW have it"),
        (Overwriting(), (R.normal(size=(2, 7)),), "missing_term",
         "where several numbers along axis 1 of the output contribute to one entry, as windows "
         "that overlap or indices that repeat do, only the last is left"),
        (Embedding(), (np.array([0, 3, 0, 1]),), "missing_term", "only the last is left"),
        (Masked(), (R.normal(size=(3, 4, 2)),), "wrong_formula",
         "the first slice of the inputs along axis 1 stands for every one"),
        (Heads((1, 0, 0, 0)), (R.normal(size=(3, 8)),), "missing_term",
         "group 1, 2, 3 of 4 along axis 0 is zero, and should not be"),
        (Recurrent(), (R.normal(size=(2, 3, 2)), R.normal(size=(2, 2))), "missing_term",
         "dh0: the gradient is zero everywhere"),
    ],
)  # fmt: skip
def test_the_sentence_tells_which(layer, inputs, cause, says):
    report = check(layer, *inputs)
    assert report.cause == cause, report
    assert says in " ".join(report.evidence), report


def test_windows_that_add_are_right():
    assert check(Windows(), R.normal(size=(2, 7)))
    assert check(Logistic(), X)
