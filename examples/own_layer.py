"""Book-style layers: one with a mistake, the check that names it, the mended one in training."""

import numpy as np

from handgrad import SGD, Sequential, check, fit
from handgrad.train import digits


class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b
        self.dW = self.db = None

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout[0]  # the mistake: b went into every row, not into the first alone
        return dout @ self.W.T


class MendedAffine(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = dout.sum(axis=0)
        return dx


x, t = digits()
W = np.random.default_rng(0).normal(0, 0.1, (64, 10))
print(check(Affine(W, np.zeros(10)), x[:5]))
print(check(MendedAffine(W, np.zeros(10)), x[:5]))
print(fit(Sequential(MendedAffine(W, np.zeros(10))), x, t, optimizer=SGD(0.5), epochs=10))
