"""Functions, shape, index and reduction layers, activations and losses: edges, ties, errors."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from handgrad import ShapeError, Tensor, layers
from handgrad.layers.samples import WITHOUT_GRADIENT


def back(layer, *inputs, dy=None):
    """The gradient for an upstream gradient, 1 by default."""
    y = layer(*inputs)
    return layer.backward(np.ones_like(y) if dy is None else dy)


def test_erf_to_the_last_digits():
    x = np.concatenate([np.linspace(-6, 6, 999), [1e-300, 1e-20, 1e-8, 0.5, -0.5, 40, 0]])
    expected = [math.erf(v) for v in x]
    # 2 Φ − 1 doubles what Φ is off by, 2e-16; NumPy's exp differs in its last digit by processor
    got = layers.Erf()(x)
    np.testing.assert_allclose(got, expected, rtol=1e-15, atol=0)
    np.testing.assert_allclose(got, expected, rtol=0, atol=4.5e-16)
    np.testing.assert_array_equal(back(layers.Erf(), np.array([1e200, -1e200])), [0, 0])


def test_nothing_overflows_where_the_answer_is_finite():
    huge = np.array([3e200, -4e200])
    np.testing.assert_allclose(layers.Norm()(huge), 5e200)
    np.testing.assert_allclose(back(layers.Norm(), huge), [0.6, -0.8])
    np.testing.assert_allclose(layers.LogSumExp()(np.full(2, 1000.0)), 1000 + np.log(2))
    np.testing.assert_allclose(layers.Mish()(np.array([1e3, -1e3])), [1e3, 0])
    np.testing.assert_array_equal(back(layers.Arctan(), huge), [0, 0])
    np.testing.assert_allclose(back(layers.Arcsinh(), huge) * 1e200, [1 / 3, 1 / 4])


def test_at_kinks_and_ties():
    zero = np.zeros(3)
    for layer in (layers.Abs(), layers.Norm(), layers.Norm(p=1), layers.Std(), layers.ReLU6()):
        np.testing.assert_array_equal(back(layer, zero, dy=None), zero)
    np.testing.assert_array_equal(back(layers.ReLU6(), np.full(3, 6.0)), zero)
    for layer in (layers.Maximum(), layers.Minimum()):
        a, b = back(layer, zero, zero)
        np.testing.assert_array_equal((a, b), (np.ones(3), zero))
    np.testing.assert_array_equal(back(layers.Clip(0, 1), np.array([-1, 0, 1.0, 2])), [0, 1, 1, 0])
    np.testing.assert_array_equal(back(layers.PReLU(init=0.3), zero), np.full(3, 0.3))
    np.testing.assert_array_equal(back(layers.HardSigmoid(), np.array([-3.0, 3.0])), [0, 0])
    np.testing.assert_array_equal(back(layers.HardSwish(), np.array([-3.0, 3.0])), [0, 1])
    hinge = layers.Hinge()
    np.testing.assert_array_equal(back(hinge, np.array([1.0, 0.5]), np.ones(2))[0], [0, -0.5])


@pytest.mark.parametrize("layer", [layers.Var(), layers.Std(), layers.Std(axis=1)])
def test_equal_numbers_have_no_variance_to_the_bit(layer):
    x = np.full((3, 7), 0.3)
    assert not np.any(layer(x))
    np.testing.assert_array_equal(back(layer, x), np.zeros((3, 7)))


def test_products_with_zeros_are_exact():
    x = np.array([[2.0, 0, 3], [0, 0, 5], [7, 2, 3]])
    np.testing.assert_array_equal(back(layers.Prod(axis=1), x), [[0, 6, 0], [0, 0, 0], [6, 21, 14]])


def test_split_gives_and_takes_several(rng):
    layer, x = layers.Split(3, axis=1), rng.standard_normal((4, 6))
    parts = layer(x)
    assert [p.shape for p in parts] == [(4, 2)] * 3
    dys = [rng.standard_normal((4, 2)) for _ in parts]
    np.testing.assert_array_equal(layer.backward(*dys), np.concatenate(dys, axis=1))
    tensor = Tensor(x)
    layer(tensor)[1].backward(dys[1])
    np.testing.assert_array_equal(tensor.grad[:, 2:4], dys[1])
    assert np.count_nonzero(tensor.grad) == 8


def test_a_repeated_margin_adds_its_gradient():
    np.testing.assert_array_equal(back(layers.Pad(2, "edge"), np.zeros(3)), [3, 1, 3])
    np.testing.assert_array_equal(back(layers.Pad(1, "reflect"), np.zeros(3)), [1, 3, 1])
    np.testing.assert_array_equal(back(layers.Pad((0, 2), "wrap"), np.zeros(3)), [2, 2, 1])


def test_gather_and_scatter_add_are_each_others_backward(rng):
    x, i = rng.standard_normal((5, 3)), rng.integers(0, 4, (5, 3))
    dy = rng.standard_normal((5, 4))
    y = layers.ScatterAdd(4)(x, i)
    assert (y * dy).sum() == pytest.approx((x * layers.Gather()(dy, i)).sum())


def test_a_diagonal_and_a_lonely_index(rng):
    np.testing.assert_array_equal(
        back(layers.Einsum("ii"), np.zeros((3, 3)), dy=2.0)[0], 2 * np.eye(3)
    )
    np.testing.assert_array_equal(
        back(layers.Einsum("ij->i"), np.zeros((2, 3)))[0], np.ones((2, 3))
    )
    a, b = rng.standard_normal((2, 3, 4)), rng.standard_normal((4, 5))
    np.testing.assert_allclose(layers.Einsum("...i,ij->...j")(a, b), a @ b, rtol=1e-13)
    np.testing.assert_allclose(layers.Einsum("ij,kj")(b.T, a[0]), (a[0] @ b).T, rtol=1e-13)


def test_binary_cross_entropy_is_finite_for_sure_mistakes():
    for dtype in (np.float32, np.float64):
        layer = layers.BinaryCrossEntropy()
        loss = layer(np.array([0, 1, 1], dtype), np.array([1, 0, 1], dtype))
        assert np.isfinite(loss)
        assert loss > 5
        dy = layer.backward()[0]
        assert np.isfinite(dy).all()
        assert dy[0] < -1e5 < 1e5 < dy[1]


def test_losses_weigh_samples_like_repeated_ones(rng):
    y, t = rng.standard_normal((3, 4)), rng.dirichlet(np.ones(4), 3)
    signs = np.array([1.0, -1, -1])
    w, rows = np.array([1.0, 2, 0]), [0, 1, 1]
    for loss, inputs in [
        (layers.NegativeLogLikelihood(), (y, np.array([0, 3, 1]))),
        (layers.KLDivergence(), (y, t)), (layers.BinaryCrossEntropy(), (t, t[::-1])),
        (layers.Hinge(), (y[:, 0], signs)), (layers.CosineEmbedding(), (y, t, signs)),
        (layers.GaussianKL(), (y, t)),
    ]:  # fmt: skip
        assert loss(*inputs, w) == pytest.approx(loss(*(x[rows] for x in inputs)))


def test_negative_log_likelihood_after_log_softmax_is_the_cross_entropy(rng):
    y, t = rng.standard_normal((5, 3)), rng.integers(0, 3, 5)
    log_softmax, loss = layers.LogSoftmax(), layers.NegativeLogLikelihood()
    both = layers.SoftmaxCrossEntropy()
    assert loss(log_softmax(y), t) == pytest.approx(both(y, t))
    np.testing.assert_allclose(log_softmax.backward(loss.backward()[0]), both.backward()[0])


@pytest.mark.parametrize("sample", WITHOUT_GRADIENT, ids=str)
def test_whole_numbers_have_no_gradient(sample, rng):
    layer, (x,) = sample.make(), sample.inputs(rng)
    y = layer(x)
    if x.dtype.kind == "f":
        on_tensor = layer(Tensor(x))
        assert isinstance(on_tensor, np.ndarray)
        np.testing.assert_array_equal(on_tensor, y)
    with pytest.raises(ValueError, match=f"{sample.cls.__name__} has no gradient"):
        layer.backward(y)


NAN = float("nan")
ONE, TWO = np.ones((2, 3)), np.ones((3, 2))
BAD = [
    (lambda: layers.Maximum()(ONE, TWO), "Maximum: all inputs need one shape, got (2, 3) and ("),
    (lambda: layers.Where()(ONE > 0, ONE, TWO), "Where: all inputs need one shape"),
    (lambda: layers.Clip(1, 0), "Clip: limits with low ≤ high are needed, got 1 and 0"),
    (lambda: layers.Clip(None, None), "Clip: limits"),
    (lambda: layers.Stack()(ONE, TWO), "Stack: "), (lambda: layers.Stack(3)(ONE, ONE), "Stack: "),
    (lambda: layers.Split(2)(ONE), "Split: axis -1 of shape (2, 3) is not cut by 2"),
    (lambda: layers.Split((1, 5))(ONE), "Split: axis -1"), (lambda: layers.Split(0)(ONE), "Split:"),
    (lambda: layers.Pad(-1), "Pad: pad must not be negative"),
    (lambda: layers.Pad(1, "zeros"), "Pad: mode is"),
    (lambda: layers.Pad(((1, 1),) * 3)(ONE), "Pad: pad is a number, or (before, after)"),
    (lambda: layers.Tile(-1), "Tile: times must not be negative"),
    (lambda: layers.Flip(2)(ONE), "Flip: axis 2 must name axes of x"),
    (lambda: layers.Gather()(ONE, np.ones((2, 1))), "Gather: indices must be integers"),
    (lambda: layers.Gather()(ONE, np.full((2, 1), 3)), "Gather: indices must lie from 0 to 2"),
    (lambda: layers.Gather()(ONE, np.zeros((3, 1), int)), "Gather: x and indices must have equal"),
    (lambda: layers.ScatterAdd(2)(ONE, np.zeros((2, 2), int)), "ScatterAdd: indices must have the"),
    (lambda: layers.OneHot(3)(np.array([0, -1])), "OneHot: indices must lie from 0 to 2, got -1"),
    (lambda: layers.TopK(4)(ONE), "TopK: axis -1 of shape (2, 3) has no 4 largest"),
    (lambda: layers.ArgMax(2)(ONE), "ArgMax: axis 2"),
    (lambda: layers.CumSum(2)(ONE), "CumSum: axis 2"),
    (lambda: layers.Var(0, ddof=2)(ONE), "Var: axis 0 needs more than 2 elements"),
    (lambda: layers.LogSumExp()(np.ones((0,))), "LogSumExp: axis None needs at least one element"),
    (lambda: layers.Norm(0.5), "Norm: p must lie in [1, ∞), got 0.5"),
    (lambda: layers.Einsum("ij,jk")(ONE, ONE), "Einsum ij,jk: one index has the lengths 3 and 2"),
    (lambda: layers.Einsum("ij")(ONE, ONE), 'Einsum: "ij" needs one letter per axis'),
    (lambda: layers.Einsum("ijk")(ONE), 'Einsum: "ijk" needs one letter per axis'),
    (lambda: layers.Einsum("ij->k")(ONE), 'Einsum: the result of "ij->k" must name indices'),
    (lambda: layers.Einsum("ij->ii")(ONE), "Einsum: the result"),
    (lambda: layers.Einsum("i1->i")(ONE), 'Einsum: "i1->i" needs one letter'),
    (lambda: layers.GLU()(ONE), "GLU: axis -1 must have an even length"),
    (lambda: layers.GEGLU()(ONE), "GEGLU: axis -1 must have an even length"),
    (lambda: layers.Sparsemax(2)(ONE), "Sparsemax: axis 2 must name axes of x"),
    (lambda: layers.Resize(2)(ONE), "Resize: x must be (N, C, …) with some spatial axes"),
    (lambda: layers.Resize(sizes=(2, 2))(ONE), "Resize: x must be (N, C, …) with 2 spatial axes"),
    (lambda: layers.PixelShuffle(2)(np.ones((1, 6, 2, 2))), "PixelShuffle: x must be (N, C·2^axes"),
    (lambda: layers.ConvLSTM(2)(ONE), "ConvLSTM: x must be (N, T, C) and 2 spatial axes"),
    (lambda: layers.ConvLSTM(2)(np.ones((1, 0, 1, 2, 2))), "ConvLSTM: x must be (N, T, C) and 2"),
    (lambda: layers.ConvLSTM(2, inputs=3)(np.ones((1, 1, 1, 2, 2))), "x must have 3 channels"),
    (lambda: layers.ConvLSTM(2)(np.ones((1, 1, 1, 2, 2)), ONE, ONE), "ConvLSTM: h and c must be"),
    (lambda: layers.CELU(0), "CELU: alpha must be positive"),
    (lambda: layers.PReLU(per_channel=True)(np.ones(3)), "PReLU: x (N, C, …) needs a channel axis"),
    (lambda: layers.NegativeLogLikelihood()(ONE, np.array([0, 3])), "NegativeLogLikelihood: lab"),
    (lambda: layers.NegativeLogLikelihood()(ONE, np.array([0.0, 1])), "NegativeLogLikelihood: lab"),
    (lambda: layers.KLDivergence()(ONE, TWO), "KLDivergence: y and t need one shape"),
    (lambda: layers.KLDivergence()(ONE, -ONE), "KLDivergence: t must be ≥ 0"),
    (lambda: layers.BinaryCrossEntropy()(2 * ONE, ONE), "BinaryCrossEntropy: y must lie in [0, 1]"),
    (lambda: layers.BinaryCrossEntropy()(ONE, 2 * ONE), "BinaryCrossEntropy: t must lie in [0, 1]"),
    (lambda: layers.Hinge()(ONE, 0 * ONE), "Hinge: t must be −1 or 1"),
    (lambda: layers.CosineSimilarity()(ONE, TWO), "CosineSimilarity: all inputs need one shape"),
    (lambda: layers.CosineEmbedding()(ONE, ONE, np.ones(3)), "CosineEmbedding: a and b must be"),
    (lambda: layers.CosineEmbedding()(ONE, ONE, np.zeros(2)), "CosineEmbedding: t must be −1 or 1"),
    (lambda: layers.Triplet()(ONE, ONE, TWO), "Triplet: all inputs need one shape"),
    (lambda: layers.Triplet()(*[np.ones(3)] * 3), "Triplet: a, p and n must be (N, D), got (3,)"),
    (lambda: layers.Wasserstein()(ONE, 0 * ONE), "Wasserstein: t must be −1 or 1"),
    (lambda: layers.Focal()(ONE, 0.5 * ONE), "Focal: t must be 0 or 1"),
    (lambda: layers.Dice()(ONE, TWO), "Dice: y and t need one shape (N, …)"),
    (lambda: layers.Dice()(-ONE, ONE), "Dice: y must be ≥ 0"),
    (lambda: layers.Quantile((0.1, 0.9))(ONE, ONE), "Quantile: y (N, …, 2) is needed"),
    (lambda: layers.PoissonLikelihood()(ONE, -ONE), "PoissonLikelihood: t must be ≥ 0"),
    (lambda: layers.GaussianLikelihood()(ONE, ONE), "GaussianLikelihood: y must be (N, …, 2·K)"),
    (lambda: layers.ListNet()(ONE, TWO), "ListNet: y and t must be lists (N, G) alike"),
    (lambda: layers.RankNet()(ONE, NAN * ONE), "RankNet: t must be finite, or −∞"),
    (lambda: layers.ListNet()(ONE, -np.inf * ONE), "ListNet: each list needs a document"),
    (lambda: layers.GaussianKL()(ONE, TWO), "GaussianKL: μ and s need one shape"),
    (lambda: layers.GaussianKL()(ONE, ONE, np.ones(3)), "GaussianKL: weights must have shape (2,)"),
]  # fmt: skip


@pytest.mark.parametrize(("use", "message"), BAD)
def test_bad_input_is_refused_by_name(use, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        use()


AT_ONCE = [
    (lambda: layers.Affine(True), "Affine: outputs must be a positive integer, got True"),
    (lambda: layers.Embedding(True, 3), "Embedding: vocabulary must be a positive integer"),
    (lambda: layers.Affine(2, seed="a"), "seed: an integer ≥ 0, below 2**64, is needed, got 'a'"),
    (lambda: layers.Dropout(seed=-1), "seed: an integer ≥ 0, below 2**64, is needed, got -1"),
    (lambda: layers.Dropout("a"), "Dropout: ratio must lie in [0, 1), got 'a'"),
    (lambda: layers.VariationalDropout(None), "VariationalDropout: ratio must lie in [0, 1)"),
    (lambda: layers.ELU(NAN), "ELU: alpha must be a finite number, got nan"),
    (lambda: layers.CELU("a"), "CELU: alpha must be positive, got 'a'"),
    (lambda: layers.LeakyReLU("a"), "LeakyReLU: alpha must be a finite number, got 'a'"),
    (lambda: layers.Huber("a"), "Huber: delta must be positive, got 'a'"),
    (lambda: layers.Focal(-1), "Focal: power must be ≥ 0, got -1"),
    (lambda: layers.Focal(alpha=1), "Focal: alpha must lie in (0, 1), got 1"),
    (lambda: layers.Dice(0), "Dice: eps must be positive, got 0"),
    (lambda: layers.Quantile((0.5, 1)), "Quantile: tau must lie between 0 and 1, got (0.5, 1)"),
    (lambda: layers.Triplet("a"), "Triplet: margin must be a finite number, got 'a'"),
    (lambda: layers.Resize(), "Resize: either times or sizes is needed, got times=None and sizes"),
    (lambda: layers.Resize(2, sizes=(3,)), "Resize: either times or sizes is needed, got times=2"),
    (lambda: layers.Resize(0), "Resize: times must be positive numbers, got 0"),
    (lambda: layers.Resize(sizes=(0, 3)), "Resize: sizes must be an integer ≥ 1, got 0"),
    (lambda: layers.Resize(2, mode="cubic"), 'Resize: mode must be "nearest" or "linear", got'),
    (lambda: layers.PixelShuffle(0.5), "PixelShuffle: times must be an integer ≥ 1, got 0.5"),
    (lambda: layers.ConvLSTM(0), "ConvLSTM: outputs must be a positive integer, got 0"),
    (lambda: layers.SpectralNorm(layers.ReLU()), "SpectralNorm: a layer with a parameter W"),
    (lambda: layers.BatchNorm(eps="a"), "BatchNorm: eps must be positive, got 'a'"),
    (lambda: layers.Stacked(3), "Stacked: a list of recurrent layers is needed, got 3"),
    (lambda: layers.OneHot(0), "OneHot: classes must be a positive integer, got 0"),
    (lambda: layers.TopK(0), "TopK: k must be a positive integer, got 0"),
    (lambda: layers.Split(0), "Split: parts must be a positive integer, got 0"),
    (lambda: layers.SoftmaxCrossEntropy(ignore_index=1.5), "ignore_index must be an integer, got"),
    (lambda: layers.SoftmaxCrossEntropy(label_smoothing="a"), "label_smoothing must lie in [0, 1]"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), AT_ONCE)
def test_bad_options_are_refused_when_a_layer_is_made(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


def test_wrong_shapes_are_shape_errors():
    for use in (lambda: layers.Maximum()(ONE, TWO), lambda: layers.Split(2)(ONE),
                lambda: layers.Einsum("ij,jk")(ONE, ONE), lambda: layers.GLU()(ONE)):  # fmt: skip
        with pytest.raises(ShapeError):
            use()
