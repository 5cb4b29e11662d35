"""Update rules: against the formulas written out entry by entry, and against torch.optim."""

import numpy as np
import pytest

from handgrad import optim

RULES = ["SGD", "Momentum", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam", "AdamW",
         "AMSGrad", "NAdam", "RAdam", "Lion"]  # fmt: skip


def by_hand(name, p, g, lr, t, s):
    """One update of one number p, with its state in the dict s, as the papers write it."""
    if name == "SGD":
        return p - lr * g
    if name in ("Momentum", "Nesterov"):
        s["v"] = 0.9 * s.get("v", 0.0) - lr * g
        return p + s["v"] if name == "Momentum" else p + 0.9 * s["v"] - lr * g
    if name == "AdaGrad":
        s["h"] = s.get("h", 0.0) + g * g
        return p - lr * g / (s["h"] ** 0.5 + 1e-10)
    if name == "RMSProp":
        s["h"] = 0.99 * s.get("h", 0.0) + 0.01 * g * g
        return p - lr * g / (s["h"] ** 0.5 + 1e-8)
    if name == "AdaDelta":
        s["h"] = 0.95 * s.get("h", 0.0) + 0.05 * g * g
        step = g * (s.get("d", 0.0) + 1e-6) ** 0.5 / (s["h"] + 1e-6) ** 0.5
        s["d"] = 0.95 * s.get("d", 0.0) + 0.05 * step * step
        return p - lr * step
    if name == "Lion":
        sign = np.sign(0.9 * s.get("m", 0.0) + 0.1 * g)
        s["m"] = 0.99 * s.get("m", 0.0) + 0.01 * g
        return p - lr * sign
    s["m"] = 0.9 * s.get("m", 0.0) + 0.1 * g
    s["v"] = 0.999 * s.get("v", 0.0) + 0.001 * g * g
    m, v = s["m"] / (1 - 0.9**t), s["v"] / (1 - 0.999**t)
    if name == "AMSGrad":
        s["most"] = max(s.get("most", 0.0), s["v"])
        v = s["most"] / (1 - 0.999**t)
    if name == "NAdam":
        now, then = (0.9 * (1 - 0.5 * 0.96 ** (k * 0.004)) for k in (t, t + 1))
        s["mu"] = s.get("mu", 1.0) * now
        m = (1 - now) * g / (1 - s["mu"]) + then * s["m"] / (1 - s["mu"] * then)
    if name == "RAdam":
        most = 2 / (1 - 0.999) - 1
        trust = most - 2 * t * 0.999**t / (1 - 0.999**t)
        if trust <= 5:
            return p - lr * m
        r = ((trust - 4) * (trust - 2) * most / ((most - 4) * (most - 2) * trust)) ** 0.5
        return p - lr * m * r * (1 - 0.999**t) ** 0.5 / (s["v"] ** 0.5 + 1e-8)
    decay = 0.01 * lr * p if name == "AdamW" else 0.0
    return p - decay - lr * m / (v**0.5 + 1e-8)


@pytest.mark.parametrize("name", RULES)
def test_rule_is_its_formula(flat, name):
    network = flat(shapes={"W": (3, 2)})
    optimizer = getattr(optim, name)(lr=0.05)
    p, states = list(network.parameters), [{} for _ in network.parameters]
    for t in range(1, 12):
        network.draw()
        for i, g in enumerate(network.gradients):
            p[i] = by_hand(name, p[i], g, 0.05, t, states[i])
        optimizer.step(network)
    np.testing.assert_allclose(network.parameters, p, rtol=1e-12)


TORCH = {
    "SGD": ("SGD", {}, {}),
    "Momentum": ("SGD", {"momentum": 0.8}, {"momentum": 0.8}),
    "Nesterov": ("SGD", {"momentum": 0.8}, {"momentum": 0.8, "nesterov": True}),
    "AdaGrad": ("Adagrad", {}, {}),
    "RMSProp": ("RMSprop", {}, {}),
    "AdaDelta": ("Adadelta", {}, {"rho": 0.95}),
    "Adam": ("Adam", {"beta1": 0.8, "beta2": 0.99}, {"betas": (0.8, 0.99)}),
    "AdamW": ("AdamW", {"weight_decay": 0.1, "decay_on": [""]}, {"weight_decay": 0.1}),
    "AMSGrad": ("Adam", {"beta2": 0.9}, {"amsgrad": True, "betas": (0.9, 0.9)}),
    "NAdam": ("NAdam", {}, {}),
    "RAdam": ("RAdam", {"beta2": 0.99}, {"betas": (0.9, 0.99)}),
}


WITH_L2 = [(name, 0.02) for name in TORCH if name != "AdamW"]  # whose decay in torch is no L2


