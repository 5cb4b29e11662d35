"""Gradients that are right for the rank of the sample, and wrong for another that forward takes."""

import numpy as np
import pytest

from handgrad import check
from handgrad.prove.verdict.prepare import prepare
from handgrad.prove.verdict.rank import alike, ranks
from handgrad.subject.adapt import adapt
from handgrad.subject.sandbox import Sandbox


def r(*shape, seed=3):
    return np.random.default_rng(seed).normal(size=shape)


def found(thing, *inputs, experiment=ranks):
    """What the experiment says, alone."""
    sandbox = Sandbox()

    def work():
        case = prepare(adapt(thing, sandbox), inputs)
        return [f.sentence for f in experiment(case, case.verify())]

    return sandbox.run(work)


class Affine:
    """Over the last axis; `dW` and `db` are functions of x and dout."""

    def __init__(self, dW, db):
        self.W, self.b, self.rules = r(4, 3), r(3), (dW, db)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = (rule(self.x, dout) for rule in self.rules)
        return dout @ self.W.T


def rows(x, d):
    return x.reshape(-1, x.shape[-1]).T @ d.reshape(-1, d.shape[-1])


def first(x, d):
    return d.sum(0)


def leading(x, d):
    return d.sum(tuple(range(d.ndim - 1)))


class ChannelNorm:
    """Over all axes but the second; backward counts the samples alone."""

    def forward(self, x):
        self.axes = (0, *range(2, x.ndim))
        c = x - x.mean(self.axes, keepdims=True)
        self.s = np.sqrt((c**2).mean(self.axes, keepdims=True) + 1e-5)
        self.h = c / self.s
        return self.h.copy()

    def backward(self, dout):
        n = len(dout)
        off = dout.sum(self.axes, keepdims=True) + self.h * (dout * self.h).sum(
            self.axes, keepdims=True
        )
        return (dout - off / n) / self.s


class Halves:
    """A mean of all that a sample holds, with a flat gradient."""

    def forward(self, x):
        self.shape = len(x), x[0].size
        return x.reshape(self.shape).mean(1)

    def backward(self, dout):
        return np.zeros(self.shape) + dout[:, None] / self.shape[1]


class Softmax:
    def __init__(self, axis=-1):
        self.axis = axis

    def forward(self, x):
        e = np.exp(x - x.max(-1, keepdims=True))
        self.y = e / e.sum(-1, keepdims=True)
        return self.y.copy()

    def backward(self, dout):
        g = dout * self.y
        return g - self.y * g.sum(self.axis(g) if callable(self.axis) else self.axis, keepdims=True)


def mean_backward(count):
    def forward(x):
        return x.reshape(len(x), -1).mean(1), x.shape

    def backward(dout, cache):
        return np.zeros(cache) + dout.reshape(-1, *[1] * (len(cache) - 1)) / count(cache)

    return forward, backward


def mse(y, t):
    return ((y - t) ** 2).mean(), y - t


def mse_backward(dout, cache):
    return 2 * dout * cache / (cache.shape[0] * cache.shape[1]), None


def swap(x):
    return np.swapaxes(x, -1, -2).copy(), None


def outer(a, b):
    return a[..., :, None] * b[..., None, :], (a, b)


def outer_backward(dout, cache):
    a, b = cache
    return (dout * b[..., None, :]).sum(-1), (dout * a[..., :, None]).sum(1)


class Places:
    """Rows of a table for indices, and one of another for the place of each."""

    def __init__(self):
        self.W, self.P = r(6, 3), r(4, 3)

    def forward(self, indices):
        self.indices = indices
        return self.W[indices] + self.P

    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.indices, dout)
        self.dP = dout.sum(0)


