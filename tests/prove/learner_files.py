"""Files as learners write them, and what has to be said of each: {name: (expected, source)}.

expected: for each subject its verdict, then words of its paragraph.
"""

FILES = {
    "apples": (
        (("MulLayer", "right"), ("AddLayer", "right")),
        r"""
# ch05/layer_naive.py
class MulLayer:
    def __init__(self):
        self.x = None
        self.y = None

    def forward(self, x, y):
        self.x = x
        self.y = y
        out = x * y

        return out

    def backward(self, dout):
        dx = dout * self.y
        dy = dout * self.x

        return dx, dy


class AddLayer:
    def __init__(self):
        pass

    def forward(self, x, y):
        out = x + y

        return out

    def backward(self, dout):
        dx = dout * 1
        dy = dout * 1

        return dx, dy


if __name__ == "__main__":
    apple = 100
    print(MulLayer().forward(apple, 2))
""",
    ),
    "330 for 110": (
        (("BuyFruit", "wrong"),),
        r'''
class BuyFruit:
    """price = (apple * number) * tax"""
    def forward(self, apple, number, tax):
        self.apple, self.number, self.tax = apple, number, tax
        return apple * number * tax

    def backward(self, dprice):
        dapple = dprice * self.number * self.tax * 3
        dnumber = dprice * self.apple * self.tax
        dtax = dprice * self.apple * self.number
        return dapple, dnumber, dtax
''',
    ),
    "log for exp": (
        (("Sigmoid", "wrong"),),
        r"""
import numpy as np

class Sigmoid:
    def __init__(self):
        self.out = None

    def forward(self, x):
        out = 1 / (1 + np.log(-x))
        self.out = out
        return out

    def backward(self, dout):
        dx = dout * (1.0 - self.out) * self.out
        return dx
""",
    ),
    "dW transposed": (
        (("Affine", "wrong"),),
        r"""
import numpy as np

class Affine:
    def __init__(self, W, b):
        self.W = W
        self.b = b
        self.x = None
        self.dW = None
        self.db = None

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        dx = np.dot(dout, self.W.T)
        self.dW = np.dot(dout, self.x.T)
        self.db = np.sum(dout, axis=0)
        return dx
""",
    ),
    "no return in backward": (
        (("Sigmoid", "wrong", "return"),),
        r"""
import numpy as np

class Sigmoid:
    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, dout):
        dx = dout * (1.0 - self.out) * self.out
""",
    ),
    "no return in forward": (
        (("Sigmoid", "wrong", "return"),),
        r"""
import numpy as np

class Sigmoid:
    def forward(self, x):
        out = 1 / (1 + np.exp(-x))
        self.out = out

    def backward(self, dout):
        return dout * (1.0 - self.out) * self.out
""",
    ),
    "no self": (
        (("Tanh", "wrong", "no parameter self"),),
        r"""
import numpy as np

class Tanh:
    def forward(x):
        y = np.tanh(x)
        return y

    def backward(dout):
        return dout * (1 - y ** 2)
""",
    ),
    "no self in backward": (
        (("Tanh", "wrong", "no parameter self"),),
        r"""
import numpy as np

class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(dout):
        return dout * (1 - self.y ** 2)
""",
    ),
    "local of forward": (
        (("Sigmoid", "wrong", "self.out"),),
        r"""
import numpy as np

class Sigmoid:
    def forward(self, x):
        out = 1 / (1 + np.exp(-x))
        return out

    def backward(self, dout):
        return dout * (1.0 - out) * out
""",
    ),
    "x never kept": (
        (("Affine", "wrong", "self.x"),),
        r"""
import numpy as np

class Affine:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return np.dot(dout, self.W.T)
""",
    ),
    "x kept as None": (
        (("Affine", "wrong", "self.x"),),
        r"""
import numpy as np

class Affine:
    def __init__(self, W, b):
        self.W = W
        self.b = b
        self.x = None

    def forward(self, x):
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return np.dot(dout, self.W.T)
""",
    ),
    "backwards": (
        (("Square", "not checked", "backwards"),),
        r"""
class Square:
    def forward(self, x):
        self.x = x
        return x ** 2

    def backwards(self, dout):
        return 2 * self.x * dout
""",
    ),
    "foward": (
        (("Square", "not checked", "foward"),),
        r"""
class Square:
    def foward(self, x):
        self.x = x
        return x ** 2

    def backward(self, dout):
        return 2 * self.x * dout
""",
    ),
    "forward only": (
        (("Square", "not checked", "backward"),),
        r"""
class Square:
    def forward(self, x):
        return x ** 2
""",
    ),
    "book's loss": (
        (("SoftmaxWithLoss", "right", "dout = 1"),),
        r"""
import numpy as np

def softmax(x):
    if x.ndim == 2:
        x = x.T
        x = x - np.max(x, axis=0)
        y = np.exp(x) / np.sum(np.exp(x), axis=0)
        return y.T

    x = x - np.max(x)
    return np.exp(x) / np.sum(np.exp(x))

def cross_entropy_error(y, t):
    if y.ndim == 1:
        t = t.reshape(1, t.size)
        y = y.reshape(1, y.size)
    if t.size == y.size:
        t = t.argmax(axis=1)
    batch_size = y.shape[0]
    return -np.sum(np.log(y[np.arange(batch_size), t] + 1e-7)) / batch_size

class SoftmaxWithLoss:
    def __init__(self):
        self.loss = None
        self.y = None
        self.t = None

    def forward(self, x, t):
        self.t = t
        self.y = softmax(x)
        self.loss = cross_entropy_error(self.y, self.t)
        return self.loss

    def backward(self, dout=1):
        batch_size = self.t.shape[0]

        if self.t.size == self.y.size:
            dx = (self.y - self.t) / batch_size
        else:
            dx = self.y.copy()
            dx[np.arange(batch_size), self.t] -= 1
            dx = dx / batch_size
        return dx
""",
    ),
    "loss without batch_size": (
        (("SoftmaxWithLoss", "wrong", "wrong_scale"),),
        r"""
import numpy as np

def softmax(x):
    if x.ndim == 2:
        x = x.T
        x = x - np.max(x, axis=0)
        y = np.exp(x) / np.sum(np.exp(x), axis=0)
        return y.T

    x = x - np.max(x)
    return np.exp(x) / np.sum(np.exp(x))

def cross_entropy_error(y, t):
    if y.ndim == 1:
        t = t.reshape(1, t.size)
        y = y.reshape(1, y.size)
    if t.size == y.size:
        t = t.argmax(axis=1)
    batch_size = y.shape[0]
    return -np.sum(np.log(y[np.arange(batch_size), t] + 1e-7)) / batch_size

class SoftmaxWithLoss:
    def __init__(self):
        self.loss = None
        self.y = None
        self.t = None

    def forward(self, x, t):
        self.t = t
        self.y = softmax(x)
        self.loss = cross_entropy_error(self.y, self.t)
        return self.loss

    def backward(self, dout=1):
        batch_size = self.t.shape[0]

        dx = self.y - self.t
        return dx
""",
    ),
    "two layers": (
        (("TwoLayerNet", "right"),),
        r"""
import numpy as np

def sigmoid(x):
    return 1 / (1 + np.exp(-x))

def sigmoid_grad(x):
    return (1.0 - sigmoid(x)) * sigmoid(x)

def softmax(x):
    x = x - np.max(x, axis=-1, keepdims=True)
    return np.exp(x) / np.sum(np.exp(x), axis=-1, keepdims=True)

def cross_entropy_error(y, t):
    if t.size == y.size:
        t = t.argmax(axis=1)
    batch_size = y.shape[0]
    return -np.sum(np.log(y[np.arange(batch_size), t] + 1e-7)) / batch_size

def numerical_gradient(f, x):
    h = 1e-4
    grad = np.zeros_like(x)
    it = np.nditer(x, flags=["multi_index"])
    while not it.finished:
        i = it.multi_index
        tmp = x[i]
        x[i] = tmp + h
        a = f(x)
        x[i] = tmp - h
        grad[i] = (a - f(x)) / (2 * h)
        x[i] = tmp
        it.iternext()
    return grad

class TwoLayerNet:
    def __init__(self, input_size, hidden_size, output_size, weight_init_std=0.01):
        self.params = {}
        self.params["W1"] = weight_init_std * np.random.randn(input_size, hidden_size)
        self.params["b1"] = np.zeros(hidden_size)
        self.params["W2"] = weight_init_std * np.random.randn(hidden_size, output_size)
        self.params["b2"] = np.zeros(output_size)

    def predict(self, x):
        W1, W2 = self.params["W1"], self.params["W2"]
        b1, b2 = self.params["b1"], self.params["b2"]
        z1 = sigmoid(np.dot(x, W1) + b1)
        return softmax(np.dot(z1, W2) + b2)

    def loss(self, x, t):
        return cross_entropy_error(self.predict(x), t)

    def accuracy(self, x, t):
        y = np.argmax(self.predict(x), axis=1)
        t = np.argmax(t, axis=1)
        return np.sum(y == t) / float(x.shape[0])

    def numerical_gradient(self, x, t):
        loss_W = lambda W: self.loss(x, t)
        return {k: numerical_gradient(loss_W, v) for k, v in self.params.items()}

    def gradient(self, x, t):
        W1, W2 = self.params["W1"], self.params["W2"]
        b1, b2 = self.params["b1"], self.params["b2"]
        grads = {}
        batch_num = x.shape[0]
        a1 = np.dot(x, W1) + b1
        z1 = sigmoid(a1)
        y = softmax(np.dot(z1, W2) + b2)

        dy = (y - t) / batch_num
        grads["W2"] = np.dot(z1.T, dy)
        grads["b2"] = np.sum(dy, axis=0)
        da1 = np.dot(dy, W2.T) * sigmoid_grad(a1)
        grads["W1"] = np.dot(x.T, da1)
        grads["b1"] = np.sum(da1, axis=0)
        return grads
""",
    ),
    "two layers, z for a": (
        (("TwoLayerNet", "wrong"),),
        r"""
import numpy as np

def sigmoid(x):
    return 1 / (1 + np.exp(-x))

def sigmoid_grad(x):
    return (1.0 - sigmoid(x)) * sigmoid(x)

def softmax(x):
    x = x - np.max(x, axis=-1, keepdims=True)
    return np.exp(x) / np.sum(np.exp(x), axis=-1, keepdims=True)

def cross_entropy_error(y, t):
    if t.size == y.size:
        t = t.argmax(axis=1)
    batch_size = y.shape[0]
    return -np.sum(np.log(y[np.arange(batch_size), t] + 1e-7)) / batch_size

def numerical_gradient(f, x):
    h = 1e-4
    grad = np.zeros_like(x)
    it = np.nditer(x, flags=["multi_index"])
    while not it.finished:
        i = it.multi_index
        tmp = x[i]
        x[i] = tmp + h
        a = f(x)
        x[i] = tmp - h
        grad[i] = (a - f(x)) / (2 * h)
        x[i] = tmp
        it.iternext()
    return grad

class TwoLayerNet:
    def __init__(self, input_size, hidden_size, output_size, weight_init_std=0.01):
        self.params = {}
        self.params["W1"] = weight_init_std * np.random.randn(input_size, hidden_size)
        self.params["b1"] = np.zeros(hidden_size)
        self.params["W2"] = weight_init_std * np.random.randn(hidden_size, output_size)
        self.params["b2"] = np.zeros(output_size)

    def predict(self, x):
        W1, W2 = self.params["W1"], self.params["W2"]
        b1, b2 = self.params["b1"], self.params["b2"]
        z1 = sigmoid(np.dot(x, W1) + b1)
        return softmax(np.dot(z1, W2) + b2)

    def loss(self, x, t):
        return cross_entropy_error(self.predict(x), t)

    def accuracy(self, x, t):
        y = np.argmax(self.predict(x), axis=1)
        t = np.argmax(t, axis=1)
        return np.sum(y == t) / float(x.shape[0])

    def numerical_gradient(self, x, t):
        loss_W = lambda W: self.loss(x, t)
        return {k: numerical_gradient(loss_W, v) for k, v in self.params.items()}

    def gradient(self, x, t):
        W1, W2 = self.params["W1"], self.params["W2"]
        b1, b2 = self.params["b1"], self.params["b2"]
        grads = {}
        batch_num = x.shape[0]
        a1 = np.dot(x, W1) + b1
        z1 = sigmoid(a1)
        y = softmax(np.dot(z1, W2) + b2)

        dy = (y - t) / batch_num
        grads["W2"] = np.dot(z1.T, dy)
        grads["b2"] = np.sum(dy, axis=0)
        da1 = np.dot(dy, W2.T) * sigmoid_grad(z1)
        grads["W1"] = np.dot(x.T, da1)
        grads["b1"] = np.sum(da1, axis=0)
        return grads
""",
    ),
    "x @ W + b": (
        (("Linear", "right"),),
        r"""
class Linear:
    def forward(self, x, W, b):
        self.x, self.W = x, W
        return x @ W + b

    def backward(self, dout):
        return dout @ self.W.T, self.x.T @ dout, dout.sum(axis=0)
""",
    ),
    "torch d*0": (
        (("MySquare", "wrong"),),
        r"""
import torch

class MySquare(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x ** 2

    @staticmethod
    def backward(ctx, d):
        x, = ctx.saved_tensors
        return d * 0
""",
    ),
    "layer norm without mean": (
        (("LayerNorm", "wrong"),),
        r"""
import numpy as np

class LayerNorm:
    def __init__(self, dim, eps=1e-5):
        self.gamma = np.ones(dim)
        self.beta = np.zeros(dim)
        self.eps = eps

    def forward(self, x):
        mu = x.mean(axis=-1, keepdims=True)
        self.std = np.sqrt(x.var(axis=-1, keepdims=True) + self.eps)
        self.xhat = (x - mu) / self.std
        return self.gamma * self.xhat + self.beta

    def backward(self, dout):
        axes = tuple(range(dout.ndim - 1))
        self.dgamma = (dout * self.xhat).sum(axis=axes)
        self.dbeta = dout.sum(axis=axes)
        d = dout * self.gamma
        return (d - d.mean(axis=-1, keepdims=True)) / self.std
""",
    ),
    "rms norm": (
        (("RMSNorm", "wrong"),),
        r"""
import numpy as np

class RMSNorm:
    def __init__(self, d_model, eps=1e-6):
        self.g = np.ones(d_model)
        self.eps = eps

    def forward(self, x):
        self.x = x
        self.r = np.sqrt((x ** 2).mean(axis=-1, keepdims=True) + self.eps)
        return self.g * x / self.r

    def backward(self, dy):
        self.dg = (dy * self.x / self.r).reshape(-1, len(self.g)).sum(axis=0)
        return dy * self.g / self.r
""",
    ),
    "doctest": (
        (("Scale", "wrong"),),
        r'''
import numpy as np

class Scale:
    """Rows by a gain of their own.

    >>> layer = Scale(np.array([1.0, 2.0, 3.0]))
    >>> layer.forward(np.ones((3, 4))).shape
    (3, 4)
    """
    def __init__(self, gain):
        self.gain = gain

    def forward(self, x):
        assert x.shape[0] == len(self.gain)
        self.x = x
        return x * self.gain[:, None]

    def backward(self, dout):
        self.dgain = (dout * self.x).sum(axis=1)
        return dout * self.gain.sum()
''',
    ),
    "cs231n": (
        (("affine", "right"), ("relu", "wrong")),
        r'''
import numpy as np

def affine_forward(x, w, b):
    """
    Inputs:
    - x: A numpy array containing input data, of shape (N, d_1, ..., d_k)
    - w: A numpy array of weights, of shape (D, M)
    - b: A numpy array of biases, of shape (M,)
    """
    out = x.reshape(x.shape[0], -1).dot(w) + b
    cache = (x, w, b)
    return out, cache

def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T.dot(dout)
    db = dout.sum(axis=0)
    return dx, dw, db

def relu_forward(x):
    return np.maximum(0, x), x

def relu_backward(dout, cache):
    return np.where(cache > 0, 1, 0)
''',
    ),
    "harm": (
        (
            ("Prints", "right"),
            ("Exits", "not checked", "exit"),
            ("Asks", "not checked", "input"),
            ("Lists", "right", "list"),
            ("Wrong", "wrong", "one gradient"),
        ),
        r"""
import os, sys

class Prints:
    def forward(self, x):
        print("forward!", x)
        return 2 * x
    def backward(self, dy):
        print("backward!", dy, file=sys.stderr)
        return 2 * dy

class Exits:
    def forward(self, x):
        sys.exit(3)
    def backward(self, dy):
        return dy

class Asks:
    def forward(self, x):
        return x * float(input("factor? "))
    def backward(self, dy):
        return dy

class Lists:
    def forward(self, x):
        return [[2 * v for v in row] for row in x]
    def backward(self, dy):
        return [[2 * v for v in row] for row in dy]

class Wrong:
    def forward(self, x, y):
        return x * y
    def backward(self, dx, dy):
        return dx, dy
""",
    ),
    "numbers only": (
        (("Root", "right", "number"),),
        r"""
import math

class Root:
    def forward(self, x):
        self.y = math.sqrt(x)
        return self.y
    def backward(self, dy):
        return dy / (2 * self.y)
""",
    ),
    "conv": (
        (("Convolution", "right"),),
        r"""
import numpy as np

def im2col(x, fh, fw, stride=1, pad=0):
    N, C, H, W = x.shape
    oh, ow = (H + 2 * pad - fh) // stride + 1, (W + 2 * pad - fw) // stride + 1
    img = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)], "constant")
    col = np.zeros((N, C, fh, fw, oh, ow))
    for i in range(fh):
        for j in range(fw):
            col[:, :, i, j] = img[:, :, i:i + stride * oh:stride, j:j + stride * ow:stride]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(N * oh * ow, -1)

def col2im(col, shape, fh, fw, stride=1, pad=0):
    N, C, H, W = shape
    oh, ow = (H + 2 * pad - fh) // stride + 1, (W + 2 * pad - fw) // stride + 1
    col = col.reshape(N, oh, ow, C, fh, fw).transpose(0, 3, 4, 5, 1, 2)
    img = np.zeros((N, C, H + 2 * pad + stride - 1, W + 2 * pad + stride - 1))
    for i in range(fh):
        for j in range(fw):
            img[:, :, i:i + stride * oh:stride, j:j + stride * ow:stride] += col[:, :, i, j]
    return img[:, :, pad:H + pad, pad:W + pad]

class Convolution:
    def __init__(self, W, b, stride=1, pad=0):
        self.W, self.b, self.stride, self.pad = W, b, stride, pad

    def forward(self, x):
        FN, C, FH, FW = self.W.shape
        N, C, H, W = x.shape
        oh = 1 + (H + 2 * self.pad - FH) // self.stride
        ow = 1 + (W + 2 * self.pad - FW) // self.stride
        self.col = im2col(x, FH, FW, self.stride, self.pad)
        self.x, self.col_W = x, self.W.reshape(FN, -1).T
        out = np.dot(self.col, self.col_W) + self.b
        return out.reshape(N, oh, ow, -1).transpose(0, 3, 1, 2)

    def backward(self, dout):
        FN, C, FH, FW = self.W.shape
        dout = dout.transpose(0, 2, 3, 1).reshape(-1, FN)
        self.db = np.sum(dout, axis=0)
        self.dW = np.dot(self.col.T, dout).transpose(1, 0).reshape(FN, C, FH, FW)
        return col2im(np.dot(dout, self.col_W.T), self.x.shape, FH, FW, self.stride, self.pad)
""",
    ),
    "bias bug": (
        (("AddBias", "wrong"),),
        r"""
import numpy as np

class AddBias:
    def __init__(self, offset): self.offset = offset; self.doffset = None
    def forward(self, x): return x + self.offset
    def backward(self, dout):
        self.doffset = dout
        return dout
""",
    ),
    "affine pair db": (
        (("affine", "wrong", "missing_batch_sum"),),
        r"""
import numpy as np

def affine_forward(x, w, b): return x.dot(w) + b, (x, w)
def affine_backward(dout, cache):
    x, w = cache
    return dout.dot(w.T), x.T.dot(dout), dout
""",
    ),
    "neuron": (
        (("Dot", "cannot tell"),),
        r"""
import numpy as np

class Dot:
    def forward(self, w, x):
        self.w, self.x = w, x
        return np.dot(w, x)
    def backward(self, d):
        return d * self.x, d * self.w
""",
    ),
    "attn heads": (
        (("SDPA", "right"),),
        r"""
import numpy as np

def sm(s):
    e = np.exp(s - s.max(-1, keepdims=True)); return e / e.sum(-1, keepdims=True)
class SDPA:
    def forward(self, q, k, v):
        self.q, self.k, self.v = q, k, v
        self.p = sm(q @ k.transpose(0, 1, 3, 2) / np.sqrt(q.shape[-1]))
        return self.p @ v
    def backward(self, do):
        dv = self.p.transpose(0, 1, 3, 2) @ do
        dp = do @ self.v.transpose(0, 1, 3, 2)
        ds = self.p * (dp - (dp * self.p).sum(-1, keepdims=True)) / np.sqrt(self.q.shape[-1])
        return ds @ self.k, ds.transpose(0, 1, 3, 2) @ self.q, dv
""",
    ),
    "prelu": (
        (("PReLU", "right"),),
        r"""
import numpy as np

class PReLU:
    def __init__(self, alpha): self.alpha = alpha
    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.alpha * x)
    def backward(self, dout):
        self.dalpha = np.sum(dout * np.where(self.x > 0, 0, self.x))
        return dout * np.where(self.x > 0, 1, self.alpha)
""",
    ),
    "abc": (
        (("Double", "right"),),
        r"""
import numpy as np

from abc import ABC, abstractmethod
class Layer(ABC):
    @abstractmethod
    def forward(self, x): ...
    @abstractmethod
    def backward(self, d): ...
class Module:
    def forward(self, x):
        pass
    def backward(self, d):
        pass
class Double(Layer):
    def forward(self, x): return 2 * x
    def backward(self, d): return 2 * d
""",
    ),
    "misspelt attr": (
        (("Sig", "wrong", "but self.mask"),),
        r"""
import numpy as np

class Sig:
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask
    def backward(self, d): return d * self.msak
""",
    ),
    "attr without self": (
        (("Aff", "wrong", "self.W"),),
        r"""
import numpy as np

class Aff:
    def __init__(self, W): self.W = W
    def forward(self, x):
        self.x = x
        return x @ W
    def backward(self, d):
        self.dW = self.x.T @ d
        return d @ self.W.T
""",
    ),
    "simple conv net": (
        (("Net", "right"),),
        r"""
import numpy as np

class Net:
    def __init__(self, input_dim=(1, 6, 6), hidden_size=5, output_size=3):
        self.params = {"W": np.random.randn(36, output_size) * 0.1, "b": np.zeros(output_size)}
        self.dim = input_dim
    def predict(self, x):
        assert x.shape[1:] == self.dim
        return x.reshape(len(x), -1) @ self.params["W"] + self.params["b"]
    def loss(self, x, t):
        z = self.predict(x); z = z - z.max(1, keepdims=True)
        self.p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        return -np.sum(t * np.log(self.p)) / len(x)
    def gradient(self, x, t):
        self.loss(x, t)
        d = (self.p - t) / len(x)
        return {"W": x.reshape(len(x), -1).T @ d, "b": d.sum(0)}
""",
    ),
    "linear sizes": (
        (("Linear", "right"),),
        r"""
import numpy as np

class Linear:
    def __init__(self, in_features, out_features, bias=True):
        self.weight = np.random.randn(out_features, in_features) * 0.1
        self.bias = np.zeros(out_features)
    def forward(self, x):
        self.x = x
        return x @ self.weight.T + self.bias
    def backward(self, grad):
        self.grad_weight = grad.T @ self.x
        self.grad_bias = grad.sum(0)
        return grad @ self.weight
""",
    ),
}
