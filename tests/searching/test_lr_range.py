"""The learning-rate range test: what it measures, what it leaves alone, what it suggests."""

import copy

import numpy as np
import pytest

import handgrad as hg
from handgrad.searching import lr_range


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4)).astype(np.float32)
    return x, (x @ rng.normal(size=(4, 1))).astype(np.float32)


def network():
    return hg.Sequential(hg.Affine(8), hg.Tanh(), hg.Affine(1), seed=0)


@pytest.mark.parametrize("engine", ["numpy", "auto"])
def test_the_losses_are_those_of_a_training_whose_rate_grows(engine):
    x, t = data()
    net, rule = network().build(x), hg.SGD(0.3)
    before = net.parameters.copy()
    options = {"batch": 50, "engine": engine}
    test = lr_range(net, x, t, low=1e-4, high=1, steps=40, optimizer=rule, options=options)
    np.testing.assert_array_equal(net.parameters, before)
    assert (rule.lr, rule.steps) == (0.3, 0)
    np.testing.assert_allclose(test.rates, np.logspace(-4, 0, 40)[: len(test.rates)])
    seen = []

    class Note:
        def on_step(self, trainer):
            seen.append(trainer.loss_value)

    hg.fit(copy.deepcopy(net), x, t, optimizer=hg.SGD(lambda s: 1e-4 * 10 ** (s / 9.75)),
           steps=len(test.rates), callbacks=[Note()], progress=False, **options)  # fmt: skip
    np.testing.assert_allclose(test.losses, seen, rtol=1e-6)


@pytest.mark.parametrize("rule", [hg.SGD, hg.Momentum, hg.Adam])
def test_the_suggestion_trains_well(rule):
    x, t = data()
    test = lr_range(network(), x, t, optimizer=rule)
    assert 1e-4 < test.suggestion < 3
    assert test.rates[0] < test.suggestion <= test.rates[np.argmin(test.smooth)]
    history = hg.fit(network(), x, t, optimizer=rule(test.suggestion), epochs=20)
    assert history["loss"][-1] < 0.1 * history["loss"][0]


def test_a_divergence_ends_the_test():
    x, t = data()
    test = lr_range(network(), x, t, high=1e12, optimizer=hg.SGD)
    assert len(test.rates) < 100
    assert np.isfinite(test.losses).all()


def test_the_picture(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    x, t = data()
    assert lr_range(network(), x, t).plot(tmp_path / "rates.svg").read_text().count("<path") > 3


@pytest.mark.parametrize(("options", "message"), [
    ({"low": 0}, "lr_range: 0 < low < high is needed, got 0 and 10"),
    ({"low": 2, "high": 1}, "0 < low < high"),
    ({"high": "much"}, "lr_range: high must be a number"),
    ({"steps": 5}, "steps: at least 10"),
    ({"options": {"batches": 3}}, "fit has no option 'batches'"),
    ({"optimizer": "adan"}, "optimizer must be one of"),
    ({"low": 1e-12, "high": 2e-12}, "the loss never falls, beyond .* from 1e-12 on"),
])  # fmt: skip
def test_errors(options, message):
    with pytest.raises((ValueError, hg.DivergenceError), match=message):
        lr_range(network(), *data(), **options)
