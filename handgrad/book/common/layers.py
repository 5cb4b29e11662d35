"""The layers that the books build without time."""

from typing import Any

import numpy as np

from handgrad import layers
from handgrad.arrays import Array, ShapeError
from handgrad.book.common.adapter import Adapter, Weightless, held
from handgrad.book.common.config import GPU as GPU
from handgrad.book.common.functions import LEAST, cross_entropy_error, sigmoid, softmax
from handgrad.book.common.util import col2im as col2im
from handgrad.book.common.util import im2col as im2col


class Relu(layers.ReLU):
    """max(x, 0). `mask` is True where the gradient stops."""

    grads = ()

    @property
    def mask(self) -> Array:
        return self.y <= 0


class Sigmoid(layers.Sigmoid):
    """1 / (1 + e⁻ˣ). `out` is the output."""

    grads = ()

    @property
    def out(self) -> Array:
        return self.y


class Softmax(layers.Softmax):
    """Probabilities along the last axis. `out` is the output."""

    grads = ()

    @property
    def out(self) -> Array:
        return self.y


class MatMul(Adapter):
    """x @ W. Shapes: x (N, D), W (D, M)."""

    names = ("W",)
    W = held(0)

    def __init__(self, W: Array):
        super().__init__(layers.Affine(W.shape[1], bias=False), W)


class Affine(Adapter):
    """x @ W + b; all axes of x but the first count as one. Shapes: x (N, …), W (D, M), b (M)."""

    names = ("W", "b")
    W, b = held(0), held(1)

    def __init__(self, W: Array, b: Array):
        super().__init__(layers.Affine(W.shape[1]), W, b)

    def forward(self, x: Array) -> Array:
        self.original_x_shape = x.shape
        return super().forward(x.reshape(len(x), -1))

    def backward(self, dout: Array) -> Array:
        return super().backward(dout).reshape(self.original_x_shape)


class Convolution(Adapter):
    """Filters W (FN, C, FH, FW) and b (FN) slid over images x (N, C, H, W)."""

    names = ("W", "b")
    W, b = held(0), held(1)

    def __init__(self, W: Array, b: Array, stride: int = 1, pad: int = 0):
        self.stride, self.pad = stride, pad
        filters, channels, *kernel = W.shape
        inner = layers.Convolution(filters, tuple(kernel), stride=stride, pad=pad, inputs=channels)
        super().__init__(inner, W, b)


class Pooling(layers.MaxPooling):
    """The maximum of each window of images (N, C, H, W); padding never wins."""

    grads = ()

    def __init__(self, pool_h: int, pool_w: int, stride: int = 2, pad: int = 0):
        super().__init__((pool_h, pool_w), stride=stride, pad=pad)
        self.pool_h, self.pool_w = pool_h, pool_w


class SoftmaxWithLoss(Weightless):
    """The cross-entropy of scores x (N, C) with labels t (N), or with probabilities (N, C).

    Gradient: dx = dout · (y − t) / N.
    """

    loss: Any = None
    y: Any = None
    t: Any = None

    def forward(self, x: Array, t: Array) -> float:
        self.t, self.y = t, softmax(x)
        self.loss = cross_entropy_error(self.y, t)
        return self.loss

    def backward(self, dout: float = 1) -> Array:
        if self.t.size == self.y.size:
            dx = self.y - self.t.reshape(self.y.shape)
        else:
            dx = self.y.copy()
            dx[np.arange(len(dx)), self.t.reshape(-1)] -= 1
        return dx * (dout / len(dx))


class SigmoidWithLoss(Weightless):
    """The mean cross-entropy of scores x (N) with labels t (N), 0 or 1.

    Gradient: dx = dout · (y − t) / N.
    """

    loss: Any = None
    y: Any = None
    t: Any = None

    def forward(self, x: Array, t: Array) -> float:
        self.t, self.y = t, sigmoid(x)
        right = np.where(t == 1, self.y, 1 - self.y)
        self.loss = -np.sum(np.log(right + LEAST)) / t.size
        return self.loss

    def backward(self, dout: float = 1) -> Array:
        return (self.y - self.t) * (dout / self.t.size)


