"""What targets are to a loss: which count, whether scores fit them, and the metrics of both."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad import Sequential, ShapeError
from handgrad.book.common.time_layers import TimeSoftmaxWithLoss
from handgrad.layers import (
    Affine,
    MeanSquaredError,
    NegativeLogLikelihood,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    check_scores,
    counted,
    loss_for,
)
from handgrad.train.metrics import accuracy, confusion_matrix, f1, precision, recall, top_k_accuracy
from handgrad.train.metrics import usual_metrics as usual

METRICS = [accuracy, lambda y, t: top_k_accuracy(y, t, 2), confusion_matrix, precision, recall, f1]


@pytest.mark.parametrize("ignored", [-100, 2, 255])
@pytest.mark.parametrize("shape", [(40,), (8, 5), (4, 5, 2)], ids=str)
def test_ignored_labels_are_left_out_of_every_metric(shape, ignored, rng):
    y, t = rng.standard_normal((*shape, 4)), rng.integers(0, 2, shape)
    t.reshape(-1)[::3] = ignored
    kept = np.arange(40) % 3 > 0
    flat_y, flat_t = y.reshape(-1, 4)[kept], t.reshape(-1)[kept]
    for loss in (SoftmaxCrossEntropy(ignore_index=ignored), NegativeLogLikelihood(
        ignore_index=ignored)):  # fmt: skip
        seen_y, seen_t = counted(loss, y, t)
        np.testing.assert_array_equal(seen_y, flat_y)
        np.testing.assert_array_equal(seen_t, flat_t)
    for metric in METRICS:
        np.testing.assert_array_equal(metric(seen_y, seen_t), metric(flat_y, flat_t))


def test_counted_elements_are_a_list_whatever_the_batch_holds(rng):
    y, t = rng.standard_normal((3, 5, 4)), rng.integers(0, 4, (3, 5))
    seen_y, seen_t = counted(SoftmaxCrossEntropy(ignore_index=-1), y, t)
    assert (seen_y.shape, seen_t.shape) == ((15, 4), (15,))
    seen_y, seen_t = counted(SoftmaxCrossEntropy(ignore_index=-1), y, np.full_like(t, -1))
    assert (seen_y.shape, seen_t.shape) == ((0, 4), (0,))


def test_without_ignored_labels_all_is_passed_on(rng):
    y, t = rng.standard_normal((3, 4)), rng.integers(0, 4, 3)
    hot = np.eye(4, dtype=int)[t]
    for loss, targets in ((SoftmaxCrossEntropy(), t), (SoftmaxCrossEntropy(ignore_index=1), hot),
                          (MeanSquaredError(), y), (object(), t)):  # fmt: skip
        seen = counted(loss, y, targets)
        assert seen[0] is y
        assert seen[1] is targets


def test_evaluate_leaves_ignored_labels_out_of_every_metric(rng):
    x, t = rng.standard_normal((30, 6)).astype(np.float32), rng.integers(0, 4, 30)
    t[::3] = -100
    net = Sequential(Affine(4), seed=1)
    kept = t != -100
    own = []

    def count(y, t):
        own.append((y, t))
        return len(t)

    got = net.evaluate(
        x, t, loss=SoftmaxCrossEntropy(ignore_index=-100), metrics=[accuracy, f1, count]
    )
    expected = net.evaluate(x[kept], t[kept], metrics=[accuracy, f1, count])
    assert got == pytest.approx(expected, rel=1e-6)
    assert got["count"] == kept.sum()
    np.testing.assert_allclose(own[0][0], own[1][0], rtol=1e-6)


def test_evaluate_divides_by_the_weights_of_its_own_data(rng):
    x, t = rng.standard_normal((6, 3)).astype(np.float32), np.array([0, 0, 0, 1, 0, 0])
    net, loss = Sequential(Affine(2)), SoftmaxCrossEntropy(class_weights=[1, 5])
    expected = net.evaluate(x, t, loss=loss)
    loss.normalizer = 3.0
    assert net.evaluate(x, t, loss=loss) == expected
    assert loss.normalizer == 3.0


def test_a_loss_of_the_books_names_the_label_that_it_ignores(rng):
    y, t = rng.standard_normal((2, 3, 4)), np.array([[0, 1, -1], [3, -1, -1]])
    seen_y, seen_t = counted(TimeSoftmaxWithLoss(), y, t)
    assert accuracy(seen_y, seen_t) == (y.argmax(-1) == t)[t >= 0].mean()


@pytest.mark.parametrize("t", [[0, 0, 0], [0, 1, 0], [False, True, True], [250_000, 10, 99]])
@pytest.mark.parametrize("cls", [SoftmaxCrossEntropy, NegativeLogLikelihood])
def test_scores_of_one_class_are_refused_with_what_would_do(cls, t):
    with pytest.raises(ShapeError, match=rf"{cls.__name__}: y \(3, 1\) .* one output per class"):
        check_scores(cls(), (3, 1), np.array(t))


def test_other_scores_pass():
    for loss, shape in ((SoftmaxCrossEntropy(), (3, 2)), (SigmoidCrossEntropy(), (3, 1)),
                        (MeanSquaredError(), (3, 1)), (object(), (3, 1))):  # fmt: skip
        check_scores(loss, shape, np.zeros(3, int))


def test_accuracy_is_usual_for_classes_alone():
    whole, real = np.array([[0], [1]]), np.array([0.5, 1])
    assert usual(SoftmaxCrossEntropy(), whole) == usual(object(), whole) == [accuracy]
    assert usual(SoftmaxCrossEntropy(), whole > 0) == [accuracy]
    assert usual(SigmoidCrossEntropy(), whole) == usual(MeanSquaredError(), real) == []


def test_the_usual_loss():
    assert isinstance(loss_for(np.array([True, False])), SoftmaxCrossEntropy)
    assert isinstance(loss_for([0.5, 1]), MeanSquaredError)
