"""Activations as native rows: in the epilogue of a product, and by themselves."""

import numpy as np
import pytest

from handgrad import Sequential
from handgrad.compile import NotNative
from handgrad.compile.schema import kernel
from handgrad.layers import (
    CELU,
    ELU,
    GELU,
    SELU,
    Abs,
    Affine,
    Convolution,
    Erf,
    Exp,
    Expm1,
    Flatten,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    Log,
    Log1p,
    Mish,
    Neg,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softplus,
    Softsign,
    Sqrt,
    Step,
    Tanh,
)
from tests.compile.eager import require_equal
from tests.compile.rows import run

ACTIVATIONS = [
    ReLU(), LeakyReLU(0.2), LeakyReLU(0.0), ELU(), ELU(0.3), CELU(2.0), SELU(), Sigmoid(), Tanh(),
    Softplus(), ReLU6(), HardSigmoid(), Softsign(), Neg(), Step(), SiLU(), GELU(),
    GELU(approximate="tanh"), HardSwish(), Mish(), Abs(), Erf(),
]  # fmt: skip
POSITIVE = [Log(), Log1p(), Sqrt(), Exp(), Expm1()]


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("layer", ACTIVATIONS, ids=repr)
def test_behind_a_product_and_behind_itself(layer):
    network = Sequential(Affine(11), layer, Affine(7), layer, type(layer)(**layer.config()))
    require_equal(network, numbers(9, 5))


@pytest.mark.parametrize("layer", ACTIVATIONS, ids=repr)
def test_alone_at_every_length(layer):
    for length in [*range(1, 34), 8192, 8193]:
        require_equal(Sequential(Affine(length), layer, Neg(), layer), numbers(3, 2))


@pytest.mark.parametrize("layer", POSITIVE, ids=repr)
def test_of_positive_numbers(layer):
    require_equal(Sequential(Affine(11), Softplus(), layer, Affine(2)), numbers(9, 5))


@pytest.mark.parametrize("layer", [ReLU(), Tanh(), SiLU()], ids=repr)
def test_with_channels_last(layer):
    network = Sequential(Convolution(3, 2), Neg(), layer, Convolution(2, 2), Flatten(), Affine(3))
    require_equal(network, numbers(4, 2, 6, 5))


@pytest.mark.parametrize("layer", [LeakyReLU(-0.5), ELU(-1.0)], ids=repr)
def test_options_whose_derivative_y_does_not_tell(layer):
    with pytest.raises(NotNative, match="derivative"):
        require_equal(Sequential(Affine(3), layer), numbers(4, 2))


@pytest.mark.parametrize("op", kernel("elementwise").arguments["op"].values)
def test_nan_stays_nan(op):
    x = np.full(37, np.nan, np.float32)
    y, derivative = np.zeros_like(x), np.zeros_like(x)
    options = dict.fromkeys(("op_a", "op_b", "op_c"), 1.0)
    assert run("elementwise", count=x.size, op=op, x=x, y=y, derivative=derivative, **options) == 0
    assert np.isnan(y).all() or op == "step"  # which compares
    assert np.isnan(x).all()
