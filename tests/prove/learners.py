"""Layers as readers of books and courses write them: right ones, and the mistakes they publish."""

import numpy as np

_R = np.random.default_rng(3)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class MulLayer:
    def __init__(self):
        self.x = self.y = None

    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        return dout * self.y, dout * self.x


class AddLayer:
    def forward(self, x, y):
        return x + y

    def backward(self, dout):
        return dout * 1, dout * 1


class Relu:
    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dx = dout.copy()
        dx[self.mask] = 0
        return dx


class Sigmoid:
    def forward(self, x):
        self.out = _sigmoid(x)
        return self.out

    def backward(self, dout):
        return dout * (1 - self.out) * self.out


class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b
        self.dW = self.db = None

    def forward(self, x):
        self.shape = x.shape
        self.x = x.reshape(len(x), -1)
        return self.x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return (dout @ self.W.T).reshape(self.shape)


class SoftmaxWithLoss:
    """Labels as numbers or one-hot; the logarithm is guarded, its derivative is not."""

    def forward(self, x, t):
        self.y, self.t = _softmax(x), t
        labels = t if t.ndim == 1 else t.argmax(axis=1)
        return -np.log(self.y[np.arange(len(x)), labels] + 1e-7).mean()

    def backward(self, dout=1):
        if self.t.size == self.y.size:
            return dout * (self.y - self.t) / len(self.y)
        dx = self.y.copy()
        dx[np.arange(len(dx)), self.t] -= 1
        return dout * dx / len(dx)


class CrossEntropy:
    """Of probabilities that were cut off near 0 and 1."""

    def forward(self, p, t):
        self.p, self.t = np.clip(p, 1e-7, 1 - 1e-7), t
        return -np.mean(t * np.log(self.p) + (1 - t) * np.log(1 - self.p))

    def backward(self, dout=1):
        return dout * (self.p - self.t) / (self.p * (1 - self.p)) / self.p.size


class HalfSquares:
    """A loss whose backward takes nothing."""

    def forward(self, y, t):
        self.diff = y - t
        return 0.5 * np.sum(self.diff**2)

    def backward(self):
        return self.diff


class Dropout:
    """Draws from the global generator, as the books do."""

    def __init__(self, ratio=0.5):
        self.ratio = ratio

    def forward(self, x, train_flg=True):
        self.mask = np.random.rand(*x.shape) > self.ratio
        return x * self.mask if train_flg else x * (1 - self.ratio)

    def backward(self, dout):
        return dout * self.mask


class MatMul:
    """Parameters and gradients in lists; gradients are put into the arrays that are there."""

    def __init__(self, W):
        self.params, self.grads = [W], [np.zeros_like(W)]

    def forward(self, x):
        self.x = x
        return x @ self.params[0]

    def backward(self, dout):
        self.grads[0][...] = self.x.T @ dout
        return dout @ self.params[0].T


class Embedding:
    def __init__(self, W):
        self.params, self.grads = [W], [np.zeros_like(W)]

    def forward(self, idx):
        self.idx = idx
        return self.params[0][idx]

    def backward(self, dout):
        self.grads[0][...] = 0
        np.add.at(self.grads[0], self.idx, dout)


class TimeRNN:
    """Keeps its state between batches; the gradient stops there."""

    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(p) for p in self.params]
        self.h = None

    def forward(self, xs):
        Wx, Wh, b = self.params
        self.xs, steps = xs, [np.zeros((len(xs), len(b))) if self.h is None else self.h]
        for x in xs.swapaxes(0, 1):
            steps.append(np.tanh(x @ Wx + steps[-1] @ Wh + b))
        self.steps, self.h = steps, steps[-1]
        return np.stack(steps[1:], axis=1)

    def backward(self, dhs):
        Wx, Wh, _ = self.params
        dxs, dh = np.empty(self.xs.shape), 0
        for grad in self.grads:
            grad[...] = 0
        for t in reversed(range(dhs.shape[1])):
            da = (dhs[:, t] + dh) * (1 - self.steps[t + 1] ** 2)
            self.grads[0] += self.xs[:, t].T @ da
            self.grads[1] += self.steps[t].T @ da
            self.grads[2] += da.sum(axis=0)
            dxs[:, t], dh = da @ Wx.T, da @ Wh.T
        return dxs


