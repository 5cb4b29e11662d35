"""Subjects in single precision, and helpers that they keep: right ones are not called wrong."""

from __future__ import annotations

import numpy as np

from handgrad import check


class Halves:
    """float32 in and out, sums in float64."""

    def __init__(self):
        self.W = np.random.default_rng(5).standard_normal((4, 3)).astype(np.float32)

    def forward(self, x):
        self.x = x
        return (x.astype(np.float64) @ self.W).astype(x.dtype)

    def backward(self, g):
        self.dW = (self.x.T.astype(np.float64) @ g).astype(np.float32)
        return (g.astype(np.float64) @ self.W.T).astype(g.dtype)


def test_float32_that_stays_float32_is_a_limit_where_nothing_else_was_given(rng):
    report = check(Halves(), rng.normal(size=(5, 4)).astype(np.float32))
    assert report, str(report)
    assert any("float64" in limit for limit in report.limits)


def test_a_gradient_that_is_cut_where_double_was_given_is_wrong(rng):
    report = check(Halves(), rng.normal(size=(5, 4)))
    assert report.cause == "dtype"


def bent(width):
    def f(x):
        return width * (np.sqrt(1 + (x / width) ** 2) - 1)

    def df(x):
        return (x / width) / np.sqrt(1 + (x / width) ** 2)

    return f, df


class Bent:
    """Keeps two functions that another function has made: that one does not make this layer."""

    def __init__(self, width=0.5):
        self.f, self.df = bent(width)

    def forward(self, x):
        self.x = x
        return self.f(x)

    def backward(self, g):
        return g * self.df(self.x)


def test_the_maker_of_a_kept_function_is_not_the_maker_of_the_layer(rng):
    report = check(Bent(), rng.normal(size=(4, 5)))
    assert report, str(report)
