"""Written after the first such file was scored and the checker mended: unusual rules."""

import functools
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import torch

from .specimen import right, wrong


@dataclass
class DataAdam:
    lr: float = 0.01
    betas: tuple = (0.7, 0.97)
    step_count: int = 0
    first: dict = field(default_factory=lambda: defaultdict(float))
    second: dict = field(default_factory=lambda: defaultdict(float))

    def update(self, params, grads):
        self.step_count += 1
        for key, g in grads.items():
            b1, b2 = self.betas
            self.first[key] = self.first[key] * b1 + g * (1 - b1)
            self.second[key] = self.second[key] * b2 + np.square(g) * (1 - b2)
            top = self.first[key] / (1 - b1**self.step_count)
            low = np.sqrt(self.second[key] / (1 - b2**self.step_count)) + 1e-12
            params[key] -= self.lr * top / low


right(DataAdam)


@right
class PropertyRate:
    def __init__(self, rate=0.05):
        self._rate = rate

    @property
    def rate(self):
        return self._rate

    def update(self, params, grads):
        for p, g in zip(params, grads):
            np.subtract(p, self.rate * g, out=p)


@right
class ClipsByValue:
    """Not linear, but known to its author."""

    def update(self, params, grads):
        for k in params:
            params[k] -= 0.1 * np.clip(grads[k], -5, 5)


@right(decay="coupled")
class DecaysMatricesOnly:
    def __init__(self, lr=0.05, l2=0.02):
        self.lr, self.l2 = lr, l2

    def update(self, params, grads):
        for k in params:
            g = grads[k]
            if params[k].ndim > 1:
                g = g + self.l2 * params[k]
            params[k] -= self.lr * g


@right
class Lasso:
    """Decay by the sign: L1."""

    def __init__(self, lr=0.01, l1=0.001):
        self.lr, self.l1 = lr, l1

    def update(self, params, grads):
        for k in params:
            params[k] -= self.lr * (grads[k] + self.l1 * np.sign(params[k]))


@right
class SingleFloat:
    """The learning rate is a NumPy float32, and everything in place."""

    def __init__(self, lr=0.01):
        self.lr = np.float32(lr)
        self.v = {}

    def update(self, params, grads):
        for k in params:
            v = self.v.setdefault(k, np.zeros_like(params[k]))
            v *= params[k].dtype.type(0.9)
            v += grads[k]
            params[k] -= (self.lr * v).astype(params[k].dtype)


@right
class WarmsUp:
    def __init__(self, lr=0.1, steps=20):
        self.lr, self.steps, self.t = lr, steps, 0

    def update(self, params, grads):
        self.t += 1
        rate = self.rate(self.t)
        for k in params:
            params[k] -= rate * grads[k]

    def rate(self, t):
        return self.lr * min(1, t / self.steps)


@right
class Groups:
    """Settings in a list of dicts, arrays held from the start."""

    def __init__(self, params, lr=0.1, momentum=0.5):
        self.param_groups = [{"params": params, "lr": lr, "momentum": momentum}]
        self.buffers = {}

    def step(self, grads):
        i = 0
        for group in self.param_groups:
            for p in group["params"]:
                v = self.buffers.get(i, 0) * group["momentum"] + grads[i]
                self.buffers[i] = v
                p -= group["lr"] * v
                i += 1


@right(against=functools.partial(torch.optim.RMSprop, lr=0.01, alpha=0.9, eps=1e-6))
class LikeTorch:
    def __init__(self):
        self.h = {}

    def update(self, params, grads):
        for k, g in grads.items():
            self.h[k] = 0.9 * self.h.get(k, 0) + 0.1 * g * g
            params[k] = params[k] - 0.01 * g / (np.sqrt(self.h[k]) + 1e-6)


right(functools.partial(torch.optim.Adadelta, lr=0.5), name="partial of torch")
right(lambda: DataAdam(0.1), name="a factory")


@right
class AdaGradHalfDecayed:
    """Decoupled decay after the step."""

    def __init__(self, lr=0.1, wd=0.01):
        self.lr, self.wd, self.h = lr, wd, None

    def update(self, w, dw):
        self.h = dw**2 if self.h is None else self.h + dw**2
        w = w - self.lr * dw / (np.sqrt(self.h) + 1e-10)
        return w * (1 - self.lr * self.wd)


