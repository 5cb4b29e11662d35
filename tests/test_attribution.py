"""Attribution: against plain PyTorch, against its axioms, and on wrong input."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad import (
    Affine,
    BatchNorm,
    Convolution,
    Dropout,
    Embedding,
    Flatten,
    MaxPooling,
    ReLU,
    Sequential,
    Tanh,
)
from handgrad.attribution import grad_cam, integrated_gradients, occlusion, resized, saliency


@pytest.fixture(scope="module")
def convnet():
    rng = np.random.default_rng(3)
    network = Sequential(
        Convolution(4, 3, pad=1), ReLU(), MaxPooling(2), Convolution(5, 3), Tanh(), Flatten(),
        Affine(3), dtype=np.float64,
    )  # fmt: skip
    x = rng.normal(size=(2, 1, 8, 8))
    network.build(x)
    network.parameters[...] = rng.normal(size=network.parameters.size) * 0.3
    return network, x


def in_torch(network, x):
    """The same network written in PyTorch: the input, the second convolution's maps, the scores."""
    import torch
    import torch.nn.functional as F

    w = {k: torch.tensor(v) for k, v in
         {f"{i}.{n}": getattr(network[i], n) for i in (0, 3, 6) for n in "Wb"}.items()}  # fmt: skip
    x = torch.tensor(x, requires_grad=True)
    y = F.max_pool2d(torch.relu(F.conv2d(x, w["0.W"], w["0.b"], padding=1)), 2)
    maps = torch.tanh(F.conv2d(y, w["3.W"], w["3.b"]))
    return x, maps, maps.flatten(1) @ w["6.W"] + w["6.b"]


def test_saliency_is_that_of_pytorch(convnet):
    network, x = convnet
    xt, _, y = in_torch(network, x)
    y[:, 1].sum().backward()
    assert np.allclose(saliency(network, x, 1), np.abs(xt.grad.numpy()), rtol=1e-12)


def test_grad_cam_is_that_of_pytorch(convnet):
    import torch

    network, x = convnet
    _, maps, y = in_torch(network, x)
    (g,) = torch.autograd.grad(y[[0, 1], [2, 0]].sum(), maps)
    cam = torch.relu((g.mean((2, 3), keepdim=True) * maps).sum(1))
    assert cam.max() > 0
    small = grad_cam(network, x, [2, 0], resize=False)
    assert np.allclose(small, cam.detach().numpy(), rtol=1e-12)
    large = torch.nn.functional.interpolate(cam[:, None], (8, 8), mode="bilinear")[:, 0]
    assert np.allclose(grad_cam(network, x, [2, 0]), large.detach().numpy(), rtol=1e-12)
    assert grad_cam(network, x, layer="0", resize=False).shape == (2, 8, 8)


def test_integrated_gradients_are_those_of_pytorch(convnet):
    network, x = convnet
    base, total = np.full((1, 8, 8), 0.2), 0
    for k in range(10):
        xt, _, y = in_torch(network, base + (x - base) * (k + 0.5) / 10)
        y[:, 0].sum().backward()
        total = total + xt.grad.numpy() / 10
    found = integrated_gradients(network, x, 0, baseline=base, steps=10)
    assert np.allclose(found, (x - base) * total, rtol=1e-11)


def test_integrated_gradients_add_up_to_the_change_of_the_score(convnet):
    network, x = convnet
    shares = integrated_gradients(network, x, 2, steps=400)
    change = (network.predict(x) - network.predict(np.zeros_like(x)))[:, 2]
    assert np.abs(change).min() > 0.05
    assert np.allclose(shares.sum(axis=(1, 2, 3)), change, rtol=5e-3)


