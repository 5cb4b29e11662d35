"""Mistakes in the books' style: update(params, grads) over dicts."""

import numpy as np

from .specimen import wrong


class Base:
    names = ()

    def __init__(self, lr=0.01):
        self.lr = lr
        self.state = None

    def begin(self, params):
        if self.state is None:
            self.state = {n: {k: np.zeros_like(p) for k, p in params.items()} for n in self.names}


class AdamBase(Base):
    """A right Adam in pieces; each mistake below replaces one."""

    names = ("m", "v")

    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        super().__init__(lr)
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.t = 0

    def update(self, params, grads):
        self.begin(params)
        self.t += 1
        for k in params:
            self.one(params, grads, k)

    def one(self, params, grads, k):
        m, v = self.state["m"], self.state["v"]
        m[k] = self.first(m[k], grads[k])
        v[k] = self.second(v[k], grads[k])
        params[k] -= self.delta(m[k], v[k], grads[k])

    def first(self, m, g):
        return self.beta1 * m + (1 - self.beta1) * g

    def second(self, v, g):
        return self.beta2 * v + (1 - self.beta2) * g**2

    def delta(self, m, v, g):
        m = m / (1 - self.beta1**self.t)
        v = v / (1 - self.beta2**self.t)
        return self.lr * m / (np.sqrt(v) + self.eps)


@wrong("wrong_sign")
class SGDUp(Base):
    def update(self, params, grads):
        for k in params:
            params[k] += self.lr * grads[k]


@wrong("wrong_sign")
class MomentumUp(Base):
    names = ("v",)

    def update(self, params, grads):
        self.begin(params)
        for k in params:
            self.state["v"][k] = 0.9 * self.state["v"][k] + self.lr * grads[k]
            params[k] += self.state["v"][k]


@wrong("wrong_sign")
class AdamMinusMinus(AdamBase):
    def delta(self, m, v, g):
        return -super().delta(m, v, g)


@wrong("wrong_sign", "wrong_formula")
class SGDAbsolute(Base):
    def update(self, params, grads):
        for k in params:
            params[k] -= self.lr * np.abs(grads[k])


@wrong("missing_bias_correction")
class AdamUncorrected(AdamBase):
    def delta(self, m, v, g):
        return self.lr * m / (np.sqrt(v) + self.eps)


@wrong("missing_bias_correction")
class AdamOnlyM(AdamBase):
    def delta(self, m, v, g):
        return self.lr * m / (1 - self.beta1**self.t) / (np.sqrt(v) + self.eps)


@wrong("missing_bias_correction")
class AdamOnlyV(AdamBase):
    def delta(self, m, v, g):
        return self.lr * m / (np.sqrt(v / (1 - self.beta2**self.t)) + self.eps)


@wrong("missing_bias_correction")
class AdamCountsLate(AdamBase):
    def __init__(self):
        super().__init__()
        self.t = 1


@wrong("not_finite")
class AdamCountsFromZero(AdamBase):
    def update(self, params, grads):
        self.begin(params)
        for k in params:
            self.one(params, grads, k)
        self.t += 1


@wrong("counter_per_parameter")
class AdamCountsParameters(AdamBase):
    def update(self, params, grads):
        self.begin(params)
        for k in params:
            self.t += 1
            self.one(params, grads, k)


@wrong("wrong_formula")
class AdamRootless(AdamBase):
    def delta(self, m, v, g):
        m = m / (1 - self.beta1**self.t)
        v = v / (1 - self.beta2**self.t)
        return self.lr * m / (v + self.eps)


@wrong("wrong_formula")
class AdamBetasSwapped(AdamBase):
    def first(self, m, g):
        return self.beta2 * m + (1 - self.beta2) * g

    def second(self, v, g):
        return self.beta1 * v + (1 - self.beta1) * g**2

    def delta(self, m, v, g):
        m = m / (1 - self.beta2**self.t)
        v = v / (1 - self.beta1**self.t)
        return self.lr * m / (np.sqrt(v) + self.eps)


@wrong("wrong_formula")
class AdamCrossed(AdamBase):
    def delta(self, m, v, g):
        m = m / (1 - self.beta2**self.t)
        v = v / (1 - self.beta1**self.t)
        return self.lr * m / (np.sqrt(v) + self.eps)


@wrong("wrong_formula")
class AdamUnsquared(AdamBase):
    def second(self, v, g):
        return self.beta2 * v + (1 - self.beta2) * np.abs(g)


