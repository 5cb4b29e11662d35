"""Written after the checker, without a look at it: a score that was not tuned."""

import math

import numpy as np
import torch

import handgrad as hg

from .specimen import right, wrong


@wrong("missing_bias_correction")
class Kingma:
    def __init__(self, stepsize=0.002, decay_m=0.9, decay_v=0.99):
        self.stepsize, self.decay_m, self.decay_v = stepsize, decay_m, decay_v
        self.moments = {}

    def update(self, params, grads):
        for key, g in grads.items():
            m, v = self.moments.get(key, (np.zeros_like(g), np.zeros_like(g)))
            m = self.decay_m * m + (1 - self.decay_m) * g
            v = self.decay_v * v + (1 - self.decay_v) * np.power(g, 2)
            self.moments[key] = (m, v)
            params[key] = params[key] - self.stepsize * m / np.sqrt(v + 1e-8)


@wrong("missing_bias_correction", "wrong_formula")
class AdamEpochCounter:
    """The counter never moves on."""

    def __init__(self, lr=0.001):
        self.lr, self.t, self.m, self.v = lr, 1, {}, {}

    def update(self, params, grads):
        for k in params:
            self.m[k] = 0.9 * self.m.get(k, 0) + 0.1 * grads[k]
            self.v[k] = 0.999 * self.v.get(k, 0) + 0.001 * grads[k] ** 2
            mhat, vhat = self.m[k] / (1 - 0.9**self.t), self.v[k] / (1 - 0.999**self.t)
            params[k] -= self.lr * mhat / (np.sqrt(vhat) + 1e-8)


@wrong("wrong_formula", "missing_bias_correction")
class AdamBetaTimesT:
    def __init__(self, lr=0.001):
        self.lr, self.t, self.m, self.v = lr, 0, {}, {}

    def update(self, params, grads):
        self.t += 1
        for k in params:
            self.m[k] = 0.9 * self.m.get(k, 0) + 0.1 * grads[k]
            self.v[k] = 0.999 * self.v.get(k, 0) + 0.001 * grads[k] ** 2
            mhat, vhat = self.m[k] / (1 - 0.9 / self.t), self.v[k] / (1 - 0.999 / self.t)
            params[k] -= self.lr * mhat / (np.sqrt(vhat) + 1e-8)


@wrong("counter_per_parameter")
class AdamCallsItself:
    def __init__(self, lr=0.001):
        self.lr, self.t, self.m, self.v = lr, 0, {}, {}

    def _one(self, name, w, dw):
        self.t = self.t + 1
        self.m[name] = 0.9 * self.m.get(name, 0) + 0.1 * dw
        self.v[name] = 0.999 * self.v.get(name, 0) + 0.001 * dw * dw
        lr = self.lr * math.sqrt(1 - 0.999**self.t) / (1 - 0.9**self.t)
        return w - lr * self.m[name] / (np.sqrt(self.v[name]) + 1e-8)

    def update(self, params, grads):
        for name in params:
            params[name] = self._one(name, params[name], grads[name])


@wrong("shared_state")
class AdamOneMoment:
    def __init__(self, lr=0.01):
        self.lr, self.t, self.m, self.v = lr, 0, 0, 0

    def update(self, params, grads):
        self.t += 1
        for i in range(len(params)):
            self.m = 0.9 * self.m + 0.1 * grads[i]
            self.v = 0.999 * self.v + 0.001 * grads[i] ** 2
            m, v = self.m / (1 - 0.9**self.t), self.v / (1 - 0.999**self.t)
            params[i] -= self.lr * m / (np.sqrt(v) + 1e-8)


_VELOCITY = {}


@wrong("shared_state")
class ModuleVelocity:
    def __init__(self, lr=0.05, gamma=0.9):
        self.lr, self.gamma = lr, gamma

    def update(self, params, grads):
        for k in params:
            _VELOCITY[k] = self.gamma * _VELOCITY.get(k, 0) + self.lr * grads[k]
            params[k] -= _VELOCITY[k]


@wrong("aliased_gradient")
class AveragesLastTwo:
    def __init__(self, lr=0.1):
        self.lr, self.previous = lr, {}

    def update(self, params, grads):
        for k, g in grads.items():
            before = self.previous.get(k, g)
            params[k] -= self.lr * 0.5 * (g + before)
            self.previous[k] = g


@wrong("writes_gradient")
class NormalizesGradient:
    def __init__(self, lr=0.1):
        self.lr = lr

    def update(self, params, grads):
        for p, g in zip(params, grads):
            g /= np.abs(g) + 1
            p -= self.lr * g


