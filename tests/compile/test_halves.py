"""Gradients of small matrices: the sums of two halves of the batch, which the update adds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import handgrad as hg
from handgrad.compile import compile_training, optimizer
from handgrad.compile.values import BatchDim
from tests.compile.rows import run

ADAM = {
    "rule": "adam", "rate": 0, "root": 0, "rest": 0, "lead": 0,
    "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "scale": 1.0,
}  # fmt: skip


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


def halves(x, dy, d: int, indexed: bool, threads: int) -> list[np.ndarray]:
    (k, step), n = x.shape, dy.shape[1]
    first, bias, second = (np.full(s, np.nan, np.float32) for s in ((d, n), n, (d + 1, n)))
    rows = BatchDim(1) if indexed else k
    assert run(
        "weights", M=d, N=n, K=rows, x=x, x_row=step, indexed=indexed, dy=dy, dy_row=n, dW=first,
        dW_row=n, db=bias, half=second, n=k if indexed else 1, threads=threads,
    ) == 0  # fmt: skip
    return [np.vstack([first, bias]), second]


@settings(max_examples=60, deadline=None)
@given(
    k=st.sampled_from([1, 2, 3, 50, 101, 600]), d=st.integers(1, 120),
    n=st.sampled_from([1, 10, 17, 50, 100]), indexed=st.booleans(),
    threads=st.sampled_from([2, 3, 8]),
)  # fmt: skip
def test_each_half_is_a_gradient(k, d, n, indexed, threads):
    x, dy = numbers(k, d + 2), numbers(k, n)
    found = halves(x, dy, d, indexed, threads)
    for half, rows in zip(found, (slice(0, k // 2), slice(k // 2, k))):
        a = np.hstack([x[rows, :d], np.ones((len(x[rows]), 1), np.float32)])
        exact = a.T.astype(float) @ dy[rows]
        size = np.abs(a.T).astype(float) @ np.abs(dy[rows])
        assert (np.abs(half - exact) <= 1e-6 * size).all()
    assert all(map(np.array_equal, found, halves(x, dy, d, indexed, 1)))


@pytest.mark.parametrize("n", [1, 16, 100, 20_001])
def test_an_update_adds_the_second_half(n):
    g, second = numbers(n), numbers(n, 1)[:, 0].copy()
    found = []
    for gradient, half in ((g.copy(), second), (g + second, None)):
        p, first, last = np.ones(n, np.float32), numbers(n), np.abs(numbers(n))
        state = {"p": p, "p_first": first, "p_second": last}
        assert run("update", count=n, **state, g=gradient, half=half, **ADAM) == 0
        found.append(b"".join(a.tobytes() for a in (p, first, last, gradient)))
    assert found[0] == found[1]


def test_what_does_not_fit_is_refused():
    arguments = {
        "M": 5, "N": 3, "K": 8, "x": numbers(8, 5), "x_row": 5, "dy": numbers(8, 3), "dy_row": 3,
        "dW": numbers(5, 3), "dW_row": 3, "db": np.zeros(3, np.float32),
    }  # fmt: skip
    with pytest.raises(ValueError, match="half"):  # no room for the second half of db
        run("weights", **arguments, half=numbers(5, 3))
    with pytest.raises(ValueError, match="half a gradient"):
        run("weights", **arguments, add=True, half=numbers(6, 3))
    apart = arguments | {"dW": numbers(5, 4), "dW_row": 4}
    with pytest.raises(ValueError, match="lie alike"):
        run("weights", **apart, half=numbers(6, 3))


def trained(rule, shared: bool, monkeypatch) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Rows that share out a gradient, weights and gradients after a few steps."""
    monkeypatch.setattr(optimizer, "_SHARED", 1 << 12 if shared else 1 << 62)
    rng = np.random.default_rng(0)
    x, t = rng.random((300, 90), np.float32), rng.integers(0, 7, 300)
    layers = hg.Affine(60), hg.ReLU(), hg.Affine(50), hg.Tanh(), hg.Affine(7)
    network = hg.Sequential(*layers, seed=0)
    network.build(x[:2])
    program = compile_training(network, hg.SoftmaxCrossEntropy(), rule, x, t, batch=100)
    counts = np.array([100, 100, 99, 2, 1])
    assert program.run(np.arange(300), np.array([0, 100, 200, 0, 7]), counts) == 5
    found = [i for i, row in enumerate(program.rows) if row.kernel == "weights" and row["half"]]
    return found, network.flat.parameters, network.flat.gradients


@pytest.mark.parametrize("rule", [hg.SGD, hg.Momentum, hg.Adam, hg.AdaDelta])
def test_networks_learn_the_same(rule, monkeypatch):
    shared, weights, gradients = trained(rule(), True, monkeypatch)
    none, weights_of_one, gradients_of_one = trained(rule(), False, monkeypatch)
    assert (len(shared), len(none)) == (3, 0)
    np.testing.assert_allclose(weights, weights_of_one, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(gradients, gradients_of_one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{"clip_norm": 1.0}, {"weight_decay": 0.1}])
def test_gradients_that_other_rows_read_or_write_are_whole(options, monkeypatch):
    shared, *_ = trained(hg.AdamW(**options), True, monkeypatch)
    assert not shared  # the norm is of all at once; a matrix decays, its bias does not
