"""Optimizers as native rows: the same numbers as in NumPy, to the bit where the gradient is."""

import copy

import numpy as np
import pytest

from handgrad import Sequential
from handgrad.compile import NotNative, compile_training
from handgrad.compile.program import NOT_FINITE
from handgrad.layers import Affine, MeanSquaredError, ReLU
from handgrad.optim import (
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    AdamW,
    AMSGrad,
    CosineDecay,
    Lion,
    Momentum,
    NAdam,
    Nesterov,
    Optimizer,
    RAdam,
    RMSProp,
    WarmUp,
)
from tests.compile.rows import run

OPTIMIZERS = [
    SGD(0.1), Momentum(0.05, momentum=0.8), Nesterov(0.05), AdaGrad(0.05), RMSProp(0.003, rho=0.9),
    AdaDelta(), Adam(0.01), AdamW(0.01, weight_decay=0.1), SGD(0.1, l2=0.01), Adam(0.01, l2=0.1),
    Momentum(0.05, weight_decay=0.2), SGD(0.1, clip_value=0.01), SGD(0.1, clip_norm=0.05),
    Adam(0.01, l2=0.1, clip_value=0.02, clip_norm=0.1, weight_decay=0.3), SGD(0.1, clip_norm=1e9),
    SGD(0.1, lr_scale={"0": 0.1, "2.b": 0.0}), SGD(0.1, l2=0.5, decay_on=["0", "2.b"]),
    AdaGrad(WarmUp(CosineDecay(0.2, steps=9), steps=3)), Nesterov(lambda step: 0.1 / (step + 1)),
    AMSGrad(0.01, beta2=0.5), NAdam(0.01, l2=0.1), RAdam(0.01, beta2=0.99), Lion(0.001),
    Lion(0.001, weight_decay=0.3), RAdam(0.01, clip_norm=0.05), NAdam(CosineDecay(0.1, steps=9)),
]  # fmt: skip


def case(sizes=(11, 90, 3)):
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((40, sizes[0])) / sizes[1]).astype(np.float32)
    t = rng.standard_normal((40, sizes[2])).astype(np.float32)
    network = Sequential(Affine(sizes[1]), ReLU(), Affine(sizes[2]), seed=1)
    return network.build(x), x, t


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda rule: type(rule).__name__)
def test_steps_are_those_of_numpy(optimizer, threads):
    """The native gradient is given to the optimizer in NumPy, so only the update is compared."""
    native, x, t = case((11, 900, 3) if threads > 1 else (11, 90, 3))
    eager, mine, its = copy.deepcopy(native), copy.deepcopy(optimizer), copy.deepcopy(optimizer)
    program = compile_training(native, MeanSquaredError(), mine, x, t, batch=10, threads=threads)
    for step in range(14):
        rows = np.arange(10) + step % 4
        assert program.run(rows, np.zeros(1), np.array([10])) == 1
        eager.forward(x[rows])  # its layers have gradients, which are then replaced
        eager.backward(np.zeros((10, 3), np.float32))
        eager.gradients[...] = native.flat.gradients
        p, g = eager.flat.parameters, native.flat.gradients
        its._advance([(r, p[r.where], g[r.where].copy()) for r in its.runs(eager)])
        if optimizer.clip_norm is None:
            assert np.array_equal(native.flat.parameters, p)
        else:  # the norm is summed in another order
            np.testing.assert_allclose(native.flat.parameters, p, rtol=1e-6, atol=1e-7)
        p[...] = native.flat.parameters
    assert mine.steps == its.steps == 14
    for name, state in its.state.items():
        np.testing.assert_allclose(mine.state[name], state, rtol=1e-5, atol=1e-7)


def test_many_steps_in_one_call_are_many_calls():
    one, x, t = case()
    other = copy.deepcopy(one)
    optimizers = [Adam(CosineDecay(0.02, steps=30)) for _ in range(2)]
    together, single = (
        compile_training(n, MeanSquaredError(), o, x, t, batch=8, threads=1)
        for n, o in zip([one, other], optimizers)
    )
    order, starts = np.tile(np.arange(40), 5), np.arange(25) * 8
    assert together.run(order, starts, np.full(25, 8)) == 25
    for start in starts:
        assert single.run(order, np.array([start]), np.array([8])) == 1
    assert np.array_equal(one.flat.parameters, other.flat.parameters)
    assert [o.steps for o in optimizers] == [25, 25]


