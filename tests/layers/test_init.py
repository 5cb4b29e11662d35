"""Initial weights: their spread, their defaults, and their seeds."""

from __future__ import annotations

from functools import partial
from inspect import signature

import numpy as np
import pytest

from handgrad import layers
from handgrad.arrays import ShapeError, Stream
from handgrad.layers import init
from handgrad.layers.init import RULES, choose, initialize
from handgrad.layers.samples import SAMPLES

FAN_IN, FAN_OUT = 300, 200
STD = {
    "zeros": 0.0, "xavier": (2 / 500) ** 0.5, "xavier_uniform": (2 / 500) ** 0.5,
    "he": (2 / 300) ** 0.5, "he_uniform": (2 / 300) ** 0.5, "lecun": (1 / 300) ** 0.5,
    "orthogonal": (1 / 300) ** 0.5,
}  # fmt: skip


def draw(how, dtype=np.float64, seed=0):
    return initialize(how, (FAN_IN, FAN_OUT), FAN_IN, FAN_OUT, Stream(seed), dtype)


def test_all_rules_are_tested():
    assert set(STD) == set(RULES)


@pytest.mark.parametrize("how", STD)
def test_mean_and_spread(how):
    weights = draw(how)
    assert weights.mean() == pytest.approx(0, abs=4 * STD[how] / weights.size**0.5)
    assert weights.std() == pytest.approx(STD[how], rel=0.01)


@pytest.mark.parametrize(("how", "limit"), [("xavier_uniform", 6 / 500), ("he_uniform", 6 / 300)])
def test_uniform_rules_fill_their_range(how, limit):
    assert np.abs(draw(how)).max() == pytest.approx(limit**0.5, rel=1e-3)
    assert np.abs(draw(how)).max() <= limit**0.5


def test_a_number_is_a_standard_deviation():
    assert draw(0.01).std() == pytest.approx(0.01, rel=0.01)
    assert not draw(0).any()


def test_a_function_gets_shape_and_generator():
    weights = draw(lambda shape, rng: rng.uniform(2, 3, shape), np.float32)
    assert weights.dtype == np.float32
    assert weights.min() >= 2


@pytest.mark.parametrize("how", ["he", 0.1])
def test_the_dtype_does_not_change_the_draw(how):
    np.testing.assert_array_equal(draw(how, np.float32), draw(how).astype(np.float32))


def test_seeds():
    np.testing.assert_array_equal(draw("he", seed=4), draw("he", seed=4))
    assert not np.array_equal(draw("he", seed=4), draw("he", seed=5))


@pytest.mark.parametrize("how", ["kaiming", -1.0, float("nan"), None, [1]])
def test_an_unknown_rule_is_refused(how):
    with pytest.raises(ValueError, match="init: one of zeros, xavier"):
        draw(how)


@pytest.mark.parametrize("how", ["kaiming", -1.0, True, [1]])
@pytest.mark.parametrize(
    "sample", {s.cls: s for s in SAMPLES if "init" in signature(s.cls).parameters
               and s.cls is not layers.PReLU}.values(), ids=str,
)  # fmt: skip
def test_every_layer_refuses_an_unknown_rule_when_it_is_made(sample, how):
    with pytest.raises(ValueError, match=f"^{sample.cls.__name__}: init: one of zeros, xavier"):
        sample.cls(**{**sample.arguments, "init": how})


def test_a_function_with_another_shape_is_refused():
    with pytest.raises(ShapeError, match=r"must return shape \(300, 200\), got \(3,\)"):
        draw(lambda shape, rng: np.zeros(3))


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        ("he", ["ReLU", "LeakyReLU", "ELU", "GELU", "SiLU", "Softplus"]),
        ("lecun", ["SELU"]),
        ("xavier", ["Sigmoid", "Tanh", "Softmax", "Step"]),
    ],
)
def test_the_next_layer_decides(rule, names):
    assert {choose(getattr(layers, name)()) for name in names} == {rule}


def test_xavier_where_nothing_follows():
    assert choose(None) == "xavier"


def test_he_keeps_the_signal_through_twenty_layers_of_relu(rng):
    x = rng.standard_normal((64, FAN_IN))
    for i in range(20):
        w = initialize("he", (FAN_IN, FAN_IN), FAN_IN, FAN_IN, Stream(i), np.float64)
        x = np.maximum(x @ w, 0)
    assert 0.2 < np.mean(x**2) < 5


@pytest.mark.parametrize(
    "how",
    [init.xavier, init.he_uniform, init.normal(0.01), init.zeros, "lecun", lambda shape: 0.1 *
     np.ones(shape), lambda shape, rng=None: np.zeros(shape), partial(init.normal(1.0))],
)  # fmt: skip
@pytest.mark.parametrize(
    "sample", {s.cls: s for s in SAMPLES if "init" in signature(s.cls).parameters
               and s.cls is not layers.PReLU}.values(), ids=str,
)  # fmt: skip
def test_every_layer_takes_what_the_module_offers(sample, how, rng):
    layer = sample.cls(**{**sample.arguments, "init": how})
    layer.forward(*sample.inputs(rng))
    assert all(np.isfinite(getattr(layer, name)).all() for name in layer.params)


def test_a_rule_as_a_function_is_the_rule_by_name():
    np.testing.assert_array_equal(draw(init.he), draw("he"))
    np.testing.assert_array_equal(draw(init.normal(0.3)), draw(0.3))


@pytest.mark.parametrize("how", [init.normal, init.uniform, np.zeros, dict, lambda shape: "text"])
def test_a_function_that_is_no_rule_is_refused_in_one_line(how):
    with pytest.raises(ValueError, match="^init: [^\n]*$"):
        draw(how)


def test_the_slope_of_prelu_is_a_number():
    with pytest.raises(ValueError, match="PReLU: init is the first coefficient, a number"):
        layers.PReLU(init=init.xavier)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (4, 2, 3, 3), (7,)])
def test_orthogonal_rows_or_columns(shape):
    w = initialize("orthogonal", shape, 1, 1, Stream(3), np.float64).reshape(shape[0], -1)
    gram = w @ w.T if len(w) <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-14)
