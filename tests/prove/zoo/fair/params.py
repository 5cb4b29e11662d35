"""Where parameters and their gradients are kept."""

import numpy as np

from .registry import BIAS, WEIGHTS, fair, rows


@fair(WEIGHTS, BIAS, on=rows)
class NoDeclaration:
    """dW and db exist only after a backward."""

    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(0)
        return dout @ self.W.T


@fair(WEIGHTS, BIAS, on=rows)
class BookLists:
    """params and grads side by side, as the second book has them; grads written in place."""

    def __init__(self, W, b):
        self.params = [W, b]
        self.grads = [np.zeros_like(W), np.zeros_like(b)]

    def forward(self, x):
        W, b = self.params
        self.x = x
        return np.dot(x, W) + b

    def backward(self, dout):
        W, _ = self.params
        self.grads[0][...] = np.dot(self.x.T, dout)
        self.grads[1][...] = np.sum(dout, axis=0)
        return np.dot(dout, W.T)


@fair(WEIGHTS, BIAS, on=rows)
class Dictionaries:
    def __init__(self, W, b):
        self.params = {"W": W, "b": b}
        self.grads = {}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        self.grads["W"] = self.x.T @ dout
        self.grads["b"] = dout.sum(axis=0)
        return dout @ self.params["W"].T


@fair(WEIGHTS, BIAS, on=rows)
class GradientBuffers:
    """Gradients are set, into arrays that are kept."""

    def __init__(self, W, b):
        self.W, self.b = W, b
        self.dW, self.db = np.empty_like(W), np.empty_like(b)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        np.matmul(self.x.T, dout, out=self.dW, casting="unsafe")
        np.sum(dout, axis=0, out=self.db)
        return dout @ self.W.T


@fair(np.random.default_rng(2).normal(size=10), on=rows)
class ViewsOfOneBuffer:
    """W and b are views of one flat array."""

    def __init__(self, flat):
        self.flat = flat
        self.dW = self.db = None

    @property
    def W(self):
        return self.flat[:8].reshape(4, 2)

    @property
    def b(self):
        return self.flat[8:]

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        self.dflat = np.concatenate([self.dW.ravel(), self.db])
        return dout @ self.W.T


@fair(WEIGHTS, on=rows)
class Frozen:
    """A weight that is not learned: no gradient, and none is expected."""

    def __init__(self, matrix):
        self.matrix = matrix

    def forward(self, x):
        return x @ self.matrix

    def backward(self, dout):
        return dout @ self.matrix.T


@fair(0.7, on=rows)
class NumberAsParameter:
    """A plain number that is learned."""

    def __init__(self, gain):
        self.gain = np.array(gain)
        self.dgain = None

    def forward(self, x):
        self.x = x
        return self.gain * x

    def backward(self, dout):
        self.dgain = np.sum(dout * self.x)
        return self.gain * dout


@fair(WEIGHTS, on=rows)
class SharedTwice:
    """One weight used there and back: x W W'."""

    def __init__(self, W):
        self.W = W
        self.dW = None

    def forward(self, x):
        self.x = x
        self.h = x @ self.W
        return self.h @ self.W.T

    def backward(self, dout):
        dh = dout @ self.W
        self.dW = self.x.T @ dh + dout.T @ self.h
        return dh @ self.W.T


@fair(on=rows)
class LazyWeights:
    """Weights are made when the first input comes."""

    def __init__(self):
        self.W = None

    def forward(self, x):
        if self.W is None:
            self.W = np.random.default_rng(0).normal(size=(x.shape[1], 2)).astype(x.dtype)
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


@fair(WEIGHTS.T.copy(), on=rows)
class TransposedView:
    """The weight is used through a transposed view."""

    def __init__(self, W):
        self.W = W
        self.view = W.T
        self.dW = None

    def forward(self, x):
        self.x = x
        return x @ self.W.T

    def backward(self, dout):
        self.dW = (self.x.T @ dout).T
        return dout @ self.W