class TwoLayerNet:
    """A network with its parameters and gradients in dictionaries."""

    def __init__(self):
        r = np.random.default_rng(1)
        self.params = {"W1": r.normal(size=(3, 4)), "b1": np.zeros(4)}
        self.params |= {"W2": r.normal(size=(4, 2)), "b2": np.zeros(2)}
        first = Affine(self.params["W1"], self.params["b1"])
        second = Affine(self.params["W2"], self.params["b2"])
        self.layers = {"Affine1": first, "Relu": Relu(), "Affine2": second}
        self.last = SoftmaxWithLoss()

    def forward(self, x, t):
        for layer in self.layers.values():
            x = layer.forward(x)
        return self.last.forward(x, t)

    def backward(self, dout=1):
        dout = self.last.backward(dout)
        for layer in reversed(list(self.layers.values())):
            dout = layer.backward(dout)
        one, two = self.layers["Affine1"], self.layers["Affine2"]
        self.grads = {"W1": one.dW, "b1": one.db, "W2": two.dW, "b2": two.db}
        return dout


class LogSigmoid(Sigmoid):
    """1 / (1 + log(-x)): log where exp belongs."""

    def forward(self, x):
        self.out = 1 / (1 + np.log(-x))
        return self.out


class WritingRelu(Relu):
    def backward(self, dout):
        dout[self.mask] = 0
        return dout


class UnsummedAffine(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = dout
        return dx


class FruitStall:
    """2 apples of 100 and tax: the apples' price is counted three times, 330 instead of 110."""

    def forward(self, price, tax):
        self.price, self.tax = price, tax
        return price * tax

    def backward(self, dout):
        dprice = dout * self.tax
        return dprice + dprice + dprice, dout * self.price


def _normal(*shape):
    return _R.normal(size=shape)


_LABELS = np.array([0, 2, 1, 1])

# name: (how to make it, inputs)
RIGHT = {
    "apples": (MulLayer, (100, 2)),
    "product": (MulLayer, (_normal(4, 3), _normal(4, 3))),
    "product of one": (MulLayer, (_normal(1), _normal(1))),
    "sum": (AddLayer, (_normal(4, 3), _normal(4, 3))),
    "relu": (Relu, (_normal(4, 3),)),
    "relu at zero": (Relu, (np.zeros((2, 3)),)),
    "sigmoid": (Sigmoid, (_normal(4, 3),)),
    "sigmoid of positive": (Sigmoid, (np.array([1.0, 2.0, 3.0]),)),
    "affine": (lambda: Affine(_normal(3, 2), _normal(2)), (_normal(4, 3),)),
    "affine of images": (lambda: Affine(_normal(12, 4), _normal(4)), (_normal(2, 3, 2, 2),)),
    "loss": (SoftmaxWithLoss, (_normal(4, 3), _LABELS)),
    "loss of sure answers": (SoftmaxWithLoss, (5 * _normal(4, 3), np.eye(3)[_LABELS])),
    "cross entropy": (CrossEntropy, (_R.uniform(0.1, 0.9, (4, 3)), np.eye(3)[_LABELS])),
    "half squares": (HalfSquares, (_normal(4, 3), _normal(4, 3))),
    "dropout": (Dropout, (_normal(4, 3),)),
    "matmul": (lambda: MatMul(_normal(3, 3)), (_normal(4, 3),)),
    "embedding": (lambda: Embedding(_normal(7, 3)), (np.array([1, 4, 1, 0]),)),
    "rnn": (lambda: TimeRNN(_normal(3, 4), _normal(4, 4), _normal(4)), (_normal(2, 3, 3),)),
    "network": (TwoLayerNet, (_normal(4, 3), np.array([0, 1, 1, 0]))),
}