@wrong("wrong_formula")
class AdamUnweighted(AdamBase):
    def first(self, m, g):
        return self.beta1 * m + g


@wrong("wrong_formula")
class AdamVUnweighted(AdamBase):
    def second(self, v, g):
        return self.beta2 * v + g * g


@wrong("wrong_formula")
class AdamExchanged(AdamBase):
    def first(self, m, g):
        return (1 - self.beta1) * m + self.beta1 * g

    def delta(self, m, v, g):
        v = v / (1 - self.beta2**self.t)
        return self.lr * m / (1 - (1 - self.beta1) ** self.t) / (np.sqrt(v) + self.eps)


@wrong("wrong_formula")
class AdamKeepsCorrected(AdamBase):
    def one(self, params, grads, k):
        m, v = self.state["m"], self.state["v"]
        m[k] = self.first(m[k], grads[k]) / (1 - self.beta1**self.t)
        v[k] = self.second(v[k], grads[k]) / (1 - self.beta2**self.t)
        params[k] -= self.lr * m[k] / (np.sqrt(v[k]) + self.eps)


@wrong("wrong_formula")
class AdamCorrectionWithoutRoot(AdamBase):
    def delta(self, m, v, g):
        rate = self.lr * (1 - self.beta2**self.t) / (1 - self.beta1**self.t)
        return rate * m / (np.sqrt(v) + self.eps)


@wrong("wrong_formula")
class AdamVOfM(AdamBase):
    def one(self, params, grads, k):
        m, v = self.state["m"], self.state["v"]
        m[k] = self.first(m[k], grads[k])
        v[k] = self.second(v[k], m[k])
        params[k] -= self.delta(m[k], v[k], grads[k])


@wrong("not_finite")
class AdamNoEps(AdamBase):
    def delta(self, m, v, g):
        m = m / (1 - self.beta1**self.t)
        return self.lr * m / np.sqrt(v / (1 - self.beta2**self.t))


@wrong("wrong_scale", "wrong_formula")
class AdamTwiceTheRate(AdamBase):
    def delta(self, m, v, g):
        return 2 * super().delta(m, v, g)


@wrong("wrong_scale", "wrong_formula")
class SGDSquaredRate(Base):
    def update(self, params, grads):
        for k in params:
            params[k] -= 10 * self.lr * grads[k]


@wrong("shared_state")
class MomentumOneVelocity(Base):
    v = 0.0

    def update(self, params, grads):
        for k in params:
            self.v = 0.9 * self.v - self.lr * grads[k]
            params[k] += self.v


@wrong("shared_state")
class MomentumOfClass(Base):
    velocities = {}

    def update(self, params, grads):
        for k in params:
            old = self.velocities.get(k, np.zeros_like(params[k]))
            self.velocities[k] = 0.9 * old - self.lr * grads[k]
            params[k] += self.velocities[k]


@wrong("shared_state")
class AdaGradDefaultArgument(Base):
    def __init__(self, lr=0.01, h={}):  # noqa: B006
        self.lr, self.h = lr, h

    def update(self, params, grads):
        for k in params:
            self.h[k] = self.h.get(k, 0) + grads[k] ** 2
            params[k] -= self.lr * grads[k] / (np.sqrt(self.h[k]) + 1e-7)


@wrong("shared_state")
class RMSPropFromKeys(Base):
    def __init__(self, lr=0.01):
        self.lr, self.h = lr, None

    def update(self, params, grads):
        if self.h is None:
            self.h = dict.fromkeys(params, np.zeros_like(next(iter(params.values()))))
        for k in params:
            self.h[k] *= 0.99
            self.h[k] += 0.01 * grads[k] * grads[k]
            params[k] -= self.lr * grads[k] / (np.sqrt(self.h[k]) + 1e-7)


@wrong("writes_gradient")
class SGDScalesGradient(Base):
    def update(self, params, grads):
        for k in params:
            grads[k] *= self.lr
            params[k] -= grads[k]


@wrong("writes_gradient")
class SGDDecayInGradient(Base):
    def update(self, params, grads):
        for k in params:
            grads[k] += 1e-2 * params[k]
            params[k] -= self.lr * grads[k]


@wrong("writes_gradient")
class SGDClips(Base):
    def update(self, params, grads):
        for k in params:
            np.clip(grads[k], -0.5, 0.5, out=grads[k])
            params[k] -= self.lr * grads[k]


