"""ConvLSTM: step by step by two convolutions, states handed on, and as a part of networks."""

from __future__ import annotations

import numpy as np
import pytest

import handgrad as hg
from handgrad import ConvLSTM, Convolution, check
from handgrad.layers.activation import sigmoid


def test_it_is_two_convolutions_and_the_gates_of_an_lstm(rng):
    layer = ConvLSTM(2, 3, return_state=True, seed=1)
    x = rng.standard_normal((2, 4, 3, 5, 4))
    y, last_h, last_c = layer(x)
    from_x = Convolution(8, 3, pad="same", inputs=3)
    from_h = Convolution(8, 3, pad="same", inputs=2, bias=False)
    from_x.W, from_x.b, from_h.W = layer.Wx, layer.b, layer.Wh
    h = c = np.zeros((2, 2, 5, 4))
    for t in range(4):
        f, g, i, o = np.split(from_x.forward(x[:, t]) + from_h.forward(h), 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        np.testing.assert_allclose(y[:, t], h, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(last_h, y[:, -1])
    np.testing.assert_allclose(last_c, c, rtol=1e-12)
    assert (layer.b == np.repeat([1, 0, 0, 0], 2)).all()


def test_a_sequence_in_two_parts(rng):
    layer, x = ConvLSTM(2, 3, return_state=True, seed=1), rng.standard_normal((2, 4, 1, 3, 3))
    y, *_ = layer(x)
    first, *state = layer(x[:, :2])
    np.testing.assert_array_equal(np.concatenate((first, layer(x[:, 2:], *state)[0]), axis=1), y)


def test_proved_with_its_states(rng):
    state = rng.standard_normal((2, 2, 1, 2, 2))
    layer = ConvLSTM(1, 2, return_state=True, seed=1)
    report = check(layer, rng.standard_normal((2, 2, 1, 2, 2)), *state)
    assert report.verdict == "right", str(report)


@pytest.mark.parametrize("kernel", [(2,), (3, 1), (1, 2, 3)], ids=str)
def test_any_number_of_spatial_axes(kernel, rng):
    layer = ConvLSTM(2, kernel, seed=1)
    x = rng.standard_normal((1, 2, 3, *range(3, 3 + len(kernel)))).astype(np.float32)
    y = layer(x)
    assert (y.shape, y.dtype) == ((1, 2, 2, *x.shape[3:]), np.float32)
    assert layer.backward(y).shape == x.shape


def test_a_network_sees_where_things_go(rng):
    """A dot moves one pixel a step: the last state says where it will be."""
    at = rng.integers(0, 4, 64)
    images = np.eye(8)[at[:, None] + np.arange(4)][:, :, None].astype(np.float32)
    network = hg.Sequential(
        ConvLSTM(6, (3,)), hg.Index((slice(None), -1)), Convolution(1, (1,)), hg.Flatten(), seed=1
    )
    history = hg.fit(network, images, at + 4, epochs=25, batch=16, optimizer=hg.Adam(0.03))
    assert history["loss"][-1] < 0.2
