"""Distributions beside PyTorch's, on tensors, and what is drawn from them."""

from __future__ import annotations

import numpy as np
import pytest

import handgrad as hg
from handgrad import Categorical, Normal, Tensor
from handgrad.compile import compile_training, why_not

SHAPES = [(5, 4), (2, 3, 4), (1, 2)]


def agree(ours, theirs, **tolerance):
    np.testing.assert_allclose(ours, theirs.detach().numpy(), **{"rtol": 1e-9, **tolerance})


@pytest.mark.parametrize("shape", SHAPES)
def test_categorical_is_that_of_pytorch(shape, rng):
    torch = pytest.importorskip("torch")
    y, z = rng.normal(size=(2, *shape), scale=3)
    a, dl = rng.integers(0, shape[-1], shape[:-1]), rng.normal(size=shape[:-1])
    for name, more in (("log_prob", a), ("entropy", None), ("kl", z)):
        ours = [Tensor(y), Tensor(z)]
        theirs = [torch.tensor(v, requires_grad=True) for v in (y, z)]
        one, other = (torch.distributions.Categorical(logits=v) for v in theirs)
        if name == "kl":
            got = Categorical(ours[0]).kl(Categorical(ours[1]))
            wanted = torch.distributions.kl_divergence(one, other)
        else:
            arguments = () if more is None else (more,)
            got = getattr(Categorical(ours[0]), name)(*arguments)
            wanted = getattr(one, name)(*map(torch.tensor, arguments))
        agree(got.data, wanted, atol=1e-12)
        got.backward(dl)
        wanted.backward(torch.tensor(dl))
        for mine, its in zip(ours, theirs):
            if its.grad is not None:
                agree(mine.grad, its.grad, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_normal_is_that_of_pytorch(shape, rng):
    torch = pytest.importorskip("torch")
    values = rng.normal(size=(4, *shape))
    a, dl = rng.normal(size=(2, *shape))
    for name in ("log_prob", "entropy", "kl"):
        ours = [Tensor(v) for v in values]
        theirs = [torch.tensor(v, requires_grad=True) for v in values]
        mu, s, nu, r = ours
        one = torch.distributions.Normal(theirs[0], theirs[1].exp())
        other = torch.distributions.Normal(theirs[2], theirs[3].exp())
        if name == "kl":
            got = Normal(mu, s).kl(Normal(nu, r))
            wanted = torch.distributions.kl_divergence(one, other)
        else:
            arguments = (a,) if name == "log_prob" else ()
            got = getattr(Normal(mu, s), name)(*arguments)
            wanted = getattr(one, name)(*map(torch.tensor, arguments))
        agree(got.data, wanted, atol=1e-12)
        got.backward(dl)
        wanted.backward(torch.tensor(dl))
        for mine, its in zip(ours, theirs):
            if its.grad is not None:
                agree(mine.grad, its.grad, atol=1e-12)


def test_samples_have_the_probabilities(rng):
    y = np.array([[0.0, 1.0, -1.0], [2.0, 2.0, -30.0]])
    chosen = Categorical(np.repeat(y[:, None], 20_000, axis=1)).sample(rng)
    for k in range(3):
        share = (chosen == k).mean(axis=1)
        np.testing.assert_allclose(share, Categorical(y).p[:, k], atol=0.02)
    drawn = Normal(np.full(50_000, 2.0), np.full(50_000, np.log(3.0))).sample(rng)
    assert drawn.mean() == pytest.approx(2, abs=0.06)
    assert drawn.std() == pytest.approx(3, rel=0.02)
    assert Normal(np.zeros(2, np.float32), np.zeros(2, np.float32)).sample(rng).dtype == np.float32


def test_the_gradient_of_the_expectation_is_what_samples_say(rng):
    """Σ p ∂ ln p = 0, and the mean of −ln p over samples is the entropy."""
    y = Tensor(np.repeat(rng.normal(size=(1, 4)), 40_000, axis=0))
    chance = Categorical(y)
    logs = chance.log_prob(chance.sample(rng))
    assert -logs.data.mean() == pytest.approx(Categorical(y.data[0]).entropy(), abs=0.02)
    logs.backward(np.full(40_000, 1 / 40_000))
    np.testing.assert_allclose(y.grad.sum(axis=0), 0, atol=0.01)


def test_extreme_scores_stay_finite():
    y = np.array([[1e4, -1e4, 0.0]], np.float32)
    assert Categorical(y).entropy() == 0
    np.testing.assert_array_equal(Categorical(y).log_prob([1]), [-2e4])
    assert np.isfinite(Categorical(y).kl(Categorical(-y))).all()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Categorical(np.zeros((2, 3))).log_prob([0, 3]), "indices must lie from 0 to 2"),
        (lambda: Categorical(np.zeros((2, 3))).log_prob([0]), r"need classes \(2,\), got \(1,\)"),
        (lambda: Categorical(np.zeros((2, 3))).log_prob([0.5, 1]), "indices must be integers"),
        (lambda: Categorical(np.zeros((2, 0))).entropy(), r"scores \(N, …, C\) are needed"),
        (lambda: Categorical(np.zeros(3)).sample(7), "a generator such as"),
        (lambda: Normal(np.zeros(3), np.zeros(2)).log_prob(np.zeros(3)), "one shape"),
        (lambda: Normal(np.zeros(3), np.zeros(3)).sample(None), "a generator such as"),
    ],
)
def test_what_does_not_fit_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_the_policy_gradient_is_that_of_log_prob_times_advantage(rng):
    y, a, A = rng.normal(size=(6, 4)), rng.integers(0, 4, 6), rng.normal(size=6)
    loss, logs = hg.PolicyGradient(), hg.CategoricalLogProb()
    value = loss.forward(y, a, A)
    assert value == pytest.approx(-(A * logs.forward(y, a)).mean())
    np.testing.assert_allclose(loss.backward()[0], logs.backward(-A / 6)[0], atol=1e-15)
    with pytest.raises(ValueError, match="weights must be finite"):
        loss.forward(y, a, np.array([np.nan, *A[1:]]))
    with pytest.raises(ValueError, match="weights must be finite and ≥ 0"):
        hg.SoftmaxCrossEntropy().forward(y, a, A)


