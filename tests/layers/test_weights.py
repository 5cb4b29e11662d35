"""Weights of samples and classes, ignored labels and the normalizer: one rule for every loss."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad import ShapeError, check, layers
from handgrad.layers import (
    CosineEmbedding,
    Loss,
    MeanSquaredError,
    NegativeLogLikelihood,
    NegativeSampling,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    SumSquaredError,
    Triplet,
)
from handgrad.layers.loss.cross_entropy import ClassLoss
from handgrad.layers.samples import SAMPLES

LOSSES = [s for s in SAMPLES if issubclass(s.cls, Loss)]
V = (0.3, 2.0, 0.0, 1.1)
every = pytest.mark.parametrize("sample", LOSSES, ids=str)


def case(sample, rng, batch):
    """A loss, its inputs without weights, and weights; the words drawn depend on t alone."""
    loss, inputs = sample.make(), sample.inputs(rng, batch=batch)
    inputs = inputs[: 3 if isinstance(loss, CosineEmbedding | Triplet) else 2]
    if isinstance(loss, NegativeSampling):
        loss.sampler.sample = lambda t, size, stream: (t[:, None] + 1 + np.arange(size)) % 5
        loss.build(*inputs)
    if isinstance(loss, ClassLoss) and inputs[1].dtype.kind == "i":
        loss.ignore_index = 2
        inputs[1][inputs[1] == 2] = 1
        inputs[1].reshape(batch, -1)[3:-1:2, 0] = 2
    return loss, inputs, rng.uniform(0.1, 3, batch)


def gradients(loss):
    found = [g for g in loss.backward(0.7) if g is not None]
    return [*found, loss.dW] if isinstance(loss, NegativeSampling) else found


@pytest.mark.parametrize("normalizer", [None, 0.4])
@pytest.mark.parametrize("with_weights", [False, True])
@every
def test_parts_make_the_whole(sample, with_weights, normalizer, rng):
    loss, inputs, w = case(sample, rng, 11)
    given = (w,) if with_weights else ()
    expected = loss.forward(*inputs, *given)
    whole, D = gradients(loss), loss.denominator
    loss.normalizer = normalizer
    sums, numerator, denominators = [0] * len(whole), 0, []
    for part in (slice(0, 1), slice(1, 4), slice(4, 7), slice(7, 11)):
        value = loss.forward(*[x[part] for x in inputs], *[g[part] for g in given])
        assert type(loss.denominator) is float
        denominators.append(loss.denominator)
        numerator += value * loss.denominator
        for k, g in enumerate(gradients(loss)):
            padded = np.zeros_like(whole[k])
            padded[part if len(g) < 11 and g.shape != whole[k].shape else ...] = g
            sums[k] = sums[k] + padded * loss.denominator
    together = loss.together(*denominators)
    if normalizer is None:
        assert together == pytest.approx(D, rel=1e-13)
    else:  # the parts are multiples of the whole, by the one factor ū / normalizer
        together = D
    for k, g in enumerate(whole):
        np.testing.assert_allclose(sums[k] / together, g, rtol=1e-12, atol=1e-15)
    assert numerator / together == pytest.approx(expected, rel=1e-12)


@every
def test_with_a_normalizer_each_sample_moves_by_its_weight(sample, rng):
    loss, inputs, w = case(sample, rng, 11)
    whole = loss.forward(*inputs, w)
    wanted, D = gradients(loss)[0], loss.denominator
    loss.normalizer = loss.mean_weight(inputs[-1], w, inputs[0].shape)
    assert loss.forward(*inputs, w) == pytest.approx(whole, rel=1e-12)
    assert loss.denominator == pytest.approx(D, rel=1e-13)
    steps, counts = [], 0
    for i in range(11):
        loss.forward(*[x[i : i + 1] for x in inputs], w[i : i + 1])
        steps.append(loss.backward(0.7)[0] * loss.denominator)
        counts += loss.denominator
    total = 1 if isinstance(loss, SumSquaredError) else counts
    np.testing.assert_allclose(np.concatenate(steps) / total, wanted, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("sample", {s.cls: s for s in LOSSES}.values(), ids=str)
def test_the_prover_says_right(sample, rng):
    loss, inputs, w = sample.make(), *case(sample, rng, 5)[1:]
    if isinstance(loss, ClassLoss):
        loss.ignore_index = 2
    loss.normalizer, w[1] = 0.4, 0
    report = check(loss, *inputs, w)
    assert report.verdict == "right", str(report)


@every
def test_with_a_normalizer_nothing_is_a_loss_of_0(sample, rng):
    loss, inputs, w = case(sample, rng, 5)
    plain = sample.make()
    loss.normalizer = 0.5
    cases = [([x[:0] for x in inputs], w[:0], 0), (inputs, 0 * w, None)]
    if isinstance(loss, ClassLoss) and inputs[1].dtype.kind == "i":
        plain.ignore_index = 2
        cases.append(([inputs[0], np.full_like(inputs[1], 2)], w, 0))
    for given, weights, D in cases:
        for dtype in (np.float32, np.float64):
            some = [x.astype(dtype) if x.dtype.kind == "f" else x for x in given]
            if isinstance(loss, NegativeSampling):
                loss.W = loss.W.astype(dtype)
            value = loss.forward(*some, weights)
            assert (float(value), value.dtype) == (0, dtype)
            assert not np.any(loss.backward()[0])
            assert loss.backward()[0].shape == some[0].shape
            if not isinstance(loss, SumSquaredError):
                assert loss.denominator == D if D == 0 else loss.denominator > 0
            if not isinstance(loss, SumSquaredError) and (D == 0 or not loss.signed):
                with pytest.raises(ValueError, match=f"{sample.cls.__name__}: nothing to learn"):
                    plain.forward(*given, weights)


@pytest.mark.parametrize("cls", [SoftmaxCrossEntropy, NegativeLogLikelihood])
@pytest.mark.parametrize("options", [{}, {"class_weights": V}, {"ignore_index": 1},
                                     {"class_weights": V, "ignore_index": 1}], ids=str)  # fmt: skip
def test_numerators_and_denominators_are_those_of_pytorch(cls, options, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is a peer, not a dependency")
    F = torch.nn.functional
    y, t = rng.standard_normal((7, 5, 4)), rng.integers(0, 4, (7, 5))
    loss, function = (cls(**options), F.cross_entropy if cls is SoftmaxCrossEntropy else F.nll_loss)
    weight = torch.tensor(options.get("class_weights", (1.0,) * 4), dtype=torch.float64)
    ignored = options.get("ignore_index", -100)
    leaf = torch.tensor(y.reshape(-1, 4), requires_grad=True)
    labels = torch.tensor(t.reshape(-1))
    theirs = function(leaf, labels, weight=weight, ignore_index=ignored, reduction="sum")
    theirs.backward()
    counted = t != options.get("ignore_index")
    for normalizer in (None, 0.7):
        loss.normalizer = normalizer
        value, dy = loss.forward(y, t), loss.backward()[0]
        D = weight.numpy()[t][counted].sum() if normalizer is None else counted.sum() * 0.7
        assert loss.denominator == pytest.approx(D, rel=1e-14)
        assert value * D == pytest.approx(theirs.item(), rel=1e-12)
        expected = leaf.grad.numpy().reshape(y.shape)
        np.testing.assert_allclose(dy * D, expected, rtol=1e-12, atol=1e-13)


def test_label_smoothing_keeps_the_denominator(rng):
    y, t = rng.standard_normal((6, 4)), rng.integers(0, 4, 6)
    smooth = SoftmaxCrossEntropy(class_weights=V, label_smoothing=0.3)
    hard = SoftmaxCrossEntropy(class_weights=V)
    smooth(y, t), hard(y, t)
    assert smooth.denominator == hard.denominator == pytest.approx(np.array(V)[t].sum())


def test_the_mean_weight_of_a_data_set():
    t, w = np.array([[0, 1, -1], [3, -1, -1], [2, 1, 1]]), [2, 1, 0.5]
    loss = SoftmaxCrossEntropy(class_weights=V, ignore_index=-1)
    assert loss.mean_weight(t) == pytest.approx((0.3 + 2 + 1.1 + 0 + 2 + 2) / 6)
    u = 2 * 0.3 + 2 * 2 + 1.1 + 0.5 * 4
    assert loss.mean_weight(t, w) == pytest.approx(u / 6)
    loss.class_weights = None
    assert loss.mean_weight(t, w) == pytest.approx((2 * 2 + 1 + 3 * 0.5) / 6)
    assert loss.mean_weight(t) == MeanSquaredError().mean_weight(np.zeros((3, 2))) == 1
    assert MeanSquaredError().mean_weight(np.zeros((3, 2)), w) == pytest.approx(3.5 / 3)


@pytest.mark.parametrize("weights", [None, [3, 1, 0, 2]])
def test_the_mean_weight_of_one_hot_targets_is_that_of_their_labels(weights):
    t, loss = np.array([3, 0, 1, 1]), SoftmaxCrossEntropy(class_weights=V)
    expected = loss.mean_weight(t, weights)
    for hot in (np.eye(4)[t], np.eye(4, dtype=int)[t], np.eye(4, dtype=bool)[t]):
        assert loss.mean_weight(hot, weights, (2, 4)) == expected
    assert loss.mean_weight(np.eye(4)[t], weights) == expected
    blend = np.array([[0.5, 0.5, 0, 0], [0, 0, 0.25, 0.75]])
    assert loss.mean_weight(blend) == pytest.approx((0.15 + 1 + 0.825) / 2)


@pytest.mark.parametrize("bad", [0, -1.0, np.nan, np.inf])
def test_a_normalizer_is_positive(bad):
    for loss, t in ((MeanSquaredError(), np.zeros((2, 3))), (SoftmaxCrossEntropy(), [0, 1])):
        loss.normalizer = bad
        with pytest.raises(ValueError, match=f"{type(loss).__name__}: normalizer must be a posit"):
            loss.forward(np.zeros((2, 3)), np.asarray(t))


def test_weights_that_sum_to_nothing_have_no_mean():
    with pytest.raises(ValueError, match="MeanSquaredError: nothing to learn from"):
        MeanSquaredError().mean_weight(np.zeros(2), [0, 0])
    with pytest.raises(ValueError, match="SoftmaxCrossEntropy: nothing to learn from"):
        SoftmaxCrossEntropy(ignore_index=1).mean_weight(np.ones(2, int), [1, 1])
    with pytest.raises(ShapeError, match=r"weights must have shape \(2,\), got \(3,\)"):
        MeanSquaredError().mean_weight(np.zeros(2), [1, 1, 1])


@pytest.mark.parametrize("loss", [MeanSquaredError(), SoftmaxCrossEntropy()], ids=repr)
def test_weights_are_added_in_float64(loss):
    y = np.zeros((4, 2), np.float32)
    t = y if isinstance(loss, MeanSquaredError) else np.zeros(4, int)
    loss.forward(y, t, np.array([2**24, 1, 1, 1], np.float32))
    assert loss.denominator == (2**24 + 3) * (2 if isinstance(loss, MeanSquaredError) else 1)
    assert loss.mean_weight(t, np.array([2**24, 1, 1, 1], np.float32)) == (2**24 + 3) / 4


@pytest.mark.parametrize("weights", [[1e300] * 4, [1e-310] * 4, [5] * 4, [True] * 4, [2**62] * 4],
                         ids=str)  # fmt: skip
def test_weights_of_any_size_and_kind(weights, rng):
    y = rng.standard_normal((4, 3)).astype(np.float32)
    labels = np.array([0, 2, 1, 1])
    for loss, t in ((MeanSquaredError(), 0 * y), (SoftmaxCrossEntropy(), labels),
                    (SoftmaxCrossEntropy(label_smoothing=0.2), labels)):  # fmt: skip
        expected, dy = loss.forward(y, t), loss.backward()[0]
        assert loss.forward(y, t, weights) == pytest.approx(expected, rel=1e-6)
        np.testing.assert_allclose(loss.backward()[0], dy, rtol=1e-5)


@pytest.mark.parametrize("size", [1e-60, 1e60])
@pytest.mark.parametrize("smoothing", [0, 0.2])
def test_class_weights_of_any_size(size, smoothing, scores):
    y, t = scores[0].astype(np.float32), scores[1]
    losses = [SoftmaxCrossEntropy(class_weights=np.array(V) * c, label_smoothing=smoothing)
              for c in (1, size)]  # fmt: skip
    (a, da), (b, db) = [(loss.forward(y, t), loss.backward()[0]) for loss in losses]
    assert a == pytest.approx(b, rel=1e-6)
    np.testing.assert_allclose(da, db, rtol=1e-5, atol=1e-8)


def test_a_mean_is_finite_where_the_sum_is_not():
    y = np.full((2000, 1), 1e18, np.float32)
    assert MeanSquaredError()(y, 0 * y) == pytest.approx(1e36, rel=1e-5)


@pytest.mark.parametrize("loss", [MeanSquaredError(), SoftmaxCrossEntropy()], ids=repr)
def test_weights_of_positions_are_refused_not_broadcast(loss):
    y = np.zeros((4, 4, 4))
    t = y if isinstance(loss, MeanSquaredError) else np.zeros((4, 4), int)
    for shape in ((4, 4), (4, 1), (1,), ()):
        with pytest.raises(ShapeError, match=r"weights must have shape \(4,\), got .*one weight"):
            loss(y, t, np.ones(shape))


@pytest.mark.parametrize("bad", [{0: 1.0, 1: 2.0}, "balanced", 2.0])
@pytest.mark.parametrize("cls", [SoftmaxCrossEntropy, NegativeLogLikelihood])
def test_class_weights_are_a_list_in_the_order_of_the_classes(cls, bad):
    with pytest.raises(ValueError, match=f"{cls.__name__}: class_weights must be a list of one"):
        cls(class_weights=bad)


@pytest.mark.parametrize("v", [[1, 2, 3, 0], (1.0, 2.0, 3.0, 0.0), np.array([1, 2, 3, 0], "u1")])
def test_class_weights_of_any_kind(v, scores):
    loss = SoftmaxCrossEntropy(class_weights=v)
    assert loss(*scores) == SoftmaxCrossEntropy(class_weights=np.array([1.0, 2, 3, 0]))(*scores)
    assert loss.config()["class_weights"] is v


@pytest.fixture
def scores(rng):
    return rng.standard_normal((6, 4)), rng.integers(0, 4, 6)


def test_a_column_of_targets_is_asked_for():
    for loss in (MeanSquaredError(), SigmoidCrossEntropy()):
        with pytest.raises(ShapeError, match=r"got \(3,\); t\[\.\.\., None\] would do"):
            loss(np.zeros((3, 1)), np.zeros(3))


def test_every_loss_keeps_the_rule():
    names = {s.cls.__name__ for s in LOSSES}
    called = {n for n in layers.__all__ if "Entropy" in n or "Error" in n or "KL" in n}
    assert {n for n in called if not n.startswith(("Categorical", "Normal"))} <= names
    assert {"Hinge", "Huber", "CosineEmbedding", "NegativeSampling"} <= names


def test_a_mean_is_finite_where_its_sum_would_not_be():
    y = np.full((1000, 1), 1e18, np.float32)
    for weights in (None, np.ones(1000)):
        loss = MeanSquaredError()
        assert loss.forward(y, np.zeros_like(y), weights) == pytest.approx(1e36)
        assert np.isfinite(loss.backward()[0]).all()
