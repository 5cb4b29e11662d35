"""Matrices that are too large for a thread's caches: their products are shared out by inputs."""

from __future__ import annotations

import numpy as np
import pytest

import handgrad as hg
from handgrad.compile import compile_prediction, compile_training
from handgrad.compile.binary import library
from tests.compile.rows import run

rng = np.random.default_rng(0)
X, T = rng.standard_normal((150, 600)).astype(np.float32), rng.integers(0, 5, 150)


def network() -> hg.Sequential:
    layers = hg.Affine(530), hg.ReLU(), hg.Affine(258), hg.Tanh(), hg.Affine(5)
    return hg.Sequential(*layers, seed=0).build(X[:2])


def kernels(batch: int) -> list[str]:
    loss, optimizer = hg.SoftmaxCrossEntropy(), hg.Adam(1e-3)
    program = compile_training(network(), loss, optimizer, X, T, batch=batch)
    return [row.kernel for row in program.rows]


def test_long_products_are_made_in_parts_where_the_batch_is_small():
    assert kernels(130)[:5] == ["partial", "sum_parts", "partial", "sum_parts", "product"]
    assert kernels(140)[:4] == ["partial", "sum_parts", "product", "product"]
    predicting = compile_prediction(network(), X, batch=16)
    assert "partial" not in [row.kernel for row in predicting.rows]


def trained(compile: bool, threads: int = 1) -> hg.Sequential:
    trained = network()
    options = {"compile": compile, "threads": threads} if compile else {"compile": False}
    hg.fit(trained, X, T, optimizer=hg.Adam(1e-3), batch=64, epochs=4, **options)
    return trained


def test_training_is_that_of_numpy_with_the_same_bits_on_any_number_of_threads():
    one = trained(True)
    for threads in (2, 3, 8):
        assert np.array_equal(trained(True, threads).parameters, one.parameters)
    np.testing.assert_allclose(one.forward(X), trained(False).forward(X), atol=1e-3)


def test_products_with_short_blocks_have_the_same_bits_on_avx512_and_avx2():
    native = library()
    if native is None or native.hg_isa() != b"AVX-512":
        pytest.skip("this processor has no AVX-512")
    found = {}
    try:
        for isa in (b"AVX-512", b"AVX2"):
            assert native.hg_use_isa(isa) == 0
            found[isa] = [product(21, n, k, turned) for n in (64, 200, 257) for k in (150, 193, 600)
                          for turned in (False, True)]  # fmt: skip
    finally:
        native.hg_use_isa(b"AVX-512")
    assert all(map(np.array_equal, *found.values()))


def product(m: int, n: int, k: int, turned: bool) -> np.ndarray:
    """A product by the kernel, checked against float64."""
    numbers = np.random.default_rng(k)
    a, b = (numbers.standard_normal(shape).astype(np.float32) for shape in ((m, k), (k, n)))
    c = np.full((m, n), np.nan, np.float32)
    steps, memory = ((1, k), b.T.copy()) if turned else ((n, 1), b)
    assert run("product", m, n, k, a, k, 1, 0, memory, *steps, c, n, None, 0, None, 0) == 0
    assert (np.abs(c - a.astype(float) @ b) <= 1e-6 * (np.abs(a).astype(float) @ np.abs(b))).all()
    return c