def test_frozen_parameters_stay():
    network, x, t = case()
    network.freeze("0")
    before = network.flat.parameters.copy()
    program = compile_training(
        network, MeanSquaredError(), Adam(0.1, clip_norm=0.1), x, t, batch=8, threads=1
    )
    assert program.run(np.arange(40), np.arange(5) * 8, np.full(5, 8)) == 5
    for path, start, stop, _ in network.layout:
        same = np.array_equal(network.flat.parameters[start:stop], before[start:stop])
        assert same == path.startswith("0")


def test_a_rule_of_the_users_own_is_not_native():
    class Mine(Optimizer):
        def rule(self, p, g, lr, scratch):
            p -= lr * g

    class Half(SGD):
        def rule(self, p, g, lr, scratch):
            p -= lr / 2 * g

    network, x, t = case()
    for optimizer in (Mine(0.1), Half(0.1)):
        with pytest.raises(NotNative, match=type(optimizer).__name__):
            compile_training(network, MeanSquaredError(), optimizer, x, t, batch=8)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 8, 32, 9999, 19999])
def test_a_gradient_that_is_not_finite_is_noticed(bad, at):
    p, g = np.zeros(20_000, np.float32), np.ones(20_000, np.float32)
    arguments = {"count": p.size, "p": p, "g": g, "scale": 1.0}
    arguments |= dict.fromkeys(("rate", "root", "rest", "lead"), 0)
    assert run("update", rule="sgd", **arguments) == 0
    g[at] = bad
    assert run("update", rule="sgd", **arguments) == NOT_FINITE
    sums, factor = np.zeros(6, np.float32), np.zeros(1, np.float32)
    assert run("squares", count=p.size, g=g, sums=sums) == 0
    assert run("clip_factor", count=3, sums=sums, factor=factor, limit=1.0) == NOT_FINITE


@pytest.mark.parametrize("size", [1, 255, 256, 257, 8191, 8193, 30_000])
def test_the_norm(size):
    g = np.random.default_rng(size).standard_normal(size).astype(np.float32)
    pieces = -(-size // 8192)
    sums, factor = np.zeros(2 * pieces, np.float32), np.zeros(1, np.float32)
    assert run("squares", count=size, g=g, sums=sums) == 0
    norm = np.sqrt(np.square(g, dtype=np.float64).sum())
    assert np.sqrt(sums.view(np.float64).sum()) == pytest.approx(norm, rel=1e-13)
    for limit in (norm / 3, norm * 2):
        assert run("clip_factor", count=pieces, sums=sums, factor=factor, limit=limit) == 0
        assert factor[0] == np.float32(min(1, limit / norm))


class Tied(Sequential):
    """Uses its first layer twice, so that its gradient is a sum of two."""

    def __init__(self):
        one = Affine(7, inputs=7)
        super().__init__(one, ReLU(), one, Affine(2), seed=0)


@pytest.mark.parametrize("make", [lambda: Sequential(Affine(9), ReLU(), Affine(2), seed=0), Tied])
@pytest.mark.parametrize("rule", [SGD(0.1), Momentum(0.05), Nesterov(0.05), Lion(0.001)])
def test_rows_of_gradients_that_update_give_the_same_bits(make, rule, monkeypatch):
    rng = np.random.default_rng(0)
    x, t = rng.random((300, 7), np.float32), rng.random((300, 2), np.float32)
    weights, updates = [], []
    for fused in (True, False):
        if not fused:
            monkeypatch.setattr("handgrad.compile.optimizer.fuse", lambda b, run: [])
        network = make()
        options = copy.deepcopy(rule)
        program = compile_training(network, MeanSquaredError(), options, x, t, batch=100)
        order, starts = np.arange(300), np.array([0, 100, 200, 0])
        assert program.run(order, starts, np.array([100, 100, 99, 1])) == 4
        weights.append(network.parameters.tobytes() + network.flat.gradients.tobytes())
        updates.append(sum(row.label.endswith("backward, update") for row in program.rows))
    assert updates == [1 if make is Tied else 2, 0]
    assert weights[0] == weights[1]
