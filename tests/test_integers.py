"""Integers and booleans into networks: meant as real numbers, or indices."""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest

from handgrad import (
    Affine,
    ArgMax,
    Embedding,
    Flatten,
    OneHot,
    ReLU,
    Residual,
    Sequential,
    Split,
    TopK,
)
from handgrad.layers.samples import SAMPLES, WITHOUT_GRADIENT

from .test_layer import BookAffine, BookRelu

WHOLE = ["int64", "int32", "uint8", "bool", "float16"]
FIRST = {str(s): s for s in (*SAMPLES, *WITHOUT_GRADIENT) if len(s.makers) == 1
         and s.cls.__name__ not in ("Split", "TopK", "OneHot", "ArgMax", "Embedding")}  # fmt: skip


def behind(first, wrap):
    """A network whose first layer is this one, and which may be nested or share another."""
    shared = Affine(4)
    return {
        "plain": lambda: Sequential(first, Flatten(), Affine(2)),
        "nested": lambda: Sequential(Sequential(first), Sequential(Flatten(), Affine(2))),
        "residual": lambda: Sequential(Residual(ReLU()), first, Flatten(), Affine(2)),
        "shared": lambda: Sequential(first, Flatten(), Affine(4), shared, Sequential(shared)),
    }[wrap]()


@pytest.mark.parametrize("name", FIRST)
def test_integers_meant_as_real_numbers_take_the_networks_dtype(name):
    sample = FIRST[name]
    given = sample.inputs(np.random.default_rng(1))[0]
    refused = []
    for kind in WHOLE:
        x = given.astype(kind) if given.dtype.kind != "f" or kind == "float16" else (
            np.abs(np.round(2 * given)).astype(kind)
        )  # fmt: skip
        for wrap in ("plain", "nested", "residual", "shared"):
            network = behind(sample.make(), wrap)
            with np.errstate(all="ignore"):
                try:
                    y = network.forward(x)
                except ValueError as error:  # a rule of the layer: its domain, its dtype
                    refused.append(str(error))
                    continue
                dx = network.backward(np.ones_like(y))
            assert y.dtype == network.gradients.dtype == np.float32
            assert (dx is None) == (x.dtype.kind != "f")
    assert all(re.match(r"[A-Z]\w+: ", text) for text in refused), refused


@pytest.mark.parametrize("first", [OneHot(3), ArgMax(), TopK(2), Embedding(3, 2)], ids=repr)
@pytest.mark.parametrize("wrap", ["plain", "nested", "shared"])
def test_layers_before_the_first_that_learns_need_no_gradient(first, wrap):
    network = behind(copy.deepcopy(first), wrap)
    y = network.forward(np.array([[0, 1, 2], [2, 2, 0]]))
    assert network.backward(np.ones_like(y)) is None
    assert network.gradients.any()


def test_a_class_of_the_users_on_integers(rng):
    for network in (
        Sequential(BookAffine(rng.normal(size=(3, 4)), np.zeros(4)), Affine(2)),
        Sequential(BookRelu(), BookAffine(rng.normal(size=(3, 4)), np.zeros(4)), Affine(2)),
        Sequential(Residual(BookAffine(rng.normal(size=(3, 3)), np.zeros(3))), Affine(2)),
    ):
        assert network.forward(np.arange(6).reshape(2, 3)).dtype == np.float32


def test_a_layer_with_several_outputs_inside_a_sequential_is_named(rng):
    with pytest.raises(ValueError, match="Sequential: layer 0 gives 3 outputs, and layer 1 takes"):
        Sequential(Split(3), Affine(2)).forward(rng.normal(size=(2, 3)))


def test_a_backward_that_returns_nothing_is_named(rng):
    class Lost(BookRelu):
        def backward(self, dout):
            super().backward(dout)

    network = Sequential(Affine(2), Lost())
    network.forward(rng.normal(size=(2, 3)))
    with pytest.raises(ValueError, match="Lost: backward returned no gradient for the layer be"):
        network.backward(np.ones((2, 2)))