@wrong("aliased_gradient")
class MomentumKeepsFirst(Base):
    def __init__(self, lr=0.01):
        self.lr, self.v = lr, {}

    def update(self, params, grads):
        for k in params:
            if k not in self.v:
                self.v[k] = grads[k]
            else:
                self.v[k] = 0.9 * self.v[k] + grads[k]
            params[k] -= self.lr * self.v[k]


@wrong("aliased_gradient")
class LooksBack(Base):
    def __init__(self, lr=0.01):
        self.lr, self.last = lr, None

    def update(self, params, grads):
        last = self.last or grads
        for k in params:
            params[k] -= self.lr * (grads[k] + 0.5 * last[k])
        self.last = dict(grads)


@wrong("does_not_move")
class SGDRebinds(Base):
    def update(self, params, grads):
        for k, p in params.items():
            p = p - self.lr * grads[k]


@wrong("skipped_parameter")
class SGDReturnsEarly(Base):
    def update(self, params, grads):
        for k in params:
            params[k] -= self.lr * grads[k]
            return params


@wrong("skipped_parameter")
class SGDSkipsLast(Base):
    def update(self, params, grads):
        for k in list(params)[:-1] or params:
            params[k] -= self.lr * grads[k]


@wrong("dtype")
class SGDWidens(Base):
    def __init__(self):
        self.lr = np.float64(0.01)

    def update(self, params, grads):
        for k in params:
            params[k] = params[k] - self.lr * grads[k]


@wrong("dtype")
class MomentumWidens(Base):
    def __init__(self):
        self.lr, self.v = 0.01, {}

    def update(self, params, grads):
        for k in params:
            self.v[k] = 0.9 * self.v.get(k, np.zeros(params[k].shape)) - self.lr * grads[k]
            params[k] = params[k] + self.v[k]


@wrong("shape")
class SGDKeepsAxes(Base):
    def update(self, params, grads):
        for k in params:
            params[k] = np.atleast_2d(params[k] - self.lr * grads[k])


@wrong("order_dependent", "skipped_parameter", "shared_state")
class SGDZips(Base):
    def update(self, params, grads):
        for p, g in zip(params.values(), grads.values()):
            p -= self.lr * g


@wrong("moves_without_gradient")
class SGDDrifts(Base):
    def update(self, params, grads):
        for k in params:
            params[k] -= self.lr * (grads[k] + 1e-3)


@wrong("lost_state")
class AdamLosesCounter(AdamBase):
    def state_dict(self):
        return {n: {k: a.copy() for k, a in s.items()} for n, s in self.state.items()}

    def load_state_dict(self, state):
        self.state = {n: {k: a.copy() for k, a in s.items()} for n, s in state.items()}


@wrong("lost_state")
class MomentumLosesVelocity(Base):
    names = ("v",)

    def update(self, params, grads):
        self.begin(params)
        for k in params:
            self.state["v"][k] = 0.9 * self.state["v"][k] - self.lr * grads[k]
            params[k] += self.state["v"][k]

    def state_dict(self):
        return {"lr": self.lr}

    def load_state_dict(self, state):
        self.lr = state["lr"]


@wrong("lost_state")
class AdaGradLoadsIntoCopy(Base):
    names = ("h",)

    def update(self, params, grads):
        self.begin(params)
        for k in params:
            self.state["h"][k] += grads[k] ** 2
            params[k] -= self.lr * grads[k] / (np.sqrt(self.state["h"][k]) + 1e-7)

    def get_state(self):
        return self.state["h"]

    def set_state(self, h):
        self.h = h


@wrong("wrong_decay")
class SGDGrows(Base):
    def update(self, params, grads):
        for k in params:
            params[k] -= self.lr * (grads[k] - 1e-2 * params[k])


@wrong("wrong_decay", against="adamw")
class AdamWCoupled(AdamBase):
    def one(self, params, grads, k):
        super().one(params, {k: grads[k] + 0.01 * params[k]}, k)


@wrong("wrong_decay", decay="coupled")
class AdamL2Decoupled(AdamBase):
    def one(self, params, grads, k):
        params[k] *= 1 - self.lr * 0.01
        super().one(params, grads, k)


@wrong("wrong_decay", decay="decoupled")
class AdamWithoutDecay(AdamBase):
    weight_decay = 0.1


@wrong("wrong_decay")
class AdamWBoth(AdamBase):
    def one(self, params, grads, k):
        params[k] *= 1 - self.lr * 0.01
        super().one(params, {k: grads[k] + 0.01 * params[k]}, k)


