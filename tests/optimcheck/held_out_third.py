"""Written from docs/optimizers.md alone, after the second such file: other styles and mistakes."""

import copy
import itertools
import math
import types

import numpy as np

import handgrad as hg

from .specimen import right, wrong

# ---- right ones ---------------------------------------------------------------------------------


@right
class GeneratorAdam:
    """All state lives in one generator for each parameter, which is sent its gradients."""

    def __init__(self, lr=0.02, b1=0.8, b2=0.99):
        self.lr, self.b1, self.b2, self.running = lr, b1, b2, {}

    def _run(self, shape):
        m, v, step = np.zeros(shape), np.zeros(shape), None
        for t in itertools.count(1):
            g = yield step
            m, v = self.b1 * m + (1 - self.b1) * g, self.b2 * v + (1 - self.b2) * g * g
            step = self.lr * (m / (1 - self.b1**t)) / (np.sqrt(v / (1 - self.b2**t)) + 1e-8)

    def update(self, params, grads):
        for k in grads:
            if k not in self.running:
                self.running[k] = self._run(grads[k].shape)
                next(self.running[k])
            params[k] -= self.running[k].send(grads[k])


def make_nesterov(lr=0.03, mu=0.85):
    memory = {}

    def step(params, grads):
        new = {}
        for name, g in grads.items():
            before = memory.get(name, 0.0)
            memory[name] = mu * before - lr * g
            new[name] = params[name] - mu * before + (1 + mu) * memory[name]
        return {**params, **new}

    return types.SimpleNamespace(update=step)


right(make_nesterov, name="held_out_third.make_nesterov")


@right
class FlatVector:
    """Concatenates all parameters, takes one step, and cuts them up again."""

    def __init__(self, lr=0.05, rho=0.95):
        self.lr, self.rho, self.h = lr, rho, None

    def update(self, params, grads):
        flat = np.concatenate([np.ravel(g) for g in grads])
        self.h = np.zeros_like(flat) if self.h is None else self.h
        self.h = self.rho * self.h + (1 - self.rho) * flat**2
        step, at = self.lr * flat / (np.sqrt(self.h) + 1e-6), 0
        for p in params:
            p -= step[at : at + p.size].reshape(p.shape)
            at += p.size


@right
class Transforms:
    """A chain of gradient transformations, as in Optax."""

    def __init__(self):
        self.count, self.trace = 0, {}

    def scale_by_trace(self, k, g):
        self.trace[k] = g + 0.9 * self.trace.get(k, np.zeros_like(g))
        return self.trace[k]

    def scale(self, k, g):
        return -0.004 * g

    def update(self, params, grads):
        self.count += 1
        for k, g in grads.items():
            for transform in (self.scale_by_trace, self.scale):
                g = transform(k, g)
            params[k] = params[k] + g


@right
class Bias32(hg.Adam):
    """A subclass that only counts how often it was used."""

    used = 0

    def update(self, params, grads):
        self.used += 1
        super().update(params, grads)


@right(decay="decoupled")
class SGDW:
    def __init__(self, lr=0.05, momentum=0.9, weight_decay=0.01):
        self.lr, self.momentum, self.weight_decay, self.buf = lr, momentum, weight_decay, {}

    def update(self, params, grads):
        for i, (p, g) in enumerate(zip(params, grads)):
            p *= 1 - self.lr * self.weight_decay
            self.buf[i] = self.momentum * self.buf.get(i, 0) + g
            p -= self.lr * self.buf[i]


@right(decay="coupled")
class RidgeAdaGrad:
    def __init__(self, lr=0.1, l2=0.05):
        self.lr, self.l2 = lr, l2

    def update(self, p, g):
        g = g + self.l2 * p
        self.total = getattr(self, "total", 0) + g**2
        return p - self.lr * g / np.sqrt(self.total + 1e-10)


