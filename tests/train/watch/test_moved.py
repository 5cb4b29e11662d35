"""Why a weight moved: the parts sum to the real update, and each is what its formula says."""

from __future__ import annotations

import json

import numpy as np
import pytest

import handgrad as hg
from handgrad import Affine, ReLU, Sequential, optim
from handgrad.train import Trainer
from handgrad.train.watch import why_moved

OPTIONS = {"l2": 0.1, "weight_decay": 0.2, "clip_norm": 0.5, "clip_value": 0.05,
           "lr_scale": {"2": 0.5}}  # fmt: skip
RULES = [hg.SGD, hg.Momentum, hg.Nesterov, hg.AdaGrad, hg.RMSProp, hg.AdaDelta, hg.Adam, hg.AdamW,
         hg.AMSGrad, hg.NAdam, hg.RAdam, hg.Lion]  # fmt: skip


def made(rule, updates=7, dtype=np.float32):
    """A network after some updates, with the gradients of the next one."""
    random = np.random.default_rng(3)
    x, t = random.normal(size=(20, 4)).astype(dtype), random.integers(0, 3, 20)
    network, loss = Sequential(Affine(5), ReLU(), Affine(3), dtype=dtype), hg.SoftmaxCrossEntropy()
    for i in range(updates + 1):
        loss.forward(network.forward(x), t)
        network.backward(loss.backward(3.0)[0])
        if i < updates:
            rule.step(network)
    return network


def all_rules():
    names = {n for n in optim.__all__ if isinstance(getattr(optim, n), type)
             and issubclass(getattr(optim, n), optim.Optimizer)}  # fmt: skip
    return names - {"Optimizer"}


def test_every_rule_of_the_library_is_tested_here():
    assert all_rules() == {r.__name__ for r in RULES} | {"LBFGS", "LevenbergMarquardt"}


@pytest.mark.parametrize("kind", RULES)
@pytest.mark.parametrize("plain", [True, False])
def test_the_parts_sum_to_the_real_update(kind, plain):
    schedule = optim.StepDecay(0.02, every=3, factor=0.5)
    rule = kind(0.02) if plain else kind(schedule, **OPTIONS)
    network = made(rule)
    before, state = network.parameters.copy(), rule.state_dict()
    asked = [("0.W", (3, 2)), ("0.b", 1), ("2.W", (-1, 0)), ("2.b", (2,))]
    moves = [why_moved(network, path, at, optimizer=rule) for path, at in asked]
    assert (network.parameters == before).all()
    assert all(np.array_equal(state[name], value) for name, value in rule.state_dict().items())
    rule.step(network)
    for move in moves:
        assert move.after == network.named_parameters()[move.path][move.index]
        total = sum(part.value for part in move.parts)
        assert abs(total - move.update) <= 1e-15
        assert abs(move["rounding"]) < 3e-7 * max(1, abs(move.before))
        assert not move["rule"]
        names = [part.name for part in move.parts]
        assert len(set(names)) == len(names)
        if not plain and move.path == "2.W":
            assert {"gradient", "l2", "clipping", "schedule", "lr_scale", "weight decay"} <= {
                *names}  # fmt: skip


def test_each_part_is_what_its_formula_says():
    rule = hg.Momentum(optim.StepDecay(0.02, every=3, factor=0.5), momentum=0.8, l2=0.1,
                       weight_decay=0.2, clip_value=0.01, lr_scale={"0": 3.0})  # fmt: skip
    network = made(rule, dtype=np.float64)
    at = (1, 2)
    g, w = network.layers[0].dW[at], network.layers[0].W[at]
    v = rule.state["v"].reshape(-1)[: 4 * 5].reshape(4, 5)[at]
    treated = np.clip(g + 0.1 * w, -0.01, 0.01)
    lr = 0.02 * 0.5**2
    expected = {
        "gradient": -0.02 * g, "l2": -0.02 * 0.1 * w,
        "clipping": -0.02 * (treated - g - 0.1 * w), "schedule": -(lr - 0.02) * treated,
        "lr_scale": -2 * lr * treated, "momentum": 0.8 * v, "weight decay": -3 * lr * 0.2 * w,
    }  # fmt: skip
    move = why_moved(network, "0.W", at, optimizer=rule)
    for name, value in expected.items():
        assert move[name] == pytest.approx(value, rel=1e-12, abs=1e-18), name
    assert {p.name for p in move.parts} <= {*expected, "rounding"}