@wrong("writes_gradient")
class ClearsGradient:
    """zero_grad inside the update."""

    def __init__(self, lr=0.1):
        self.lr = lr

    def update(self, params, grads):
        for k in params:
            params[k] -= self.lr * grads[k]
            grads[k].fill(0)


@wrong("wrong_sign")
class NesterovUp:
    def __init__(self, lr=0.01, mu=0.9):
        self.lr, self.mu, self.v = lr, mu, {}

    def update(self, params, grads):
        for k in params:
            self.v[k] = self.mu * self.v.get(k, 0) + self.lr * grads[k]
            params[k] += self.mu * self.v[k] + self.lr * grads[k]


@wrong("wrong_decay")
class DecayUp:
    def __init__(self, lr=0.01, wd=0.1):
        self.lr, self.wd, self.v = lr, wd, {}

    def update(self, params, grads):
        for k in params:
            self.v[k] = 0.9 * self.v.get(k, 0) - self.lr * grads[k]
            params[k] = params[k] * (1 + self.lr * self.wd) + self.v[k]


@wrong("wrong_decay", decay="decoupled")
class AdamWAsL2:
    def __init__(self, lr=0.001, weight_decay=0.05):
        self.lr, self.weight_decay, self.t, self.m, self.v = lr, weight_decay, 0, {}, {}

    def update(self, params, grads):
        self.t += 1
        for k in params:
            g = grads[k] + self.weight_decay * params[k]
            self.m[k] = 0.9 * self.m.get(k, 0) + 0.1 * g
            self.v[k] = 0.999 * self.v.get(k, 0) + 0.001 * g**2
            mhat, vhat = self.m[k] / (1 - 0.9**self.t), self.v[k] / (1 - 0.999**self.t)
            params[k] -= self.lr * mhat / (np.sqrt(vhat) + 1e-8)


@wrong("wrong_decay")
class DecayIntoMoment:
    """Decay is added to m alone, after g², so it is neither kind."""

    def __init__(self, lr=0.001):
        self.lr, self.t, self.m, self.v = lr, 0, {}, {}

    def update(self, params, grads):
        self.t += 1
        for k in params:
            g = grads[k]
            self.m[k] = 0.9 * self.m.get(k, 0) + 0.1 * (g + 0.1 * params[k])
            self.v[k] = 0.999 * self.v.get(k, 0) + 0.001 * g**2
            mhat, vhat = self.m[k] / (1 - 0.9**self.t), self.v[k] / (1 - 0.999**self.t)
            params[k] -= self.lr * mhat / (np.sqrt(vhat) + 1e-8)


@wrong("wrong_formula", against="adagrad")
class AdaGradMean:
    def __init__(self, lr=0.01):
        self.lr, self.h = lr, {}

    def update(self, params, grads):
        for k in params:
            self.h[k] = self.h.get(k, 0) + np.mean(grads[k] ** 2)
            params[k] -= self.lr * grads[k] / (np.sqrt(self.h[k]) + 1e-7)


@wrong("wrong_formula")
class RMSPropNoRoot:
    def __init__(self, lr=0.001, alpha=0.95):
        self.lr, self.alpha, self.s = lr, alpha, None

    def update(self, w, g):
        self.s = (1 - self.alpha) * g**2 if self.s is None else (
            self.alpha * self.s + (1 - self.alpha) * g**2)  # fmt: skip
        return w - self.lr * g / (self.s + 1e-8)


@wrong("wrong_formula")
class MomentumWrongWay:
    """momentum multiplies the new gradient and 1 - momentum the old velocity."""

    def __init__(self, lr=0.1, momentum=0.9):
        self.lr, self.momentum, self.v = lr, momentum, None

    def update(self, params, grads):
        self.v = self.v or [np.zeros_like(p) for p in params]
        for i, g in enumerate(grads):
            self.v[i] = (1 - self.momentum) * self.v[i] + self.momentum * g
            params[i] -= self.lr * self.v[i]


@wrong("stale_lr")
class Frozen:
    def __init__(self, lr=0.1):
        self.lr = lr
        self.step_of = {}

    def update(self, params, grads):
        for k in params:
            rate = self.step_of.setdefault(k, self.lr)
            params[k] -= rate * grads[k]


@wrong("dtype")
class Accumulates64:
    def __init__(self, lr=0.01):
        self.lr, self.h = lr, {}

    def update(self, params, grads):
        for k in params:
            self.h[k] = self.h.get(k, np.zeros(params[k].shape)) + grads[k] ** 2
            params[k] = params[k] - self.lr * grads[k] / (np.sqrt(self.h[k]) + 1e-8)