class Dropout(Weightless):
    """Each element is zero with probability `dropout_ratio` in training, and none grows.

    Outside training every element is multiplied by 1 − dropout_ratio instead. The random
    numbers are NumPy's global ones, as in the books.
    Source: Hinton et al., "Improving neural networks by preventing co-adaptation", 2012.
    """

    def __init__(self, dropout_ratio: float = 0.5):
        super().__init__()
        self.dropout_ratio = dropout_ratio
        self.mask: Any = None

    def forward(self, x: Array, train_flg: bool = True) -> Array:
        if train_flg:
            self.mask = np.random.rand(*x.shape) > self.dropout_ratio
        else:
            self.mask = 1.0 - self.dropout_ratio
        return x * self.mask

    def backward(self, dout: Array) -> Array:
        return dout * self.mask


class Embedding(Adapter):
    """Rows of W (V, D) by their numbers idx (…)."""

    names = ("W",)
    W = held(0)

    def __init__(self, W: Array):
        super().__init__(layers.Embedding(*W.shape), W)

    def forward(self, idx: Array) -> Array:
        (self.inner.W,) = self.params
        return self.inner.forward(idx)


class BatchNormalization:
    """y = gamma · (x − mean) / √(var + 10⁻⁶) + beta; of images, for each channel.

    Mean and variance are those of the batch in training; outside, running ones, which move by
    1 − momentum towards each batch's.
    Shapes: x (N, D) or (N, C, H, W), gamma and beta (D) or (C).
    Gradient: dx = (dn − mean(dn) − n · mean(dn · n)) · gamma / √(var + 10⁻⁶) in training, where n
    is what gamma multiplies and dn = dout; without the two means outside.
    Source: Ioffe & Szegedy, "Batch normalization", ICML 2015.
    """

    eps = 1e-6

    def __init__(
        self, gamma: Array, beta: Array, momentum: float = 0.9,
        running_mean: Array | None = None, running_var: Array | None = None,
    ):  # fmt: skip
        self.gamma, self.beta, self.momentum = gamma, beta, momentum
        self.running_mean: Any = running_mean
        self.running_var: Any = running_var
        self.dgamma: Any = None
        self.dbeta: Any = None

    def as_rows(self, x: Array) -> Array:
        """x with what is normalized together in a column."""
        return np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])

    def as_input(self, rows: Array, shape: tuple[int, ...]) -> Array:
        """The inverse of `as_rows`."""
        return np.moveaxis(rows.reshape(shape[0], *shape[2:], shape[1]), -1, 1)

    def forward(self, x: Array, train_flg: bool = True) -> Array:
        rows = self.as_rows(x)
        if np.shape(self.gamma) not in ((), (1,), rows.shape[1:]):
            raise ShapeError(
                f"BatchNormalization: gamma must be {rows.shape[1:]} for x {x.shape}, one number "
                f"for each channel, got {np.shape(self.gamma)}"
            )
        if self.running_mean is None:
            self.running_mean = np.zeros(rows.shape[1])
            self.running_var = np.zeros(rows.shape[1])
        mean, var = self.running_mean, self.running_var
        if train_flg:
            mean, var = rows.mean(axis=0), rows.var(axis=0)
            keep = self.momentum
            self.running_mean = keep * self.running_mean + (1 - keep) * mean
            self.running_var = keep * self.running_var + (1 - keep) * var
        self.train_flg, self.std = train_flg, np.sqrt(var + self.eps)
        self.xn = (rows - mean) / self.std
        return self.as_input(self.gamma * self.xn + self.beta, x.shape)

    def backward(self, dout: Array) -> Array:
        rows = self.as_rows(dout)
        self.dgamma, self.dbeta = (rows * self.xn).sum(axis=0), rows.sum(axis=0)
        dn = rows
        if self.train_flg:
            dn = rows - (self.dbeta + self.xn * self.dgamma) / len(rows)
        return self.as_input(dn * self.gamma / self.std, dout.shape)
