"""Clipping on its own."""

import numpy as np
import pytest

from handgrad import optim


def gradients(dtype=np.float64, scale=1.0):
    rng = np.random.default_rng(5)
    return [(scale * rng.normal(size=shape)).astype(dtype) for shape in ((3, 2), (2,))]


def test_norm_is_that_of_one_long_vector_without_overflow():
    flat = np.concatenate([g.ravel() for g in gradients()])
    assert optim.global_norm(gradients()) == pytest.approx(np.linalg.norm(flat), rel=1e-14)
    big = optim.global_norm(gradients(np.float32, 1e30))
    assert big == pytest.approx(1e30 * np.linalg.norm(flat), rel=1e-6)
    assert optim.global_norm([]) == 0


def test_clip_by_norm_keeps_the_direction_and_leaves_short_gradients():
    long = gradients()
    norm = optim.clip_by_norm(long, 0.5)
    assert norm == optim.global_norm(gradients())
    for g, before in zip(long, gradients()):
        np.testing.assert_allclose(g, before * (0.5 / norm), rtol=1e-14)
    short = gradients()
    optim.clip_by_norm(short, 2 * norm)
    for g, before in zip(short, gradients()):
        np.testing.assert_array_equal(g, before)


def test_clip_by_value():
    clipped = gradients()
    optim.clip_by_value(clipped, 0.4)
    for g, before in zip(clipped, gradients()):
        np.testing.assert_array_equal(g, np.clip(before, -0.4, 0.4))


def test_same_as_torch():
    torch = pytest.importorskip("torch", reason="torch, the peer, is not installed")
    parameters = [
        torch.nn.Parameter(torch.zeros(g.shape, dtype=torch.float64)) for g in gradients()
    ]
    for p, g in zip(parameters, gradients()):
        p.grad = torch.tensor(g)
    mine = gradients()
    norm = torch.nn.utils.clip_grad_norm_(parameters, 0.3)
    assert optim.clip_by_norm(mine, 0.3) == pytest.approx(float(norm), rel=1e-12)
    for p, g in zip(parameters, mine):
        np.testing.assert_allclose(g, p.grad.numpy(), rtol=1e-5)
