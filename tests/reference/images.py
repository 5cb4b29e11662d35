"""Layers on images written as loops over single numbers: slow and easy to believe."""

from __future__ import annotations

from itertools import product

import numpy as np


def positions(x, kernel, stride, before, dilation, outputs):
    """(output, cell, pixel) for every cell of every window that lies inside the image."""
    for o in product(*map(range, outputs)):
        for k in product(*map(range, kernel)):
            at = tuple(a * s + b * d - p for a, b, s, d, p in zip(o, k, stride, dilation, before))
            if all(0 <= a < n for a, n in zip(at, x.shape[2:])):
                yield o, k, at


def convolution(x, w, b, dy, stride, before, dilation, groups):
    """y, dx, dW and db: every product x · w of the forward gives to both of its factors."""
    y, dx, dw, db = np.zeros(dy.shape), np.zeros(x.shape), np.zeros(w.shape), np.zeros(len(w))
    for n, f in product(range(len(x)), range(len(w))):
        y[n, f] += b[f]
        db[f] += dy[n, f].sum()
        first = f // (len(w) // groups) * w.shape[1]
        for o, k, at in positions(x, w.shape[2:], stride, before, dilation, dy.shape[2:]):
            for c in range(w.shape[1]):
                y[(n, f, *o)] += w[(f, c, *k)] * x[(n, first + c, *at)]
                dx[(n, first + c, *at)] += w[(f, c, *k)] * dy[(n, f, *o)]
                dw[(f, c, *k)] += dy[(n, f, *o)] * x[(n, first + c, *at)]
    return y, dx, dw, db


def max_pooling(x, dy, kernel, stride, before):
    """y and dx: the first largest pixel of each window gets dy."""
    y, dx = np.full(dy.shape, -np.inf), np.zeros(x.shape)
    best = {}
    ones = (1,) * len(kernel)
    for n, c in np.ndindex(*x.shape[:2]):
        for o, _, at in positions(x, kernel, stride, before, ones, dy.shape[2:]):
            if (n, c, *o) not in best or x[(n, c, *at)] > y[(n, c, *o)]:
                best[(n, c, *o)] = (n, c, *at)
                y[(n, c, *o)] = x[(n, c, *at)]
    for output, pixel in best.items():
        dx[pixel] += dy[output]
    return y, dx


def batch_norm(x, gamma, beta, eps):
    """y of x (N, C) in training, one column at a time."""
    y = np.zeros(x.shape)
    for c in range(x.shape[1]):
        mean = sum(x[:, c]) / len(x)
        var = sum((v - mean) ** 2 for v in x[:, c]) / len(x)
        for n in range(len(x)):
            y[n, c] = gamma[c] * (x[n, c] - mean) / (var + eps) ** 0.5 + beta[c]
    return y
