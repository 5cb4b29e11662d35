"""What all rules share: decay, rates by layer, freezing, clipping, state, and bad options."""

import json
import math

import numpy as np
import pytest

from handgrad import optim

RULES = ["SGD", "Momentum", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam", "AdamW",
         "AMSGrad", "NAdam", "RAdam", "Lion"]  # fmt: skip


def test_l2_is_the_gradient_of_the_penalty(flat):
    network = flat(shapes={"0.W": (3, 2), "0.b": (2,)})
    optimizer = optim.SGD(lr=1.0, l2=0.3)
    w, b = (network.part(path).copy() for path in ("0.W", "0.b"))
    assert optimizer.penalty(network) == pytest.approx(0.15 * (w**2).sum(), rel=1e-14)
    optimizer.step(network)
    np.testing.assert_allclose(network.part("0.W"), w - 0.3 * w, rtol=1e-14)
    np.testing.assert_array_equal(network.part("0.b"), b)
    assert optim.SGD().penalty(network) == 0


def test_decoupled_decay_is_not_seen_by_the_rule(flat):
    network, plain = flat().draw(), flat().draw()
    w = network.parameters.copy()
    optim.Adam(lr=0.1, weight_decay=0.5, decay_on=[""]).step(network)
    optim.Adam(lr=0.1).step(plain)
    np.testing.assert_allclose(network.parameters, plain.parameters - 0.05 * w, rtol=1e-12)


def test_decay_on_names_what_decays(flat):
    network = flat(shapes={"0.W": (2, 2), "0.b": (2,), "1.W": (2, 1), "10.W": (1, 1)})
    before = network.parameters.copy()
    optim.SGD(lr=1.0, weight_decay=0.5, decay_on=["0.b", "1"]).step(network)
    expected = [1.0] * 4 + [0.5] * 2 + [0.5] * 2 + [1.0]
    np.testing.assert_array_equal(network.parameters, before * expected)


def test_rates_by_layer_the_longest_path_wins(flat):
    network = flat(shapes={"0.W": (2, 2), "0.b": (2,), "1.W": (2, 1)}).draw()
    before = network.parameters.copy()
    optim.SGD(lr=0.1, lr_scale={"0": 0.5, "0.b": 2.0}).step(network)
    factor = np.array([0.5] * 4 + [2.0] * 2 + [1.0] * 2)
    np.testing.assert_allclose(
        network.parameters, before - 0.1 * factor * network.gradients, rtol=1e-14
    )


@pytest.mark.parametrize("way", ["frozen", "factor 0"])
@pytest.mark.parametrize("name", RULES)
def test_frozen_parameters_keep_their_bits(flat, name, way):
    network = flat(np.float32)
    network.part("W1")[:2] = -0.0, np.nan
    before = network.part("W1").tobytes()
    network.frozen = ["W1"] if way == "frozen" else []
    scale = {} if way == "frozen" else {"W1": 0}
    optimizer = getattr(optim, name)(
        lr=0.1, lr_scale=scale, l2=0.1, weight_decay=0.1, clip_value=1.0
    )
    other = network.part("b1").copy()
    for _ in range(3):
        optimizer.step(network.draw())
    assert network.part("W1").tobytes() == before
    assert (network.part("b1") != other).all()


def test_freezing_and_thawing_between_steps(flat):
    network = flat().draw()
    optimizer = optim.Momentum(lr=0.1)
    optimizer.step(network)
    network.frozen, held = {"W2"}, network.part("W2").copy()
    optimizer.step(network)
    np.testing.assert_array_equal(network.part("W2"), held)
    network.frozen = ()
    optimizer.step(network)
    assert (network.part("W2") != held).all()


def test_clip_norm_shortens_the_whole_gradient_and_skips_the_frozen(flat):
    network = flat().draw()
    network.frozen = ["W1"]
    network.gradients[:12] = np.nan
    before, free = network.parameters.copy(), network.gradients[12:]
    optim.SGD(lr=1.0, clip_norm=0.1).step(network)
    step = before[12:] - network.parameters[12:]
    np.testing.assert_allclose(step, 0.1 * free / np.linalg.norm(free), rtol=1e-12)


