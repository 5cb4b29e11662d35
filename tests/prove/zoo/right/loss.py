"""Softmax and losses. A loss is the mean over the batch; its backward takes dout=1."""

import numpy as np

from .activation import sigmoid


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


class Softmax:
    def forward(self, x):
        self.y = softmax(x)
        return self.y

    def backward(self, dout):
        total = np.sum(dout * self.y, axis=-1, keepdims=True)
        return self.y * (dout - total)


class LogSoftmax:
    def forward(self, x):
        top = x.max(axis=-1, keepdims=True)
        self.y = x - top - np.log(np.exp(x - top).sum(axis=-1, keepdims=True))
        return self.y

    def backward(self, dout):
        return dout - np.exp(self.y) * dout.sum(axis=-1, keepdims=True)


class SoftmaxWithLoss:
    """Labels t (N,)."""

    def forward(self, x, t):
        self.t = t
        self.y = softmax(x)
        top = x.max(axis=1)
        total = np.log(np.exp(x - top[:, None]).sum(axis=1))
        return np.mean(total + top - x[np.arange(len(t)), t])

    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(self.t)), self.t] -= 1
        return dx * dout / len(self.t)


class SoftmaxWithLossOneHot:
    """Targets t (N, C), one-hot or any distribution."""

    def forward(self, x, t):
        self.t = t
        self.y = softmax(x)
        top = x.max(axis=1, keepdims=True)
        logp = x - top - np.log(np.exp(x - top).sum(axis=1, keepdims=True))
        self.logp = logp
        return -np.sum(t * logp) / x.shape[0]

    def backward(self, dout=1):
        n = self.t.shape[0]
        dx = (self.y * self.t.sum(axis=1, keepdims=True) - self.t) * dout / n
        return dx, -self.logp * dout / n


class SigmoidWithLoss:
    """Binary cross-entropy of logits."""

    def forward(self, x, t):
        self.x = x
        self.t = t
        self.y = sigmoid(x)
        return np.mean(np.maximum(x, 0) - x * t + np.log1p(np.exp(-np.abs(x))))

    def backward(self, dout=1):
        dx = (self.y - self.t) * dout / self.t.size
        return dx, -self.x * dout / self.t.size


class MeanSquaredError:
    def forward(self, y, t):
        self.diff = y - t
        return np.mean(self.diff**2)

    def backward(self, dout=1):
        dy = 2 * self.diff * dout / self.diff.size
        return dy, -dy


class SumSquaredError:
    """The book's: half the sum of squares."""

    def forward(self, y, t):
        self.diff = y - t
        return 0.5 * np.sum(self.diff**2)

    def backward(self, dout=1):
        return dout * self.diff, -dout * self.diff


class AbsoluteError:
    def forward(self, y, t):
        self.diff = y - t
        return np.mean(np.abs(self.diff))

    def backward(self, dout=1):
        dy = dout * np.sign(self.diff) / self.diff.size
        return dy, -dy


class Huber:
    """Quadratic within 1 of the target, linear beyond it."""

    def forward(self, y, t):
        self.diff = y - t
        a = np.abs(self.diff)
        return np.mean(np.where(a <= 1, 0.5 * a**2, a - 0.5))

    def backward(self, dout=1):
        dy = dout * np.clip(self.diff, -1, 1) / self.diff.size
        return dy, -dy


class Hinge:
    """Multi-class hinge with labels t (N,), margin 1."""

    def forward(self, x, t):
        self.rows = np.arange(len(x))
        self.t = t
        margin = x - x[self.rows, t][:, None] + 1.0
        margin[self.rows, t] = 0
        self.over = margin > 0
        return np.sum(np.maximum(margin, 0)) / len(x)

    def backward(self, dout=1):
        dx = self.over * 1.0
        dx[self.rows, self.t] = -self.over.sum(axis=1)
        return dx * dout / len(dx)


def _logits(r):
    return (), (r.normal(size=(3, 4)),)


def _labels(r):
    return (), (r.normal(size=(3, 4)), np.array([1, 0, 3]))


def _pair(r):
    return (), (r.normal(size=(3, 2)), r.normal(size=(3, 2)))


SAMPLES = {
    Softmax: _logits,
    LogSoftmax: _logits,
    SoftmaxWithLoss: _labels,
    SoftmaxWithLossOneHot: lambda r: ((), (r.normal(size=(3, 4)), np.eye(4)[[1, 0, 3]])),
    SigmoidWithLoss: lambda r: ((), (r.normal(size=(3, 2)), np.array([[0.0, 1], [1, 1], [0, 0]]))),
    MeanSquaredError: _pair,
    SumSquaredError: _pair,
    AbsoluteError: _pair,
    Huber: _pair,
    Hinge: _labels,
}