@right
class Saves:
    def __init__(self, lr=0.1):
        self.lr, self.v = lr, {}

    def update(self, params, grads):
        for k in params:
            self.v[k] = 0.9 * self.v.get(k, 0) - self.lr * grads[k]
            params[k] += self.v[k]

    def to_dict(self):
        return {"lr": self.lr, "v": {k: v.tolist() for k, v in self.v.items()}}

    @classmethod
    def from_dict(cls, state):
        made = cls(state["lr"])
        made.v = {k: np.array(v) for k, v in state["v"].items()}
        return made


# wrong


@wrong("counter_per_parameter", "shared_state")
class PowersPerParameter:
    """Running powers of beta, multiplied inside the loop."""

    def __init__(self, lr=0.001):
        self.lr, self.p1, self.p2, self.m, self.v = lr, 1.0, 1.0, {}, {}

    def update(self, params, grads):
        for k in params:
            self.p1 *= 0.9
            self.p2 *= 0.999
            self.m[k] = 0.9 * self.m.get(k, 0) + 0.1 * grads[k]
            self.v[k] = 0.999 * self.v.get(k, 0) + 0.001 * grads[k] ** 2
            mhat, vhat = self.m[k] / (1 - self.p1), self.v[k] / (1 - self.p2)
            params[k] -= self.lr * mhat / (np.sqrt(vhat) + 1e-8)


@wrong("wrong_formula", "wrong_scale")
class RootOfTheWhole:
    """sqrt(lr / (1 - b1^t) …): the rate is under the root."""

    def __init__(self, lr=0.01):
        self.lr, self.h = lr, {}

    def update(self, params, grads):
        for k in params:
            self.h[k] = 0.9 * self.h.get(k, 0) + 0.1 * grads[k] ** 2
            params[k] -= np.sqrt(self.lr) * grads[k] / (np.sqrt(self.h[k]) + 1e-8)


@wrong("writes_gradient")
class DecaysThroughView:
    def update(self, params, grads):
        for p, g in zip(params, grads):
            flat = g.ravel()
            flat += 0.01 * p.ravel()
            p -= 0.1 * g


@wrong("aliased_gradient")
class DoubleBuffer:
    def __init__(self):
        self.seen = []

    def update(self, params, grads):
        self.seen = [*self.seen[-1:], grads]
        for i, p in enumerate(params):
            p -= 0.1 * sum(g[i] for g in self.seen) / len(self.seen)


@wrong("skipped_parameter")
class ContinuesWrongly:
    def update(self, params, grads):
        for k in params:
            if k.endswith("2"):
                continue
            params[k] -= 0.1 * grads[k]


@wrong("lost_state")
class SavesOnlyMoments:
    def __init__(self, lr=0.01):
        self.lr, self.t, self.h = lr, 0, {}

    def update(self, params, grads):
        self.t += 1
        for k in params:
            self.h[k] = 0.9 * self.h.get(k, 0) + 0.1 * grads[k] ** 2
            root = np.sqrt(self.h[k] / (1 - 0.9**self.t))
            params[k] -= self.lr * grads[k] / (root + 1e-8)

    def get_state(self):
        return dict(self.h)

    def set_state(self, h):
        self.h = dict(h)


@wrong("wrong_decay", decay="decoupled")
class DecayedTwiceOver(DataAdam):
    def update(self, params, grads):
        super().update(params, {k: g + 0.1 * params[k] for k, g in grads.items()})


@wrong("missing_bias_correction", "wrong_formula")
class CorrectsByCount(DataAdam):
    """Divides both means by t."""

    def update(self, params, grads):
        self.step_count += 1
        for key, g in grads.items():
            self.first[key] = self.first[key] * 0.9 + g * 0.1
            self.second[key] = self.second[key] * 0.999 + np.square(g) * 0.001
            top, low = self.first[key] / self.step_count, self.second[key] / self.step_count
            params[key] -= self.lr * top / (np.sqrt(low) + 1e-8)


@wrong("stale_lr")
class PartialRate:
    def __init__(self, lr=0.1):
        self.lr = lr
        self.move = functools.partial(np.multiply, lr)

    def update(self, params, grads):
        for p, g in zip(params, grads):
            p -= self.move(g)


@wrong("shared_state")
class GlobalByShape:
    memory = {}

    def update(self, params, grads):
        for p, g in zip(params, grads):
            v = self.memory.setdefault(p.shape, np.zeros(p.shape))
            v *= 0.9
            v += g
            p -= 0.1 * v


@wrong("dtype")
class PythonLists:
    def update(self, params, grads):
        return [np.array([[float(x) for x in row] for row in np.atleast_2d(p - 0.1 * g)]).reshape(
            p.shape) for p, g in zip(params, grads)]  # fmt: skip


@wrong("wrong_sign")
class TorchMaximizes(torch.optim.SGD):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr=lr, maximize=True)
