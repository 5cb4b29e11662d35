"""Plain NumPy, float32, written out as in a book: a class a layer, one array operation a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks import workloads as w
from benchmarks.workloads import Workload

Array = np.ndarray


class System:
    """Layers forward, layers backward, one update for each parameter."""

    def __init__(self, workload: Workload):
        self.x, self.t = workload.data
        arrays = iter(workload.weights())
        self.layers = [layer_of(layer, arrays) for layer in workload.layers]
        self.params = [p for layer in self.layers for p in layer.params]
        self.update = {"sgd": SGD, "adam": Adam}[workload.optimizer](workload.lr)
        self.clip = workload.clip

    def turn(self, rows: Array) -> Callable[[], float]:
        def run() -> float:
            for batch in rows:
                loss = self.step(self.x[batch], self.t[batch])
            return float(loss)

        return run

    def step(self, x: Array, t: Array) -> float:
        for layer in self.layers:
            x = layer.forward(x)
        loss, dy = softmax_cross_entropy(x, t)
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        grads = [g for layer in self.layers for g in layer.grads]
        if self.clip is not None:
            norm = np.sqrt(sum(np.sum(g * g) for g in grads))
            if norm > self.clip:
                for g in grads:
                    g *= self.clip / norm
        self.update(self.params, grads)
        return loss


def softmax_cross_entropy(y: Array, t: Array) -> tuple[float, Array]:
    """The mean of −ln p over all rows (and times), and its gradient. y (N, …, C), t (N, …)."""
    z, labels = y.reshape(-1, y.shape[-1]), t.reshape(-1)
    z = z - z.max(axis=1, keepdims=True)
    e = np.exp(z)
    total = e.sum(axis=1, keepdims=True)
    p, rows = e / total, np.arange(len(z))
    loss = (np.log(total[:, 0]) - z[rows, labels]).mean()
    p[rows, labels] -= 1
    p /= len(z)
    return loss, p.reshape(y.shape)


class Layer:
    """A layer without parameters has none."""

    params: tuple = ()
    grads: tuple = ()


class Affine(Layer):
    """y = x W + b, also for every time of x (N, T, D)."""

    def __init__(self, W: Array, b: Array):
        self.params = self.W, self.b = W, b

    def forward(self, x: Array) -> Array:
        self.shape, self.x = x.shape, x.reshape(-1, x.shape[-1])
        y = np.dot(self.x, self.W) + self.b
        return y.reshape(*self.shape[:-1], -1)

    def backward(self, dy: Array) -> Array:
        dy = dy.reshape(-1, dy.shape[-1])
        self.grads = np.dot(self.x.T, dy), dy.sum(axis=0)
        return np.dot(dy, self.W.T).reshape(self.shape)


class ReLU(Layer):
    def forward(self, x: Array) -> Array:
        self.mask = x <= 0
        y = x.copy()
        y[self.mask] = 0
        return y

    def backward(self, dy: Array) -> Array:
        dy[self.mask] = 0
        return dy


class Flatten(Layer):
    def forward(self, x: Array) -> Array:
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy: Array) -> Array:
        return dy.reshape(self.shape)


class Dropout(Layer):
    def __init__(self, ratio: float):
        self.ratio, self.rng = ratio, np.random.default_rng(0)

    def forward(self, x: Array) -> Array:
        keep = self.rng.random(x.shape, np.float32) >= self.ratio
        self.mask = keep * np.float32(1 / (1 - self.ratio))
        return x * self.mask

    def backward(self, dy: Array) -> Array:
        return dy * self.mask


def im2col(x: Array, k: int, stride: int, pad: int) -> Array:
    """Windows as rows: (N OH OW, C k k)."""
    n, c, h, width = x.shape
    oh, ow = (h + 2 * pad - k) // stride + 1, (width + 2 * pad - k) // stride + 1
    image = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    col = np.zeros((n, c, k, k, oh, ow), x.dtype)
    for i in range(k):
        for j in range(k):
            rows = slice(i, i + stride * oh, stride)
            col[:, :, i, j] = image[:, :, rows, j : j + stride * ow : stride]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(n * oh * ow, -1)


def col2im(col: Array, shape: tuple, k: int, stride: int, pad: int) -> Array:
    """The sum of the windows at their positions in images of this shape."""
    n, c, h, width = shape
    oh, ow = (h + 2 * pad - k) // stride + 1, (width + 2 * pad - k) // stride + 1
    col = col.reshape(n, oh, ow, c, k, k).transpose(0, 3, 4, 5, 1, 2)
    image = np.zeros((n, c, h + 2 * pad, width + 2 * pad), col.dtype)
    for i in range(k):
        for j in range(k):
            rows = slice(i, i + stride * oh, stride)
            image[:, :, rows, j : j + stride * ow : stride] += col[:, :, i, j]
    return image[:, :, pad : h + pad, pad : width + pad]


class Convolution(Layer):
    """One matrix product over the windows."""

    def __init__(self, W: Array, b: Array, pad: int):
        self.params = self.W, self.b = W, b
        self.pad = pad

    def forward(self, x: Array) -> Array:
        f, _, k, _ = self.W.shape
        self.shape, self.col = x.shape, im2col(x, k, 1, self.pad)
        y = np.dot(self.col, self.W.reshape(f, -1).T) + self.b
        oh, ow = (size + 2 * self.pad - k + 1 for size in x.shape[2:])
        return y.reshape(len(x), oh, ow, f).transpose(0, 3, 1, 2)

    def backward(self, dy: Array) -> Array:
        f, _, k, _ = self.W.shape
        dy = dy.transpose(0, 2, 3, 1).reshape(-1, f)
        self.grads = np.dot(self.col.T, dy).T.reshape(self.W.shape), dy.sum(axis=0)
        return col2im(np.dot(dy, self.W.reshape(f, -1)), self.shape, k, 1, self.pad)


class MaxPooling(Layer):
    """The largest of each window, which is a row of its own for every channel."""

    def __init__(self, size: int):
        self.size = size

    def forward(self, x: Array) -> Array:
        n, c, h, width = self.shape = x.shape
        col = im2col(x, self.size, self.size, 0).reshape(-1, self.size**2)
        self.at = col.argmax(axis=1)
        y = col.max(axis=1).reshape(n, h // self.size, width // self.size, c)
        return y.transpose(0, 3, 1, 2)

    def backward(self, dy: Array) -> Array:
        dy = dy.transpose(0, 2, 3, 1)
        col = np.zeros((dy.size, self.size**2), dy.dtype)
        col[np.arange(dy.size), self.at] = dy.ravel()
        n, oh, ow, _ = dy.shape
        return col2im(col.reshape(n * oh * ow, -1), self.shape, self.size, self.size, 0)


class Embedding(Layer):
    """The row of W for each word."""

    def __init__(self, W: Array):
        self.params = (W,)

    def forward(self, ids: Array) -> Array:
        self.ids = ids
        return self.params[0][ids]

    def backward(self, dy: Array) -> None:
        dW = np.zeros_like(self.params[0])
        np.add.at(dW, self.ids, dy)
        self.grads = (dW,)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


class LSTM(Layer):
    """Time by time; the gradients of the weights added up."""

    def __init__(self, Wx: Array, Wh: Array, b: Array):
        self.params = self.Wx, self.Wh, self.b = Wx, Wh, b

    def forward(self, x: Array) -> Array:
        (N, T, _), H = x.shape, len(self.Wh)
        h, c = np.zeros((N, H), x.dtype), np.zeros((N, H), x.dtype)
        self.x, self.cache, y = x, [], np.empty((N, T, H), x.dtype)
        for t in range(T):
            A = np.dot(x[:, t], self.Wx) + np.dot(h, self.Wh) + self.b
            f, g = sigmoid(A[:, :H]), np.tanh(A[:, H : 2 * H])
            i, o = sigmoid(A[:, 2 * H : 3 * H]), sigmoid(A[:, 3 * H :])
            c_next = f * c + g * i
            self.cache.append((h, c, f, g, i, o, c_next))
            c = c_next
            y[:, t] = h = o * np.tanh(c)
        return y

    def backward(self, dy: Array) -> Array:
        self.grads = tuple(np.zeros_like(p) for p in self.params)
        dx, dh, dc = np.empty_like(self.x), np.float32(0), np.float32(0)
        for t in reversed(range(dy.shape[1])):
            h, c, f, g, i, o, c_next = self.cache[t]
            dh = dh + dy[:, t]
            tanh_c = np.tanh(c_next)
            ds = dc + dh * o * (1 - tanh_c**2)
            df, dg, di, do = ds * c, ds * i, ds * g, dh * tanh_c
            df, di, do = df * f * (1 - f), di * i * (1 - i), do * o * (1 - o)
            dA = np.hstack((df, dg * (1 - g**2), di, do))
            for total, grad in zip(
                self.grads, (np.dot(self.x[:, t].T, dA), np.dot(h.T, dA), dA.sum(axis=0))
            ):
                total += grad
            dx[:, t], dh, dc = np.dot(dA, self.Wx.T), np.dot(dA, self.Wh.T), ds * f
        return dx


class SGD:
    def __init__(self, lr: float):
        self.lr = np.float32(lr)

    def __call__(self, params: list[Array], grads: list[Array]) -> None:
        for p, g in zip(params, grads):
            p -= self.lr * g


class Adam:
    def __init__(self, lr: float):
        self.lr, self.steps, self.m = lr, 0, []

    def __call__(self, params: list[Array], grads: list[Array]) -> None:
        if not self.m:
            self.m, self.v = ([np.zeros_like(p) for p in params] for _ in range(2))
        self.steps += 1
        c = (1 - 0.999**self.steps) ** 0.5
        lr = self.lr * c / (1 - 0.9**self.steps)
        for p, g, m, v in zip(params, grads, self.m, self.v):
            m += (1 - 0.9) * (g - m)
            v += (1 - 0.999) * (g**2 - v)
            p -= lr * m / (np.sqrt(v) + 1e-8 * c)


def layer_of(layer: Any, arrays: Iterator[Array]) -> Layer:
    """The layer with its weights, the next of the arrays."""
    match layer:
        case w.Affine():
            return Affine(next(arrays), next(arrays))
        case w.Convolution(pad=pad):
            return Convolution(next(arrays), next(arrays), pad)
        case w.MaxPooling(size):
            return MaxPooling(size)
        case w.Dropout(ratio):
            return Dropout(ratio)
        case w.Embedding():
            return Embedding(next(arrays))
        case w.LSTM():
            return LSTM(next(arrays), next(arrays), next(arrays))
        case w.ReLU():
            return ReLU()
        case w.Flatten():
            return Flatten()
    raise ValueError(f"no layer for {layer}")
