"""Recurrent layers and attention, one sequence, one step and one number at a time."""

from __future__ import annotations

import math

import numpy as np


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def product(x, w, j):
    """Σ_k x[k] · w[k, j]."""
    return sum(float(x[k]) * float(w[k, j]) for k in range(len(x)))


def rnn_step(x, state, Wx, Wh, b):
    (h,) = state
    return ([math.tanh(product(x, Wx, j) + product(h, Wh, j) + b[j]) for j in range(len(h))],)


def lstm_step(x, state, Wx, Wh, b):
    (h, c), H = state, len(state[0])
    a = [product(x, Wx, j) + product(h, Wh, j) + b[j] for j in range(4 * H)]
    c = [sigmoid(a[j]) * c[j] + sigmoid(a[2 * H + j]) * math.tanh(a[H + j]) for j in range(H)]
    return [sigmoid(a[3 * H + j]) * math.tanh(c[j]) for j in range(H)], c


def gru_step(x, state, Wx, Wh, b, bh=None):
    """With bh the reset after the product, without it before."""
    (h,), H = state, len(state[0])
    z, r = (
        [sigmoid(product(x, Wx, j) + product(h, Wh, j) + b[j]) for j in range(k * H, (k + 1) * H)]
        for k in range(2)
    )
    new = []
    for j in range(H):
        a, column = product(x, Wx, 2 * H + j) + b[2 * H + j], 2 * H + j
        if bh is None:
            a += product([r[k] * h[k] for k in range(H)], Wh, column)
        else:
            a += r[j] * (product(h, Wh, column) + bh[j])
        new.append(z[j] * h[j] + (1 - z[j]) * math.tanh(a))
    return (new,)


def over_time(step, x, mask, states, *weights):
    """All h (N, T, H), and the last states, where a False in the mask skips the step."""
    y = []
    last = []
    for n in range(len(x)):
        state, row = tuple(list(s[n]) for s in states), []
        for t in range(x.shape[1]):
            if mask is None or mask[n, t]:
                state = step(x[n, t], state, *weights)
            row.append(list(state[0]))
        y.append(row)
        last.append(state)
    return np.array(y), [np.array([state[k] for state in last]) for k in range(len(states))]


def attention(scores, v, seen):
    """y (T, E) from scores (T, S), values (S, E) and the keys that are seen, (T, S)."""
    y = np.zeros((len(scores), v.shape[1]))
    for t, row in enumerate(scores):
        keys = [s for s in range(len(v)) if seen[t, s]]
        top = max(row[s] for s in keys)
        powers = {s: math.exp(row[s] - top) for s in keys}
        for s in keys:
            y[t] += powers[s] / sum(powers.values()) * v[s]
    return y
