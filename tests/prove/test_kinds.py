"""Mistakes that the author's own sample hides, of each kind, beside layers that are right."""

import enum
from typing import Literal

import numpy as np
import pytest

from handgrad import check


def r(*shape, seed=0):
    return np.random.default_rng(seed + 7 * len(shape)).standard_normal(shape)


def layer(forward, backward, **held):
    """An object of a class of its own; both functions get it as self."""
    made = type("Layer", (), {"forward": forward, "backward": backward})()
    made.__dict__.update(held)
    return made


def of(forward, backward, default, annotation=None):
    """A layer made with one setting that has a default."""

    def init(self, how=default):
        self.how = how

    if annotation is not None:
        init.__annotations__["how"] = annotation
    return type("Layer", (), {"__init__": init, "forward": forward, "backward": backward})()


def keep(value, **held):
    """A function of self and x that keeps x: `value(self, x)`."""

    def forward(self, x):
        self.x = x
        return value(self, x)

    return forward


def bias_forward(self, x):
    return x + self.b.reshape(-1, *[1] * (x.ndim - 2))


def bias_of_first_pixels(self, dout):
    flat = dout.reshape(len(dout), 3, -1)
    self.db = flat.sum((0, 2)) if dout.ndim < 4 else flat[..., 0].sum(0)
    return dout * 1


def matmul_forward(self, a, b):
    self.a, self.b = a, b
    return a @ b


def shared_operand_once(self, dout):
    db = np.swapaxes(self.a, -1, -2) @ dout
    return dout @ np.swapaxes(self.b, -1, -2), db if db.ndim == self.b.ndim else db[0]


def columns_forward(self, x):
    self.x = x
    return self.W @ x


def first_column(self, dout):
    self.dW = np.outer(dout, self.x) if dout.ndim == 1 else dout[:, :1] @ self.x[:, :1].T
    return self.W.T @ dout


def centred(self, x):
    return x - x.reshape(-1, x.shape[-1]).mean(0)


class PReLU:
    def __init__(self, n=1):
        self.a = np.full(n, 0.25)

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.a * x)

    def backward(self, dout):
        negative = dout * np.where(self.x > 0, 0, self.x)
        self.da = np.full(self.a.shape, negative.sum())
        return dout * np.where(self.x > 0, 1, self.a)


