"""Arithmetic of two arrays, with and without broadcasting."""

import numpy as np


def unbroadcast(gradient, shape):
    """Sums a gradient over the axes along which an array of `shape` was repeated."""
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    repeated = tuple(i for i, n in enumerate(shape) if n == 1)
    return gradient.sum(axis=repeated, keepdims=True)


class Add:
    def forward(self, x, y):
        return x + y

    def backward(self, dout):
        return dout * 1, dout * 1


class Subtract:
    def forward(self, x, y):
        return x - y

    def backward(self, dout):
        return dout * 1, -dout


class Multiply:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        return dout * self.y, dout * self.x


class Divide:
    def forward(self, x, y):
        self.x = x
        self.y = y
        return x / y

    def backward(self, dout):
        dx = dout / self.y
        return dx, -dx * self.x / self.y


class Cube:
    def forward(self, x):
        self.x = x
        return x**3

    def backward(self, dout):
        return 3 * self.x**2 * dout


class MatMul:
    def forward(self, a, b):
        self.a = a
        self.b = b
        return a @ b

    def backward(self, dout):
        da = dout @ self.b.T
        db = self.a.T @ dout
        return da, db


class BroadcastMultiply:
    """x (N, D) times y of any shape that broadcasts to it."""

    def forward(self, x, y):
        self.x = x
        self.y = y
        return x * y

    def backward(self, dout):
        dx = unbroadcast(dout * self.y, np.shape(self.x))
        dy = unbroadcast(dout * self.x, np.shape(self.y))
        return dx, dy


class ScaleShift:
    """y = gamma x + beta, one factor and one shift per column."""

    def __init__(self, gamma, beta):
        self.gamma = gamma
        self.beta = beta
        self.dgamma = None
        self.dbeta = None

    def forward(self, x):
        self.x = x
        return x * self.gamma + self.beta

    def backward(self, dout):
        self.dgamma = (dout * self.x).sum(axis=0)
        self.dbeta = dout.sum(axis=0)
        return dout * self.gamma


SAMPLES = {
    Add: lambda r: ((), (r.normal(size=(3, 4)), r.normal(size=(3, 4)))),
    Subtract: lambda r: ((), (r.normal(size=(3, 4)), r.normal(size=(3, 4)))),
    Multiply: lambda r: ((), (r.normal(size=(3, 4)), r.normal(size=(3, 4)))),
    Divide: lambda r: ((), (r.normal(size=(3, 2)), r.uniform(0.5, 2, size=(3, 2)))),
    Cube: lambda r: ((), (r.normal(size=(3, 4)),)),
    MatMul: lambda r: ((), (r.normal(size=(3, 4)), r.normal(size=(4, 2)))),
    BroadcastMultiply: lambda r: ((), (r.normal(size=(3, 4)), r.normal(size=(1, 4)))),
    ScaleShift: lambda r: ((r.normal(size=4), r.normal(size=4)), (r.normal(size=(3, 4)),)),
}