@pytest.mark.skipif(bool(why_not()), reason="no native library")
@pytest.mark.parametrize("classes", [3, 40])
def test_the_policy_gradient_is_native(rng, classes):
    x = rng.normal(size=(12, 5)).astype(np.float32)
    a, A = rng.integers(0, classes, 12), rng.normal(size=12)
    A[3] = 0
    networks = [hg.Sequential(hg.Affine(8), hg.ReLU(), hg.Affine(classes), seed=1) for _ in "ab"]
    program = compile_training(networks[0], hg.PolicyGradient(), hg.SGD(0.5), x, a, batch=12,
                               weights=A)  # fmt: skip
    program.run(np.arange(12), [0], [12])
    y = networks[1].forward(x)
    loss = hg.PolicyGradient()
    value = loss.forward(y, a, A)
    networks[1].backward(loss.backward()[0])
    hg.SGD(0.5).step(networks[1])
    assert program.losses[0] == pytest.approx(value, rel=1e-4, abs=1e-6)
    np.testing.assert_allclose(networks[0].parameters, networks[1].parameters, rtol=1e-4, atol=1e-5)


def test_a_normal_policy_learns_on_tensors(rng):
    """Which action is best, and with less and less doubt: (a − 2x)² is what it costs."""
    network = hg.Sequential(hg.Affine(1, inputs=1), seed=1)
    network.build()
    s = np.zeros(1)
    optimizer = hg.Adam(0.02)
    for _ in range(400):
        x = rng.normal(size=(64, 1)).astype(np.float32)
        mu, doubt = network(Tensor(x)), Tensor(s)
        policy = Normal(mu, mu * 0 + doubt)
        a = policy.sample(rng)
        reward = -((a - 2 * x) ** 2)
        advantage = (reward - reward.mean()) / reward.std()
        (policy.log_prob(a.astype(np.float32)) * (-advantage / 64)).sum().backward()
        s = s - 0.01 * doubt.grad
        optimizer.step(network)
    assert network[0].W.item() == pytest.approx(2, abs=0.25)
    assert s.item() < -0.5
