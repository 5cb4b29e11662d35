"""Layers that are linear in the input and in each parameter."""

import numpy as np


class Affine:
    """y = x W + b. Shapes: x (N, D), W (D, H), b (H,)."""

    def __init__(self, W, b):
        self.W = W
        self.b = b
        self.dW = None
        self.db = None

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        dx = np.dot(dout, self.W.T)
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return dx


class AffineFlatten:
    """y = flat(x) W + b. Shapes: x (N, ...), W (D, H), b (H,)."""

    def __init__(self, W, b):
        self.W = W
        self.b = b
        self.dW = None
        self.db = None

    def forward(self, x):
        self.shape = x.shape
        self.x = x.reshape(x.shape[0], -1)
        return self.x @ self.W + self.b

    def backward(self, dout):
        dx = dout @ self.W.T
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dx.reshape(self.shape)


class Linear:
    """y = x W', the weights stored output first. Shapes: x (N, D), W (H, D)."""

    def __init__(self, W):
        self.W = W
        self.dW = None

    def forward(self, x):
        self.x = x
        return x @ self.W.T

    def backward(self, dy):
        self.dW = dy.T @ self.x
        return dy @ self.W


class Bilinear:
    """y[n] = u[n] W v[n]. Shapes: u (N, D), v (N, E), W (D, E), y (N,)."""

    def __init__(self, W):
        self.W = W
        self.dW = None

    def forward(self, u, v):
        self.u = u
        self.v = v
        return ((u @ self.W) * v).sum(axis=1)

    def backward(self, dy):
        dy = dy[:, None]
        self.dW = (dy * self.u).T @ self.v
        du = dy * (self.v @ self.W.T)
        dv = dy * (self.u @ self.W)
        return du, dv


class TwoLayers:
    """y = relu(x W1 + b1) W2 + b2, both layers in one."""

    def __init__(self, W1, b1, W2, b2):
        self.W1, self.b1 = W1, b1
        self.W2, self.b2 = W2, b2
        self.dW1 = self.db1 = self.dW2 = self.db2 = None

    def forward(self, x):
        self.x = x
        self.h = np.maximum(x @ self.W1 + self.b1, 0)
        return self.h @ self.W2 + self.b2

    def backward(self, dout):
        self.dW2 = self.h.T @ dout
        self.db2 = dout.sum(axis=0)
        dh = dout @ self.W2.T * (self.h > 0)
        self.dW1 = self.x.T @ dh
        self.db1 = dh.sum(axis=0)
        return dh @ self.W1.T


SAMPLES = {
    Affine: lambda r: ((r.normal(size=(3, 2)), r.normal(size=2)), (r.normal(size=(4, 3)),)),
    AffineFlatten: lambda r: (
        (r.normal(size=(6, 2)), r.normal(size=2)),
        (r.normal(size=(3, 2, 3)),),
    ),
    Linear: lambda r: ((r.normal(size=(2, 3)),), (r.normal(size=(4, 3)),)),
    Bilinear: lambda r: ((r.normal(size=(3, 2)),), (r.normal(size=(4, 3)), r.normal(size=(4, 2)))),
    TwoLayers: lambda r: (
        (r.normal(size=(3, 4)), r.normal(size=4), r.normal(size=(4, 2)), r.normal(size=2)),
        (r.normal(size=(5, 3)),),
    ),
}
