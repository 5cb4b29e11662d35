"""Layers that remember, as they should."""

import numpy as np

from .registry import fair, rows


def _weights(*shapes):
    r = np.random.default_rng(9)
    return tuple(0.5 * r.normal(size=s) for s in shapes)


@fair(*_weights((4, 3), (3, 3), (3,)), on=lambda r: (r.normal(size=(2, 5, 4)),))
class StatefulRecurrent:
    """h is carried from call to call until reset_state; its gradient is cut there."""

    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b
        self.dWx = self.dWh = self.db = None
        self.h = None

    def reset_state(self):
        self.h = None

    def forward(self, xs):
        N, T, _ = xs.shape
        if self.h is None or self.h.shape[0] != N:
            self.h = np.zeros((N, len(self.b)))
        self.xs, self.hs = xs, [self.h]
        for t in range(T):
            self.h = np.tanh(xs[:, t] @ self.Wx + self.h @ self.Wh + self.b)
            self.hs.append(self.h)
        return np.stack(self.hs[1:], axis=1)

    def backward(self, dhs):
        dxs = np.empty(self.xs.shape)
        dWx, dWh, db = (np.zeros_like(p) for p in (self.Wx, self.Wh, self.b))
        dh = 0
        for t in reversed(range(dhs.shape[1])):
            da = (dhs[:, t] + dh) * (1 - self.hs[t + 1] ** 2)
            dWx += self.xs[:, t].T @ da
            dWh += self.hs[t].T @ da
            db += da.sum(axis=0)
            dxs[:, t] = da @ self.Wx.T
            dh = da @ self.Wh.T
        self.dWx, self.dWh, self.db = dWx, dWh, db
        return dxs


@fair(*_weights((3, 3)), on=lambda r: (r.normal(size=(2, 3)),))
class StepByStep:
    """One step a call; the last state is a constant for the next."""

    def __init__(self, W):
        self.W, self.dW = W, None
        self.h = None

    def reset(self):
        self.h = None

    def forward(self, x):
        before = self.h if self.h is not None and self.h.shape == x.shape else np.zeros_like(x)
        self.before = before
        self.h = np.tanh(x + before @ self.W)
        return self.h

    def backward(self, dh):
        da = dh * (1 - self.h**2)
        self.dW = self.before.T @ da
        return da


@fair(*_weights((4,), (4,)), on=rows)
class RunningStatistics:
    """Running mean and variance change with every call; the output does not use them."""

    def __init__(self, gamma, beta):
        self.gamma, self.beta = gamma, beta
        self.dgamma = self.dbeta = None
        self.running_mean = np.zeros(4)
        self.running_var = np.ones(4)

    def forward(self, x, train=True):
        mean, var = (x.mean(0), x.var(0)) if train else (self.running_mean, self.running_var)
        if train:
            self.running_mean = 0.9 * self.running_mean + 0.1 * mean
            self.running_var = 0.9 * self.running_var + 0.1 * var
        self.std = np.sqrt(var + 1e-5)
        self.xn = (x - mean) / self.std
        return self.gamma * self.xn + self.beta

    def backward(self, dout):
        self.dgamma, self.dbeta = (dout * self.xn).sum(0), dout.sum(0)
        g = dout * self.gamma
        return (g - g.mean(0) - self.xn * (g * self.xn).mean(0)) / self.std


@fair(on=rows)
class CountsCalls:
    def __init__(self):
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        self.x = x
        return x * x

    def backward(self, dout):
        return 2 * self.x * dout


@fair(on=rows)
class EvaluationMode:
    """Frozen statistics: in evaluation the mean and the deviation are constants."""

    def __init__(self):
        self.training = False
        self.mean, self.std = 0.3, 1.7

    def forward(self, x):
        return (x - self.mean) / self.std

    def backward(self, dout):
        return dout / self.std


@fair(on=rows)
class MemoryOfShape:
    """A mask is kept as long as the shape stays: positions, not values."""

    def __init__(self):
        self.shape, self.weight = None, None

    def forward(self, x):
        if self.shape != x.shape:
            self.shape = x.shape
            self.weight = 1 + np.arange(x.size).reshape(x.shape) / 10
        return x * self.weight

    def backward(self, dout):
        return dout * self.weight


@fair(*_weights((4, 2)), on=rows)
class DecayingGradientLog:
    """Keeps a history of gradients for a picture, and sets dW all the same."""

    def __init__(self, W):
        self.W, self.dW = W, None
        self.history = []

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.history.append(float(np.abs(self.dW).mean()))
        return dout @ self.W.T
