"""Ties: parameters of several layers that are one array."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from handgrad import (
    SGD,
    Adam,
    Affine,
    Parameter,
    Sequential,
    ShapeError,
    Tanh,
)

from .test_network import differences


def two(**options):
    return Sequential(Affine(4, inputs=4), Tanh(), Affine(4, inputs=4), **options)


def trained(network, x):
    network.forward(x)
    network.backward(np.tanh(x))
    return network


def test_tied_before_the_first_use():
    network, x = two(dtype=np.float64), np.random.default_rng(3).normal(size=(5, 4))
    network[2].W = network[0].W
    assert [path for path, *_ in network.build(x).layout] == ["0.W", "0.b", "2.b"]
    again = two(dtype=np.float64)
    again[2].W = again[0].W[:]  # the same memory, seen through another object
    np.testing.assert_array_equal(trained(network, x).gradients, trained(again, x).gradients)
    for other in (two(), two(dtype=np.float64)):
        other[2].W = other[0].W.T
        with pytest.raises(ValueError, match=r"2.W and 0.W share memory.*only that ties"):
            other.build(x)


@pytest.mark.parametrize("view", [lambda W: W, lambda W: W[:], lambda W: W.T, lambda W: W[::-1]])
def test_assigning_a_parameter_to_another_in_use_says_how_to_tie(view, rng):
    network, x = trained(two(), np.ones((2, 4))), rng.normal(size=(2, 4)).astype(np.float32)
    optimizer = Adam(0.1)
    optimizer.step(network)
    before = network[2].W.copy()
    network[2].W = view(network[0].W)
    trained(network, x)
    with pytest.raises(
        ValueError, match=r"2.W was given memory of 0.W.*network.tie\('0.W', '2.W'\)"
    ):
        optimizer.step(network)
    np.testing.assert_array_equal(network[2].W, before)  # as it was: the network stays usable
    optimizer.step(trained(network, x))
    network[2].W = view(network[0].W).copy()  # numbers are copied in
    np.testing.assert_array_equal(network.named_parameters()["2.W"], view(network[0].W))
    assert np.shares_memory(network[2].W, network.parameters)


def test_a_view_of_itself_gives_its_numbers():
    network = two(dtype=np.float64).build(np.ones((1, 4)))
    W = network[0].W.copy()
    network[0].W = network[0].W.T
    np.testing.assert_array_equal(network.named_parameters()["0.W"], W.T)


def test_tie_joins_parameters_of_a_network_in_use(rng):
    network, x, dy = two(dtype=np.float64), rng.normal(size=(5, 4)), rng.normal(size=(5, 4))
    network.freeze("2.b")
    network.tie("0.W", "2.W")
    assert [path for path, *_ in network.layout] == ["0.W", "0.b", "2.b"]
    assert network.frozen == {"2.b"}
    network.unfreeze().forward(x)
    numeric = differences(network, x, dy)
    network.forward(x)
    network.backward(dy)
    np.testing.assert_allclose(network.gradients, numeric, rtol=1e-6, atol=1e-8)
    SGD(0.1).step(network)
    assert network[0].W is network[2].W
    other = copy.deepcopy(network)
    other[0].W[...] = 0
    assert not other[2].W.any()
    assert network[2].W.any()
    with pytest.raises(ValueError, match="tie: no parameter is called 'x'; there are 0.W"):
        network.tie("0.W", "x")
    with pytest.raises(ShapeError, match=r"tie: parameters of one shape.*0.W \(4, 4\), 2.b"):
        network.tie("0.W", "2.b")


def test_a_tensor_in_place_of_a_layers_array_is_named(rng):
    network = two().build(rng.normal(size=(1, 4)))
    network[2].b = Parameter(np.ones(4))
    for use in (lambda: network.parameters, lambda: network.forward(rng.normal(size=(2, 4)))):
        with pytest.raises(ValueError, match="2.b must be an array, got a Parameter"):
            use()