def test_adam_is_momentum_and_scaling():
    rule = hg.Adam(0.01)
    network = made(rule, dtype=np.float64)
    g, k = network.layers[0].dW[2, 1], 2 * 5 + 1
    m = 0.9 * rule.state["m"][k] + 0.1 * g
    v = 0.999 * rule.state["v"][k] + 0.001 * g**2
    mean, size = m / (1 - 0.9**8), (v / (1 - 0.999**8)) ** 0.5
    move = why_moved(network, "0.W", (2, 1), optimizer=rule)
    assert move["momentum"] == pytest.approx(-0.01 * (mean - g))
    assert move["scaling"] == pytest.approx(-0.01 * (mean / (size + 1e-8) - mean))


@pytest.mark.parametrize("rule", [*RULES, hg.LBFGS, hg.LevenbergMarquardt])
def test_the_next_update_of_a_trainer_is_the_one_that_is_made(rule):
    random = np.random.default_rng(0)
    x = random.normal(size=(40, 3)).astype(np.float32)
    t = (x[:, :1] - x[:, 1:2]).astype(np.float32)
    full = rule in (hg.LBFGS, hg.LevenbergMarquardt)
    layers = [Affine(4), hg.Tanh(), *([] if full else [hg.BatchNorm(), hg.Dropout(0.2)]), Affine(1)]
    network = Sequential(*layers)
    trainer = Trainer(network, x, t, optimizer=rule(), steps=3, engine="numpy", progress=False,
                      **({} if full else {"batch": 16, "accumulate": 2}))  # fmt: skip
    trainer.run()
    kept = network.parameters.copy()
    move = why_moved(trainer, "0.W", (0, 3))
    assert (network.parameters == kept).all()
    assert why_moved(trainer, "0.W", (0, 3)) == move
    trainer.total_steps += 1
    trainer.run()
    assert network.layers[0].W[0, 3] == np.float32(move.after)
    assert sum(part.value for part in move.parts) == pytest.approx(move.update, rel=1e-12)


def test_frozen_weights_stay_and_own_rules_have_a_part_of_their_own():
    class Own:
        lr = 0.1

        def update(self, params, grads):
            for name, p in params.items():
                p -= 0.1 * np.sign(grads[name])

    network = made(hg.SGD(0.1))
    move = why_moved(network, "0.W", (0, 0), optimizer=Own())
    assert move.update == pytest.approx(move["gradient"] + move["rule"])
    assert abs(move.update) == pytest.approx(0.1)
    network.freeze("0")
    move = why_moved(network, "0.W", (0, 0), optimizer=hg.SGD(0.1, weight_decay=0.1))
    assert (move.update, move.parts) == (0, [])


def test_it_reads_like_a_ledger():
    rule = hg.AdamW(0.01, weight_decay=0.1)
    network = made(rule)
    move = why_moved(network, "2.W", (0, 1), optimizer=rule)
    lines = str(move).splitlines()
    assert lines[0].startswith("2.W[0, 1], update 8 by AdamW: ")
    names = [line.split("  ")[1] for line in lines[1:]]
    assert names[:4] == ["gradient", "momentum", "scaling", "weight decay"]
    assert names[-1] == "update"
    assert json.loads(json.dumps(move.to_dict()))["path"] == "2.W"


@pytest.mark.parametrize(("path", "index", "said"), [
    ("3.W", (0, 0), "no parameter is called '3.W'; there are 0.W, 0.b, 2.W, 2.b"),
    ("0.W", (0,), r"0.W has the shape \(4, 5\); the index of one weight in it is needed"),
    ("0.W", (4, 0), r"got \(4, 0\)"),
    ("0.W", (0, 1.5), r"got \(0, 1.5\)"),
])  # fmt: skip
def test_a_weight_that_is_not_there_is_refused(path, index, said):
    with pytest.raises(ValueError, match=said):
        why_moved(made(hg.SGD(0.1)), path, index, optimizer=hg.SGD(0.1))


def test_what_cannot_be_told_is_refused():
    network = made(hg.SGD(0.1))
    with pytest.raises(ValueError, match="needs optimizer="):
        why_moved(network, "0.W", (0, 0))
    with pytest.raises(ValueError, match="LBFGS looks at all data; give the Trainer"):
        why_moved(network, "0.W", (0, 0), optimizer=hg.LBFGS())
    with pytest.raises(ValueError, match="a Trainer, or a network and its optimizer"):
        why_moved("digits", "0.W", (0, 0))
