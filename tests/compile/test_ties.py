"""Parameters that are tied: one array, whose gradient is the sum over all its uses."""

from __future__ import annotations

import numpy as np
import pytest

import handgrad as hg
from handgrad import Parameter
from tests.compile.eager import require_equal


class Scaled(hg.Network):
    """A Parameter of the network's own, beside a layer's."""

    def __init__(self):
        self.norm, self.scale = hg.LayerNorm(), Parameter(np.linspace(0.5, 1.5, 4))

    def __call__(self, x):
        return self.norm(x) * self.scale


CASES = {
    "weight": (lambda: [hg.Affine(4), hg.Tanh(), hg.Affine(4)], (4,), ["0.W", "2.W"]),
    "bias": (lambda: [hg.Affine(4), hg.Tanh(), hg.Affine(4)], (4,), ["0.b", "2.b"]),
    "scales of two": (lambda: [hg.LayerNorm(), hg.Affine(4), hg.LayerNorm()], (4,),
                      ["0.gamma", "2.gamma"]),
    "both of a norm": (lambda: [hg.BatchNorm(), hg.Affine(4)], (4,), ["0.gamma", "0.beta"]),
    "both of two norms": (lambda: [hg.LayerNorm(), hg.Tanh(), hg.LayerNorm()], (4,),
                          ["0.gamma", "0.beta", "2.beta", "2.gamma"]),
    "a norm and a bias": (lambda: [hg.GroupNorm(2), hg.Flatten(), hg.Affine(4)], (4, 3, 3),
                          ["0.beta", "2.b"]),
    "filters": (lambda: [hg.Convolution(3, 3, pad=1), hg.ReLU(), hg.Convolution(3, 3, pad=1)],
                (3, 5, 5), ["0.W", "2.W"]),
    "LSTM": (lambda: [hg.LSTM(4), hg.LSTM(4)], (3, 4), ["0.Wx", "1.Wx"]),
    "within an LSTM": (lambda: [hg.LSTM(4), hg.Affine(4)], (3, 4), ["0.Wx", "0.Wh"]),
    "GRU": (lambda: [hg.GRU(4), hg.GRU(4)], (3, 4), ["0.Wh", "1.Wh"]),
    "GRU's bias": (lambda: [hg.GRU(4), hg.GRU(4)], (3, 4), ["0.b", "1.b"]),
    "attention": (lambda: [hg.MultiHeadAttention(2)], (3, 4), ["0.Wq", "0.Wk"]),
    "Parameter": (lambda: [Scaled(), hg.LayerNorm()], (4,), ["0.norm.gamma", "1.gamma"]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_tied_parameters_get_the_sum_of_all_uses(name, rng):
    layers, shape, paths = CASES[name]
    x = rng.normal(size=(9, *shape)).astype(np.float32)
    network = hg.Sequential(*layers()).build(x)
    network.tie(*paths)
    require_equal(network, x)