@right
class PowersKept:
    """β1^t and β2^t are kept as running products."""

    def __init__(self, lr=1e-3):
        self.lr, self.m, self.v, self.powers = lr, {}, {}, [1.0, 1.0]

    def update(self, params, grads):
        self.powers = [p * b for p, b in zip(self.powers, (0.9, 0.999))]
        for k, g in grads.items():
            self.m[k] = self.m.get(k, 0) + (g - self.m.get(k, 0)) * 0.1
            self.v[k] = self.v.get(k, 0) + (g * g - self.v.get(k, 0)) * 0.001
            rate = self.lr * math.sqrt(1 - self.powers[1]) / (1 - self.powers[0])
            params[k] -= rate * self.m[k] / (np.sqrt(self.v[k]) + 1e-8)


@right(against="lion", decay="decoupled")
class LionWithDecay:
    def __init__(self, lr=1e-3, wd=0.1):
        self.lr, self.wd, self.m = lr, wd, {}

    def update(self, params, grads):
        for k, g in grads.items():
            m = self.m.setdefault(k, np.zeros_like(g))
            u = np.sign(0.9 * m + 0.1 * g) + self.wd * params[k]
            self.m[k] = 0.99 * m + 0.01 * g
            params[k] -= self.lr * u


@right
class InverseTime:
    """The learning rate falls as 1 / (1 + k t)."""

    def __init__(self, lr=0.5, k=0.1):
        self.lr0, self.k, self.t = lr, k, 0

    def update(self, params, grads):
        lr = self.lr0 / (1 + self.k * self.t)
        self.t += 1
        for p, g in zip(params, grads):
            p[...] = p - lr * g


@right
class SavesItself:
    def __init__(self, lr=0.01, mu=0.7):
        self.lr, self.mu, self.v = lr, mu, {}

    def update(self, params, grads):
        for k, g in grads.items():
            self.v[k] = self.mu * self.v.get(k, 0) - self.lr * g
            params[k] += self.v[k]

    def state_dict(self):
        return {"lr": self.lr, "mu": self.mu, "v": copy.deepcopy(self.v)}

    def load_state_dict(self, state):
        self.__dict__.update(copy.deepcopy(state))


@right
class RefusesNone:
    def __init__(self, lr=0.1):
        self.lr = lr

    def update(self, params, grads):
        for p, g in zip(params, grads):
            if g is None:
                raise ValueError("every parameter needs a gradient")
            p -= self.lr * g


@right
class HoldsThem:
    """Parameters with .data and .grad, as in DeZero and micrograd."""

    def __init__(self, params, lr=0.02):
        self.params, self.lr, self.h = list(params), lr, {}

    def step(self):
        for p in self.params:
            if p.grad is None:
                continue
            self.h[id(p)] = self.h.get(id(p), 0) + p.grad * p.grad
            p.data -= self.lr * p.grad / (np.sqrt(self.h[id(p)]) + 1e-7)

    def zero_grad(self):
        for p in self.params:
            p.grad = None


@right(against="contract", elementwise=False)
class NormalizedDescent:
    """Each parameter moves by the direction of its gradient, not by its size."""

    def update(self, params, grads):
        for k, g in grads.items():
            params[k] -= 0.01 * g / (np.linalg.norm(g) + 1e-12)


@right(against="contract")
class SignedPower:
    """sign(g) |g|^½: of no paper that is known here."""

    def update(self, params, grads):
        for k, g in grads.items():
            params[k] -= 0.01 * np.sign(g) * np.sqrt(abs(g))


@right(against="contract")
class Rprop:
    def __init__(self):
        self.size, self.last = {}, {}

    def update(self, params, grads):
        for k, g in grads.items():
            size, last = self.size.get(k, np.full(g.shape, 0.01)), self.last.get(k, 0 * g)
            same = g * last
            size = np.clip(size * np.where(same > 0, 1.2, np.where(same < 0, 0.5, 1)), 1e-6, 1)
            g = np.where(same < 0, 0, g)
            params[k] -= np.sign(g) * size
            self.size[k], self.last[k] = size, g.copy()