@wrong("stale_lr")
class SGDFixesRate(Base):
    def __init__(self, lr=0.01):
        self.lr, self._rate = lr, None

    def update(self, params, grads):
        self._rate = self._rate or self.lr
        for k in params:
            params[k] -= self._rate * grads[k]


@wrong("stale_lr")
class SGDOtherRate(Base):
    def __init__(self, lr=0.01):
        self.lr = lr
        self.apply = lambda p, g: p - lr * g

    def update(self, params, grads):
        for k in params:
            params[k] = self.apply(params[k], grads[k])


@wrong("wrong_formula")
class AdaGradRootless(Base):
    names = ("h",)

    def update(self, params, grads):
        self.begin(params)
        for k in params:
            self.state["h"][k] += grads[k] ** 2
            params[k] -= self.lr * grads[k] / (self.state["h"][k] + 1e-7)


@wrong("wrong_formula", against="adagrad")
class AdaGradForgets(Base):
    names = ("h",)

    def update(self, params, grads):
        self.begin(params)
        for k in params:
            self.state["h"][k] = grads[k] ** 2
            params[k] -= self.lr * grads[k] / (np.sqrt(self.state["h"][k]) + 1e-7)


@wrong("wrong_formula")
class RMSPropUnweighted(Base):
    def __init__(self, lr=0.01, rho=0.9):
        self.lr, self.rho, self.h = lr, rho, {}

    def update(self, params, grads):
        for k in params:
            self.h[k] = self.rho * self.h.get(k, 0) + grads[k] ** 2
            params[k] -= self.lr * grads[k] / (np.sqrt(self.h[k]) + 1e-7)


@wrong("wrong_formula")
class RMSPropExchanged(RMSPropUnweighted):
    def update(self, params, grads):
        for k in params:
            self.h[k] = (1 - self.rho) * self.h.get(k, 0) + self.rho * grads[k] ** 2
            params[k] -= self.lr * grads[k] / (np.sqrt(self.h[k]) + 1e-7)


@wrong("raises")
class AdamMisspelt(AdamBase):
    def one(self, params, grads, k):
        self.mom[k] = self.first(self.state["m"][k], grads[k])


@wrong("raises", "shared_state")
class MomentumFirstShape(Base):
    v = None

    def update(self, params, grads):
        self.v = np.zeros(12) if self.v is None else self.v
        at = 0
        for k in params:
            n = params[k].size
            self.v[at : at + n] = 0.9 * self.v[at : at + n] - self.lr * grads[k].reshape(n)
            params[k] += self.v[at : at + n].reshape(2 if n == 6 else 4, 3)
            at += n


@wrong("missing_gradient")
class MomentumMissesOne(Base):
    def __init__(self, lr=0.01):
        self.lr, self.v = lr, {}

    def update(self, params, grads):
        for k in params:
            g = grads.get(k, np.nan)
            self.v[k] = 0.9 * self.v.get(k, 0) - self.lr * g
            params[k] += self.v[k]


@wrong("wrong_formula", against="momentum")
class MomentumForgets(Base):
    def __init__(self, lr=0.01, momentum=0.9):
        self.lr, self.momentum = lr, momentum

    def update(self, params, grads):
        v = {k: np.zeros_like(p) for k, p in params.items()}
        for k in params:
            v[k] = self.momentum * v[k] - self.lr * grads[k]
            params[k] += v[k]


@wrong("wrong_formula")
class NesterovTwice(Base):
    def __init__(self, lr=0.01, momentum=0.9):
        self.lr, self.momentum, self.v = lr, momentum, None

    def update(self, params, grads):
        if self.v is None:
            self.v = {k: np.zeros_like(p) for k, p in params.items()}
        for k in params:
            self.v[k] *= self.momentum
            self.v[k] -= self.lr * grads[k]
            params[k] += self.momentum * self.momentum * self.v[k]
            params[k] -= (1 + self.momentum) * self.lr * grads[k]


@wrong("wrong_formula", against="nesterov")
class NesterovIsMomentum(Base):
    def __init__(self, lr=0.01, momentum=0.9):
        self.lr, self.momentum, self.v = lr, momentum, {}

    def update(self, params, grads):
        for k in params:
            self.v[k] = self.momentum * self.v.get(k, 0) - self.lr * grads[k]
            params[k] += self.v[k]


@wrong("does_not_converge", "wrong_formula")
class MomentumWithoutBound(Base):
    names = ("v",)

    def update(self, params, grads):
        self.begin(params)
        for k in params:
            self.state["v"][k] = self.state["v"][k] - self.lr * grads[k]
            params[k] += self.state["v"][k]