@pytest.mark.parametrize(("name", "l2"), [(name, 0.0) for name in TORCH] + WITH_L2)
def test_same_steps_as_torch(flat, name, l2):
    torch = pytest.importorskip("torch", reason="torch, the peer, is not installed")
    peer_name, options, peer_options = TORCH[name]
    if l2:
        options, peer_options = {**options, "l2": l2, "decay_on": [""]}, dict(peer_options)
        peer_options["weight_decay"] = l2
    network = flat()
    tensor = torch.nn.Parameter(torch.tensor(network.parameters))
    peer = getattr(torch.optim, peer_name)([tensor], lr=0.03, **peer_options)
    optimizer = getattr(optim, name)(lr=0.03, **options)
    for _ in range(50):
        network.draw()
        tensor.grad = torch.tensor(network.gradients)
        peer.step()
        optimizer.step(network)
    rtol = 1e-7 if name == "NAdam" else 1e-10  # torch keeps the product of its μ in float32
    np.testing.assert_allclose(network.parameters, tensor.detach().numpy(), rtol=rtol)


def test_momentum_differs_from_torch_when_the_rate_changes(flat):
    torch = pytest.importorskip("torch", reason="torch, the peer, is not installed")
    network = flat()
    tensor = torch.nn.Parameter(torch.tensor(network.parameters))
    peer = torch.optim.SGD([tensor], lr=0.1, momentum=0.9)
    optimizer = optim.Momentum(lr=0.1)
    for lr in (0.1, 0.01):
        network.draw()
        tensor.grad = torch.tensor(network.gradients)
        optimizer.lr = peer.param_groups[0]["lr"] = lr
        peer.step()
        optimizer.step(network)
    assert np.abs(network.parameters - tensor.detach().numpy()).max() > 1e-3


OPTIONS = [
    {},
    {"l2": 0.1},
    {"weight_decay": 0.1},
    {"lr_scale": {"W1": 0.0, "b2": 3.0}, "l2": 0.1, "weight_decay": 0.2},
    {"clip_norm": 0.5, "clip_value": 0.3},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "+".join(o) or "plain")
@pytest.mark.parametrize("name", RULES)
def test_both_forms_take_the_same_steps(flat, name, options):
    network = flat(np.float64)
    on_network, on_dicts = (getattr(optim, name)(lr=0.1, **options) for _ in range(2))
    params, _ = network.dicts()
    for _ in range(5):
        _, grads = network.draw().dicts()
        on_network.step(network)
        on_dicts.update(params, grads)
    for path, p in network.dicts()[0].items():
        np.testing.assert_allclose(params[path], p, rtol=1e-13)


@pytest.mark.parametrize("name", RULES)
def test_update_is_in_place_in_any_memory_layout(flat, name):
    network = flat().draw()
    params, grads = network.dicts()
    params["W1"], grads["W1"] = np.asfortranarray(params["W1"]), grads["W1"][::1, ::1]
    holders = dict(params)
    before = {key: g.copy() for key, g in grads.items()}
    getattr(optim, name)(lr=0.1).update(params, grads)
    getattr(optim, name)(lr=0.1).step(network)
    for path, p in network.dicts()[0].items():
        assert params[path] is holders[path]
        np.testing.assert_allclose(params[path], p, rtol=1e-13)
        np.testing.assert_array_equal(grads[path], before[path])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", RULES)
def test_dtype_of_parameters_and_state_is_kept(flat, name, dtype):
    network = flat(dtype).draw()
    optimizer = getattr(optim, name)(lr=np.float64(0.1), l2=0.1, weight_decay=0.1, clip_norm=1.0)
    optimizer.step(network)
    optimizer.step(network)
    assert network.parameters.dtype == dtype
    for array in optimizer.state.values():
        assert array.dtype == dtype
        assert array.shape == network.parameters.shape


@pytest.mark.parametrize("name", RULES)
def test_float32_follows_float64(flat, name):
    single, double = flat(np.float32), flat(np.float64)
    a, b = (getattr(optim, name)(lr=0.01) for _ in range(2))
    for _ in range(20):
        a.step(single.draw())
        b.step(double.draw())
    np.testing.assert_allclose(single.parameters, double.parameters, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", RULES)
def test_gradients_are_never_written_to(flat, name):
    network = flat().draw()
    before = network.gradients.copy()
    optimizer = getattr(optim, name)(lr=0.1, l2=0.1, clip_norm=0.1, clip_value=0.1)
    optimizer.step(network)
    getattr(optim, name)(lr=0.1).step(network)
    np.testing.assert_array_equal(network.gradients, before)


def test_make_optimizer_knows_every_rule_by_name():
    for name in RULES:
        assert type(optim.make_optimizer(name.lower())) is getattr(optim, name)
    assert optim.make_optimizer("ADAM", lr=0.5).learning_rate() == 0.5
    assert optim.make_optimizer("adam").learning_rate() == 0.001
    legal = "sgd, momentum, nesterov, adagrad, rmsprop, adadelta, adam, adamw, amsgrad, nadam, "
    with pytest.raises(ValueError, match=f"one of {legal}radam, lion; got 'adan'"):
        optim.make_optimizer("adan")
    with pytest.raises(ValueError, match="got None"):
        optim.make_optimizer(None)
