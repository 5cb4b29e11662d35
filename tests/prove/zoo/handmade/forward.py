"""Forward is not what the name says, or fails on part of its domain.

The classes carry the names of right layers, because the name is the only witness.
"""

import numpy as np

from ..right import activation, affine, arithmetic, loss, normalization, reduction
from .registry import mistake


@mistake("forward_bug", of=activation.Sigmoid)
class Sigmoid:
    """exp(x) for exp(-x): falls where it should rise. Backward is consistent."""

    def forward(self, x):
        self.out = activation.sigmoid(-x)
        return self.out

    def backward(self, dout):
        return -dout * (1.0 - self.out) * self.out


@mistake("forward_bug", of=activation.ReLU)
class ReLU:
    """min(x, 0)."""

    def forward(self, x):
        self.mask = x < 0
        return np.where(self.mask, x, 0)

    def backward(self, dout):
        return np.where(self.mask, dout, 0)


@mistake("forward_bug", of=activation.Tanh)
class Tanh:
    """The sigmoid."""

    def forward(self, x):
        self.y = activation.sigmoid(x)
        return self.y

    def backward(self, dy):
        return dy * self.y * (1 - self.y)


@mistake("forward_bug", of=loss.Softmax)
class Softmax:
    """Normalized over the whole batch instead of each row."""

    def forward(self, x):
        e = np.exp(x - x.max())
        self.y = e / e.sum()
        return self.y

    def backward(self, dout):
        return self.y * (dout - np.sum(dout * self.y))


@mistake("forward_bug", of=activation.Softplus)
class Softplus:
    """log(exp(x) - 1): NaN for negative numbers."""

    def forward(self, x):
        self.x = x
        with np.errstate(all="ignore"):
            return np.log(np.exp(x) - 1)

    def backward(self, dout):
        with np.errstate(all="ignore"):
            return dout * np.exp(self.x) / (np.exp(self.x) - 1)


@mistake("forward_bug", of=affine.Affine)
class Affine(affine.Affine):
    """Adds no bias, and returns its gradient as zero: consistent and wrong."""

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = np.zeros_like(self.b)
        return dout @ self.W.T


@mistake("forward_bug", of=loss.MeanSquaredError)
class MeanSquaredError(loss.MeanSquaredError):
    """The mean of the errors, squared."""

    def forward(self, y, t):
        self.mean = np.mean(y - t)
        self.size = y.size
        self.shape = y.shape
        return self.mean**2

    def backward(self, dout=1):
        dy = np.full(self.shape, 2 * self.mean * dout / self.size)
        return dy, -dy


@mistake("forward_bug", of=normalization.LayerNorm)
class LayerNorm(normalization.BatchNormShort):
    """Normalizes over the batch."""


@mistake("forward_bug", of=activation.Log)
class Log:
    """log of the magnitude plus one."""

    def forward(self, x):
        self.x = x
        return np.log(np.abs(x) + 1)

    def backward(self, dout):
        return dout * np.sign(self.x) / (np.abs(self.x) + 1)


@mistake("forward_bug", of=arithmetic.Multiply)
class Multiply:
    """Adds."""

    def forward(self, x, y):
        return x + y

    def backward(self, dout):
        return dout * 1, dout * 1


@mistake("forward_bug", of=reduction.Mean)
class Mean(reduction.Mean):
    """Divides by N - 1: nothing at all for a batch of one."""

    def forward(self, x):
        super().forward(x)
        with np.errstate(all="ignore"):
            return x.sum(axis=0) / (len(x) - 1)

    def backward(self, dout):
        with np.errstate(all="ignore"):
            return np.ones(self.shape, dout.dtype) * dout / np.float64(self.shape[0] - 1)


@mistake("forward_bug", of=activation.GELU)
class GELU(activation.GELU):
    """Forgets the half."""

    def forward(self, x):
        return 2 * super().forward(x)

    def backward(self, dout):
        return 2 * super().backward(dout)
