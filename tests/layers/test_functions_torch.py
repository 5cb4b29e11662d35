"""Functions, activations and losses beside PyTorch's, forward and backward."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad import layers

torch = pytest.importorskip("torch", reason="PyTorch is a peer, not a dependency")
F = torch.nn.functional

X = np.random.default_rng(3).standard_normal((6, 4))
P = np.random.default_rng(4).dirichlet(np.ones(4), 6)
T = np.random.default_rng(5).integers(0, 4, 6)
SIGNS = 2.0 * np.random.default_rng(6).integers(0, 2, (6, 4)) - 1
INDICES = np.random.default_rng(7).integers(0, 4, (6, 5))


def t(x):
    return torch.tensor(x)


ONE = [
    *((name, {}, getattr(torch, name.lower())) for name in (
        "Sin", "Cos", "Tan", "Arctan", "Sinh", "Cosh", "Arcsinh", "Expm1", "Erf", "Abs")),
    ("Log1p", {}, torch.log1p),
    ("Clip", {"low": -0.3, "high": 0.4}, lambda x: x.clamp(-0.3, 0.4)),
    ("CumSum", {"axis": 0}, lambda x: x.cumsum(0)), ("Prod", {"axis": 1}, lambda x: x.prod(1)),
    ("Var", {"axis": 1, "ddof": 1}, lambda x: x.var(1)), ("Std", {"ddof": 1}, lambda x: x.std()),
    ("LogSumExp", {"axis": 0}, lambda x: x.logsumexp(0)),
    ("Norm", {"axis": 1}, lambda x: x.norm(dim=1)), ("Norm", {"p": 1}, lambda x: x.norm(p=1)),
    ("Norm", {"p": 2.5, "axis": 0}, lambda x: x.norm(p=2.5, dim=0)),
    ("Tile", {"times": (2, 3)}, lambda x: x.tile(2, 3)), ("Flip", {"axis": 1}, lambda x: x.flip(1)),
    ("Pad", {"pad": ((0, 0), (2, 1)), "mode": "reflect"},
     lambda x: F.pad(x, (2, 1), mode="reflect")),
    ("Pad", {"pad": 1, "value": 2.0}, lambda x: F.pad(x, (1, 1, 1, 1), value=2.0)),
    ("Einsum", {"subscripts": "ij->j"}, lambda x: torch.einsum("ij->j", x)),
    ("ReLU6", {}, F.relu6), ("CELU", {"alpha": 0.5}, lambda x: F.celu(x, 0.5)),
    ("Softsign", {}, F.softsign), ("Mish", {}, F.mish),
    ("HardSigmoid", {}, lambda x: (x / 6 + 0.5).clamp(0, 1)),
    ("HardSwish", {}, F.hardswish), ("GLU", {}, F.glu), ("GLU", {"axis": 0}, lambda x: F.glu(x, 0)),
    ("GEGLU", {}, lambda x: x[:, :2] * F.gelu(x[:, 2:])),
    ("SwiGLU", {"axis": 0}, lambda x: x[:3] * F.silu(x[3:])),
    ("PReLU", {}, lambda x: F.prelu(x, torch.tensor([0.25], dtype=x.dtype))),
]  # fmt: skip
SEVERAL = [
    ("Maximum", {}, torch.maximum, (X, 2 * X[::-1])), ("Minimum", {}, torch.minimum, (X, X[::-1])),
    ("Where", {}, torch.where, (X > 0, X, P)), ("Stack", {}, lambda *x: torch.stack(x), (X, P)),
    ("Gather", {"axis": 1}, lambda x, i: x.gather(1, i), (X, INDICES)),
    ("Einsum", {"subscripts": "bi,bj->bij"}, lambda a, b: torch.einsum("bi,bj->bij", a, b), (X, P)),
    ("Einsum", {"subscripts": "...i,ij"}, lambda a, b: torch.einsum("...i,ij", a, b), (X, X[:4])),
    ("CosineSimilarity", {}, F.cosine_similarity, (X, P)),
    ("NegativeLogLikelihood", {}, F.nll_loss, (X, T)),
    ("NegativeLogLikelihood", {"class_weights": (1.0, 2.0, 0.5, 3.0), "ignore_index": 1},
     lambda y, i: F.nll_loss(y, i, t((1.0, 2.0, 0.5, 3.0)).to(y.dtype), ignore_index=1), (X, T)),
    ("KLDivergence", {}, lambda y, p: F.kl_div(y, p, reduction="batchmean"), (X, P)),
    ("BinaryCrossEntropy", {}, F.binary_cross_entropy, (P, P[::-1])),
    ("Hinge", {}, lambda y, s: F.relu(1 - s * y).mean(), (X, SIGNS)),
    ("CosineEmbedding", {"margin": 0.1}, lambda a, b, s: F.cosine_embedding_loss(a, b, s, 0.1),
     (X, P, SIGNS[:, 0])),
    ("PoissonLikelihood", {}, F.poisson_nll_loss, (X, P)),
    ("GaussianLikelihood", {}, lambda y, x: F.gaussian_nll_loss(
        y[:, :2], x, y[:, 2:].exp(), full=True), (X, P[:, :2])),
    ("Triplet", {"margin": 1.5}, lambda a, p, n: F.triplet_margin_loss(a, p, n, 1.5, eps=0),
     (X, P, X[::-1])),
    ("Focal", {}, lambda y, s: ((1 - torch.exp(-F.binary_cross_entropy_with_logits(
        y, s, reduction="none"))) ** 2 * F.binary_cross_entropy_with_logits(
        y, s, reduction="none")).mean(), (X, (SIGNS + 1) / 2)),
    ("Wasserstein", {}, lambda y, s: -(y * s).mean(), (X, SIGNS)),
    ("ListNet", {}, lambda y, x: F.cross_entropy(y, x.softmax(1)), (X, 3 * P)),
    ("Quantile", {"tau": 0.3}, lambda y, x: torch.maximum(0.3 * (x - y), -0.7 * (x - y)).mean(),
     (X, P)),
    ("GaussianKL", {}, lambda m, s: torch.distributions.kl_divergence(
        torch.distributions.Normal(m, (s / 2).exp()),
        torch.distributions.Normal(torch.zeros_like(m), torch.ones_like(m))).sum(1).mean(), (X, P)),
]  # fmt: skip
CASES = [(n, o, f, (np.abs(X) if n == "Log1p" else X,)) for n, o, f in ONE] + SEVERAL


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-11), (np.float32, 3e-5)])
@pytest.mark.parametrize(("name", "options", "function", "inputs"), CASES)
def test_forward_and_backward(name, options, function, inputs, dtype, tolerance, rng):
    inputs = [np.ascontiguousarray(x.astype(dtype) if x.dtype.kind == "f" else x) for x in inputs]
    leaves = [t(x).requires_grad_() if x.dtype.kind == "f" else t(x) for x in inputs]
    layer = getattr(layers, name)(**options)
    y, theirs = layer(*inputs), function(*leaves)
    np.testing.assert_allclose(y, theirs.detach().numpy(), rtol=tolerance, atol=tolerance)
    dy = np.asarray(rng.standard_normal(np.shape(y)), dtype)
    theirs.backward(t(dy).reshape(theirs.shape))
    gradients = layer.backward(dy)
    for leaf, dx in zip(leaves, gradients if isinstance(gradients, tuple) else (gradients,)):
        if dx is not None:
            np.testing.assert_allclose(dx, leaf.grad.numpy(), rtol=tolerance, atol=tolerance)


def test_scatter_add(rng):
    layer = layers.ScatterAdd(4, axis=1)
    values = rng.standard_normal((6, 5))
    expected = torch.zeros(6, 4, dtype=torch.float64).scatter_add(1, t(INDICES), t(values))
    np.testing.assert_allclose(layer(values, INDICES), expected.numpy(), rtol=1e-13)
    dy = rng.standard_normal((6, 4))
    np.testing.assert_array_equal(layer.backward(dy)[0], t(dy).gather(1, t(INDICES)).numpy())


def test_the_slope_of_prelu_per_channel(rng):
    x, a, dy = rng.standard_normal((5, 3, 2)), rng.uniform(0, 1, 3), rng.standard_normal((5, 3, 2))
    layer = layers.PReLU(per_channel=True)
    layer.build(x)
    layer.a = a
    leaf, slope = t(x).requires_grad_(), t(a).requires_grad_()
    y = F.prelu(leaf, slope)
    y.backward(t(dy))
    np.testing.assert_allclose(layer(x), y.detach().numpy(), rtol=1e-13)
    np.testing.assert_allclose(layer.backward(dy), leaf.grad.numpy(), rtol=1e-13)
    np.testing.assert_allclose(layer.da, slope.grad.numpy(), rtol=1e-12)


def test_top_k_and_one_hot_and_argmax(rng):
    np.testing.assert_array_equal(layers.TopK(2, axis=0)(X), t(X).topk(2, dim=0).indices.numpy())
    np.testing.assert_array_equal(layers.ArgMax(0)(X), t(X).argmax(0).numpy())
    np.testing.assert_array_equal(layers.OneHot(4)(T), F.one_hot(t(T), 4).numpy())


IMAGES = np.random.default_rng(8).standard_normal((2, 8, 3, 4))
SIZES = [
    ("Resize", {"times": 2}, lambda x: F.interpolate(x, scale_factor=2)),
    ("Resize", {"sizes": (2, 7)}, lambda x: F.interpolate(x, (2, 7))),
    ("Resize", {"times": 2, "mode": "linear"},
     lambda x: F.interpolate(x, scale_factor=2, mode="bilinear")),
    ("Resize", {"sizes": (5, 3), "mode": "linear"},
     lambda x: F.interpolate(x, (5, 3), mode="bilinear")),
    ("PixelShuffle", {"times": 2}, lambda x: F.pixel_shuffle(x, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "function"), SIZES)
def test_images_of_another_size(name, options, function, rng):
    leaf, layer = t(IMAGES).requires_grad_(), getattr(layers, name)(**options)
    y, theirs = layer(IMAGES), function(leaf)
    np.testing.assert_allclose(y, theirs.detach().numpy(), rtol=1e-12, atol=1e-14)
    dy = rng.standard_normal(y.shape)
    theirs.backward(t(dy))
    np.testing.assert_allclose(layer.backward(dy), leaf.grad.numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("inner", [layers.Affine(3, seed=1), layers.Convolution(3, 2, seed=1)])
def test_the_gradient_through_the_spectral_norm(inner, rng):
    x = rng.standard_normal((4, 2, 3, 3) if "kernel" in inner.config() else (4, 5))
    layer = layers.SpectralNorm(inner)
    y = layer(x)
    W, b = t(inner.W).requires_grad_(), t(inner.b).requires_grad_()
    divided = W / torch.linalg.matrix_norm(W.reshape(len(W), -1), 2)
    theirs = F.conv2d(t(x), divided, b) if x.ndim == 4 else t(x) @ divided + b
    np.testing.assert_allclose(y, theirs.detach().numpy(), rtol=1e-12, atol=1e-13)
    dy = rng.standard_normal(y.shape)
    theirs.backward(t(dy))
    layer.backward(dy)
    np.testing.assert_allclose(inner.dW, W.grad.numpy(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(inner.db, b.grad.numpy(), rtol=1e-10, atol=1e-12)
