"""Optimizers that are right: handgrad's, PyTorch's, the books', and textbooks' conventions."""

import numpy as np
import torch

import handgrad as hg
from handgrad.book.common import optimizer as book
from handgrad.optim import CosineDecay

from .specimen import right

for rule in ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam", "adamw",
             "amsgrad", "nadam", "radam", "lion"):  # fmt: skip
    right(rule, name=f"handgrad {rule}", against=rule)
for cls in (hg.SGD, hg.Momentum, hg.AdamW):
    right(cls, name=f"handgrad class {cls.__name__}")
right(hg.Adam(0.003, l2=0.01), name="handgrad Adam l2", decay="coupled", against="adam")
right(hg.Momentum(0.1, weight_decay=0.1), name="handgrad Momentum decoupled", decay="decoupled")
right(hg.Adam(clip_norm=0.5), name="handgrad clipped", elementwise=False)
for cls in (book.SGD, book.Momentum, book.Nesterov, book.AdaGrad, book.RMSprop, book.Adam):
    right(cls, name=f"book {cls.__name__}", against=cls.__name__)

T = torch.optim
for cls in (T.SGD, T.Adagrad, T.RMSprop, T.Adadelta, T.Adam, T.AdamW, T.NAdam, T.RAdam, T.Adamax):
    right(cls, name=f"torch {cls.__name__}", against=cls.__name__)
right(lambda ps: T.SGD(ps, lr=0.1, momentum=0.9), name="torch momentum", against="momentum")
right(lambda ps: T.SGD(ps, lr=0.1, momentum=0.8, nesterov=True, weight_decay=0.01),
      name="torch nesterov", against="nesterov", decay="coupled")  # fmt: skip
right(lambda ps: T.Adam(ps, amsgrad=True), name="torch amsgrad", against="amsgrad")
right(lambda ps: T.RMSprop(ps, centered=True), name="torch centred")
right(T.Adam([torch.nn.Parameter(torch.zeros(2))], lr=0.01, weight_decay=0.1), name="torch object")
right(hg.Adam(0.001), name="beside torch", against=T.Adam)


@right
class AdamEpsInside:
    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.99):
        self.learning_rate, self.beta_1, self.beta_2 = learning_rate, beta_1, beta_2
        self.m, self.v, self.t = {}, {}, 0

    def update(self, params, grads):
        self.t += 1
        for name, g in grads.items():
            self.m[name] = self.beta_1 * self.m.get(name, 0) + (1 - self.beta_1) * g
            self.v[name] = self.beta_2 * self.v.get(name, 0) + (1 - self.beta_2) * g * g
            m = self.m[name] / (1 - self.beta_1**self.t)
            v = self.v[name] / (1 - self.beta_2**self.t)
            params[name] = params[name] - self.learning_rate * m / np.sqrt(v + 1e-10)


@right(against="momentum")
class MomentumEMA:
    """v is a mean of the gradients."""

    def __init__(self, lr=0.1, beta=0.9):
        self.lr, self.beta, self.v = lr, beta, None

    def update(self, params, grads):
        if self.v is None:
            self.v = [np.zeros_like(p) for p in params]
        for p, g, v in zip(params, grads, self.v):
            v *= self.beta
            v += (1 - self.beta) * g
            p -= self.lr * v


@right(against="nesterov")
class NesterovLookingBack:
    def __init__(self, lr=0.01, mu=0.95):
        self.lr, self.mu, self.v = lr, mu, {}

    def update(self, params, grads):
        for k in params:
            before = self.v.get(k, 0)
            self.v[k] = self.mu * before - self.lr * grads[k]
            params[k] += -self.mu * before + (1 + self.mu) * self.v[k]


@right(against="rmsprop")
class RMSPropFunction:
    """eps inside the root, one array, another decay."""

    def __init__(self):
        self.cache = 0

    def update(self, w, dw):
        self.cache = 0.85 * self.cache + 0.15 * dw**2
        return w - 0.003 * dw / np.sqrt(self.cache + 1e-6)