def test_clipping_follows_l2_and_value_comes_before_norm(flat):
    network = flat().draw()
    before = network.parameters.copy()
    optim.SGD(lr=1.0, l2=2.0, decay_on=[""], clip_value=0.5, clip_norm=0.7).step(network)
    g = np.clip(network.gradients + 2.0 * before, -0.5, 0.5)
    g *= 0.7 / np.linalg.norm(g)
    np.testing.assert_allclose(before - network.parameters, g, rtol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_clip_norm_of_a_gradient_that_is_not_finite_changes_nothing(flat, bad):
    network = flat().draw()
    network.gradients[3] = bad
    before = network.parameters.copy()
    optimizer = optim.Adam(clip_norm=1.0)
    with pytest.raises(FloatingPointError, match="norm of the gradients is"):
        optimizer.step(network)
    np.testing.assert_array_equal(network.parameters, before)
    assert optimizer.steps == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", RULES)
def test_resuming_from_the_state_gives_the_same_bits(flat, name, dtype):
    def fresh():
        return getattr(optim, name)(lr=optim.WarmUp(optim.Plateau(0.1, patience=0), steps=2))

    network, optimizer = flat(dtype), fresh()
    for _ in range(3):
        optimizer.step(network.draw())
        optimizer.observe(1.0)
    state = optimizer.state_dict()
    numbers = {k: v for k, v in state.items() if not isinstance(v, np.ndarray)}
    state |= json.loads(json.dumps(numbers))
    resumed, other = fresh(), flat(dtype)
    resumed.load_state_dict(state)
    other.parameters[:] = network.parameters
    for _ in range(4):
        other.gradients[:] = network.draw().gradients
        for one, net in ((optimizer, network), (resumed, other)):
            one.step(net)
            one.observe(1.0)
    assert network.parameters.tobytes() == other.parameters.tobytes()
    assert optimizer.learning_rate() == resumed.learning_rate() < 0.1


def test_state_dict_is_a_snapshot_and_may_be_taken_before_the_first_step(flat):
    network, optimizer = flat().draw(), optim.Adam()
    empty = optimizer.state_dict()
    optimizer.step(network)
    state = optimizer.state_dict()
    held = state["m"].copy()
    optimizer.step(network)
    np.testing.assert_array_equal(state["m"], held)
    optimizer.load_state_dict(empty)
    assert optimizer.steps == 0
    optimizer.step(network)
    assert (optimizer.state["m"] == held).all()


def test_state_of_something_else_is_refused(flat):
    optimizer = optim.Adam()
    optimizer.step(flat().draw())
    with pytest.raises(ValueError, match="must have steps, v; got steps, m, v"):
        optim.Momentum().load_state_dict(optimizer.state_dict())
    with pytest.raises(ValueError, match="belongs to 23 float64 parameters, these are 4 float64"):
        optimizer.step(flat(shapes={"W": (2, 2)}))
    with pytest.raises(ValueError, match="these are 23 float32; use a new optimizer"):
        optimizer.step(flat(np.float32))


def test_a_schedule_or_a_function_gives_the_rate_of_each_step(flat):
    rates = []
    network, optimizer = flat(), optim.SGD(lr=lambda step: 0.1 / (step + 1))
    for _ in range(3):
        before = network.draw().parameters.copy()
        optimizer.step(network)
        rates.append(((before - network.parameters) / network.gradients).mean())
    np.testing.assert_allclose(rates, [0.1, 0.05, 0.1 / 3], rtol=1e-12)


BAD = [
    ({"lr": -0.1}, "SGD: lr must be a number finite and not negative, got -0.1"),
    ({"lr": math.nan}, "lr must be .* got nan"),
    ({"lr": math.inf}, "lr must be .* got inf"),
    ({"lr": "0.1"}, "lr must be .* got '0.1'"),
    ({"lr": True}, "lr must be .* got True"),
    ({"lr": lambda step: -1.0}, "lr must be .* got -1.0"),
    ({"l2": -1}, "l2 must be"),
    ({"weight_decay": -1}, "weight_decay must be"),
    ({"lr_scale": {"W1": -1}}, "lr_scale must be"),
    ({"clip_norm": -1}, "clip_norm must be"),
    ({"clip_value": math.nan}, "clip_value must be"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=lambda v: str(v)[:30])
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message) as error:
        optim.SGD(**options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "option"),
    [("Momentum", "momentum"), ("RMSProp", "rho"), ("Adam", "beta1"), ("Adam", "beta2")],
)
@pytest.mark.parametrize("value", [1.0, -0.1, math.nan])
def test_betas_out_of_range(name, option, value):
    with pytest.raises(ValueError, match=rf"{name}: {option} must be a number in \[0, 1\), got"):
        getattr(optim, name)(**{option: value})


def test_misspelt_options_and_paths(flat):
    with pytest.raises(TypeError, match="clipnorm"):
        optim.Adam(clipnorm=1.0)
    for options in ({"lr_scale": {"W3": 0.5}}, {"decay_on": ["W3"], "l2": 0.1}):
        with pytest.raises(ValueError, match="names 'W3', but the parameters are W1, b1, W2, b2"):
            optim.SGD(**options).step(flat())


def test_dicts_that_do_not_match(flat):
    params, grads = flat().dicts()
    optimizer = optim.SGD()
    with pytest.raises(ValueError, match="same keys; only one has b2"):
        optimizer.update(params, {k: v for k, v in grads.items() if k != "b2"})
    with pytest.raises(ValueError, match=r"grads\['b1'\] must have shape \(3,\), got \(1, 3\)"):
        optimizer.update(params, {**grads, "b1": np.zeros((1, 3))})
    with pytest.raises(ValueError, match=r"params\['b1'\] must be an array of floats, got int64"):
        optimizer.update({**params, "b1": np.zeros(3, int)}, grads)
    with pytest.raises(ValueError, match=r"params\['b1'\] must be an array of floats, got list"):
        optimizer.update({**params, "b1": [0.0, 0.0, 0.0]}, grads)
    optimizer.update({}, {})


def test_gradients_of_another_length(flat):
    network = flat()
    network.gradients = network.gradients[:-1]
    with pytest.raises(ValueError, match="SGD: 23 parameters, but 22 gradients"):
        optim.SGD().step(network)


def test_repr_shows_what_was_set():
    assert repr(optim.Momentum(lr=0.1, l2=0.5)) == "Momentum(lr=0.1, l2=0.5, momentum=0.9)"
