"""Arithmetic, broadcasts and reductions as native rows, beside the layers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import handgrad as hg
from handgrad.compile import NotNative
from handgrad.layers import Affine, Convolution, Flatten, Max, Mean, ReLU, Sum
from tests.compile.eager import require_equal
from tests.compile.rows import run


class Net(hg.Network):
    """An expression of two branches and a weight."""

    def __init__(self, expression):
        self.a, self.b, self.c = Affine(8), Affine(8), Affine(5)
        self.s = hg.Parameter(np.linspace(-1, 1, 8, dtype=np.float32))
        self.expression = expression

    def __call__(self, x):
        return self.c(self.expression(self.a(x), self.b(x), self.s))


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


EXPRESSIONS = {
    "add": lambda a, b, s: a + b,
    "sub": lambda a, b, s: a - b,
    "mul": lambda a, b, s: a * b,
    "div": lambda a, b, s: a / (b * b + 1),
    "numbers": lambda a, b, s: (2 * a + 1 - b / 3) - (1 - b) * np.float32(0.5),
    "a weight": lambda a, b, s: a * s + b - s,
    "one value twice": lambda a, b, s: a + a * a - a,
    "mean of a row": lambda a, b, s: a - a.mean(axis=1, keepdims=True),
    "sum of a row": lambda a, b, s: a * b.sum(axis=-1, keepdims=True),
    "max of a row": lambda a, b, s: a + b.max(axis=1, keepdims=True),
    "no axis left": lambda a, b, s: a * b.mean(axis=1).reshape(-1, 1),
    "functions": lambda a, b, s: np.tanh(a) * np.exp(-b) * ReLU()(s) + np.sqrt(np.abs(a) + 1),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions(name):
    require_equal(Net(EXPRESSIONS[name]), numbers(9, 6))
    require_equal(Net(EXPRESSIONS[name]), numbers(1, 6))


def test_a_number_that_depends_on_the_batch_is_not_native():
    with pytest.raises(NotNative, match="no layer made"):
        require_equal(Net(lambda a, b, s: a * (1 / len(a.data)) + b), numbers(9, 6))
    with pytest.raises(NotNative, match="number divided"):
        require_equal(Net(lambda a, b, s: 1 / (a * a + 1)), numbers(9, 6))


class Residual(hg.Network):
    """An addition of values whose channels lie last in memory."""

    def __init__(self):
        self.first, self.second, self.last = Convolution(3, 3, pad=1), Convolution(3, 1), Affine(4)

    def __call__(self, x):
        h = ReLU()(self.first(x))
        return self.last(Flatten()(h + self.second(h) * h - x[:, :1]))


def test_channels_last():
    require_equal(Residual(), numbers(4, 2, 5, 6))


@pytest.mark.parametrize("layer", [Sum, Mean, Max])
@pytest.mark.parametrize("axis", [1, 2, -1, (1, 2), (2, 3), (1, 2, 3)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions(layer, axis, keepdims):
    network = hg.Sequential(Affine(7), layer(axis, keepdims=keepdims), Flatten(), Affine(2))
    require_equal(network, numbers(5, 3, 4, 2))


@settings(max_examples=60, deadline=None)
@given(
    outer=st.integers(0, 5), count=st.integers(1, 600), inner=st.integers(0, 300),
    reduction=st.sampled_from(["sum", "mean", "max"]), ties=st.booleans(),
)  # fmt: skip
def test_reduce_of_any_shape(outer, count, inner, reduction, ties):
    x = numbers(outer, count, inner)
    if ties:
        x = np.round(x)
    y, first = np.zeros((outer, inner), np.float32), np.zeros((outer, inner), np.int32)
    dx = np.full_like(x, np.nan)
    given = {"outer": outer, "count": count, "inner": inner, "reduction": reduction}
    assert run("reduce", **given, x=x, y=y, first=first, threads=3) == 0
    expected = getattr(np, reduction)(x.astype(np.float64), axis=1)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-4)
    assert run("reduce_back", **given, dy=y, dx=dx, first=first, threads=3) == 0
    if reduction == "max":
        assert np.array_equal(first, x.argmax(axis=1))
        hit = np.arange(count)[:, None] == first[:, None]
        assert np.array_equal(dx, np.where(hit, y[:, None], 0))
    else:
        share = np.broadcast_to(
            y[:, None] / np.float32(count if reduction == "mean" else 1), x.shape
        )
        assert np.array_equal(dx, share)


def test_the_max_of_nan_is_nan():
    x = np.array([[1, np.nan, 3, np.nan], [4, 2, 4, 0]], np.float32)
    y, first = np.zeros(2, np.float32), np.zeros(2, np.int32)
    sizes = {"outer": 2, "count": 4, "inner": 1, "reduction": "max"}
    assert run("reduce", **sizes, x=x, y=y, first=first) == 0
    assert np.array_equal(y, x.max(axis=1), equal_nan=True)
    assert np.array_equal(first, x.argmax(axis=1))


@pytest.mark.parametrize("kernel", ["add", "sub", "mul", "div", "greater", "less"])
def test_pairs_at_every_length(kernel):
    functions = {
        "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide,
        "greater": np.maximum, "less": np.minimum,
    }  # fmt: skip
    for length in [*range(34), 8191, 8193, 20_000]:
        a, b, y = numbers(length), numbers(length, seed=1), np.zeros(length, np.float32)
        assert run(kernel, count=length, a=a, b=b, y=y, threads=2) == 0
        assert np.array_equal(y, functions[kernel](a, b))
    a = np.array([np.nan, 1, np.nan, 2], np.float32)
    assert run(kernel, count=4, a=a, b=a[::-1].copy(), y=y) == 0
    with np.errstate(all="ignore"):
        assert np.array_equal(y[:4], functions[kernel](a, a[::-1]), equal_nan=True)
