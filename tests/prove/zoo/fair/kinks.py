"""Kinks and ties, some of them exactly at the sample's values."""

import numpy as np

from .registry import fair


def _with_zeros(r):
    x = r.normal(size=(3, 4))
    x[0] = 0
    x[1, 1] = 0
    return (x,)


def _with_ties(r):
    return (np.array([[1.0, 1.0, 0.5], [2.0, 2.0, 2.0], [0.0, 3.0, 3.0]]),)


@fair(on=_with_zeros)
class ReluZeroIsZero:
    def forward(self, x):
        self.mask = x > 0
        return np.where(self.mask, x, 0)

    def backward(self, dout):
        return np.where(self.mask, dout, 0)


@fair(on=_with_zeros)
class ReluZeroIsOne:
    def forward(self, x):
        self.mask = x >= 0
        return np.where(self.mask, x, 0)

    def backward(self, dout):
        return np.where(self.mask, dout, 0)


@fair(on=_with_zeros)
class ReluZeroIsHalf:
    def forward(self, x):
        self.slope = 0.5 * (1 + np.sign(x))
        return np.maximum(x, 0)

    def backward(self, dout):
        return dout * self.slope


@fair(on=lambda r: (np.zeros((2, 3)),))
class AbsAtZeroOnly:
    def forward(self, x):
        self.sign = np.sign(x)
        return np.abs(x)

    def backward(self, dout):
        return dout * self.sign


@fair(on=_with_zeros)
class AbsRightSide:
    def forward(self, x):
        self.sign = np.where(x >= 0, 1, -1)
        return np.abs(x)

    def backward(self, dout):
        return dout * self.sign


@fair(on=_with_ties)
class MaxFirst:
    def forward(self, x):
        self.shape, self.i = x.shape, x.argmax(axis=1)
        return x.max(axis=1)

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        dx[np.arange(len(dx)), self.i] = dout
        return dx


@fair(on=_with_ties)
class MaxLast:
    def forward(self, x):
        self.shape, self.i = x.shape, x.shape[1] - 1 - x[:, ::-1].argmax(axis=1)
        return x.max(axis=1)

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        dx[np.arange(len(dx)), self.i] = dout
        return dx


@fair(on=_with_ties)
class MaxShared:
    """Tied entries share the gradient: a subgradient too."""

    def forward(self, x):
        top = x == x.max(axis=1, keepdims=True)
        self.share = top / top.sum(axis=1, keepdims=True)
        return x.max(axis=1)

    def backward(self, dout):
        return dout[:, None] * self.share


@fair(on=lambda r: (np.array([[-2.0, -1.0, 0.0, 1.0, 2.0]]),))
class ClipAtItsEnds:
    def forward(self, x):
        self.inside = (x >= -1) & (x <= 1)
        return np.clip(x, -1, 1)

    def backward(self, dout):
        return dout * self.inside


@fair(on=lambda r: (np.arange(16.0).reshape(1, 1, 4, 4) // 3,))
class PoolingWithTies:
    def forward(self, x):
        N, C, H, W = x.shape
        self.shape = x.shape
        h, w = H // 2, W // 2
        win = x[:, :, : 2 * h, : 2 * w].reshape(N, C, h, 2, w, 2)
        win = win.transpose(0, 1, 2, 4, 3, 5).reshape(N, C, h, w, 4)
        self.index = win.argmax(axis=-1)
        return win.max(axis=-1)

    def backward(self, dout):
        N, C, h, w = dout.shape
        win = (np.arange(4) == self.index[..., None]) * dout[..., None]
        win = win.reshape(N, C, h, w, 2, 2).transpose(0, 1, 2, 4, 3, 5)
        dx = np.zeros(self.shape, dout.dtype)
        dx[:, :, : 2 * h, : 2 * w] = win.reshape(N, C, 2 * h, 2 * w)
        return dx


@fair(on=lambda r: (np.array([1.0, 2.0, 2.0]), np.array([1.0, 2.0, 3.0])))
class AbsoluteErrorMet:
    """Outputs that meet their targets exactly."""

    def forward(self, y, t):
        self.sign = np.sign(y - t)
        return np.abs(y - t).sum()

    def backward(self, dout=1):
        return dout * self.sign, -dout * self.sign


@fair(on=lambda r: (np.array([[0.2, 0.7, -1.3, 2.4]]),))
class Rounds:
    """A step function: its gradient is zero wherever there is one."""

    def forward(self, x):
        return np.floor(x)

    def backward(self, dout):
        return np.zeros_like(dout)


@fair(on=lambda r: (r.normal(size=(3, 4)),))
class SortsRows:
    def forward(self, x):
        self.order = np.argsort(x, axis=1, kind="stable")
        return np.take_along_axis(x, self.order, axis=1)

    def backward(self, dout):
        dx = np.empty_like(dout)
        np.put_along_axis(dx, self.order, dout, axis=1)
        return dx
