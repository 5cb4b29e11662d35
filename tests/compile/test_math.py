"""Elementary functions of vectors, beside NumPy's in long double."""

import math

import numpy as np
import pytest

from tests.compile.rows import on_avx512_and_avx2, run

LEAST = np.finfo(np.float32).tiny  # numbers below it are 0 in a program

SPECIAL = np.array(
    [
        0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 1e-45, -1e-45, 1e-40, -1e-40, 3e38, -3e38,
        88.72283, 88.73, -87.33, -87.34, -103.9, -103.98, -104, -0.99999994, 1.0000001, 16777216,
    ],
    np.float32,
)  # fmt: skip

# Elementwise functions of native/elementwise.h, and the same in NumPy.
FUNCTIONS = {
    "sigmoid": lambda x: np.where(x < 0, np.exp(x), 1) / (1 + np.exp(-np.abs(x))),
    "tanh": np.tanh,
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "erf": np.vectorize(math.erf, otypes=[np.longdouble]),
}


def points(count):
    """Floats of every exponent, more where functions bend, and the special ones."""
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, count, dtype=np.uint32)
    sizes = [1e-3, 0.1, 1, 3, 10, 40]
    near = [rng.standard_normal(count // 6, np.float32) * np.float32(size) for size in sizes]
    return np.concatenate([SPECIAL, bits.view(np.float32), *near])


def elementwise(op, x):
    """f(x) by the kernel."""
    y = np.zeros_like(x)
    assert run("elementwise", count=x.size, op=op, x=x, y=y) == 0
    return y


@pytest.mark.parametrize("name", FUNCTIONS)
def test_two_units_in_the_last_place(name):
    function = FUNCTIONS[name]
    x = points(20_000 if name == "erf" else 1_000_000)
    y = elementwise(name, x)
    with np.errstate(all="ignore"):
        exact = function(np.where(np.abs(x) < LEAST, 0 * x, x).astype(np.longdouble))
        nearest = exact.astype(np.float32)
    finite = np.isfinite(nearest)
    assert np.array_equal(y[~finite], nearest[~finite], equal_nan=True)
    unit = np.spacing(np.abs(nearest[finite])).astype(np.longdouble)
    error = np.abs(y[finite] - exact[finite]) / unit
    small = np.abs(nearest[finite]) < LEAST
    assert error[~small].max() <= 2
    assert np.abs(y[finite][small]).max(initial=0) <= LEAST


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_lane_of_a_vector_does_not_matter(name):
    x = points(600)
    whole = elementwise(name, x)
    for length in range(34):
        assert np.array_equal(elementwise(name, x[:length].copy()), whole[:length], equal_nan=True)
        assert np.array_equal(elementwise(name, x[length:].copy()), whole[length:], equal_nan=True)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_same_bits_on_avx512_and_avx2(name):
    x = points(200_000)
    wide, narrow = on_avx512_and_avx2(lambda: elementwise(name, x))
    assert np.array_equal(wide, narrow, equal_nan=True)
