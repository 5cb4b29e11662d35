"""Elementwise functions; each derivative is written with what forward already has."""

import numpy as np


def sigmoid(x):
    """1 / (1 + exp(-x)) without overflow."""
    z = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, z) / (1 + z)


class Sigmoid:
    def forward(self, x):
        self.out = sigmoid(x)
        return self.out

    def backward(self, dout):
        return dout * (1.0 - self.out) * self.out


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy):
        return dy * (1 - self.y**2)


class ReLU:
    def forward(self, x):
        self.mask = x > 0
        return np.where(self.mask, x, 0)

    def backward(self, dout):
        return np.where(self.mask, dout, 0)


class LeakyReLU:
    def forward(self, x):
        self.mask = x > 0
        return np.where(self.mask, x, 0.1 * x)

    def backward(self, dout):
        return np.where(self.mask, dout, 0.1 * dout)


class ELU:
    def forward(self, x):
        self.x = x
        self.negative = np.expm1(np.minimum(x, 0))
        return np.where(x > 0, x, self.negative)

    def backward(self, dout):
        return dout * np.where(self.x > 0, 1, self.negative + 1)


class Softplus:
    def forward(self, x):
        self.x = x
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))

    def backward(self, dout):
        return dout * sigmoid(self.x)


class GELU:
    """The tanh form: x/2 (1 + tanh(c (x + 0.044715 x^3))), c = sqrt(2/pi)."""

    def forward(self, x):
        self.x = x
        self.t = np.tanh(0.7978845608 * (x + 0.044715 * x**3))
        return 0.5 * x * (1 + self.t)

    def backward(self, dout):
        x, t = self.x, self.t
        slope = 0.7978845608 * (1 + 3 * 0.044715 * x**2)
        return dout * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * slope)


class Swish:
    def forward(self, x):
        self.x = x
        self.s = sigmoid(x)
        return x * self.s

    def backward(self, dout):
        return dout * (self.s + self.x * self.s * (1 - self.s))


class Exp:
    def forward(self, x):
        self.y = np.exp(x)
        return self.y

    def backward(self, dout):
        return dout * self.y


class Log:
    def forward(self, x):
        self.x = x
        return np.log(x)

    def backward(self, dout):
        return dout / self.x


class Sqrt:
    def forward(self, x):
        self.y = np.sqrt(x)
        return self.y

    def backward(self, dout):
        return dout / (2 * self.y)


class Abs:
    def forward(self, x):
        self.x = x
        return np.abs(x)

    def backward(self, dout):
        return dout * np.sign(self.x)


class Clip:
    def forward(self, x):
        self.inside = (x > -1) & (x < 1)
        return np.clip(x, -1, 1)

    def backward(self, dout):
        return dout * self.inside


class PReLU:
    """max(x, 0) + a min(x, 0), one learned slope per column."""

    def __init__(self, a):
        self.a = a
        self.da = None

    def forward(self, x):
        self.x = x
        return np.maximum(x, 0) + self.a * np.minimum(x, 0)

    def backward(self, dout):
        self.da = np.sum(dout * np.minimum(self.x, 0), axis=0)
        return dout * np.where(self.x > 0, 1, self.a)


class GLU:
    """a * sigmoid(b), where x is the pair (a, b) side by side."""

    def forward(self, x):
        self.a, b = np.split(x, 2, axis=1)
        self.s = sigmoid(b)
        return self.a * self.s

    def backward(self, dout):
        da = dout * self.s
        db = dout * self.a * self.s * (1 - self.s)
        return np.concatenate([da, db], axis=1)


def _rows(r):
    return (), (r.normal(size=(3, 4)),)


SAMPLES = {
    Sigmoid: _rows,
    Tanh: _rows,
    ReLU: _rows,
    LeakyReLU: _rows,
    ELU: _rows,
    Softplus: _rows,
    GELU: _rows,
    Swish: _rows,
    Exp: _rows,
    Log: lambda r: ((), (r.uniform(0.5, 2, size=(3, 4)),)),
    Sqrt: lambda r: ((), (r.uniform(0.5, 2, size=(3, 4)),)),
    Abs: _rows,
    Clip: _rows,
    PReLU: lambda r: ((r.uniform(0.1, 0.4, size=4),), (r.normal(size=(3, 4)),)),
    GLU: _rows,
}
