"""Stages: rows that do not wait for all rows before them give the same bits as if they did."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import handgrad as hg
from handgrad.compile import compile_training
from handgrad.compile import program as programs
from handgrad.compile.builder import Row
from handgrad.compile.native import NativeProgram, SpecError
from handgrad.compile.stages import FOR_ALL, FOR_NONE, FOR_SAMPLES, join, stages
from handgrad.compile.values import Address, BatchDim, Value, at_most
from tests.compile.rows import run

RNG = np.random.default_rng(0)
X, LABELS = RNG.standard_normal((300, 600), np.float32), RNG.integers(0, 10, 300)
TARGETS = RNG.standard_normal((300, 3), np.float32)


def deep() -> hg.Sequential:
    return hg.Sequential(
        hg.Affine(70), hg.ReLU(), hg.Affine(90), hg.Tanh(), hg.Affine(50), hg.GELU(), hg.Affine(10),
        seed=1,
    )  # fmt: skip


class Branches(hg.Network):
    """A residual addition, dropout, and a layer that is used twice."""

    def __init__(self) -> None:
        self.enter, self.twice = hg.Affine(60, inputs=600), hg.Affine(60, inputs=60)
        self.drop, self.leave = hg.Dropout(0.2, seed=4), hg.Affine(3, inputs=60)

    def __call__(self, x):
        h = hg.ReLU()(self.enter(x))
        h = h + hg.ReLU()(self.twice(self.drop(h)))
        return self.leave(h + hg.Tanh()(self.twice(h)))


CASES = {
    "deep": (deep, LABELS, hg.SoftmaxCrossEntropy, lambda: hg.Adam(0.01)),
    "deep, updated at once": (deep, LABELS, hg.SoftmaxCrossEntropy, lambda: hg.Momentum(0.02)),
    "branches": (Branches, TARGETS, hg.MeanSquaredError, lambda: hg.Adam(0.01, clip_norm=1.0)),
}


def weights(case: str, threads: int) -> bytes:
    """Those after some steps, the last ones of fewer samples."""
    make, t, loss, optimizer = CASES[case]
    network = make()
    network.build(X[:2])
    program = compile_training(network, loss(), optimizer(), X, t, batch=96, threads=threads)
    starts = np.array([0, 96, 192, 0, 5, 7])
    counts = np.array([96, 96, 96, 37, 2, 1])
    assert program.run(np.arange(300), starts, counts) == 6
    return network.flat.parameters.tobytes()


@pytest.mark.parametrize("case", CASES)
def test_stages_give_the_bits_of_single_rows(case, monkeypatch):
    joined = [weights(case, threads) for threads in (1, 2, 3, 8)]
    monkeypatch.setattr(programs, "join", lambda rows: None)
    assert set(joined) == {weights(case, 1)} == {weights(case, 2)}


def rows_of(case: str) -> list[Row]:
    make, t, loss, optimizer = CASES[case]
    network = make()
    network.build(X[:2])
    return compile_training(network, loss(), optimizer(), X, t, batch=96).rows


def test_a_step_of_layers_seldom_waits():
    rows = rows_of("deep")
    found = [[rows[i].kernel for i in stage] for stage in stages(rows)]
    forward = ["sum_parts", *["product"] * 2, "elementwise", "product", "softmax_loss"]
    assert found == [
        ["partial"],
        [*forward, "product", "mul", "product", "product"],
        ["step_loss"],
        ["weights"] * 4,
        ["update"] * 4,  # of the first matrix, and of those whose gradients are shared out
    ]


@pytest.mark.parametrize("case", CASES)
def test_what_runs_at_the_same_time_shares_no_memory(case):
    rows = rows_of(case)
    for stage in stages(rows):
        owners = {
            id(a.owner): a.owner for i in stage for a in rows[i].values() if isinstance(a, Value)
        }
        arena = sorted(
            (v.address.word, v.address.word + at_most(v.size, 96)) for v in owners.values()
            if v.address.segment == "arena"
        )  # fmt: skip
        assert all(stop <= start for (_, stop), (start, _) in pairwise(arena))


def test_what_adds_to_a_gradient_comes_after_what_writes_it():
    rows = [row for row in rows_of("branches") if row.kernel == "weights"]
    twice = [row for row in rows if row["M"] == row["N"] == 60]
    assert [row["add"] for row in twice] == [False, True]
    assert twice[1].waits == FOR_ALL


def program_of(*rows: Row) -> NativeProgram:
    segments = {"a": (np.zeros(100, np.float32), True)}
    return NativeProgram(rows, segments, batch=4, data_rows=4, hyper_width=1)


def test_a_row_that_cannot_wait_for_less_is_refused():
    a = Address("a")

    def adding(waits, count=None):
        count = count or BatchDim(2)
        return Row("add", {"count": count, "a": a, "b": a + 8, "y": a + 16}, waits=waits)

    def copying(waits):
        return Row("copy", {"count": 4, "x": a, "y": a + 4}, waits=waits)

    add, copy = adding(FOR_SAMPLES), copying(FOR_SAMPLES)
    program_of(adding(FOR_ALL), add)
    for bad in (
        (add,),  # the first row
        (copy,), (add, copy),  # a kernel that does not go by samples
        (copying(FOR_ALL), add),
        (adding(FOR_ALL, 8), add),  # not a number for each sample
        (adding(FOR_ALL), adding(FOR_NONE)), (adding(FOR_ALL), adding(7)),
    ):  # fmt: skip
        with pytest.raises(SpecError, match="wait"):
            program_of(*bad)


def test_only_what_is_independent_is_joined():
    W = Address("parameters")
    x, h, y, z = (Value((BatchDim(1), 4)) for _ in range(4))

    def product(a, b, c):
        sizes = {"M": BatchDim(1), "N": 4, "K": 4}
        strides = {"A_row": 4, "A_column": 1, "B_row": 4, "B_column": 1, "C_row": 4}
        return Row("product", {**sizes, **strides, "A": a, "B": b, "C": c})

    rows = [product(x, W, h), product(h, W, y), product(h, y, z)]  # a matrix that a row made
    join(rows)
    assert [row.waits for row in rows] == [FOR_ALL, FOR_SAMPLES, FOR_ALL]
    half = Value((BatchDim(1), 2), whole=h)  # other samples of h are in a part of it
    relu = Row("elementwise", {"count": BatchDim(2), "op": "relu", "x": half, "y": y})
    parts = [product(x, W, h), relu]
    join(parts)
    assert [row.waits for row in parts] == [FOR_ALL, FOR_ALL]
    update = {"count": 10, "p": W, "g": W, "rate": 0, "root": 0, "rest": 0, "lead": 0}
    updates = [Row("update", update), Row("update", update)]
    updates += [Row("squares", {"count": 10, "g": W, "sums": x})]
    join(updates)
    assert [row.waits for row in updates] == [FOR_ALL, FOR_NONE, FOR_ALL]


@settings(max_examples=60, deadline=None)
@given(
    m=st.integers(0, 40),
    n=st.one_of(st.integers(1, 70), st.sampled_from([128, 129, 144, 145, 194, 257, 300])),
    k=st.integers(1, 800), parts=st.integers(1, 5), threads=st.sampled_from([1, 2, 3, 8]),
    seed=st.integers(0, 9),
)  # fmt: skip
def test_a_product_in_parts(m, n, k, parts, threads, seed):
    rng = np.random.default_rng(seed)
    a, b, bias = (rng.standard_normal(s).astype(np.float32) for s in ((m, k), (k, n), n))
    sums, c = np.full((parts, m, n), np.nan, np.float32), np.full((m, n), np.nan, np.float32)
    product = {
        "M": m, "N": n, "K": k, "parts": parts, "A": a, "A_row": k, "A_column": 1, "B": b,
        "B_row": n, "B_column": 1,
    }  # fmt: skip
    assert run("partial", **product, sums=sums, threads=threads) == 0
    assert run(
        "sum_parts", M=m, N=n, parts=parts, sums=sums, C=c, bias=bias, op="relu", threads=threads
    ) == 0  # fmt: skip
    exact = a.astype(float) @ b + bias
    size = np.abs(a).astype(float) @ np.abs(b) + np.abs(bias)
    assert (np.abs(c - np.maximum(exact, 0)) <= 1e-6 * size + 1e-12).all()
    assert np.array_equal(c, np.maximum(reduce(np.add, sums) + bias, 0))
    alone = np.full_like(sums, np.nan)
    assert run("partial", **product, sums=alone) == 0
    assert np.array_equal(alone, sums)


def test_numbers_below_the_least_normal_one_are_0_in_a_program():
    x = np.array([1e-39, -1e-45, 2e-38, -87.5], np.float32)
    y = np.full(4, np.nan, np.float32)
    assert run("add", count=4, a=x, b=np.zeros(4, np.float32), y=y) == 0
    assert y.tolist() == [0, 0, x[2], x[3]]
    half = np.full(4, 0.5, np.float32)
    assert run("mul", count=4, a=x, b=half, y=y) == 0
    assert y.tolist() == [0, 0, 0, x[3] / 2]


def test_python_between_rows_keeps_small_numbers():
    def smallest() -> float:
        return float((np.full(4, 1e-39, np.float32) * np.ones(4, np.float32))[0])

    seen = []
    network = hg.Sequential(hg.Affine(3), seed=0).build(X[:2])
    program = compile_training(
        network, hg.MeanSquaredError(), hg.SGD(0.1), X, TARGETS, batch=96,
        watch=lambda y, step: seen.append(smallest()),
    )  # fmt: skip
    program.run(np.arange(300), np.zeros(2), np.full(2, 96))
    assert seen == [smallest()] * 2
    assert smallest() > 0
