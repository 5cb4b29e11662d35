"""The same numbers as PyTorch, forward and backward, where it has the operation."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad import layers

torch = pytest.importorskip("torch", reason="PyTorch is a peer, not a dependency")
F = torch.nn.functional

ACTIVATIONS = [
    ("Sigmoid", {}, torch.sigmoid), ("Tanh", {}, torch.tanh), ("ReLU", {}, F.relu),
    ("LeakyReLU", {"alpha": 0.2}, lambda x: F.leaky_relu(x, 0.2)),
    ("ELU", {"alpha": 0.5}, lambda x: F.elu(x, 0.5)), ("SELU", {}, F.selu),
    ("Softplus", {}, lambda x: F.softplus(x, threshold=1000)),
    ("GELU", {}, F.gelu),
    ("GELU", {"approximate": "tanh"}, lambda x: F.gelu(x, approximate="tanh")),
    ("SiLU", {}, F.silu), ("Softmax", {}, lambda x: F.softmax(x, -1)),
    ("Softmax", {"axis": 0}, lambda x: F.softmax(x, 0)),
    ("LogSoftmax", {}, lambda x: F.log_softmax(x, -1)),
    ("Sum", {"axis": 1}, lambda x: x.sum(1)), ("Mean", {}, lambda x: x.mean()),
    ("Max", {"axis": 0}, lambda x: x.max(0).values), ("Exp", {}, torch.exp),
    ("Flatten", {}, lambda x: x.flatten(1)), ("Transpose", {}, lambda x: x.T),
    ("Index", {"key": ([0, 0, 2],)}, lambda x: x[[0, 0, 2]]),
    ("Broadcast", {"shape": (2, 6, 5)}, lambda x: x.expand(2, 6, 5)),
]  # fmt: skip
WEIGHTS = (1.0, 2.0, 0.5, 3.0)
CLASSES = [
    {}, {"class_weights": WEIGHTS}, {"label_smoothing": 0.1}, {"ignore_index": 2},
    {"class_weights": WEIGHTS, "label_smoothing": 0.3, "ignore_index": 1},
]  # fmt: skip
TARGETS = [
    ("MeanSquaredError", {}, F.mse_loss), ("MeanAbsoluteError", {}, F.l1_loss),
    ("Huber", {"delta": 0.5}, lambda y, t: F.huber_loss(y, t, delta=0.5)),
    ("SigmoidCrossEntropy", {}, F.binary_cross_entropy_with_logits),
]  # fmt: skip
DTYPES = [(np.float64, 1e-12), (np.float32, 2e-5)]


def peer(function, x, dy=None):
    """PyTorch's output and gradient at x."""
    leaf = torch.tensor(x, requires_grad=True)
    y = function(leaf)
    y.backward(torch.ones_like(y) if dy is None else torch.tensor(dy))
    return y.detach().numpy(), leaf.grad.numpy()


def agree(ours, theirs, tolerance):
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
@pytest.mark.parametrize(("name", "options", "function"), ACTIVATIONS)
def test_of_one_array(name, options, function, dtype, tolerance, rng):
    x = (3 * rng.standard_normal((6, 5))).astype(dtype)
    layer = getattr(layers, name)(**options)
    y = layer(x)
    dy = rng.standard_normal(np.shape(y)).astype(dtype)
    agree((y, layer.backward(dy)), peer(function, x, dy), tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
@pytest.mark.parametrize("options", CLASSES, ids=str)
def test_softmax_cross_entropy_of_labels(options, dtype, tolerance, rng):
    y, t = (2 * rng.standard_normal((9, 4))).astype(dtype), rng.integers(0, 4, 9)
    layer = layers.SoftmaxCrossEntropy(**options)
    weight = options.get("class_weights")
    theirs = peer(
        lambda x: F.cross_entropy(
            x, torch.tensor(t),
            weight=None if weight is None else torch.tensor(weight, dtype=x.dtype),
            label_smoothing=options.get("label_smoothing", 0.0),
            ignore_index=options.get("ignore_index", -100),
        ), y)  # fmt: skip
    agree((layer(y, t), layer.backward()[0]), theirs, tolerance)


def test_softmax_cross_entropy_of_probabilities(rng):
    y, t = rng.standard_normal((9, 4)), rng.dirichlet(np.ones(4), 9)
    layer = layers.SoftmaxCrossEntropy(label_smoothing=0.2)
    theirs = peer(lambda x: F.cross_entropy(x, torch.tensor(t), label_smoothing=0.2), y)
    agree((layer(y, t), layer.backward()[0]), theirs, 1e-12)


@pytest.mark.parametrize(("name", "options", "function"), TARGETS)
def test_losses_of_real_targets(name, options, function, rng):
    y, t = rng.standard_normal((6, 3)), rng.uniform(0, 1, (6, 3))
    layer = getattr(layers, name)(**options)
    theirs = peer(lambda x: function(x, torch.tensor(t)), y)
    agree((layer(y, t), layer.backward()[0]), theirs, 1e-12)


def test_affine(rng):
    x, dy = rng.standard_normal((6, 2, 3)), rng.standard_normal((6, 2, 4))
    layer = layers.Affine(4, seed=0)
    y = layer(x)
    layer.b[:] = rng.standard_normal(4)
    y = layer(x)
    dx = layer.backward(dy)
    w, b = torch.tensor(layer.W.T.copy(), requires_grad=True), torch.tensor(layer.b)
    b.requires_grad_()
    theirs = peer(lambda v: F.linear(v, w, b), x, dy)
    agree((y, dx, layer.dW, layer.db), (*theirs, w.grad.numpy().T, b.grad.numpy()), 1e-12)
