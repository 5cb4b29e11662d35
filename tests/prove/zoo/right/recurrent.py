"""Recurrent cells, and whole sequences. Shapes: x (N, D) or xs (N, T, D), h (N, H)."""

import numpy as np

from .activation import sigmoid


class RNNCell:
    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b
        self.dWx = self.dWh = self.db = None

    def forward(self, x, h):
        self.x = x
        self.h = h
        self.y = np.tanh(x @ self.Wx + h @ self.Wh + self.b)
        return self.y

    def backward(self, dy):
        da = dy * (1 - self.y**2)
        self.db = da.sum(axis=0)
        self.dWx = self.x.T @ da
        self.dWh = self.h.T @ da
        return da @ self.Wx.T, da @ self.Wh.T


class TimeRNN:
    """From h = 0, all states out: (N, T, H)."""

    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b
        self.dWx = self.dWh = self.db = None

    def forward(self, xs):
        self.xs = xs
        h = np.zeros((len(xs), len(self.b)), xs.dtype)
        self.hs = [h]
        for t in range(xs.shape[1]):
            h = np.tanh(xs[:, t] @ self.Wx + h @ self.Wh + self.b)
            self.hs.append(h)
        return np.stack(self.hs[1:], axis=1)

    def backward(self, dhs):
        dxs = np.zeros(self.xs.shape, dhs.dtype)
        dWx, dWh, db = np.zeros_like(self.Wx), np.zeros_like(self.Wh), np.zeros_like(self.b)
        dh = np.zeros_like(dhs[:, 0])
        for t in reversed(range(dhs.shape[1])):
            da = (dhs[:, t] + dh) * (1 - self.hs[t + 1] ** 2)
            db += da.sum(axis=0)
            dWx += self.xs[:, t].T @ da
            dWh += self.hs[t].T @ da
            dxs[:, t] = da @ self.Wx.T
            dh = da @ self.Wh.T
        self.dWx, self.dWh, self.db = dWx, dWh, db
        return dxs


class LSTMCell:
    """Gates side by side in the order f, g, i, o."""

    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b
        self.dWx = self.dWh = self.db = None

    def forward(self, x, h, c):
        self.x, self.h, self.c = x, h, c
        f, g, i, o = np.split(x @ self.Wx + h @ self.Wh + self.b, 4, axis=1)
        self.f, self.i, self.o = sigmoid(f), sigmoid(i), sigmoid(o)
        self.g = np.tanh(g)
        c = self.f * c + self.g * self.i
        self.tanh_c = np.tanh(c)
        return self.o * self.tanh_c, c

    def backward(self, dh, dc):
        f, g, i, o = self.f, self.g, self.i, self.o
        ds = dc + dh * o * (1 - self.tanh_c**2)
        df = ds * self.c * f * (1 - f)
        di = ds * g * i * (1 - i)
        do = dh * self.tanh_c * o * (1 - o)
        dg = ds * i * (1 - g**2)
        da = np.hstack([df, dg, di, do])
        self.dWx = self.x.T @ da
        self.dWh = self.h.T @ da
        self.db = da.sum(axis=0)
        return da @ self.Wx.T, da @ self.Wh.T, ds * f


class GRUCell:
    """Gates side by side in the order z, r, n."""

    def __init__(self, Wx, Wh, b):
        self.Wx, self.Wh, self.b = Wx, Wh, b
        self.dWx = self.dWh = self.db = None

    def forward(self, x, h):
        self.x, self.h = x, h
        H = h.shape[1]
        a = x @ self.Wx + self.b
        self.z = sigmoid(a[:, :H] + h @ self.Wh[:, :H])
        self.r = sigmoid(a[:, H : 2 * H] + h @ self.Wh[:, H : 2 * H])
        self.n = np.tanh(a[:, 2 * H :] + (self.r * h) @ self.Wh[:, 2 * H :])
        return (1 - self.z) * h + self.z * self.n

    def backward(self, dy):
        h, z, r, n = self.h, self.z, self.r, self.n
        H = h.shape[1]
        dn = dy * z * (1 - n**2)
        drh = dn @ self.Wh[:, 2 * H :].T
        dr = drh * h * r * (1 - r)
        dz = dy * (n - h) * z * (1 - z)
        da = np.hstack([dz, dr, dn])
        self.dWx = self.x.T @ da
        self.dWh = np.hstack([h.T @ dz, h.T @ dr, (r * h).T @ dn])
        self.db = da.sum(axis=0)
        dh = dy * (1 - z) + drh * r + dz @ self.Wh[:, :H].T + dr @ self.Wh[:, H : 2 * H].T
        return da @ self.Wx.T, dh


class TimeLinear:
    """h_t = a h_(t-1) + x_t with one learned number a; all h out. Shapes: x (N, T), a ()."""

    def __init__(self, a):
        self.a = a
        self.da = None

    def forward(self, x):
        h = np.zeros_like(x[:, 0])
        self.before = []
        out = []
        for t in range(x.shape[1]):
            self.before.append(h)
            h = self.a * h + x[:, t]
            out.append(h)
        return np.stack(out, axis=1)

    def backward(self, dout):
        dx = np.zeros_like(dout)
        da = np.zeros_like(self.a)
        dh = np.zeros_like(dout[:, 0])
        for t in reversed(range(dout.shape[1])):
            dh = dout[:, t] + dh
            dx[:, t] = dh
            da = da + np.sum(dh * self.before[t])
            dh = self.a * dh
        self.da = da
        return dx


def _weights(r, gates, D=2, H=3):
    shapes = (D, gates * H), (H, gates * H), (gates * H,)
    return tuple(0.5 * r.normal(size=s) for s in shapes)


def _state(r, *widths, N=3):
    return tuple(r.normal(size=(N, w)) for w in widths)


SAMPLES = {
    RNNCell: lambda r: (_weights(r, 1), _state(r, 2, 3)),
    TimeRNN: lambda r: (_weights(r, 1), (r.normal(size=(2, 3, 2)),)),
    LSTMCell: lambda r: (_weights(r, 4, H=2), _state(r, 2, 2, 2)),
    GRUCell: lambda r: (_weights(r, 3, H=2), _state(r, 2, 2)),
    TimeLinear: lambda r: ((np.array(0.7),), (r.normal(size=(2, 4)),)),
}
