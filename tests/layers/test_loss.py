"""Losses: values against loops, weights, options that must agree, and bad targets."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad import ShapeError, layers
from handgrad.layers import (
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    SumSquaredError,
    loss_for,
)
from tests.reference.loops import cross_entropy

REAL = [MeanSquaredError, SumSquaredError, MeanAbsoluteError, Huber, SigmoidCrossEntropy]
TERMS = {
    MeanSquaredError: lambda y, t: (y - t) ** 2,
    SumSquaredError: lambda y, t: (y - t) ** 2 / 2,
    MeanAbsoluteError: lambda y, t: abs(y - t),
    Huber: lambda y, t: (y - t) ** 2 / 2 if abs(y - t) <= 1 else abs(y - t) - 0.5,
    SigmoidCrossEntropy: lambda y, t: (
        -t * np.log(1 / (1 + np.exp(-y))) - (1 - t) * np.log(1 - 1 / (1 + np.exp(-y)))
    ),
}


@pytest.fixture
def scores(rng):
    return rng.standard_normal((6, 4)), rng.integers(0, 4, 6)


def pair(rng):
    return 2 * rng.standard_normal((5, 3)), rng.uniform(0, 1, (5, 3))


def both(layer, *inputs, dloss=0.7):
    loss = layer(*inputs)
    return [loss, layer.backward(dloss)[0]]


def assert_equal(a, b, rtol=1e-12):
    for x, y in zip(a, b):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-14)


@pytest.mark.parametrize("cls", REAL)
def test_the_value_is_the_mean_or_sum_of_the_terms(cls, rng):
    y, t = pair(rng)
    terms = [TERMS[cls](a, b) for a, b in zip(y.ravel(), t.ravel())]
    expected = sum(terms) / (1 if cls is SumSquaredError else len(terms))
    assert cls()(y, t) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("cls", REAL)
def test_a_weight_is_a_number_of_repetitions(cls, rng):
    y, t = pair(rng)
    times = np.array([1, 0, 3, 2, 1])
    loss = cls()(y, t, times)
    assert loss == pytest.approx(cls()(np.repeat(y, times, axis=0), np.repeat(t, times, axis=0)))


@pytest.mark.parametrize("options", [{}, {"class_weights": (1, 2, 0.5, 3)},
                                     {"label_smoothing": 0.2}, {"ignore_index": 1},
                                     {"label_smoothing": 0.2, "class_weights": [3, 1, 1, 0]}],
                         ids=str)  # fmt: skip
@pytest.mark.parametrize("weighted", [False, True])
def test_softmax_cross_entropy_against_the_loops(options, weighted, scores, rng):
    y, t = scores
    weights = rng.uniform(0, 2, 6) if weighted else None
    layer = SoftmaxCrossEntropy(**options)
    loss, dy = cross_entropy(
        y, t, weights, options.get("class_weights"), options.get("label_smoothing", 0),
        options.get("ignore_index"))  # fmt: skip
    assert_equal(both(layer, y, t, weights), [loss, 0.7 * dy])


@pytest.mark.parametrize("options", [{}, {"class_weights": (1, 2, 0.5, 3)},
                                     {"label_smoothing": 0.2}], ids=str)  # fmt: skip
def test_labels_and_one_hot_agree(options, scores, rng):
    y, t = scores
    weights = rng.uniform(0, 2, 6)
    hot = np.eye(4)[t]
    for t2 in (hot, hot.astype(int), hot.astype(np.float32), hot.tolist()):
        expected = both(SoftmaxCrossEntropy(**options), y, t, weights)
        assert_equal(both(SoftmaxCrossEntropy(**options), y, t2, weights), expected)


def test_a_weight_of_a_sample_covers_all_its_places(rng):
    y, t = rng.standard_normal((3, 5, 4)), rng.integers(0, 4, (3, 5))
    layer = SoftmaxCrossEntropy()
    got = both(layer, y, t, [1, 0, 2])
    expected = both(layer, np.concatenate([y[0], y[2], y[2]]), np.concatenate([t[0], t[2], t[2]]))
    assert got[0] == pytest.approx(expected[0])
    np.testing.assert_allclose(got[1][2], expected[1][5:10] + expected[1][10:], rtol=1e-12)
    assert not got[1][1].any()


def test_a_class_weight_of_zero_leaves_the_class_out(scores):
    y, t = scores
    kept = t != 2
    layer = SoftmaxCrossEntropy(class_weights=[1, 1, 0, 1])
    assert layer(y, t) == pytest.approx(SoftmaxCrossEntropy()(y[kept], t[kept]))


@pytest.mark.parametrize("ignored", [-100, -1, 2, 99])
def test_ignored_labels_count_for_nothing(ignored, scores):
    y, t = scores
    t = np.where(np.arange(6) % 3 == 0, ignored, t)
    kept = t != ignored
    layer = SoftmaxCrossEntropy(ignore_index=ignored)
    loss, dy = both(layer, y, t)
    expected = both(SoftmaxCrossEntropy(), y[kept], t[kept])
    assert_equal([loss, dy[kept]], expected)
    assert not dy[~kept].any()


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32, np.uint64])
def test_any_integer_type_is_a_label(kind, scores):
    y, t = scores
    assert_equal(both(SoftmaxCrossEntropy(), y, t.astype(kind)), both(SoftmaxCrossEntropy(), y, t))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_overflow_far_from_zero(dtype):
    y = np.array([[1000, -1000, 0], [-1000, 1000, 0], [1e4, 1e4, 1e4]], dtype)
    loss, dy = both(SoftmaxCrossEntropy(), y, np.array([0, 0, 2]), dloss=1)
    assert loss == pytest.approx((0 + 2000 + np.log(3)) / 3)
    assert loss.dtype == dy.dtype == dtype
    hot = np.eye(3, dtype=dtype)[[0, 0, 2]]
    loss, dy = both(SigmoidCrossEntropy(), y, hot)
    assert np.isfinite(loss)
    assert np.isfinite(dy).all()


def test_a_score_of_minus_infinity_rules_a_class_out(scores):
    y, t = scores
    y[:, 3], t = -np.inf, t % 3
    for target in (t, np.eye(4)[t]):
        loss, dy = both(SoftmaxCrossEntropy(), y, target)
        assert_equal([loss, dy[:, :3]], both(SoftmaxCrossEntropy(), y[:, :3], t))
        assert not dy[:, 3].any()


def test_backward_of_labels_is_p_minus_t_over_n(scores):
    y, t = scores
    p = layers.Softmax()(y)
    _, dy = both(SoftmaxCrossEntropy(), y, t, dloss=1)
    np.testing.assert_allclose(dy, (p - np.eye(4)[t]) / 6, rtol=1e-13, atol=1e-16)


def test_at_no_error_mean_absolute_error_has_derivative_0():
    layer = MeanAbsoluteError()
    layer(np.array([1.0, 2.0]), np.array([1.0, 3.0]))
    np.testing.assert_array_equal(layer.backward()[0], [0, -0.5])


def test_the_targets_take_the_dtype_of_the_outputs(rng):
    y, t = pair(rng)
    for cls in REAL:
        loss, dy = both(cls(), y.astype(np.float32), t, np.ones(5), dloss=np.float64(2))
        assert loss.dtype == dy.dtype == np.float32


def test_loss_for_the_targets():
    assert isinstance(loss_for(np.array([0, 1])), SoftmaxCrossEntropy)
    assert isinstance(loss_for([0, 1]), SoftmaxCrossEntropy)
    assert isinstance(loss_for(np.array([0.5])), MeanSquaredError)


@pytest.mark.parametrize(
    ("t", "kind", "message"),
    [
        (np.array([0, 1, 4]), ValueError, "from 0 to 3, .* got 0 to 4"),
        (np.array([0, -1, 2]), ValueError, "from 0 to 3, .* got -1 to 2"),
        (np.array([0.0, 1.0, 2.0]), ValueError, r"integers, got float64; use t.astype\(int\)"),
        (np.array(["a", "b", "c"]), ValueError, "integers, got <U1"),
        (np.array([0, 1]), ShapeError, r"got y \(3, 4\) and t \(2,\)"),
        (np.array([[0], [1], [2]]), ShapeError, r"got y \(3, 4\) and t \(3, 1\)"),
        (np.zeros((3, 5)), ShapeError, r"got y \(3, 4\) and t \(3, 5\)"),
        (np.full((3, 4), 0.3), ValueError, "sum to 1 in each row"),
        (np.array([[2, -1, 0, 0]] * 3), ValueError, "≥ 0 and sum to 1"),
        (np.full((3, 4), np.nan), ValueError, "≥ 0 and sum to 1"),
    ],
)
def test_bad_classes_are_refused(t, kind, message):
    with pytest.raises(kind, match=f"SoftmaxCrossEntropy: .*{message}"):
        SoftmaxCrossEntropy()(np.zeros((3, 4)), t)


def test_scores_need_an_axis_of_classes():
    for y, t in ((np.zeros(4), np.array(1)), (np.zeros((3, 0)), np.zeros(3, int))):
        with pytest.raises(ShapeError, match=r"y \(N, …, C\)"):
            SoftmaxCrossEntropy()(y, t)


def test_nothing_to_learn_from():
    y = np.zeros((2, 3))
    for layer, t in (
        (SoftmaxCrossEntropy(ignore_index=-1), [-1, -1]),
        (SoftmaxCrossEntropy(class_weights=[0, 1, 1]), [0, 0]),
    ):
        with pytest.raises(ValueError, match="nothing to learn from"):
            layer(y, np.array(t))


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_label_smoothing_is_a_share(value):
    with pytest.raises(ValueError, match=r"label_smoothing must lie in \[0, 1\]"):
        SoftmaxCrossEntropy(label_smoothing=value)


@pytest.mark.parametrize(
    ("weights", "message"),
    [((1, 2), r"shape \(3,\), got \(2,\)"), ((1, -1, 1), "finite and ≥ 0"),
     ((1, np.inf, 1), "finite and ≥ 0"), ((1, np.nan, 1), "finite and ≥ 0")],
)  # fmt: skip
def test_bad_weights_are_refused(weights, message):
    with pytest.raises(ValueError, match=f"class_weights must (have|be) {message}"):
        SoftmaxCrossEntropy(class_weights=weights)(np.zeros((3, 3)), np.array([0, 1, 2]))
    for layer in (SoftmaxCrossEntropy(), MeanSquaredError()):
        t = np.array([0, 1, 2]) if isinstance(layer, SoftmaxCrossEntropy) else np.zeros((3, 3))
        with pytest.raises(ValueError, match=f"{type(layer).__name__}: weights must .*{message}"):
            layer(np.zeros((3, 3)), t, np.array(weights))


@pytest.mark.parametrize("cls", REAL)
def test_targets_of_another_shape_are_refused_not_broadcast(cls):
    with pytest.raises(ShapeError, match=rf"{cls.__name__}: t .* \(3, 1\), got \(3,\)"):
        cls()(np.zeros((3, 1)), np.zeros(3))


@pytest.mark.parametrize("t", [-0.1, 1.1, np.nan])
def test_sigmoid_cross_entropy_needs_targets_from_0_to_1(t):
    with pytest.raises(ValueError, match=r"t must lie in \[0, 1\]"):
        SigmoidCrossEntropy()(np.zeros(1), np.array([t]))


@pytest.mark.parametrize("delta", [0, -1, float("nan")])
def test_huber_needs_a_positive_delta(delta):
    with pytest.raises(ValueError, match="delta must be positive"):
        Huber(delta)
