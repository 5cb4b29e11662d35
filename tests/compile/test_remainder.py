"""Products whose columns fill vectors but for a remainder: dot products, or transposed tiles.

Where there is no such remainder, the blocks of k are shorter.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.compile.rows import on_avx512_and_avx2, run

SIZES = st.tuples(
    st.integers(1, 40), st.sampled_from([17, 18, 19, 20, 34, 50, 67, 81, 84, 100, 130]),
    st.sampled_from([64, 65, 100, 255, 256, 257, 300, 600]),
)  # fmt: skip


WHOLE = st.tuples(
    st.integers(1, 40), st.sampled_from([16, 64, 200, 250]),
    st.sampled_from([128, 129, 150, 191, 193, 257, 600]),
)  # fmt: skip


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


def assert_near(c: np.ndarray, a: np.ndarray, b: np.ndarray, before: np.ndarray | float) -> None:
    """c = a b + before, to the rounding of sums."""
    exact = a.astype(float) @ b.astype(float) + before
    size = np.abs(a).astype(float) @ np.abs(b) + np.abs(before)
    assert (np.abs(c - exact) <= 1e-6 * size).all()


def product(
    a: np.ndarray, b: np.ndarray, transposed: bool, threads: int, add: bool = False
) -> np.ndarray:
    """a b by the kernel; transposed: b lies in memory as its transpose does."""
    (m, k), n = a.shape, b.shape[1]
    (row, column), memory = ((1, k), b.T.copy()) if transposed else ((n, 1), b)
    c = np.full((m, n), 0.5 if add else np.nan, np.float32)
    assert run(
        "product", M=m, N=n, K=k, A=a, A_row=k, A_column=1, B=memory, B_row=row, B_column=column,
        C=c, C_row=n, add=add, threads=threads,
    ) == 0  # fmt: skip
    return c


@settings(max_examples=60, deadline=None)
@given(size=SIZES | WHOLE, transposed=st.booleans(), add=st.booleans(), threads=st.integers(1, 3))
def test_a_product(size, transposed, add, threads):
    m, n, k = size
    a, b = numbers(m, k), numbers(k, n)
    c = product(a, b, transposed, threads, add)
    assert_near(c, a, b, 0.5 if add else 0.0)
    assert np.array_equal(c, product(a, b, transposed, 1, add))
    assert np.array_equal(
        c[-1:], product(a[-1:], b, transposed, 1, add)
    )  # whatever rows are beside it


@settings(max_examples=60, deadline=None)
@given(size=SIZES, step=st.integers(0, 3), threads=st.integers(1, 3), add=st.booleans())
def test_a_gradient(size, step, threads, add):
    k, n, d = size
    x, dy = numbers(k, d + step), numbers(k, n)
    dW, db = (np.full(shape, 0.5 if add else np.nan, np.float32) for shape in ((d, n), n))
    assert run(
        "weights", M=d, N=n, K=k, x=x, x_row=d + step, dy=dy, dy_row=n, dW=dW, dW_row=n, db=db,
        add=add, threads=threads,
    ) == 0  # fmt: skip
    assert_near(dW, x[:, :d].T, dy, 0.5 if add else 0.0)
    assert_near(db[None], np.ones((1, k), np.float32), dy, 0.5 if add else 0.0)
    if add:
        return
    rest = n % 16
    narrow = np.zeros((d, rest), np.float32)  # by the tiles that others go through
    assert run(
        "weights", M=d, N=rest, K=k, x=x, x_row=d + step, dy=dy[:, n - rest :].copy(), dy_row=rest,
        dW=narrow, dW_row=rest,
    ) == 0  # fmt: skip
    assert np.array_equal(narrow, dW[:, n - rest :])


@pytest.mark.parametrize("k", [0, 1, 5])
def test_a_gradient_of_rows_that_are_all_the_same(k):
    x, dy = numbers(70), numbers(max(k, 1), 34)
    dW = np.full((70, 34), np.nan, np.float32)
    assert run("weights", M=70, N=34, K=k, x=x, x_row=0, dy=dy, dy_row=34, dW=dW, dW_row=34) == 0
    assert_near(dW, np.tile(x, (k, 1)).T, dy[:k], 0.0)


def test_the_same_bits_on_avx512_and_avx2():
    def products():
        return [
            product(numbers(13, k), numbers(k, n), transposed, 1)
            for n in (17, 36, 50, 64, 100, 200) for k in (64, 100, 150, 257, 784)
            for transposed in (False, True)
        ]  # fmt: skip

    assert all(map(np.array_equal, *on_avx512_and_avx2(products)))
