"""Where state is kept, what is returned, how arguments are taken."""

import numpy as np

from ..right.activation import sigmoid
from ..right.loss import softmax
from .registry import BIAS, WEIGHTS, fair, labels, pair, rows


@fair(on=rows)
class ClosureState:
    """backward is a function that forward makes."""

    def forward(self, x):
        y = np.tanh(x)
        self.back = lambda dy: dy * (1 - y * y)
        return y

    def backward(self, dy):
        return self.back(dy)


@fair(on=rows)
class CacheTuple:
    def forward(self, x):
        s = sigmoid(x)
        self.cache = (x, s)
        return x * s

    def backward(self, dout):
        x, s = self.cache
        return dout * (s + x * s * (1 - s))


@fair(on=rows)
class CacheDictionary:
    def __init__(self):
        self.cache = {}

    def forward(self, x):
        self.cache["y"] = np.exp(-(x**2))
        self.cache["x"] = x
        return self.cache["y"]

    def backward(self, dout):
        return -2 * self.cache["x"] * self.cache["y"] * dout


@fair(on=pair)
class ReturnsList:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        return [dout * self.y, dout * self.x]


@fair(on=rows)
class TwoOutputs:
    def forward(self, x):
        return x[:, :2] * 2, x[:, 2:] * 3

    def backward(self, da, db):
        return np.concatenate([2 * da, 3 * db], axis=1)


@fair(on=rows)
class ListOfOutputs:
    def forward(self, x):
        return [x[:, :1] * 1, x[:, 1:] * 1]

    def backward(self, da, db):
        return np.hstack([da, db])


@fair(on=pair)
class StarArguments:
    def forward(self, *xs):
        self.count = len(xs)
        return sum(xs)

    def backward(self, dout):
        return tuple(dout * 1 for _ in range(self.count))


@fair(on=labels)
class LabelsNone:
    def forward(self, x, t):
        self.y, self.t = softmax(x), t
        top = x.max(axis=1)
        total = np.log(np.exp(x - top[:, None]).sum(axis=1)) + top
        return (total - x[np.arange(len(t)), t]).mean()

    def backward(self, dout=1):
        dx = self.y - np.eye(self.y.shape[1], dtype=self.y.dtype)[self.t]
        return dx * dout / len(dx), None


@fair(on=labels)
class LabelsAbsent:
    def forward(self, x, t):
        self.y, self.t = softmax(x), t
        top = x.max(axis=1)
        total = np.log(np.exp(x - top[:, None]).sum(axis=1)) + top
        return float((total - x[np.arange(len(t)), t]).mean())

    def backward(self, dout=1):
        dx = self.y - np.eye(self.y.shape[1])[self.t]
        return dx * dout / len(dx)


@fair(on=lambda r: (r.normal(size=(4, 3)), r.normal(size=(4, 3))))
class TargetsWithoutGradient:
    """The gradient of a real target may be left out: it is data."""

    def forward(self, y, t):
        self.diff = y - t
        return 0.5 * np.sum(self.diff**2) / len(y)

    def backward(self, dout=1):
        return dout * self.diff / len(self.diff)


@fair(on=rows)
class CalledToo:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy):
        return dy * (1 - self.y**2)

    __call__ = forward


@fair(on=rows)
class Slots:
    __slots__ = ("mask",)

    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


@fair(on=rows)
class StackOfCalls:
    """State on a stack: every backward takes back the last forward."""

    def __init__(self):
        self.stack = []

    def forward(self, x):
        self.stack.append(np.cos(x))
        return np.sin(x)

    def backward(self, dy):
        return dy * self.stack.pop()


@fair(on=rows)
class Recomputes:
    """Keeps the input alone and computes everything again in backward."""

    def forward(self, x):
        self.x = x
        return sigmoid(x)

    def backward(self, dout):
        y = sigmoid(self.x)
        return dout * y * (1 - y)


@fair(WEIGHTS, BIAS, on=rows)
class Composed:
    """A layer made of a private one."""

    class _Inner:
        def forward(self, x):
            self.mask = x > 0
            return np.where(self.mask, x, 0)

        def backward(self, dy):
            return np.where(self.mask, dy, 0)

    def __init__(self, W, b):
        self.W, self.b = W, b
        self.act = self._Inner()

    def forward(self, x):
        self.x = x
        return self.act.forward(x @ self.W + self.b)

    def backward(self, dy):
        da = self.act.backward(dy)
        self.dW, self.db = self.x.T @ da, da.sum(0)
        return da @ self.W.T


@fair(on=rows)
class Prints:
    def forward(self, x):
        print("forward", x.shape)
        return x * 2

    def backward(self, dout):
        print("backward", dout.shape)
        return dout * 2


@fair(on=rows)
class KeywordOption:
    def forward(self, x, *, train=True):
        self.factor = 0.5 if train else 1.0
        return x * self.factor

    def backward(self, dout):
        return dout * self.factor


@fair(on=rows)
class OptionWithDefault:
    def forward(self, x, slope=0.2):
        self.scale = np.where(x > 0, 1.0, slope)
        return x * self.scale

    def backward(self, dout):
        return dout * self.scale


@fair(on=lambda r: (r.normal(size=3), r.normal(size=3)))
class ScalarOutput:
    """A plain number out, a plain number in."""

    def forward(self, u, v):
        self.u, self.v = u, v
        return float(u @ v)

    def backward(self, dout=1.0):
        return dout * self.v, dout * self.u


@fair(on=lambda r: (2.0, 3.0))
class PlainNumbers:
    """The apple's price times the number of apples."""

    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        return dout * self.y, dout * self.x


@fair(on=rows)
class StaticHelpers:
    @staticmethod
    def slope(y):
        return 1 - y**2

    @classmethod
    def function(cls, x):
        return np.tanh(x)

    def forward(self, x):
        self.y = self.function(x)
        return self.y

    def backward(self, dout):
        return dout * self.slope(self.y)


@fair(on=lambda r: (r.normal(size=(3, 4)), r.uniform(size=(3, 4))))
class ShareBesideOthers:
    """One of two factors happens to lie between 0 and 1, like a target or a mask."""

    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        return dout * self.y, dout * self.x