@right
class Keras2RMSprop:
    """Keras: momentum over the normalized gradient, ε inside."""

    def __init__(self, lr=0.002, rho=0.9, momentum=0.3):
        self.lr, self.rho, self.momentum, self.slots = lr, rho, momentum, {}

    def update(self, params, grads):
        for k, g in grads.items():
            slot = self.slots.setdefault(k, {"rms": np.zeros_like(g), "mom": np.zeros_like(g)})
            slot["rms"] = self.rho * slot["rms"] + (1 - self.rho) * np.square(g)
            step = self.lr * g / np.sqrt(slot["rms"] + 1e-7)
            slot["mom"] = self.momentum * slot["mom"] + step
            params[k] -= slot["mom"]


@right
class InPlaceAdam:
    """Every array is made once and written into from then on."""

    def __init__(self, lr=0.01):
        self.lr, self.t, self.work = lr, 0, None

    def update(self, params, grads):
        if self.work is None:
            self.work = [[np.zeros_like(p) for _ in range(4)] for p in params]
        self.t += 1
        for p, g, (m, v, a, b) in zip(params, grads, self.work):
            np.multiply(g, 0.1, out=a)
            m *= 0.9
            m += a
            np.multiply(g, g, out=a)
            a *= 0.001
            v *= 0.999
            v += a
            np.divide(v, 1 - 0.999**self.t, out=a)
            np.sqrt(a, out=a)
            a += 1e-8
            np.divide(m, 1 - 0.9**self.t, out=b)
            b /= a
            b *= self.lr
            p -= b


@right(name="held_out_third.partial_adadelta")
def adadelta():
    mean, moved = {}, {}

    def update(params, grads):
        out = []
        for i, (p, g) in enumerate(zip(params, grads)):
            mean[i] = 0.9 * mean.get(i, 0) + 0.1 * g * g
            step = g * np.sqrt(moved.get(i, 0 * g) + 1e-6) / np.sqrt(mean[i] + 1e-6)
            moved[i] = 0.9 * moved.get(i, 0) + 0.1 * step * step
            out.append(p - step)
        return out

    return types.SimpleNamespace(update=update)


@right(decay="decoupled", against="adam")
class TiedAdamW:
    """Decay on everything but vectors, whose names do not count."""

    def __init__(self, lr=0.004, wd=0.02):
        self.lr, self.wd, self.t, self.state = lr, wd, 0, {}

    def update(self, params, grads):
        self.t += 1
        for k, g in grads.items():
            m, v = self.state.get(k, (0, 0))
            m, v = 0.9 * m + 0.1 * g, 0.95 * v + 0.05 * g**2
            self.state[k] = m, v
            move = m / (1 - 0.9**self.t) / (np.sqrt(v / (1 - 0.95**self.t)) + 1e-8)
            if g.ndim > 1:
                move = move + self.wd * params[k]
            params[k] -= self.lr * move


# ---- wrong ones ---------------------------------------------------------------------------------


@wrong("moves_without_gradient", "wrong_formula")
class EpsilonInNumerator:
    """The + ε has slipped out of the denominator."""

    def __init__(self, lr=0.01):
        self.lr, self.h = lr, {}

    def update(self, params, grads):
        for k, g in grads.items():
            self.h[k] = self.h.get(k, 1e-12) + g * g
            params[k] -= self.lr * (g / np.sqrt(self.h[k]) + 1e-2)


@wrong("shared_state")
class ClassLevelMoments:
    m: dict = {}

    def __init__(self, lr=0.01):
        self.lr = lr

    def update(self, params, grads):
        for k, g in grads.items():
            self.m[k] = 0.9 * self.m.get(k, 0) + g
            params[k] = params[k] - self.lr * self.m[k]


