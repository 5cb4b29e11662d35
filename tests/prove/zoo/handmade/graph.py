"""Small graphs of layers in one class: fan-out, skips, a layer used twice."""

import numpy as np

from ..right.activation import ReLU
from ..right.affine import Affine
from .articles import Relu
from .registry import mistake


class Skip:
    """y = relu(x W + b) + x."""

    relu = ReLU

    def __init__(self, W, b):
        self.W, self.b = W, b
        self.dW = self.db = None

    def forward(self, x):
        self.affine = Affine(self.W, self.b)
        self.act = self.relu()
        return self.act.forward(self.affine.forward(x)) + x

    def backward(self, dout):
        through = self.affine.backward(self.act.backward(dout * 1))
        self.dW, self.db = self.affine.dW, self.affine.db
        return through + dout


class Twice:
    """y = tanh(tanh(x W) W): one weight used twice."""

    def __init__(self, W):
        self.W = W
        self.dW = None

    def forward(self, x):
        self.x = x
        self.h = np.tanh(x @ self.W)
        self.y = np.tanh(self.h @ self.W)
        return self.y

    def backward(self, dout):
        db = dout * (1 - self.y**2)
        da = db @ self.W.T * (1 - self.h**2)
        self.dW = self.h.T @ db + self.x.T @ da
        return da @ self.W.T


class Diamond:
    """y = a^2 b + a with a = x^2 and b = sin(x): x is used three times."""

    def forward(self, x):
        self.x = x
        self.a, self.b = x**2, np.sin(x)
        return self.a**2 * self.b + self.a

    def backward(self, dout):
        da = dout * (2 * self.a * self.b + 1)
        db = dout * self.a**2
        return da * 2 * self.x + db * np.cos(self.x)


def _skip(r):
    return (r.normal(size=(3, 3)), r.normal(size=3)), (r.normal(size=(4, 3)),)


def _twice(r):
    return (0.5 * r.normal(size=(3, 3)),), (r.normal(size=(4, 3)),)


def _diamond(r):
    return (), (r.normal(size=(3, 2)),)


@mistake("inplace_dout", "wrong_formula", of=Skip, sample=_skip)
class SkipInPlace(Skip):
    """The gradient of the skip has been masked by the other branch."""

    relu = Relu

    def backward(self, dout):
        through = self.affine.backward(self.act.backward(dout))
        self.dW, self.db = self.affine.dW, self.affine.db
        return through + dout


@mistake("missing_term", of=Skip, sample=_skip)
class SkipForgotten(Skip):
    def backward(self, dout):
        return super().backward(dout) - dout


@mistake("missing_term", of=Twice, sample=_twice)
class TwiceLastUse(Twice):
    """The second use overwrites the gradient of the first."""

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = self.dW - self.h.T @ (dout * (1 - self.y**2))
        return dx


@mistake("wrong_scale", "wrong_formula", of=Twice, sample=_twice)
class TwiceAveraged(Twice):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = self.dW / 2
        return dx


@mistake("missing_term", of=Diamond, sample=_diamond)
class DiamondOnePath(Diamond):
    def backward(self, dout):
        return dout * (2 * self.a * self.b + 1) * 2 * self.x


@mistake("missing_term", "wrong_formula", of=Diamond, sample=_diamond)
class DiamondTooEarly(Diamond):
    """Goes on to x before the gradient of a is complete."""

    def backward(self, dout):
        da = dout * 2 * self.a * self.b
        db = dout * self.a**2
        return da * 2 * self.x + db * np.cos(self.x)


@mistake("wrong_formula", of=Diamond, sample=_diamond)
class DiamondCountedTwice(Diamond):
    def backward(self, dout):
        return super().backward(dout) + dout * 2 * self.x
