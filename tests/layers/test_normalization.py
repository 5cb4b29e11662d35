"""Normalizations: beside loops and PyTorch, running statistics, far from zero, and bad input."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from handgrad import (
    Affine,
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    RMSNorm,
    Sequential,
    ShapeError,
    Tensor,
    check,
    layers,
    load,
    save,
)
from tests.reference import images
from tests.reference.numeric import central_difference

IMAGES = (4, 6, 3, 5)


def prepared(layer, x, rng):
    """The layer with γ and β away from where they start."""
    layer.build(x)
    for name in layer.params:
        getattr(layer, name)[...] = rng.uniform(0.5, 2, getattr(layer, name).shape)
    return layer


def test_batch_norm_beside_loops(rng):
    x = 3 + rng.standard_normal((7, 3))
    layer = prepared(BatchNorm(eps=1e-3), x, rng)
    expected = images.batch_norm(x, layer.gamma, layer.beta, 1e-3)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-11), (np.float32, 1e-4)])
@pytest.mark.parametrize(("name", "shape"), [
    ("batch", IMAGES), ("batch", (5, 3)), ("evaluation", IMAGES), ("layer", IMAGES),
    ("layers", IMAGES), ("rms", IMAGES), ("group", IMAGES), ("instance", IMAGES),
    ("instance", (2, 3, 8)),
])  # fmt: skip
def test_the_same_as_pytorch(name, shape, dtype, tolerance, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is a peer, not a dependency")
    F = torch.nn.functional
    mean, var = (torch.tensor(a) for a in rng.uniform(0.5, 2, (2, shape[1])).astype(dtype))
    makers = {
        "batch": (BatchNorm(), lambda x, g, b: F.batch_norm(x, None, None, g, b, training=True)),
        "evaluation": (BatchNorm().eval(), lambda x, g, b: F.batch_norm(x, mean, var, g, b)),
        "layer": (LayerNorm(), lambda x, g, b: F.layer_norm(x, x.shape[-1:], g, b)),
        "layers": (LayerNorm(axis=(2, 3)), lambda x, g, b: F.layer_norm(x, x.shape[2:], g, b)),
        "rms": (RMSNorm(), lambda x, g: F.rms_norm(x, x.shape[-1:], g, 1e-5)),
        "group": (GroupNorm(3), lambda x, g, b: F.group_norm(x, 3, g, b)),
        "instance": (InstanceNorm(), lambda x, g, b: F.instance_norm(x, weight=g, bias=b)),
    }
    x, dy = (a.astype(dtype) for a in rng.standard_normal((2, *shape)))
    layer, function = makers[name]
    prepared(layer, x, rng)
    if name == "evaluation":
        layer.running_mean[:], layer.running_var[:] = mean, var
    y = layer(x)
    ours = [y, layer.backward(dy), *(getattr(layer, "d" + p) for p in layer.params)]
    leaves = [
        torch.tensor(a, requires_grad=True) for a in (x, *(getattr(layer, p) for p in layer.params))
    ]
    theirs = function(*leaves)
    theirs.backward(torch.tensor(dy))
    for a, b in zip(ours, [theirs.detach(), *(leaf.grad for leaf in leaves)]):
        assert a.dtype == dtype
        np.testing.assert_allclose(a, b.numpy(), rtol=tolerance, atol=tolerance)


def test_running_statistics_follow_by_the_momentum(rng):
    x = rng.standard_normal((50, 3, 4))
    layer = BatchNorm(momentum=0.75)
    layer(x)
    np.testing.assert_allclose(layer.running_mean, 0.25 * x.mean(axis=(0, 2)))
    np.testing.assert_allclose(layer.running_var, 0.75 + 0.25 * x.var(axis=(0, 2)))
    held, before = layer.running_mean, layer.running_mean.copy()
    layer(Tensor(x))  # runs on a copy of the layer, which shares the statistics
    assert layer.running_mean is held
    np.testing.assert_allclose(held, 0.75 * before + 0.25 * x.mean(axis=(0, 2)))


def test_evaluation_uses_and_keeps_the_running_statistics(rng):
    x = 2 + 3 * rng.standard_normal((6, 3))
    layer = BatchNorm(eps=1e-9)
    for _ in range(300):
        layer(x)
    trained = layer(x)
    layer.eval()
    before = layer.running_mean.copy()
    np.testing.assert_allclose(layer(x), trained, rtol=1e-6)
    np.testing.assert_allclose(layer(x[:1]), trained[:1], rtol=1e-6)
    np.testing.assert_array_equal(layer.running_mean, before)
    dy = rng.standard_normal(x.shape)
    layer(x)
    dx = layer.backward(dy)
    numeric = central_difference(lambda: float((dy * layer(x)).sum()), x)
    np.testing.assert_allclose(dx, numeric, rtol=1e-6, atol=1e-8)


def test_a_single_value_per_channel_gives_beta_and_leaves_the_statistics():
    layer = BatchNorm()
    x = np.array([[3.0, -7.0]])
    np.testing.assert_array_equal(layer(x), [[0, 0]])
    np.testing.assert_array_equal(layer.backward(x), [[0, 0]])
    np.testing.assert_array_equal(layer.running_mean, [0, 0])
    np.testing.assert_array_equal(layer.running_var, [1, 1])


def test_statistics_are_saved_and_a_prediction_leaves_them(tmp_path, rng):
    network = Sequential(Affine(4, inputs=3), BatchNorm(), layers.ReLU())
    x = rng.standard_normal((8, 3)).astype(np.float32)
    network.forward(x)
    before = copy.deepcopy(network.layers[1].running_var)
    expected = network.predict(x)
    np.testing.assert_array_equal(network.layers[1].running_var, before)
    save(network, tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").predict(x), expected)


def test_in_evaluation_float32_is_kept_beside_float64_statistics(rng):
    x = rng.standard_normal((5, 3))
    layer = BatchNorm()
    layer(x)
    layer.gamma, layer.beta = layer.gamma.astype("f"), layer.beta.astype("f")
    assert layer.eval()(x.astype("f")).dtype == np.float32


@pytest.mark.parametrize("layer", [BatchNorm(), LayerNorm(axis=0), InstanceNorm(), GroupNorm(3)],
                         ids=repr)  # fmt: skip
def test_far_from_zero(layer, rng):
    x = rng.standard_normal((64, 3, 8))
    far = copy.deepcopy(layer)((x + 4096).astype(np.float32))
    np.testing.assert_allclose(far, layer(x), atol=5e-3)


@pytest.mark.parametrize("layer", [
    BatchNorm(), LayerNorm(axis=(1, 2)), RMSNorm(axis=1), GroupNorm(1), GroupNorm(4),
    InstanceNorm(),
], ids=repr)  # fmt: skip
@pytest.mark.parametrize("shape", [(2, 4, 3), (1, 4, 2, 2), (5, 4, 3, 1)])
def test_proved(layer, shape, rng):
    assert check(copy.deepcopy(layer), rng.standard_normal(shape))


def test_one_group_a_channel_is_instance_norm(rng):
    x = rng.standard_normal(IMAGES)
    np.testing.assert_allclose(GroupNorm(6)(x), InstanceNorm()(x), rtol=1e-12)
    np.testing.assert_allclose(GroupNorm(1)(x), LayerNorm(axis=(1, 2, 3))(x), rtol=1e-12)


def test_bad_options_and_inputs(rng):
    x = rng.standard_normal((2, 4, 3))
    with pytest.raises(ValueError, match=r"BatchNorm: momentum must lie in \[0, 1\], got 1.5"):
        BatchNorm(momentum=1.5)
    for cls in (BatchNorm, LayerNorm, RMSNorm, InstanceNorm):
        with pytest.raises(ValueError, match=f"{cls.__name__}: eps must be positive, got 0"):
            cls(eps=0)
    with pytest.raises(ValueError, match="GroupNorm: groups must be an integer ≥ 1, got 0"):
        GroupNorm(0)
    with pytest.raises(ValueError, match="GroupNorm: groups must divide C, got 3 and 4"):
        GroupNorm(3)(x)
    with pytest.raises(ShapeError, match=r"BatchNorm: x must be \(N, C, …\), got shape \(3,\)"):
        BatchNorm()(x[0, 0])
    with pytest.raises(ShapeError, match="InstanceNorm: x must be .* with an image"):
        InstanceNorm()(x[0])
    layer = BatchNorm()
    layer(x)
    with pytest.raises(ShapeError, match=r"must have shape \(4,\) like gamma, got shape \(2, 3"):
        layer(x[:, :3])
    with pytest.raises(ValueError, match="BatchNorm: x is float32 but gamma is float64"):
        layer(x.astype(np.float32))