@wrong("shared_state")
class DefaultArgument:
    def __init__(self, lr=0.01, state={}):  # noqa: B006
        self.lr, self.state = lr, state

    def update(self, params, grads):
        for i, (p, g) in enumerate(zip(params, grads)):
            self.state[i] = self.state.get(i, 0) + g**2
            p -= self.lr * g / (np.sqrt(self.state[i]) + 1e-8)


@wrong("shared_state", "order_dependent")
class KeyedByShape:
    """Parameters of one shape have one velocity."""

    def __init__(self, lr=0.01):
        self.lr, self.v = lr, {}

    def update(self, params, grads):
        for k, g in grads.items():
            self.v[g.shape] = 0.9 * self.v.get(g.shape, 0) + g
            params[k] -= self.lr * self.v[g.shape]


@wrong("writes_gradient")
class ClipsInPlace:
    def update(self, params, grads):
        for k, g in grads.items():
            np.clip(g, -0.5, 0.5, out=g)
            params[k] -= 0.1 * g


@wrong("aliased_gradient")
class FirstVelocityIsTheGradient:
    def __init__(self, lr=0.01):
        self.lr, self.v = lr, {}

    def update(self, params, grads):
        for k, g in grads.items():
            if k in self.v:
                self.v[k] = 0.9 * self.v[k] + g
            else:
                self.v[k] = g
            params[k] -= self.lr * self.v[k]


@wrong("does_not_move")
class Rebinds:
    def update(self, params, grads):
        for p, g in zip(params, grads):
            p = p - 0.1 * g


@wrong("does_not_move", "raises")
class UpdatesACopy:
    def update(self, params, grads):
        mine = {k: v.copy() for k, v in params.items()}
        for k in mine:
            mine[k] -= 0.1 * grads[k]


@wrong("skipped_parameter")
class BreaksEarly:
    def __init__(self):
        self.v = {}

    def update(self, params, grads):
        for k, g in grads.items():
            if k not in self.v:
                self.v[k] = np.zeros_like(g)
            self.v[k] = 0.9 * self.v[k] - 0.01 * g
            params[k] += self.v[k]
            break


@wrong("counter_per_parameter", "order_dependent", "missing_bias_correction")
class CountsInside:
    def __init__(self, lr=0.01):
        self.lr, self.t, self.s = lr, 0, {}

    def _one(self, k, g):
        self.t += 1
        m, v = self.s.get(k, (0, 0))
        self.s[k] = m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        return self.lr * m / (1 - 0.9**self.t) / (np.sqrt(v / (1 - 0.999**self.t)) + 1e-8)

    def update(self, params, grads):
        for k in params:
            params[k] -= self._one(k, grads[k])


@wrong("wrong_sign")
class AscendsByMomentum:
    def __init__(self):
        self.v = {}

    def update(self, params, grads):
        for k, g in grads.items():
            self.v[k] = 0.9 * self.v.get(k, 0) - 0.01 * g
            params[k] -= self.v[k]


@wrong("not_finite", "raises")
class CountsFromZero:
    def __init__(self):
        self.t, self.m, self.v = 0, {}, {}

    def update(self, params, grads):
        for k, g in grads.items():
            self.m[k] = 0.9 * self.m.get(k, 0) + 0.1 * g
            self.v[k] = 0.999 * self.v.get(k, 0) + 0.001 * g * g
            m = self.m[k] / np.float64(1 - 0.9**self.t)
            params[k] -= 0.01 * m / (np.sqrt(self.v[k] / np.float64(1 - 0.999**self.t)) + 1e-8)
        self.t += 1


@wrong("not_finite")
class DividesByTheGradient:
    def update(self, params, grads):
        for p, g in zip(params, grads):
            p -= 0.01 * g / abs(g)


@wrong("wrong_decay")
class DecaysTowardsOne:
    """p - 1 where p was meant."""

    def __init__(self, lr=0.05, wd=0.1):
        self.lr, self.wd = lr, wd

    def update(self, params, grads):
        for k, g in grads.items():
            params[k] -= self.lr * (g + self.wd * (params[k] - np.sign(params[k])))