WRONG = {
    "images": (ChannelNorm(), (r(6, 3),), "(2, 3, 3)"),
    "bias": (Affine(rows, first), (r(5, 4),), "(2, 5, 4)"),
    "weights": (Affine(lambda x, d: x[-1].T @ d[-1] if x.ndim > 2 else x.T @ d, leading),
                (r(5, 4),), "(2, 5, 4)"),
    "less": (Affine(rows, lambda x, d: 2 * leading(x, d) if d.ndim == 2 else leading(x, d)),
             (r(2, 5, 4),), "(5, 4)"),
    "axis 1": (Softmax(1), (r(4, 5),), "(2, 4, 5)"),
    "a vector": (Softmax(lambda g: -1 if g.ndim > 1 else ()), (r(4, 5),), "(5,)"),
    "flattened": (mean_backward(lambda shape: shape[1]), (r(4, 5),), "(4, 2, 3)"),
    "a loss": ((mse, mse_backward), (r(4, 5), r(4, 5, seed=4)), "(2, 4, 5) and (2, 4, 5)"),
    "swapped": ((swap, lambda dout, cache: dout.T.copy()), (r(4, 5),), "(2, 4, 5)"),
    "outer": ((outer, outer_backward), (r(4, 3), r(4, 5)), "(2, 4, 3) and (2, 4, 5)"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_other_ranks_are_tried(name):
    thing, inputs, there = WRONG[name]
    sentences = found(thing, *inputs)
    assert any(s.endswith(f", and wrong for {there}.") for s in sentences), sentences


def test_the_report_says_for_which_shapes():
    report = check(Softmax(1), r(4, 5))
    assert report.verdict == "wrong"
    assert "for (2, 4, 5)." in " ".join(str(report).split())


def matmul(a, b):
    return a @ b, (a, b)


def matmul_backward(dout, cache):
    return dout @ cache[1].T, cache[0].T @ dout


def sum_last(x):
    return x.sum(-1), x.shape


def add_row(x, b):
    return x + b


class InPlace(Affine):
    """Gradients are written into arrays, where a number is stretched."""

    def __init__(self, n):
        self.W, self.b, self.dW, self.db = r(n, n), r(n), np.zeros((n, n)), np.zeros(n)

    def backward(self, dout):
        self.dW[...], self.db[...] = self.x.T @ dout, dout.sum(0)
        return dout @ self.W.T


FAIR = {
    "for rank 3 only": (Affine(rows, lambda x, d: d.sum((0, 1))), (r(2, 5, 4),)),
    "places": (Places(), (np.array([[1, 2, 0, 5], [3, 3, 4, 1]]),)),
    "halves": (Halves(), (r(5, 4),)),
    "for matrices only": (Affine(lambda x, d: x.T @ d, first), (r(5, 4),)),
    "any rank": (Affine(rows, leading), (r(5, 4),)),
    "matrices": ((matmul, matmul_backward), (r(4, 5), r(5, 3))),
    "square matrices": ((matmul, matmul_backward), (r(2, 2), r(2, 2, seed=4))),
    "a new axis": ((sum_last, lambda d, cache: np.zeros(cache) + d[:, None]), (r(4, 5),)),
    "a row of biases": ((add_row, lambda d: (d.copy(), d.sum(0))), (r(5, 4), r(4))),
    "stretched as it is stored": (InPlace(4), (r(4, 4),)),
    "softmax": (Softmax(), (r(4, 5),)),
}


@pytest.mark.parametrize("name", FAIR)
def test_what_forward_takes_by_chance_is_no_mistake(name):
    thing, inputs = FAIR[name]
    assert found(thing, *inputs) == []


def test_equal_inputs():
    def backward(dout, cache):
        a, b = cache
        return dout * (a if np.array_equal(a, b) else 2 * b), dout * 2 * a

    def forward(a, b):
        return 2 * a * b, (a, b)

    pair, inputs = (forward, backward), (r(4, 5), r(4, 5, seed=4))
    assert found(pair, *inputs, experiment=alike) == ["With b equal to a, da is wrong."]
    right = (forward, lambda d, cache: (2 * d * cache[1], 2 * d * cache[0]))
    assert found(right, *inputs, experiment=alike) == []
