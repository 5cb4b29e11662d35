"""Matrices that are too large for a thread's caches: their products are shared out by inputs."""

from __future__ import annotations

import numpy as np

import handgrad as hg
from handgrad.compile import compile_prediction, compile_training

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


def trained(engine: str, **options: int) -> hg.Sequential:
    trained = network()
    hg.fit(trained, X, T, optimizer=hg.Adam(1e-3), batch=64, epochs=4, engine=engine, **options)
    return trained


def test_training_is_that_of_numpy_with_the_same_bits_on_any_number_of_threads():
    one = trained("native", threads=1)
    for threads in (2, 3, 8):
        assert np.array_equal(trained("native", threads=threads).parameters, one.parameters)
    np.testing.assert_allclose(one.forward(X), trained("numpy").forward(X), atol=1e-3)
