"""The doctor names the mistake; the published ones of learners, and one of each kind.

The zoo scores it on hundreds more.
"""

import numpy as np
import pytest

from handgrad.findings.report import CAUSES, FAMILIES, family
from handgrad.prove import check
from tests.prove import learners

R = np.random.default_rng(0)
X = R.normal(size=(4, 3))


def affine(*body):
    """An Affine whose backward is this, instead of dW, db and dx."""

    class Affine(learners.Affine):
        def backward(self, dout):
            scope = {"self": self, "dout": dout, "np": np}
            for statement in body:
                exec(statement, scope)
            return scope["dx"]

    return Affine(np.random.default_rng(1).normal(size=(3, 3)), np.zeros(3))


DX, DW, DB = "dx = dout @ self.W.T", "self.dW = self.x.T @ dout", "self.db = dout.sum(0)"
MISTAKES = [
    (("dx = -dout @ self.W.T", DW, DB), "wrong_sign"),
    ((DX, "self.dW = self.x.T @ dout / len(dout)", DB), "wrong_scale"),
    (("dx = 1.001 * dout @ self.W.T", DW, DB), "wrong_scale"),
    ((DX, DW, "self.db = dout"), "missing_batch_sum"),
    ((DX, DW, "self.db = dout[0]"), "missing_batch_sum"),
    (("dx = dout @ self.W", DW, DB), "transpose"),
    ((DX, "self.dW = dout.T @ self.x", DB), "transpose"),
    ((DX, DW, "self.db = dout.sum(0, keepdims=True)"), "shape"),
    (("dx = np.ones_like(dout) @ self.W.T", DW, DB), "upstream_ignored"),
    (("dx = np.abs(dout) @ self.W.T", DW, DB), "upstream_ignored"),
    ((DX, DW), "missing_param_grad"),
    ((DX, DW, "self.db = 0 * dout.sum(0)"), "missing_param_grad"),
    ((DX, DW, DB, "dout *= 0"), "inplace_dout"),
    ((DX, DW, DB, "self.W -= 0.1 * self.dW"), "inplace_input"),
    ((DX, DW, "self.db = dout.sum(0) + (0 if self.db is None else self.db)"), "accumulates"),
    (("dx = dout @ self.W.T * np.random.rand()", DW, DB), "nondeterministic"),
    (("dx = np.ravel(dout, 'K').reshape(dout.shape) @ self.W.T", DW, DB), "layout"),
    (("dx = (dout @ self.W.T).astype(np.float32)", DW, DB), "dtype"),
    (("dx = dout @ self.W.T", "dx[-1] *= 3", DW, DB), "boundary"),
]


@pytest.mark.parametrize(("body", "cause"), MISTAKES, ids=lambda v: v if v in CAUSES else "")
def test_affine(body, cause):
    report = check(affine(*body), R.normal(size=(5, 3)))
    assert report.cause in family(cause), report


def test_the_right_affine_is_right():
    assert check(affine(DX, DW, DB), X)


class Sigmoid(learners.LogSigmoid):
    """By the name that it was published under."""


def test_sigmoid_with_log_for_exp():
    report = check(Sigmoid, -abs(X) - 0.5)
    assert report.cause == "forward_bug"
    assert "backward is right for the sigmoid, and forward is not the sigmoid" in report.paragraph
    assert check(Sigmoid, X).cause == "forward_bug"  # NaN on the positive half
    assert not check(learners.LogSigmoid, -abs(X) - 0.5)


def test_relu_that_writes_into_dout():
    report = check(learners.WritingRelu, X)
    assert report.cause == "inplace_dout"
    assert "dout[self.mask] = 0" in report.line


def test_db_that_is_not_summed():
    report = check(learners.UnsummedAffine(np.ones((3, 2)), np.zeros(2)), X)
    assert report.cause == "missing_batch_sum"
    assert report.line.endswith("self.db = dout")


def test_fruit_stall_that_gives_330_for_110():
    report = check(learners.FruitStall, 100.0, 1.1)
    assert report.cause == "wrong_scale"
    assert report.where.ratio == pytest.approx(3)
    upstream_of_100 = 100 * report.where.analytic / report.where.numeric * 1.1
    assert upstream_of_100 == pytest.approx(330)


def test_mistakes_that_a_sample_hides():
    class Repeats(learners.Embedding):
        def backward(self, dout):
            self.grads[0][...] = 0
            self.grads[0][self.idx] = dout

    assert check(Repeats(R.normal(size=(6, 2))), np.array([3, 1, 0])).cause == "missing_term"

    class Naive:
        def forward(self, x):
            e = np.exp(x)
            self.y = e / e.sum(1, keepdims=True)
            return self.y

        def backward(self, dout):
            return self.y * (dout - (dout * self.y).sum(1, keepdims=True))

    assert check(Naive, X).cause == "numeric_instability"

    class FirstMask(learners.Relu):
        def forward(self, x):
            first = self.__dict__.setdefault("mask", x <= 0)
            y = super().forward(x)
            self.mask = first
            return y

    assert check(FirstMask, X).cause == "stale_state"

    class SharedBuffer:
        def forward(self, x):
            self.buffer = getattr(self, "buffer", np.empty_like(x))
            if self.buffer.shape != x.shape:
                self.buffer = np.empty_like(x)
            np.multiply(x, 2, out=self.buffer)
            return self.buffer

        def backward(self, dout):
            return 2 * dout

    assert check(SharedBuffer, X).cause == "aliasing"

    class BothTies:
        def forward(self, x):
            y = x.max(1)
            self.mask = x == y[:, None]
            return y

        def backward(self, dout):
            return self.mask * dout[:, None]

    assert check(BothTies, X).cause == "boundary"


def test_what_else_was_seen_is_listed():
    report = check(affine("dx = -dout @ self.W.T", DW, DB, "dout *= 0"), X)
    assert report.cause == "inplace_dout"
    assert report.others[0] == "wrong_sign"


def test_families():
    assert sum(map(len, FAMILIES)) == len(set(CAUSES))
    assert family("wrong_sign") == family("wrong_scale")
    assert family(None) == ()