@wrong("dtype")
class Down32:
    def __init__(self, lr=0.01):
        self.lr = lr

    def update(self, params, grads):
        for k in params:
            params[k] = (params[k] - self.lr * grads[k]).astype("float32")


@wrong("not_finite")
class AdaGradNoEps:
    def __init__(self, lr=0.01):
        self.lr, self.h = lr, {}

    def update(self, params, grads):
        for k in params:
            self.h[k] = self.h.get(k, 0) + grads[k] ** 2
            params[k] -= self.lr * grads[k] / np.sqrt(self.h[k])


@wrong("skipped_parameter")
class IndexOff:
    def __init__(self, lr=0.01):
        self.lr = lr

    def update(self, params, grads):
        for i in range(min(1, len(params) - 1), len(params)):
            params[i] -= self.lr * grads[i]


@wrong("lost_state")
class RMSPropSavesRate:
    def __init__(self, lr=0.01):
        self.lr, self.cache = lr, {}

    def update(self, params, grads):
        for k in params:
            self.cache[k] = 0.9 * self.cache.get(k, 0) + 0.1 * grads[k] ** 2
            params[k] -= self.lr * grads[k] / (np.sqrt(self.cache[k]) + 1e-8)

    def to_dict(self):
        return {"lr": self.lr}

    @classmethod
    def from_dict(cls, state):
        return cls(**state)


class _Torch(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-2):
        super().__init__(params, {"lr": lr})


@wrong("wrong_sign")
class TorchAdd(_Torch):
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.data = p.data + group["lr"] * p.grad.data


@wrong("writes_gradient")
class TorchMomentumInGrad(_Torch):
    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                buf = self.state[p].setdefault("buf", torch.zeros_like(p))
                buf.mul_(0.9)
                p.grad.add_(buf)
                buf.copy_(p.grad)
                p -= group["lr"] * p.grad


@wrong("missing_bias_correction")
class TorchAdamLate(_Torch):
    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                s = self.state[p]
                if not s:
                    s["step"], s["m"], s["v"] = 1, torch.zeros_like(p), torch.zeros_like(p)
                s["step"] += 1
                s["m"].lerp_(p.grad, 1 - 0.9)
                s["v"].lerp_(p.grad.square(), 1 - 0.999)
                m, v = s["m"] / (1 - 0.9 ** s["step"]), s["v"] / (1 - 0.999 ** s["step"])
                p.addcdiv_(m, v.sqrt().add_(1e-8), value=-group["lr"])


@wrong("wrong_scale", "wrong_formula")
class HalfRate:
    def __init__(self, lr=0.1, momentum=0.9):
        self.lr, self.momentum, self.v = lr, momentum, {}

    def update(self, params, grads):
        for k in params:
            self.v[k] = self.momentum * self.v.get(k, 0) - 0.5 * self.lr * grads[k]
            params[k] += self.v[k]


@wrong("wrong_formula", against=hg.Adam(0.01))
class NotThatAdam:
    def __init__(self, lr=0.01):
        self.lr, self.t, self.m, self.v = lr, 0, {}, {}

    def update(self, params, grads):
        self.t += 1
        for k in params:
            self.m[k] = 0.9 * self.m.get(k, 0) + 0.1 * grads[k]
            self.v[k] = 0.99 * self.v.get(k, 0) + 0.01 * grads[k] ** 2
            mhat, vhat = self.m[k] / (1 - 0.9**self.t), self.v[k] / (1 - 0.99**self.t)
            params[k] -= self.lr * mhat / (np.sqrt(vhat) + 1e-8)


# right


@right
class KingmaEfficient:
    def __init__(self, alpha=0.002, b1=0.8, b2=0.99):
        self.alpha, self.b1, self.b2, self.t = alpha, b1, b2, 0
        self.p1 = self.p2 = 1.0
        self.m, self.v = {}, {}

    def update(self, params, grads):
        self.p1 *= self.b1
        self.p2 *= self.b2
        rate = self.alpha * math.sqrt(1 - self.p2) / (1 - self.p1)
        for k in params:
            m = self.m.setdefault(k, np.zeros_like(params[k]))
            v = self.v.setdefault(k, np.zeros_like(params[k]))
            m *= self.b1
            m += (1 - self.b1) * grads[k]
            v *= self.b2
            v += (1 - self.b2) * grads[k] * grads[k]
            params[k] -= rate * m / (np.sqrt(v) + 1e-8)