def test_of_an_affine_score_all_four_are_known(rng):
    network = Sequential(Affine(2), dtype=np.float64)
    x = rng.normal(size=(3, 5))
    network.build(x)
    w = network[0].W[:, 1]
    assert np.allclose(saliency(network, x, 1), np.abs(w) * np.ones((3, 1)))
    assert np.allclose(integrated_gradients(network, x, 1, steps=3), x * w)
    assert np.allclose(occlusion(network, x, 1, size=1), x * w)
    assert np.allclose(occlusion(network, x, 1, size=5, value=1.0), ((x - 1) @ w)[:, None])


def test_occlusion_is_the_mean_over_the_patches_that_hold_a_pixel(convnet):
    network, x = convnet
    found = occlusion(network, x, 0, size=3, stride=4)
    before, total, count = network.predict(x)[:, 0], np.zeros((2, 8, 8)), np.zeros((8, 8))
    for i in (0, 4, 5):  # the last patch ends at the border
        for j in (0, 4, 5):
            hidden = x.copy()
            hidden[:, :, i : i + 3, j : j + 3] = 0
            drop = before - network.predict(hidden)[:, 0]
            total[:, i : i + 3, j : j + 3] += drop[:, None, None]
            count[i : i + 3, j : j + 3] += 1
    assert np.allclose(found, total / np.maximum(count, 1))


def test_the_score_is_the_largest_unless_another_is_asked_for(convnet):
    network, x = convnet
    best = network.predict(x).argmax(axis=1)
    assert np.array_equal(saliency(network, x), saliency(network, x, best))


def test_maps_grow_between_the_centres():
    wide = resized(np.array([[[0.0, 4.0]]]), (1, 4))
    assert np.allclose(wide, [[[0, 1, 3, 4]]])


def test_the_network_is_as_before(rng):
    network = Sequential(Affine(6), BatchNorm(), ReLU(), Dropout(0.5), Affine(2))
    x = rng.normal(size=(4, 3)).astype(np.float32)
    network.forward(x)
    network.backward(np.ones((4, 2), np.float32))
    before = network.gradients.copy(), network[1].running_mean.copy(), network[3].stream.step
    first = [f(network, x) for f in (saliency, integrated_gradients)]
    assert np.array_equal(network.gradients, before[0])
    assert np.array_equal(network[1].running_mean, before[1])
    assert network[3].stream.step == before[2]
    assert network.training
    assert all(np.array_equal(a, f(network, x)) for a, f in
               zip(first, (saliency, integrated_gradients)))  # fmt: skip


def test_what_is_not_finite_stays_so(convnet):
    network, x = convnet
    x = x.copy()
    x[0, 0, 0, 0] = np.nan
    with np.errstate(all="ignore"):
        assert np.isfinite(saliency(network, x, 0)[1]).all()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda n, x: saliency(n, x, 3), "saliency: target must be one output from 0 to 2"),
        (lambda n, x: saliency(n, x, [0]), "one for each of 2 samples"),
        (lambda n, x: saliency(Sequential, x), "a network or a layer is needed"),
        (lambda n, x: integrated_gradients(n, x, steps=0), "steps must be an integer ≥ 1, got 0"),
        (lambda n, x: integrated_gradients(n, x, baseline=[1, 2, 3]), "baseline must fit x"),
        (lambda n, x: grad_cam(n, x, layer="6"), "layer '6' does not give maps .* do: 0, 1, 2, 3"),
        (lambda n, x: grad_cam(Sequential(Flatten(), Affine(2)), x), "no layer gives maps"),
        (lambda n, x: grad_cam(Sequential(Affine(2)), x[:, 0, 0]), "pictures .N, C, H, W."),
        (lambda n, x: occlusion(n, x, size=9), "size must be from 1 to 8, got 9"),
        (lambda n, x: occlusion(n, x, stride=0), "stride must be from 1 to 8, got 0"),
        (lambda n, x: saliency(Sequential(Embedding(3, 2)), np.array([[1]])), "real numbers"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line(convnet, call, said):
    with pytest.raises(ValueError, match=said) as error:
        call(*convnet)
    assert "\n" not in str(error.value)
