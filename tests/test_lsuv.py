"""Initial weights by data: every layer that has a W, in the order of use, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad import Affine, BatchNorm, Network, ReLU, Sequential, Tanh, lsuv


def tall():
    """Twenty layers of tanh, whose weights begin far too small."""
    return Sequential(*(part for _ in range(20) for part in (Affine(30, init=0.05), Tanh())),
                      BatchNorm(), Affine(3, init="orthogonal"), seed=1)  # fmt: skip


def test_lsuv_brings_every_layer_to_variance_one(rng):
    x, network = rng.standard_normal((200, 8)).astype(np.float32), tall()
    before = lsuv(network, x)
    assert list(before) == [f"{2 * i}" for i in range(20)] + ["41"]
    assert before["38"] < 1e-6
    assert not network[40].running_mean.any()
    assert not any("forward" in vars(layer) for layer in network.layers)
    h = x
    for layer in network.layers:
        h = layer.forward(h)
        if isinstance(layer, Affine):
            assert h.var() == pytest.approx(1, abs=0.06)
            assert np.shares_memory(layer.W, network.parameters)


def test_lsuv_follows_a_network_of_ones_own_in_the_order_of_use(rng):
    class Crossed(Network):
        def __init__(self):
            self.last, self.first = Affine(2, init=5.0), Affine(4, init=0.01)

        def __call__(self, x):
            return self.last(np.tanh(self.first(x)))

    network = Crossed()
    assert list(lsuv(network, rng.standard_normal((50, 3)))) == ["first", "last"]


def test_lsuv_says_what_it_cannot_do(rng):
    x = rng.standard_normal((9, 3))
    with pytest.raises(ValueError, match="lsuv: a network with a layer that has a W"):
        lsuv(Sequential(ReLU()), x)
    with pytest.raises(ValueError, match="lsuv: the outputs of layer 0 have the variance 0"):
        lsuv(Sequential(Affine(2, init="zeros")), x)
    with pytest.raises(ValueError, match="lsuv: tolerance must be positive, got 0"):
        lsuv(Sequential(Affine(2)), x, tolerance=0)
