"""The books' layers: right, and with the originals' mistakes where those are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad.book import original
from handgrad.book.common import layers, time_layers
from handgrad.book.common.trainer import remove_duplicate
from handgrad.prove import check


def weights(rng, *shapes, dtype=float):
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


BUILT = {
    "Affine": (lambda r: layers.Affine(*weights(r, (6, 3), (3,))), (4, 2, 3)),
    "MatMul": (lambda r: layers.MatMul(*weights(r, (6, 3))), (4, 6)),
    "Convolution": (
        lambda r: layers.Convolution(*weights(r, (2, 3, 2, 2), (2,)), 1, 1), (2, 3, 4, 4),
    ),
    "Pooling": (lambda r: layers.Pooling(2, 2, 2, 1), (2, 3, 4, 4)),
    "BatchNormalization": (
        lambda r: layers.BatchNormalization(*weights(r, (3,), (3,))), (5, 3, 2, 2),
    ),
    "Relu": (lambda r: layers.Relu(), (4, 5)),
    "TimeLSTM": (lambda r: time_layers.TimeLSTM(*weights(r, (3, 8), (2, 8), (8,))), (2, 4, 3)),
    "TimeGRU": (lambda r: time_layers.TimeGRU(*weights(r, (3, 6), (2, 6), (6,))), (2, 4, 3)),
    "TimeAffine": (lambda r: time_layers.TimeAffine(*weights(r, (3, 5), (5,))), (2, 4, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", BUILT)
def test_the_gradient_of_x_is_right(name, rng):
    build, shape = BUILT[name]
    x = rng.standard_normal(shape)
    layer = build(rng)
    y = layer.forward(x)
    dy = rng.standard_normal(y.shape)
    dx = layer.backward(dy.copy())
    step = 1e-6 * rng.standard_normal(shape)
    rise = np.sum(dy * (layer.forward(x + step) - layer.forward(x - step))) / 2
    np.testing.assert_allclose(np.sum(dx * step), rise, rtol=1e-5)


@pytest.mark.parametrize("name", ["Affine", "Convolution", "TimeLSTM", "TimeGRU", "TimeAffine"])
def test_the_gradients_of_weights_are_right_and_in_both_places(name, rng):
    build, shape = BUILT[name]
    layer, x = build(rng), rng.standard_normal(shape)
    dy = rng.standard_normal(layer.forward(x).shape)
    layer.backward(dy)
    for i, (own, grad) in enumerate(zip(layer.names, [g.copy() for g in layer.grads])):
        np.testing.assert_array_equal(grad, getattr(layer, "d" + own))
        step = 1e-6 * rng.standard_normal(grad.shape)
        kept = layer.params[i].copy()
        values = []
        for sign in (1, -1):
            layer.params[i][...] = kept + sign * step
            values.append(np.sum(dy * layer.forward(x)))
        layer.params[i][...] = kept
        np.testing.assert_allclose(np.sum(grad * step), (values[0] - values[1]) / 2, rtol=1e-5)


def test_relu_leaves_the_gradient_alone_and_the_original_does_not(rng):
    x, dy = rng.standard_normal((2, 4, 5))
    for kind, kept in ((layers.Relu, True), (original.Relu, False)):
        layer, given = kind(), dy.copy()
        layer.forward(x)
        layer.backward(given)
        assert np.array_equal(given, dy) == kept


def test_the_prover_accepts_a_book_layer(rng):
    assert check(layers.Relu(), rng.standard_normal((3, 4))).verdict == "right"


def test_softmax_with_loss_uses_the_gradient_from_above(rng):
    x, t = rng.standard_normal((4, 3)), np.array([0, 2, 1, 1])
    for kind, factor in ((layers.SoftmaxWithLoss, 3), (original.SoftmaxWithLoss, 1)):
        layer = kind()
        layer.forward(x, t)
        np.testing.assert_allclose(layer.backward(3), factor * layer.backward(1))


def test_labels_and_one_hot_labels_mean_the_same(rng):
    x, t = rng.standard_normal((4, 3)), np.array([0, 2, 1, 1])
    first, second = layers.SoftmaxWithLoss(), layers.SoftmaxWithLoss()
    assert first.forward(x, t) == pytest.approx(second.forward(x, np.eye(3)[t]), rel=1e-12)
    np.testing.assert_allclose(first.backward(), second.backward())


def test_batch_normalization_of_images_is_per_channel(rng):
    x = rng.standard_normal((4, 3, 2, 2)) * 5 + 1
    y = layers.BatchNormalization(np.ones(3), np.zeros(3)).forward(x)
    np.testing.assert_allclose(y.mean(axis=(0, 2, 3)), 0, atol=1e-12)
    pixel = original.BatchNormalization(np.ones(12), np.zeros(12)).forward(x)
    np.testing.assert_allclose(pixel.mean(axis=0), 0, atol=1e-12)
    with pytest.raises(ValueError, match=r"gamma must be \(3,\)"):
        layers.BatchNormalization(np.ones(12), np.zeros(12)).forward(x)


def test_float32_stays_in_convolution_and_pooling(rng):
    W, b, x = weights(rng, (2, 1, 2, 2), (2,), (1, 1, 4, 4), dtype=np.float32)
    assert layers.Convolution(W, b).forward(x).dtype == np.float32
    assert original.Convolution(W, b).forward(x).dtype == np.float64


def test_dropout_outside_training_has_a_gradient(rng):
    layer = layers.Dropout(0.25)
    layer.forward(rng.standard_normal(8))
    layer.forward(rng.standard_normal(8), False)
    np.testing.assert_array_equal(layer.backward(np.ones(8)), np.full(8, 0.75))


def test_shared_weights_are_found_by_identity():
    W, same = np.eye(2), np.eye(2)
    g = [np.full((2, 2), k) for k in (1.0, 2.0, 4.0)]
    params, grads = remove_duplicate([W, same, W.T], g)
    assert [id(p) for p in params] == [id(W), id(same)]
    assert [x[0, 0] for x in grads] == [5, 2]
    assert len(original.remove_duplicate([W, same], g[:2])[0]) == 1
    assert g[0][0, 0] == 1


def test_state_goes_on_only_if_stateful(rng):
    x = rng.standard_normal((2, 6, 3))
    cell = weights(rng, (3, 8), (2, 8), (8,))
    whole = time_layers.TimeLSTM(*cell).forward(x)
    layer = time_layers.TimeLSTM(*cell, stateful=True)
    parts = np.concatenate([layer.forward(x[:, :3]), layer.forward(x[:, 3:])], axis=1)
    np.testing.assert_allclose(parts, whole)
    layer.reset_state()
    np.testing.assert_allclose(layer.forward(x[:, :3]), whole[:, :3])


def test_ignored_labels_do_not_count(rng):
    x, t = rng.standard_normal((2, 3, 4)), np.array([[1, -1, 0], [2, 3, -1]])
    layer = time_layers.TimeSoftmaxWithLoss()
    layer.forward(x, t)
    assert not layer.backward()[t == -1].any()


def test_embedding_refuses_numbers_outside(rng):
    with pytest.raises(ValueError, match="from 0 to 3, the vocabulary, got -1 to 2"):
        layers.Embedding(rng.standard_normal((4, 2))).forward(np.array([2, -1]))
