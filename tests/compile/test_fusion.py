"""What one row computes of several layers, and records that stay each lowering's own."""

from __future__ import annotations

import numpy as np
import pytest

import handgrad as hg
from handgrad import layers as L
from handgrad.compile import NotNative, compile_prediction, compile_training
from tests.compile.eager import Compiled, require_equal


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def training(network, x, **options):
    """The training program of a network for a squared error."""
    t = np.zeros_like(network.build(x).predict(x))
    return compile_training(
        network, L.MeanSquaredError(), hg.SGD(0.1), x, t, batch=len(x), **options
    )


def kernels(program, layer):
    return [row.kernel for row in program.rows if layer in row.label]


def test_activations_and_pooling_are_part_of_the_convolution():
    network = hg.Sequential(L.Convolution(4, 3), L.ReLU(), L.MaxPooling(2), L.Flatten())
    program = training(network, numbers(3, 1, 8, 8))
    assert "max_pooling" not in [row.kernel for row in program.rows]
    assert kernels(program, "0 Convolution + ReLU + MaxPooling") == ["filters", "convolution"]


def test_what_another_layer_reads_too_is_not_fused():
    class Twice(hg.Network):
        def __init__(self):
            self.affine = L.Affine(4)

        def __call__(self, x):
            h = self.affine(x)
            return L.ReLU()(h) + h

    program = require_equal(Twice(), numbers(5, 3))
    assert "elementwise" in [row.kernel for row in program.rows]


@pytest.mark.parametrize("layers", [
    (L.Convolution(4, 3), L.MaxPooling(2), L.ReLU()),
    (L.Convolution(4, 3), L.ReLU(), L.Tanh(), L.MaxPooling(2)),
    (L.Convolution(4, 3), L.MaxPooling(2), L.MaxPooling(2)),
    (L.Convolution(4, 3), L.MaxPooling(2), L.Convolution(3, 2), L.Tanh(), L.MaxPooling(2)),
    (L.Convolution(4, 3), L.BatchNorm(), L.ReLU(), L.MaxPooling(2)),
])  # fmt: skip
def test_orders_of_activation_and_pooling(layers):
    require_equal(hg.Sequential(*layers, seed=1), numbers(3, 2, 10, 10))


def test_a_window_that_the_row_has_no_byte_for_is_pooled_in_python():
    x = numbers(2, 1, 19, 18)
    network = hg.Sequential(L.Convolution(3, 2), L.MaxPooling((18, 17)), L.Flatten())
    with pytest.raises(NotNative, match="255 cells"):
        training(network, x)
    assert kernels(training(network, x, python=True), "1 MaxPooling").count("python") == 2


def test_rows_for_gradients_that_nothing_needs_are_not_made():
    program = training(hg.Sequential(L.GELU(), L.Affine(3)), numbers(5, 4))
    assert kernels(program, "0 GELU") == ["gather", "elementwise"]


@pytest.mark.parametrize("layer", [
    L.MultiHeadAttention(2), L.MultiHeadAttention(3), L.LSTM(6), L.Stacked((L.GRU(6),)),
])  # fmt: skip
def test_a_sum_with_what_keeps_a_record_of_its_own(layer):
    require_equal(hg.Sequential(hg.Residual(layer), L.Affine(2)), numbers(5, 4, 6))


def test_a_transformer_block_trains_as_in_numpy():
    def block():
        attention = hg.Residual(L.LayerNorm(), L.MultiHeadAttention(2))
        return hg.Sequential(
            attention, hg.Residual(L.LayerNorm(), L.Affine(12), L.GELU(), L.Affine(6)), seed=1
        )

    x, found = numbers(12, 4, 6), []
    t = numbers(12, 4, 6, seed=1)
    for engine in ("native", "numpy"):
        network = block()
        hg.fit(network, x, t, loss=L.MeanSquaredError(), optimizer=hg.SGD(0.1), epochs=3, batch=5,
               engine=engine)  # fmt: skip
        found.append(network.flat.parameters)
    np.testing.assert_allclose(*found, rtol=0, atol=1e-5)


@pytest.mark.parametrize("drop", [L.Dropout(0.5), L.SpatialDropout(0.5)])
@pytest.mark.parametrize("after", [
    (L.Flatten(), L.Affine(2)), (L.ReLU(), L.Convolution(2, 2)), (L.Dropout(0.2), L.Flatten()),
])  # fmt: skip
def test_dropout_in_evaluation_keeps_the_layout_of_images(drop, after):
    x = numbers(5, 2, 6, 6)
    network = hg.Sequential(L.Convolution(3, 3), drop, *after, seed=1).build(x)
    expected = network.astype(np.float64).predict(x)
    np.testing.assert_allclose(compile_prediction(network, x, batch=5)(x), expected, atol=1e-5)
    np.testing.assert_allclose(network.predict(x), expected, atol=1e-5)
    np.testing.assert_allclose(network.predict(x), expected, atol=1e-5)


@pytest.mark.parametrize("layers", [
    (L.Sum(1), L.Softmax()), (L.Sum(1), L.LogSoftmax()), (L.Max(1), L.LayerNorm()),
])  # fmt: skip
def test_what_runs_along_the_batch_stays_in_numpy(layers):
    x = numbers(5, 3)
    network = hg.Sequential(*layers).build(x)
    with pytest.raises(NotNative):
        compile_prediction(network, x, batch=5)
    expected = network.forward(x)
    for _ in range(3):
        np.testing.assert_allclose(network.predict(x), expected, atol=1e-6)


def test_a_loss_inside_a_network_is_not_native():
    class WithLoss(hg.Network):
        def __init__(self):
            self.affine, self.loss = L.Affine(3), L.MeanSquaredError()

        def __call__(self, x):
            return self.affine(x) * self.loss(self.affine(x), self.affine(x))

    with pytest.raises(NotNative, match="inside the network"):
        Compiled(WithLoss(), numbers(5, 3), numbers(5, 3), batch=5)