@right
class AdaGradStarted:
    def __init__(self, lr=0.01, initial=0.1):
        self.lr, self.initial, self.h = lr, initial, {}

    def update(self, params, grads):
        for k in params:
            if k not in self.h:
                self.h[k] = np.full_like(params[k], self.initial)
            self.h[k] += grads[k] ** 2
            params[k] -= self.lr * grads[k] / (np.sqrt(self.h[k]) + 1e-7)


@right(against="adamw")
class AdamWKeras:
    """The decay beside the step, with its own rate."""

    def __init__(self, lr=0.01, weight_decay=0.004):
        self.lr, self.weight_decay, self.t, self.s = lr, weight_decay, 0, {}

    def update(self, params, grads):
        self.t += 1
        for k in params:
            m, v = self.s.setdefault(k, [np.zeros_like(params[k]) for _ in "mv"])
            m += 0.1 * (grads[k] - m)
            v += 0.001 * (grads[k] ** 2 - v)
            rate = self.lr * (1 - 0.999**self.t) ** 0.5 / (1 - 0.9**self.t)
            params[k] -= rate * m / (np.sqrt(v) + 1e-7) + self.weight_decay * params[k]

    def get_state(self):
        return self.t, {k: [a.copy() for a in s] for k, s in self.s.items()}

    def set_state(self, state):
        self.t, self.s = state


@right(against="lion")
class Lion:
    def __init__(self, lr=1e-4, b1=0.9, b2=0.99):
        self.lr, self.b1, self.b2, self.m = lr, b1, b2, None

    def update(self, params, grads):
        self.m = self.m or [np.zeros_like(p) for p in params]
        for i, g in enumerate(grads):
            params[i] -= self.lr * np.sign(self.b1 * self.m[i] + (1 - self.b1) * g)
            self.m[i] = self.b2 * self.m[i] + (1 - self.b2) * g


@right(against="sgd")
class HeldSGD:
    def __init__(self, params, lr):
        self.params, self.lr = params, lr

    def step(self):
        for p in self.params:
            if p.grad is not None:
                p.data -= self.lr * p.grad


@right
class BatchSGD:
    """Gradients are sums over a batch."""

    def __init__(self, lr=0.1, batch=32):
        self.lr, self.batch = lr, batch

    def update(self, params, grads):
        for k in params:
            params[k] -= self.lr / self.batch * grads[k]


@right(elementwise=False)
class ClippedMomentum:
    def __init__(self, lr=0.05, limit=1.0):
        self.lr, self.limit, self.v = lr, limit, {}

    def update(self, params, grads):
        norm = np.sqrt(sum((g**2).sum() for g in grads.values()))
        scale = min(1, self.limit / (norm + 1e-6))
        for k in params:
            self.v[k] = 0.9 * self.v.get(k, 0) - self.lr * scale * grads[k]
            params[k] += self.v[k]


@right(against="contract")
class OfMyOwn:
    """A rule that is in no book."""

    def __init__(self, lr=0.01):
        self.lr, self.m = lr, {}

    def update(self, params, grads):
        for k in params:
            self.m[k] = 0.9 * self.m.get(k, 0) + 0.1 * grads[k]
            params[k] -= self.lr * np.tanh(self.m[k])


def gradient_descent(params, grads):
    return [p - 0.1 * g for p, g in zip(params, grads)]


right(gradient_descent, name="a function", against="sgd")
right(hg.SGD(CosineDecay(0.1, steps=1000)), name="handgrad schedule", against="sgd")
right(hg.Adam(CosineDecay(0.1, steps=1000)), name="handgrad Adam schedule")


@right
class DecayingMomentum:
    """The learning rate falls after every update."""

    def __init__(self, lr=0.1, decay=0.999):
        self.lr, self.decay, self.v = lr, decay, {}

    def update(self, params, grads):
        for k in params:
            self.v[k] = 0.9 * self.v.get(k, 0) - self.lr * grads[k]
            params[k] += self.v[k]
        self.lr *= self.decay


@right
class KerasSGD:
    """lr / (1 + decay t)."""

    def __init__(self, lr=0.1, decay=0.01):
        self.lr, self.decay, self.t = lr, decay, 0
        self.now = lr

    def update(self, params, grads):
        self.now = self.lr / (1 + self.decay * self.t)
        self.t += 1
        for p, g in zip(params, grads):
            p -= self.now * g
