"""Normalizations."""

import numpy as np


class BatchNorm:
    """Over the batch. Shapes: x (N, D), gamma and beta (D,)."""

    def __init__(self, gamma, beta):
        self.gamma = gamma
        self.beta = beta
        self.dgamma = None
        self.dbeta = None
        self.running_mean = np.zeros_like(gamma)
        self.running_var = np.ones_like(gamma)

    def forward(self, x):
        mean = x.mean(axis=0)
        self.xc = x - mean
        var = np.mean(self.xc**2, axis=0)
        self.std = np.sqrt(var + 1e-5)
        self.xn = self.xc / self.std
        self.running_mean = 0.9 * self.running_mean + 0.1 * mean
        self.running_var = 0.9 * self.running_var + 0.1 * var
        return self.gamma * self.xn + self.beta

    def backward(self, dout):
        n = len(dout)
        self.dbeta = dout.sum(axis=0)
        self.dgamma = np.sum(self.xn * dout, axis=0)
        dxn = self.gamma * dout
        dxc = dxn / self.std
        dstd = -np.sum(dxn * self.xc / self.std**2, axis=0)
        dvar = 0.5 * dstd / self.std
        dxc = dxc + 2.0 / n * self.xc * dvar
        dmean = np.sum(dxc, axis=0)
        return dxc - dmean / n


class BatchNormShort:
    """The same function, its backward in one formula."""

    def __init__(self, gamma, beta):
        self.gamma = gamma
        self.beta = beta
        self.dgamma = None
        self.dbeta = None

    def forward(self, x):
        xc = x - x.mean(axis=0)
        self.std = np.sqrt(np.mean(xc**2, axis=0) + 1e-5)
        self.xn = xc / self.std
        return self.gamma * self.xn + self.beta

    def backward(self, dout):
        self.dbeta = dout.sum(axis=0)
        self.dgamma = (dout * self.xn).sum(axis=0)
        g = self.gamma * dout
        return (g - g.mean(axis=0) - self.xn * (g * self.xn).mean(axis=0)) / self.std


class LayerNorm:
    """Over the last axis. Shapes: x (N, D), gamma and beta (D,)."""

    def __init__(self, gamma, beta):
        self.gamma = gamma
        self.beta = beta
        self.dgamma = None
        self.dbeta = None

    def forward(self, x):
        xc = x - x.mean(axis=-1, keepdims=True)
        self.std = np.sqrt(np.mean(xc**2, axis=-1, keepdims=True) + 1e-5)
        self.xn = xc / self.std
        return self.gamma * self.xn + self.beta

    def backward(self, dout):
        self.dgamma = np.sum(dout * self.xn, axis=0)
        self.dbeta = np.sum(dout, axis=0)
        g = dout * self.gamma
        g = g - g.mean(axis=-1, keepdims=True) - self.xn * np.mean(g * self.xn, -1, keepdims=True)
        return g / self.std


class RMSNorm:
    """x / root mean square of its row, times gamma (D,)."""

    def __init__(self, gamma):
        self.gamma = gamma
        self.dgamma = None

    def forward(self, x):
        self.x = x
        self.rms = np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-6)
        return self.gamma * x / self.rms

    def backward(self, dout):
        self.dgamma = (dout * self.x / self.rms).sum(axis=0)
        g = dout * self.gamma
        inner = np.mean(g * self.x, axis=-1, keepdims=True)
        return g / self.rms - self.x * inner / self.rms**3


class UnitLength:
    """Each row divided by its length."""

    def forward(self, x):
        self.length = np.sqrt(np.sum(x**2, axis=1, keepdims=True) + 1e-8)
        self.y = x / self.length
        return self.y

    def backward(self, dout):
        inner = np.sum(dout * self.y, axis=1, keepdims=True)
        return (dout - self.y * inner) / self.length


def _gamma_beta(r):
    return (r.uniform(0.5, 2, 3), r.normal(size=3)), (r.normal(size=(5, 3)),)


SAMPLES = {
    BatchNorm: _gamma_beta,
    BatchNormShort: _gamma_beta,
    LayerNorm: _gamma_beta,
    RMSNorm: lambda r: ((r.uniform(0.5, 2, 3),), (r.normal(size=(5, 3)),)),
    UnitLength: lambda r: ((), (r.normal(size=(4, 3)),)),
}