@wrong("wrong_decay", decay="decoupled", against="adam")
class DecayThroughTheRoot:
    """AdamW whose decay is divided by √v, too."""

    def __init__(self, lr=0.01, wd=0.1):
        self.lr, self.wd, self.t, self.s = lr, wd, 0, {}

    def update(self, params, grads):
        self.t += 1
        for k, g in grads.items():
            m, v = self.s.get(k, (0, 0))
            self.s[k] = m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            top = m / (1 - 0.9**self.t) + self.wd * params[k]
            params[k] -= self.lr * top / (np.sqrt(v / (1 - 0.999**self.t)) + 1e-8)


@wrong("stale_lr")
class RateInAClosure:
    def __init__(self, lr=0.1):
        self.lr = lr
        self.rule = lambda g: lr * g

    def update(self, params, grads):
        for k, g in grads.items():
            params[k] -= self.rule(g)


@wrong("lost_state")
class LosesTheCounter:
    def __init__(self, lr=0.01):
        self.lr, self.t, self.m, self.v = lr, 0, {}, {}

    def update(self, params, grads):
        self.t += 1
        for k, g in grads.items():
            self.m[k] = 0.9 * self.m.get(k, 0) + 0.1 * g
            self.v[k] = 0.99 * self.v.get(k, 0) + 0.01 * g * g
            m, v = self.m[k] / (1 - 0.9**self.t), self.v[k] / (1 - 0.99**self.t)
            params[k] -= self.lr * m / (np.sqrt(v) + 1e-8)

    def state_dict(self):
        return {"m": dict(self.m), "v": dict(self.v)}

    def load_state_dict(self, state):
        self.m, self.v = dict(state["m"]), dict(state["v"])


@wrong("dtype")
class WidensByItsRate:
    def __init__(self):
        self.lr = np.full(1, 0.1)

    def update(self, params, grads):
        for k, g in grads.items():
            params[k] = params[k] - self.lr * g


@wrong("shape")
class AddsAnAxis:
    def update(self, params, grads):
        return {k: p - 0.1 * grads[k][None] for k, p in params.items()}


@wrong("wrong_formula", against="rmsprop")
class MeanOfGradients:
    """√ of the squared mean, not of the mean square."""

    def __init__(self, lr=0.01):
        self.lr, self.m = lr, {}

    def update(self, params, grads):
        for k, g in grads.items():
            self.m[k] = 0.9 * self.m.get(k, 0) + 0.1 * g
            params[k] -= self.lr * g / (np.sqrt(self.m[k] ** 2) + 1e-3)


@wrong("wrong_formula", "wrong_scale", against="adam")
class DebiasesTheStep:
    """One correction for both, √ forgotten."""

    def __init__(self, lr=0.01):
        self.lr, self.t, self.s = lr, 0, {}

    def update(self, params, grads):
        self.t += 1
        for k, g in grads.items():
            m, v = self.s.get(k, (0, 0))
            self.s[k] = m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            params[k] -= self.lr * m / (np.sqrt(v) + 1e-8) * (1 - 0.999**self.t) / (1 - 0.9**self.t)


@wrong("moves_without_gradient")
class Drifts:
    def __init__(self, lr=0.01):
        self.lr, self.v = lr, {}

    def update(self, params, grads):
        for k, g in grads.items():
            self.v[k] = 0.9 * self.v.get(k, np.full_like(g, 0.1)) + g
            params[k] -= self.lr * self.v[k]


@wrong("missing_gradient")
class ForgetsOnNone:
    """A gradient that is missing wipes out what is known about all others."""

    def __init__(self, lr=0.01):
        self.lr, self.v = lr, {}

    def update(self, params, grads):
        if len(grads) < len(params):
            self.v = {}
        for k, g in grads.items():
            self.v[k] = 0.9 * self.v.get(k, 0) + g
            params[k] -= self.lr * self.v[k]
