"""Update rules of one's own: an object with update(params, grads) trains like an optimizer."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from handgrad import Adam, Affine, MeanSquaredError, Momentum, ReLU, Sequential, fit, load
from handgrad.book.common import optimizer as book
from handgrad.compile import why_not
from handgrad.optim import Plateau, StepDecay
from handgrad.train import SaveModel, Trainer, load_checkpoint


class MyAdam:
    """As a reader of the book writes it: state made at the first update, in dicts."""

    def __init__(self, lr=0.01, betas=(0.9, 0.999)):
        self.lr, self.betas, self.t, self.m, self.v = lr, betas, 0, None, None

    def update(self, params, grads):
        if self.m is None:
            self.m = {k: np.zeros_like(p) for k, p in params.items()}
            self.v = {k: np.zeros_like(p) for k, p in params.items()}
        self.t += 1
        a, b = self.betas
        for k, g in grads.items():
            self.m[k] += (1 - a) * (g - self.m[k])
            self.v[k] += (1 - b) * (g**2 - self.v[k])
            m, v = self.m[k] / (1 - a**self.t), self.v[k] / (1 - b**self.t)
            params[k] -= self.lr * m / (np.sqrt(v) + 1e-8)


class Rebinding:
    """Puts new arrays into params; remembers in a defaultdict and in a NumPy scalar."""

    def __init__(self):
        self.v, self.rate = defaultdict(float), np.float32(0.05)

    def update(self, params, grads):
        self.rate *= np.float32(0.97)
        for k in params:
            self.v[k] = 0.9 * self.v[k] - self.rate * grads[k]
            params[k] = params[k] + self.v[k]


class Returning:
    lr = 0.1

    def update(self, params, grads):
        return {k: p - self.lr * grads[k] for k, p in params.items()}


class Scheduled:
    """With a schedule that keeps a state of its own."""

    def __init__(self):
        self.lr, self.t = Plateau(0.05, factor=0.5, patience=0), 0

    def update(self, params, grads):
        for k, g in grads.items():
            params[k] -= self.lr(self.t) * g
        self.t += 1


class Speaking(MyAdam):
    """Says itself what to keep; its other attributes cannot be saved."""

    def __init__(self):
        super().__init__()
        self.log = print

    def state_dict(self):
        return {"t": self.t, "m": self.m, "v": self.v}

    def load_state_dict(self, state):
        self.t, self.m, self.v = state["t"], state["m"], state["v"]


RULES = [MyAdam, Rebinding, Returning, Scheduled, Speaking]
BOOK = [book.SGD, book.Momentum, book.Nesterov, book.AdaGrad, book.RMSprop, book.Adam]
X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
T = (X[:, :2] ** 2).astype(np.float32)


def network(seed=1):
    return Sequential(Affine(5), ReLU(), Affine(2), seed=seed)


def options(epochs=3, **more):
    return {
        "loss": MeanSquaredError(), "epochs": epochs, "batch": 8, "progress": False, **more,
    }  # fmt: skip


@pytest.mark.parametrize("cls", [*RULES, *BOOK], ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
def test_a_rule_trains_as_by_hand_to_the_bit(cls):
    net, rule = network(), cls()
    trainer = Trainer(net, X, T, optimizer=rule, **options())
    assert trainer.optimizer is rule
    assert trainer.engine.startswith("NumPy (")
    assert why_not() or trainer.engine == f"NumPy ({cls.__name__} has no native form)"
    trainer.run()
    hand, rule, loss = network(), cls(), MeanSquaredError()
    hand.build(X)
    for epoch in range(3):
        order = trainer.order(epoch)
        for i in range(0, len(X), 8):
            loss.forward(hand.forward(X[order[i : i + 8]]), T[order[i : i + 8]])
            hand.backward(loss.backward()[0])
            params = hand.named_parameters()
            new = rule.update(params, hand.named_gradients()) or params
            for path, p in hand.named_parameters().items():
                p[...] = new[path]
    np.testing.assert_array_equal(net.parameters, hand.parameters)
    assert not np.array_equal(net.parameters, network().build(X).parameters)


@pytest.mark.parametrize("cls", RULES)
def test_a_training_goes_on_from_a_file_to_the_bit(cls, tmp_path):
    whole, half, path = network(), network(), tmp_path / "m.safetensors"
    told = fit(whole, X, T, optimizer=cls(), **options(4))
    fit(half, X, T, optimizer=cls(), **options(2, callbacks=[SaveModel(path)]))
    saved = load_checkpoint(path)
    trainer = Trainer(saved.network, X, T, optimizer=cls(), **options(4))
    trainer.load_state_dict(saved.training)
    history = trainer.run()
    np.testing.assert_array_equal(saved.network.parameters, whole.parameters)
    np.testing.assert_array_equal(history["loss"], told["loss"])
    np.testing.assert_array_equal(history["lr"], told["lr"])
    other = Trainer(load(path), X, T, optimizer=Adam(0.01), **options(4))
    with pytest.raises(ValueError, match=f"the training to continue had {cls.__name__}, this"):
        other.load_state_dict(saved.training)


class WithSchedule(Scheduled):
    def __init__(self):
        self.lr, self.t = StepDecay(0.2, every=4), 0


def test_the_learning_rate_is_recorded_where_there_is_one():
    def rates(rule):
        return fit(network(), X, T, optimizer=rule, **options())["lr"]

    np.testing.assert_allclose(rates(MyAdam(0.003)), [0.003] * 3)
    np.testing.assert_allclose(rates(WithSchedule()), [0.2, 0.02, 0.002])
    assert np.isnan(rates(Rebinding())).all()


def test_frozen_parameters_are_not_shown_to_a_rule():
    seen = []

    class Looking(Returning):
        def update(self, params, grads):
            seen.append((list(params), list(grads)))
            return super().update(params, grads)

    net = network()
    net.build(X)
    before = net.freeze("0").layers[0].W.copy()
    fit(net, X, T, optimizer=Looking(), **options(1))
    assert seen[0] == (["2.W", "2.b"], ["2.W", "2.b"])
    np.testing.assert_array_equal(net.layers[0].W, before)


def test_accumulated_batches_are_one_update():
    one, two = network(), network()
    fit(one, X, T, optimizer=MyAdam(), **options(2, batch=20))
    fit(two, X, T, optimizer=MyAdam(), **options(2, batch=5, accumulate=4))
    np.testing.assert_allclose(one.parameters, two.parameters, rtol=1e-4, atol=1e-6)


class Unsaved(MyAdam):
    def __init__(self):
        super().__init__()
        self.rng = np.random.default_rng(0)


def test_what_cannot_be_saved_is_refused_before_training(tmp_path):
    fit(network(), X, T, optimizer=Unsaved(), **options(1))
    net, rule = network(), Unsaved()
    with pytest.raises(ValueError, match=r"the state of Unsaved.rng cannot be saved: Generator is"):
        fit(net, X, T, optimizer=rule, **options(1, callbacks=SaveModel(tmp_path / "m")))
    assert (rule.t, list(tmp_path.iterdir())) == (0, [])


class WithoutUpdate:
    def step(self, params, grads):
        pass


class OneArgument:
    def update(self, grads):
        pass


class Three:
    def update(self, params, grads, loss):
        pass


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (WithoutUpdate(), r"got WithoutUpdate, which has no update"),
        (OneArgument(), r"got OneArgument, with update\(grads\)"),
        (Three(), r"got Three, with update\(params, grads, loss\)"),
        ({}, r"got dict, with update\(…\)"),
        (MyAdam, "got the class MyAdam; give an instance of it"),
        (0.1, "got 0.1, which has no update"),
    ],
)
def test_what_is_no_rule_is_refused_in_one_line(rule, message):
    with pytest.raises(ValueError, match=message) as error:
        fit(network(), X, T, optimizer=rule, **options())
    assert str(error.value).startswith("optimizer: an optimizer such as Adam(0.001), its name")
    assert "\n" not in str(error.value)


def test_an_optimizer_of_torch_is_refused_in_one_line():
    theirs = type("SGD", (), {"__module__": "torch.optim.sgd", "step": lambda self: None})
    with pytest.raises(ValueError, match=r"got SGD of torch, which has no update$"):
        fit(network(), X, T, optimizer=theirs(), **options())


@pytest.mark.parametrize(
    ("update", "message"),
    [
        (lambda p, g: (p, None), "return a dict with the same keys, got tuple"),
        (lambda p, g: {"0.W": p["0.W"]}, "same keys, got dict with 0.W"),
        (lambda p, g: p.clear(), "same keys, got dict with "),
        (lambda p, g: p.update({"0.b": np.zeros(3)}), r"made 0.b of shape \(5,\) one of \(3,\)"),
    ],
)
def test_what_a_rule_must_not_make_of_the_parameters(update, message):
    class Wrong:
        def update(self, params, grads):
            return update(params, grads)

    net = network()
    before = net.build(X).parameters.copy()
    with pytest.raises(ValueError, match=f"Wrong: update .*{message}"):
        fit(net, X, T, optimizer=Wrong(), **options())
    np.testing.assert_array_equal(net.parameters, before)


def test_divergence_is_told_without_a_learning_rate():
    class Away:
        def update(self, params, grads):
            for p in params.values():
                p *= 1e20

    with pytest.raises(ArithmeticError, match="A smaller lr, or clip_norm=1, may do"):
        fit(network(), X, T, optimizer=Away(), **options())


def test_ours_still_run_natively_and_by_name():
    native = Trainer(network(), X, T, optimizer=Momentum(0.01), **options()).engine
    named = Trainer(network(), X, T, optimizer="momentum", **options()).engine
    assert named.partition(",")[0] == native.partition(",")[0]
    assert "has no native form" not in native
