"""Right code on which an alarm would be false: kinks that meet, ties, rounding, statistics."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad import Affine, BatchNorm, Dropout, ReLU, Sequential, check


class Middle:
    """The median of each row, of an odd number of entries: one is chosen, ties or not."""

    def forward(self, x):
        if x.shape[1] % 2 == 0:
            raise ValueError("Middle: an odd number of columns is needed")
        self.shape = x.shape
        self.chosen = np.argsort(x, axis=1, kind="stable")[:, x.shape[1] // 2]
        return x[np.arange(len(x)), self.chosen]

    def backward(self, dy):
        dx = np.zeros(self.shape)
        dx[np.arange(len(dx)), self.chosen] = dy
        return dx


class LayerNorm:
    """Its parameters have names of their own."""

    def __init__(self, s, b):
        self.s, self.b = s, b

    def forward(self, x):
        self.d = np.sqrt(x.var(axis=1, keepdims=True) + 1e-6)
        self.z = (x - x.mean(axis=1, keepdims=True)) / self.d
        return self.z * self.s + self.b

    def backward(self, dy):
        self.ds, self.db = (dy * self.z).sum(axis=0), dy.sum(axis=0)
        dz = dy * self.s
        mean = dz.mean(axis=1, keepdims=True)
        return (dz - mean - self.z * (dz * self.z).mean(axis=1, keepdims=True)) / self.d


class SingleSoftmax:
    """For float32 alone: another summing order changes the last digit."""

    def forward(self, x):
        if x.dtype != np.float32:
            raise TypeError("SingleSoftmax: float32 is needed")
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        return self.y

    def backward(self, dy):
        return self.y * (dy - (dy * self.y).sum(axis=1, keepdims=True))


class ChannelScale:
    """Normalized channels times a scale: for an even upstream gradient, ds is nothing but noise."""

    def __init__(self, s):
        self.s = s

    def forward(self, x):
        axes = (2, 3)
        self.d = np.sqrt(x.var(axis=axes, keepdims=True) + 1e-5)
        self.z = (x - x.mean(axis=axes, keepdims=True)) / self.d
        return self.z * self.s[:, None, None]

    def backward(self, dy):
        self.ds = np.einsum("nchw,nchw->c", dy, self.z)
        dz = dy * self.s[:, None, None]
        mean = dz.mean(axis=(2, 3), keepdims=True)
        return (dz - mean - self.z * (dz * self.z).mean(axis=(2, 3), keepdims=True)) / self.d


class Centred:
    """x W + b less its mean over the batch: db is but rounding, which depends on the strides of x.

    BLAS and PyTorch choose by them in which order they sum.
    """

    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        y = x @ self.W + self.b
        return y - y.mean(axis=0)

    def backward(self, dy):
        da = dy - dy.mean(axis=0)
        self.dW = self.x.T @ da
        self.db = np.full_like(self.b, 1e-16 if self.x.flags.c_contiguous else 3e-16)
        return da @ self.W.T


def rng():
    return np.random.default_rng(0)


def gathered():
    layer = BatchNorm()
    for _ in range(3):
        layer.forward(rng().normal(2, 3, size=(8, 4)))
    return layer.eval()


@pytest.mark.parametrize(
    ("subject", "x"),
    [
        (Middle(), rng().normal(size=(4, 5))),
        (LayerNorm(np.array([1.0, 3.0, -2.0, 0.5]), np.ones(4)), rng().normal(size=(3, 4))),
        (SingleSoftmax(), rng().normal(size=(3, 40)).astype(np.float32)),
        (ChannelScale(np.array([1.0, -2.0, 0.5])), rng().normal(size=(2, 3, 4, 2))),
        (Centred(rng().normal(size=(4, 3)), np.ones(3)), rng().normal(size=(5, 4))),
        (gathered(), rng().normal(size=(5, 4))),
        # all hidden units on their kink at once, in a row of zeros
        (Sequential(Affine(32), ReLU(), Affine(3)), np.vstack([np.zeros(2), np.ones((3, 2))])),
        *((Dropout(0.3, seed=seed), rng().normal(size=(1, 2))) for seed in range(4)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_false_alarm(subject, x):
    report = check(subject, x)
    assert report.verdict == "right", report
