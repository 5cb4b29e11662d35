"""Code that computes in float32, and code that is near the edge of its numbers."""

import numpy as np

from .registry import BIAS, WEIGHTS, fair, rows


@fair(
    WEIGHTS.astype(np.float32),
    BIAS.astype(np.float32),
    on=lambda r: (r.normal(size=(3, 4)).astype(np.float32),),
)
class SingleAffine:
    """float32 in, float32 out, whatever comes."""

    def __init__(self, W, b):
        self.W, self.b = W.astype(np.float32), b.astype(np.float32)
        self.dW = self.db = None

    def forward(self, x):
        self.x = x.astype(np.float32)
        return self.x @ self.W.astype(np.float32) + self.b.astype(np.float32)

    def backward(self, dout):
        dout = dout.astype(np.float32)
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.astype(np.float32).T


@fair(on=lambda r: (r.normal(size=(3, 4)).astype(np.float32),))
class SingleSigmoid:
    def forward(self, x):
        z = np.exp(-np.abs(x.astype(np.float32)))
        self.y = np.where(x >= 0, 1, z) / (1 + z)
        return self.y

    def backward(self, dout):
        return dout.astype(np.float32) * self.y * (1 - self.y)


@fair(on=lambda r: (r.normal(size=(3, 4)).astype(np.float32),))
class RefusesDouble:
    """float32 and nothing else."""

    def forward(self, x):
        if x.dtype != np.float32:
            raise TypeError(f"float32 is needed, got {x.dtype}")
        self.x = x
        return x * x

    def backward(self, dout):
        return np.float32(2) * self.x * dout


@fair(on=lambda r: (r.normal(size=(3, 4)).astype(np.float32),))
class SingleInput:
    """Ordinary code with a float32 sample."""

    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dout):
        return dout * (1 - self.y**2)


@fair(on=rows)
class Overflows:
    """exp is infinite where it is infinite."""

    def forward(self, x):
        self.y = np.exp(x)
        return self.y

    def backward(self, dout):
        return self.y * dout


@fair(on=lambda r: (1e-6 * r.normal(size=(3, 4)),))
class TinyNumbers:
    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, dout):
        return 2 * self.x * dout


@fair(on=lambda r: (1e5 * r.normal(size=(3, 4)),))
class HugeNumbers:
    def forward(self, x):
        self.x = x
        return x * np.abs(x)

    def backward(self, dout):
        return 2 * np.abs(self.x) * dout


@fair(on=rows)
class Steep:
    """Turns within a hundredth."""

    def forward(self, x):
        self.x = x
        return np.sin(50 * x)

    def backward(self, dout):
        return 50 * np.cos(50 * self.x) * dout


@fair(on=lambda r: (r.normal(size=(3, 4)), np.array([1, 0, 3])))
class GuardedLogarithm:
    """The book's cross-entropy with 1e-7 inside the logarithm, gradient y - t."""

    def forward(self, x, t):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y, self.t = e / e.sum(axis=1, keepdims=True), t
        return -np.sum(np.log(self.y[np.arange(len(t)), t] + 1e-7)) / len(t)

    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(self.t)), self.t] -= 1
        return dx * dout / len(self.t)


@fair(on=rows)
class SumsInDouble:
    """float32 stays float32 outside, sums are taken in float64 inside."""

    def forward(self, x):
        self.shape, self.dtype = x.shape, x.dtype
        return x.astype(np.float64).mean(axis=0).astype(np.result_type(x, np.float32))

    def backward(self, dout):
        return np.repeat(dout[None] / self.shape[0], self.shape[0], axis=0)


@fair(on=rows)
class Constant:
    """Does not depend on its input."""

    def forward(self, x):
        self.shape = x.shape
        return np.ones_like(x)

    def backward(self, dout):
        return np.zeros(self.shape)


@fair(WEIGHTS, BIAS, on=rows)
class BiasWithoutEffect:
    """An affine map before a normalization: the gradient of b is zero but for rounding."""

    def __init__(self, W, b):
        self.W, self.b = W, b
        self.dW = self.db = None

    def forward(self, x):
        self.x = x
        a = x @ self.W + self.b
        self.std = np.sqrt(a.var(axis=0) + 1e-5)
        self.y = (a - a.mean(axis=0)) / self.std
        return self.y

    def backward(self, dout):
        inner = (dout * self.y).mean(axis=0)
        da = (dout - dout.mean(axis=0) - self.y * inner) / self.std
        self.dW, self.db = self.x.T @ da, da.sum(axis=0)
        return da @ self.W.T
