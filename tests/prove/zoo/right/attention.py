"""Attention. Shapes: q (N, T, D), k and v (N, S, D)."""

import numpy as np

from .loss import softmax


class Attention:
    def forward(self, q, k, v):
        self.q, self.k, self.v = q, k, v
        self.scale = 1 / np.sqrt(q.shape[-1])
        self.p = softmax(q @ k.transpose(0, 2, 1) * self.scale)
        return self.p @ v

    def backward(self, dout):
        dv = self.p.transpose(0, 2, 1) @ dout
        dp = dout @ self.v.transpose(0, 2, 1)
        ds = self.p * (dp - np.sum(dp * self.p, axis=-1, keepdims=True)) * self.scale
        dq = ds @ self.k
        dk = ds.transpose(0, 2, 1) @ self.q
        return dq, dk, dv


class CausalAttention:
    """Each step attends to itself and to earlier ones."""

    def forward(self, q, k, v):
        self.q, self.k, self.v = q, k, v
        self.root = float(np.sqrt(q.shape[-1]))
        later = np.triu(np.ones((q.shape[1], k.shape[1]), bool), 1)
        score = q @ k.swapaxes(1, 2) / self.root
        self.p = softmax(np.where(later, -np.inf, score))
        return self.p @ v

    def backward(self, dout):
        dv = self.p.swapaxes(1, 2) @ dout
        dp = dout @ self.v.swapaxes(1, 2)
        ds = self.p * (dp - (dp * self.p).sum(axis=-1, keepdims=True)) / self.root
        return ds @ self.k, ds.swapaxes(1, 2) @ self.q, dv


class WeightedSum:
    """c[n] = sum over t of a[n, t] h[n, t]. Shapes: a (N, T), h (N, T, D)."""

    def forward(self, a, h):
        self.a = a
        self.h = h
        return np.sum(a[:, :, None] * h, axis=1)

    def backward(self, dout):
        da = np.sum(self.h * dout[:, None, :], axis=2)
        dh = self.a[:, :, None] * dout[:, None, :]
        return da, dh


def _qkv(r, S=3):
    return (), tuple(r.normal(size=(2, n, 2)) for n in (3, S, S))


SAMPLES = {
    Attention: lambda r: _qkv(r, 4),
    CausalAttention: _qkv,
    WeightedSum: lambda r: ((), (r.normal(size=(2, 3)), r.normal(size=(2, 3, 2)))),
}