@right
class SlottedMomentum:
    __slots__ = ("lr", "mu", "v")

    def __init__(self, lr=0.05, mu=0.8):
        self.lr, self.mu, self.v = lr, mu, None

    def update(self, params, grads):
        if self.v is None:
            self.v = [np.zeros_like(p) for p in params]
        for v, p, g in zip(self.v, params, grads):
            v[...] = self.mu * v + g
            p -= self.lr * v


@right
class PerParameterCounter:
    """A counter for each parameter."""

    def __init__(self, lr=0.001):
        self.lr, self.s = lr, {}

    def update(self, params, grads):
        for k, g in grads.items():
            m, v, t = self.s.get(k, (0.0, 0.0, 0))
            m, v, t = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2, t + 1
            self.s[k] = m, v, t
            bottom = np.sqrt(v / (1 - 0.999**t)) + 1e-8
            params[k] = params[k] - self.lr * (m / (1 - 0.9**t)) / bottom


@right
class Prints:
    def __init__(self, lr=0.1):
        self.lr = lr

    def update(self, params, grads):
        for k in params:
            print(k, np.abs(grads[k]).max())
            params[k] -= self.lr * grads[k]


def make_rmsprop(lr=0.01, rho=0.9):
    """A closure."""
    state = {}

    def update(params, grads):
        for k in params:
            state[k] = rho * state.get(k, 0) + (1 - rho) * grads[k] ** 2
            params[k] -= lr * grads[k] / (np.sqrt(state[k]) + 1e-6)

    return update


right(make_rmsprop, against="rmsprop")


@right
class Returns:
    """Nothing in place: a new dict comes back."""

    def __init__(self, lr=0.1):
        self.lr = lr

    def update(self, params, grads):
        return {k: p - self.lr * grads[k] for k, p in params.items()}


@right(decay="decoupled")
class AdamWLoshchilov:
    def __init__(self, lr=0.003, betas=(0.9, 0.98), eps=1e-9, wd=0.1):
        self.lr, self.betas, self.eps, self.wd = lr, betas, eps, wd
        self.t, self.m, self.v = 0, None, None

    def update(self, params, grads):
        if self.m is None:
            self.m, self.v = ([np.zeros_like(p) for p in params] for _ in range(2))
        self.t += 1
        b1, b2 = self.betas
        for i, (p, g) in enumerate(zip(params, grads)):
            p *= 1 - self.lr * self.wd
            self.m[i] = b1 * self.m[i] + (1 - b1) * g
            self.v[i] = b2 * self.v[i] + (1 - b2) * np.square(g)
            mh, vh = self.m[i] / (1 - b1**self.t), self.v[i] / (1 - b2**self.t)
            p -= self.lr * mh / (np.sqrt(vh) + self.eps)


@right(against="sgd", decay="coupled")
class SGDWithL2:
    def __init__(self, lr=0.1, lam=0.01):
        self.lr, self.lam = lr, lam

    def update(self, params, grads):
        for k in params:
            params[k] -= self.lr * (grads[k] + self.lam * params[k])


@right(elementwise=False, against="contract")
class LARS:
    def __init__(self, lr=0.1):
        self.lr = lr

    def update(self, params, grads):
        for k in params:
            p, g = np.linalg.norm(params[k]), np.linalg.norm(grads[k])
            trust = p / (g + 1e-9) if p > 0 else 1.0
            params[k] -= self.lr * trust * grads[k]


@right
class TorchLike(_Torch):
    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                s = self.state[p]
                s["v"] = 0.95 * s["v"] + p.grad if "v" in s else p.grad.clone()
                p.add_(s["v"], alpha=-group["lr"])


right(lambda ps: torch.optim.AdamW(ps, lr=0.01, betas=(0.85, 0.995), weight_decay=0.2),
      name="torch adamw", against="adamw")  # fmt: skip
right(lambda ps: torch.optim.NAdam(ps, decoupled_weight_decay=True, weight_decay=0.1),
      name="torch nadam", decay="decoupled")  # fmt: skip
right(lambda ps: torch.optim.SGD(ps, lr=0.01, momentum=0.9, foreach=True), name="torch foreach")
right(hg.Nesterov(0.02, momentum=0.85, clip_value=10), name="clipped far away")
right(hg.AdaGrad(0.1, lr_scale={"": 0.5}), name="half the rate")


@right(against="adam")
class SubclassOfTheBook(hg.book.common.optimizer.Adam):
    def __init__(self, lr=0.002, beta1=0.9, beta2=0.9995):
        super().__init__(lr, beta1, beta2)