class Convolution:
    """The window of the gradient is placed as that of the input: right for odd kernels."""

    def __init__(self, w):
        self.w = w

    def forward(self, x):
        k, self.n = len(self.w), x.shape[1]
        self.xp = np.pad(x, ((0, 0), ((k - 1) // 2, k // 2)))
        return sum(self.w[i] * self.xp[:, i : i + self.n] for i in range(k))

    def backward(self, dout):
        k = len(self.w)
        self.dw = np.array([(self.xp[:, i : i + self.n] * dout).sum() for i in range(k)])
        padded = np.pad(dout, ((0, 0), ((k - 1) // 2, k // 2)))
        return sum(self.w[k - 1 - i] * padded[:, i : i + self.n] for i in range(k))


class Steps:
    """A cell that is unrolled so many times; the first hidden state is used from the second on."""

    def __init__(self, right=False):
        self.W, self.right = 0.5 * r(3, 3), right

    def forward(self, x, steps=2):
        if x.ndim != 2:
            raise ValueError("a batch of vectors")
        self.h = [x]
        for _ in range(steps):
            self.h.append(np.tanh(self.h[-1] @ self.W))
        return self.h[-1] * 1

    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        for k in range(len(self.h) - 1, 0, -1):
            dout = dout * (1 - self.h[k] ** 2)
            self.dW += self.h[k - 1 if self.right else min(k - 1, 1)].T @ dout
            dout = dout @ self.W.T
        return dout


class CrossEntropy:
    """Of logits, labels of -1 ignored or not; `n` rows count in backward."""

    def __init__(self, weights=(1.0, 1.0, 1.0), kept=True, rows=lambda self: self.w.sum()):
        self.weights, self.kept, self.rows = np.array(weights), kept, rows

    def forward(self, z, t):
        z = z - z.max(1, keepdims=True)
        self.log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
        self.t, self.w = t, self.weights[t] * (t >= 0)
        return -(self.log_p[np.arange(len(t)), t] * self.w).sum() / self.w.sum()

    def backward(self, dout=1.0):
        d = np.exp(self.log_p)
        d[np.arange(len(d)), self.t] -= 1
        weights = self.w if self.kept else self.weights[self.t]
        return dout * d * weights[:, None] / self.rows(self)


def weighted_forward(self, p, t, w):
    self.d, self.w = p - t, w
    return (w * self.d**2).sum() / w.sum()


def mean_forward(self, p, t):
    self.d, self.n = p - t, t.size
    return (self.d**2).mean()


def masked_mean_forward(self, x, m):
    self.m, self.n = m, m.sum(1, keepdims=True)
    return (x * m).sum(1) / np.maximum(self.n[:, 0], 1)


def heads_forward(self, x):
    self.x = x
    return x / self.tau[:, None]


def heads_backward(self, dout):
    self.dtau = -(dout * self.x).sum((0, 2)) / self.tau**2
    return dout / self.tau[0]


class Half:
    """x W in half precision: sums in single precision, results rounded."""

    def __init__(self, factor=1.0, kind=np.float16):
        self.W, self.factor, self.kind = r(4, 3).astype(np.float16), factor, kind

    def forward(self, x):
        self.x = x
        return (x.astype(np.float32) @ self.W.astype(np.float32)).astype(np.float16)

    def backward(self, dout):
        dout = dout.astype(np.float32)
        self.dW = (self.x.astype(np.float32).T @ dout).astype(np.float16)
        return (self.factor * (dout @ self.W.astype(np.float32).T)).astype(self.kind)


class ByIdentity:
    key = None

    def forward(self, x):
        if self.key is not x:
            self.key, self.e = x, np.exp(x)
        return self.e * 1

    def backward(self, dout):
        return dout * self.e


class SecondName:
    def __init__(self):
        self.params, self.grads = {"W": r(4, 3)}, {}
        self.W = self.params["W"]

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.grads["W"] = self.x.T @ dout
        return dout @ self.params["W"].T


def drawn_at_ties(self, dout):
    top = self.x == self.x.max(1, keepdims=True)
    at = (top * np.random.random(top.shape)).argmax(1)
    return np.eye(top.shape[1])[at] * dout[:, None]


def reduced(self, p, t):
    self.d = p - t
    return (self.d**2).mean() if self.how == "mean" else (self.d**2).sum()


class Kind(enum.Enum):
    RELU = 1
    TANH = 2


def either(self, x):
    self.x = x
    return np.maximum(x, 0) if self.how in (Kind.RELU, "relu") else np.tanh(x)


def of_relu(self, dout):
    return dout * (self.x > 0)


def of_either(self, dout):
    relu = self.how in (Kind.RELU, "relu")
    return dout * (self.x > 0) if relu else dout * (1 - np.tanh(self.x) ** 2)


LABELS = np.array([0, 2, 1, 1])
WRONG = {
    "rank: pixels": (layer(bias_forward, bias_of_first_pixels, b=r(3)), (r(2, 3, 4),)),
    "rank: shared operand": (layer(matmul_forward, shared_operand_once), (r(3, 4), r(4, 2))),
    "rank: columns": (layer(columns_forward, first_column, W=r(3, 4)), (r(4),)),
    "rank: leading axes": (layer(centred, lambda s, d: d - d.mean(0)), (r(4, 3),)),
    "settings: one for each": (PReLU(), (r(4, 3),)),
    "settings: even kernel": (Convolution(r(3)), (r(2, 7),)),
    "settings: given steps": (Steps(), (r(2, 3), 2)),
    "settings: reduction": (of(reduced, lambda s, d=1.0: 2 * d * s.d, "sum"),
                            (r(4, 3), r(4, 3, seed=1))),
    "settings: listed": (of(either, of_relu, "relu", Literal["relu", "other"]), (r(3, 4),)),
    "settings: enumeration": (of(either, of_relu, Kind.RELU), (r(3, 4),)),
    "settings: one more": (layer(lambda s, *xs: sum(xs), lambda s, d: (d * 1, d * 1)),
                           (r(3, 4), r(3, 4, seed=1))),
    "losses: weights": (CrossEntropy(rows=lambda self: len(self.w)), (r(4, 3), LABELS)),
    "losses: ignored label": (CrossEntropy(kept=False), (r(4, 3), LABELS)),
    "losses: mask": (layer(weighted_forward, lambda s, d=1.0: 2 * d * s.w * s.d / s.w.size),
                     (r(4, 3), r(4, 3, seed=1), np.ones((4, 3)))),
    "losses: one row of targets": (layer(mean_forward, lambda s, d=1.0: 2 * d * s.d / s.n),
                                   (r(4, 3), r(4, 3, seed=1))),
    "edges: below zero": (layer(keep(lambda s, x: np.sqrt(np.maximum(x, 0))),
                                lambda s, d: 0.5 * d / np.sqrt(np.maximum(s.x, 0))),
                          (abs(r(3, 4)) + 0.1,)),
    "edges: nothing left": (layer(masked_mean_forward, lambda s, d: (s.m * d[:, None] / s.n, None)),
                            (r(3, 4), np.ones((3, 4)))),
    "edges: ties": (layer(keep(lambda s, x: x.max(1)), drawn_at_ties), (r(3, 4),)),
    "groups: equal at first": (layer(heads_forward, heads_backward, tau=np.ones(3)), (r(2, 3, 4),)),
    "kept: by identity": (ByIdentity(), (r(3, 4),)),
    "kept: second name": (SecondName(), (r(5, 4),)),
    "shape: batch of one": (layer(keep(lambda s, x: (2 * x).squeeze()),
                                  lambda s, d: 2 * d[..., None] if s.x.ndim > d.ndim else 2 * d),
                            (r(4, 1),)),
    "half: a tenth": (Half(0.9), (r(5, 4).astype(np.float16),)),
    "half: dtype": (Half(kind=np.float32), (r(5, 4).astype(np.float16),)),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_the_sample_hides(name):
    thing, inputs = WRONG[name]
    assert check(thing, *inputs).verdict == "wrong"


CAUSES = {
    "losses: mask": "wrong_scale",
    "losses: one row of targets": "wrong_scale",
    "edges: ties": "nondeterministic",
    "kept: by identity": "stale_state",
    "half: a tenth": "wrong_scale",
    "half: dtype": "dtype",
}


@pytest.mark.parametrize("name", CAUSES)
def test_its_name(name):
    thing, inputs = WRONG[name]
    assert check(thing, *inputs).cause == CAUSES[name]


class InPlace:
    """Gradients are written into arrays that are kept."""

    def __init__(self, n):
        self.g, self.dg = np.ones(n), np.zeros(n)

    def forward(self, x):
        self.x = x
        return x * self.g

    def backward(self, dout):
        self.dg[...] = (dout * self.x).sum(0)
        return dout * self.g


class Segments:
    """Sums of the rows with equal numbers."""

    def __init__(self, ids):
        self.ids = np.array(ids)

    def forward(self, x):
        y = np.zeros((self.ids.max() + 1, *x.shape[1:]))
        np.add.at(y, self.ids, x)
        return y

    def backward(self, dout):
        return dout[self.ids]


class Sections:
    """Sums of the rows from each start to the next."""

    def __init__(self, starts=(0, 2, 3)):
        self.starts = starts

    def forward(self, x):
        self.n = len(x)
        return np.add.reduceat(x, self.starts, axis=0)

    def backward(self, dout):
        return np.repeat(dout, np.diff([*self.starts, self.n]), axis=0)


class Calibrated:
    """Its scale is that of the first batch."""

    scale = None

    def forward(self, x):
        self.scale = x.std(0) + 1 if self.scale is None else self.scale
        return x / self.scale

    def backward(self, dout):
        return dout / self.scale


class Distance:
    """xᵀ S x, with S symmetric."""

    def __init__(self):
        self.S = r(3, 3) @ r(3, 3).T + np.eye(3)

    def forward(self, x):
        self.x = x
        return np.einsum("ni,ij,nj->n", x, self.S, x)

    def backward(self, dout):
        self.dS = (dout[:, None] * self.x).T @ self.x
        return 2 * dout[:, None] * (self.x @ self.S)


def one_hot_by_comparison(self, z, t):
    e = np.exp(z - z.max(1, keepdims=True))
    self.p, self.t = e / e.sum(1, keepdims=True), (np.arange(z.shape[1]) == t[:, None]) * 1.0
    return -np.log((self.p * self.t).sum(1) + 1e-12).mean()


def else_sigmoid(self, x):
    self.y = np.tanh(x) if self.how == "tanh" else 1 / (1 + np.exp(-x))
    return self.y + 0


def of_sigmoid_or_else(self, dout):
    return dout * (self.y * (1 - self.y) if self.how == "sigmoid" else 1 - self.y**2)


RIGHT = {
    "an enumeration": (of(either, of_either, Kind.RELU), (r(3, 4),)),
    "words": (of(else_sigmoid, of_sigmoid_or_else, "tanh"), (r(3, 4),)),
    "unrolled": (Steps(right=True), (r(2, 3), 2)),
    "in place": (InPlace(4), (r(5, 4),)),
    "segments": (Segments([0, 0, 1, 2]), (r(4, 3),)),
    "sections": (Sections(), (r(5, 3),)),
    "symmetric": (Distance(), (r(4, 3),)),
    "ignored labels": (CrossEntropy(), (r(4, 3), LABELS)),
    "labels below the classes": (
        layer(one_hot_by_comparison, lambda s, d=1.0: d * (s.p - s.t) / len(s.p)),
        (r(4, 3), LABELS),
    ),
    "half precision": (Half(), (r(5, 4).astype(np.float16),)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_all_the_same(name):
    thing, inputs = RIGHT[name]
    assert check(thing, *inputs).verdict == "right"
