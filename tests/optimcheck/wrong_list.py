"""Mistakes over lists of arrays, over one array, and in rules that hold their parameters."""

import numpy as np

from .specimen import wrong


@wrong("missing_bias_correction")
class AdamList:
    def __init__(self, alpha=1e-3, b1=0.9, b2=0.999):
        self.alpha, self.b1, self.b2 = alpha, b1, b2
        self.ms = self.vs = None

    def update(self, params, grads):
        if self.ms is None:
            self.ms = [np.zeros_like(p) for p in params]
            self.vs = [np.zeros_like(p) for p in params]
        for i, g in enumerate(grads):
            self.ms[i] += (1 - self.b1) * (g - self.ms[i])
            self.vs[i] += (1 - self.b2) * (g * g - self.vs[i])
            params[i] -= self.alpha * self.ms[i] / (np.sqrt(self.vs[i]) + 1e-7)


@wrong("shared_state")
class MomentumTimesLength:
    """[array] * n holds one array n times."""

    def __init__(self, lr=0.1):
        self.lr, self.v = lr, None

    def update(self, params, grads):
        if self.v is None:
            self.v = [np.zeros_like(params[0])] * len(params)
        for i in range(len(params)):
            self.v[i] *= 0.9
            self.v[i] -= self.lr * grads[i]
            params[i] += self.v[i]


@wrong("counter_per_parameter")
class AdamIterations:
    def __init__(self, lr=0.001):
        self.lr, self.iterations, self.m, self.v = lr, 0, None, None

    def update(self, params, grads):
        if self.m is None:
            self.m = [np.zeros_like(p) for p in params]
            self.v = [np.zeros_like(p) for p in params]
        for i in range(len(params)):
            self.iterations += 1
            rate = self.lr * np.sqrt(1 - 0.999**self.iterations) / (1 - 0.9**self.iterations)
            self.m[i] += 0.1 * (grads[i] - self.m[i])
            self.v[i] += 0.001 * (grads[i] ** 2 - self.v[i])
            params[i] -= rate * self.m[i] / (np.sqrt(self.v[i]) + 1e-7)


@wrong("counter_per_parameter")
class DecaysRatePerParameter:
    def __init__(self, lr=0.1):
        self.lr = lr

    def update(self, params, grads):
        for i in range(len(params)):
            self.lr *= 0.999
            params[i] -= self.lr * grads[i]


@wrong("does_not_move")
class Rebound:
    lr = 0.1

    def update(self, params, grads):
        for p, g in zip(params, grads):
            p = p - self.lr * g


@wrong("wrong_formula")
class AdadeltaOfGradients:
    def __init__(self, rho=0.95, eps=1e-6):
        self.rho, self.eps, self.h, self.d = rho, eps, None, None

    def update(self, params, grads):
        if self.h is None:
            self.h = [np.zeros_like(p) for p in params]
            self.d = [np.zeros_like(p) for p in params]
        for i, g in enumerate(grads):
            self.h[i] = self.rho * self.h[i] + (1 - self.rho) * g**2
            step = g * np.sqrt(self.d[i] + self.eps) / np.sqrt(self.h[i] + self.eps)
            self.d[i] = self.rho * self.d[i] + (1 - self.rho) * g**2
            params[i] -= step


@wrong("wrong_formula", against="lion")
class LionWithoutSign:
    def __init__(self, lr=1e-4):
        self.lr, self.m = lr, None

    def update(self, params, grads):
        self.m = self.m or [np.zeros_like(p) for p in params]
        for i, g in enumerate(grads):
            params[i] -= self.lr * (0.9 * self.m[i] + 0.1 * g)
            self.m[i] = 0.99 * self.m[i] + 0.01 * g


@wrong("wrong_formula")
class ArrayRMSProp:
    """One array; the mean is of |g|."""

    def __init__(self, lr=0.01, decay=0.9):
        self.lr, self.decay, self.h = lr, decay, 0.0

    def update(self, w, dw):
        self.h = self.decay * self.h + (1 - self.decay) * np.abs(dw)
        return w - self.lr * dw / (np.sqrt(self.h) + 1e-8)


@wrong("wrong_sign")
class ArrayUp:
    def update(self, w, dw):
        return w + 0.1 * dw


@wrong("writes_gradient")
class ArrayMomentumInGradient:
    def __init__(self, lr=0.05):
        self.lr, self.v = lr, None

    def update(self, w, dw):
        if self.v is not None:
            dw += 0.9 * self.v
        self.v = dw.copy()
        w -= self.lr * dw
        return w


@wrong("missing_bias_correction")
class HeldAdam:
    """Takes its parameters when it is made; gradients in p.grad."""

    def __init__(self, params, lr=0.001):
        self.params, self.lr = list(params), lr
        self.m = [np.zeros_like(p.data) for p in self.params]
        self.v = [np.zeros_like(p.data) for p in self.params]

    def step(self):
        for p, m, v in zip(self.params, self.m, self.v):
            if p.grad is None:
                continue
            m[...] = 0.9 * m + 0.1 * p.grad
            v[...] = 0.999 * v + 0.001 * p.grad**2
            p.data -= self.lr * m / (np.sqrt(v) + 1e-8)


@wrong("shared_state")
class HeldMomentum:
    v = 0.0

    def __init__(self, params, lr=0.01):
        self.params, self.lr = params, lr

    def step(self):
        for p in self.params:
            self.v = 0.9 * self.v + p.grad
            p.data = p.data - self.lr * self.v


@wrong("aliased_gradient")
class HeldKeepsGradient:
    def __init__(self, params, lr=0.01):
        self.params, self.lr = params, lr
        self.last = [0.0 for _ in params]

    def step(self):
        for i, p in enumerate(self.params):
            p.data -= self.lr * (p.grad + 0.9 * self.last[i])
            self.last[i] = p.grad


@wrong("skipped_parameter")
class HeldFirstOnly:
    def __init__(self, params, lr=0.01):
        self.params, self.lr = params, lr

    def step(self):
        for p in self.params:
            p.data -= self.lr * p.grad
            break


@wrong("counter_per_parameter")
class HeldGradsGiven:
    """step(grads) over arrays given to the constructor."""

    def __init__(self, params, lr=0.01):
        self.params, self.lr, self.t = params, lr, 0

    def step(self, grads):
        for p, g in zip(self.params, grads):
            self.t += 1
            p -= self.lr / np.sqrt(self.t) * g
