"""The update rules. p is the parameter, g its gradient, lr the learning rate η.

Each `rule` works in place on arrays of any shape; `scratch` holds what lies between.
The hyperparameters have the names and the defaults of the papers, where these give any; l2,
weight_decay, decay_on, lr_scale, clip_norm and clip_value are those of `Optimizer`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from handgrad.arrays import Array
from handgrad.optim.optimizer import LearningRate, Optimizer


class SGD(Optimizer):
    """Stochastic gradient descent: p ← p - η g.

    Source: Robbins, Monro, "A stochastic approximation method", 1951.
    """

    def rule(self, p: Array, g: Array, lr: float, scratch: Array) -> None:
        p -= np.multiply(g, lr, out=scratch)


class Momentum(Optimizer):
    """Gradient descent with a velocity: v ← μ v - η g;  p ← p + v.

    η is inside v. Where it is outside (v ← μ v + g, p ← p - η v, as in PyTorch), the steps
    are the same as long as η is, and differ when a schedule changes it.

    momentum: μ, in [0, 1).

    Source: Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.
    """

    state_names = ("v",)

    def __init__(
        self,
        lr: LearningRate = 0.01,
        *,
        momentum: float = 0.9,
        l2: float = 0.0,
        weight_decay: float = 0.0,
        decay_on: Iterable[str] | None = None,
        lr_scale: Mapping[str, float] | None = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ):
        super().__init__(
            lr, l2=l2, weight_decay=weight_decay, decay_on=decay_on, lr_scale=lr_scale,
            clip_norm=clip_norm, clip_value=clip_value,
        )  # fmt: skip
        self.momentum = self._number("momentum", momentum, below=1)

    def rule(self, p: Array, g: Array, lr: float, scratch: Array, v: Array) -> None:
        v *= self.momentum
        v -= np.multiply(g, lr, out=scratch)
        p += v


class Nesterov(Momentum):
    """Momentum whose gradient is taken ahead: v ← μ v - η g;  p ← p + μ v - η g.

    p is the point ahead, where the gradient was taken: the rule for it that follows from
    Nesterov's by a change of variables. PyTorch's `nesterov=True` takes the same steps at a
    constant η.

    Source: Bengio, Boulanger-Lewandowski, Pascanu, "Advances in optimizing recurrent
    networks", 2012, eq. 7.
    """

    def rule(self, p: Array, g: Array, lr: float, scratch: Array, v: Array) -> None:
        np.multiply(g, lr, out=scratch)
        v *= self.momentum
        v -= scratch
        p -= scratch
        p += np.multiply(v, self.momentum, out=scratch)


class AdaGrad(Optimizer):
    """Steps shrink where gradients have been large: h ← h + g²;  p ← p - η g / (√h + ε).

    eps: ε, keeps the quotient finite while h is 0.

    Source: Duchi, Hazan, Singer, "Adaptive subgradient methods", JMLR 12, 2011.
    """

    state_names = ("h",)

    def __init__(
        self,
        lr: LearningRate = 0.01,
        *,
        eps: float = 1e-10,
        l2: float = 0.0,
        weight_decay: float = 0.0,
        decay_on: Iterable[str] | None = None,
        lr_scale: Mapping[str, float] | None = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ):
        super().__init__(
            lr, l2=l2, weight_decay=weight_decay, decay_on=decay_on, lr_scale=lr_scale,
            clip_norm=clip_norm, clip_value=clip_value,
        )  # fmt: skip
        self.eps = self._number("eps", eps)

    def rule(self, p: Array, g: Array, lr: float, scratch: Array, h: Array) -> None:
        h += np.square(g, out=scratch)
        p -= scaled(g, h, lr, self.eps, scratch)


class RMSProp(Optimizer):
    """AdaGrad that forgets: h ← ρ h + (1-ρ) g²;  p ← p - η g / (√h + ε).

    ε is outside the root, as in PyTorch; in Keras and TensorFlow it is inside.

    rho: ρ, the share of h that is kept, in [0, 1). eps: ε.

    Source: Tieleman, Hinton, "Lecture 6.5 - rmsprop", Coursera, 2012.
    """

    state_names = ("h",)

    def __init__(
        self,
        lr: LearningRate = 0.001,
        *,
        rho: float = 0.99,
        eps: float = 1e-8,
        l2: float = 0.0,
        weight_decay: float = 0.0,
        decay_on: Iterable[str] | None = None,
        lr_scale: Mapping[str, float] | None = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ):
        super().__init__(
            lr, l2=l2, weight_decay=weight_decay, decay_on=decay_on, lr_scale=lr_scale,
            clip_norm=clip_norm, clip_value=clip_value,
        )  # fmt: skip
        self.rho = self._number("rho", rho, below=1)
        self.eps = self._number("eps", eps)

    def rule(self, p: Array, g: Array, lr: float, scratch: Array, h: Array) -> None:
        move_towards(h, np.square(g, out=scratch), self.rho, scratch)
        p -= scaled(g, h, lr, self.eps, scratch)


class AdaDelta(Optimizer):
    """RMSProp whose step has the unit of p: it is scaled by the size d of the steps before.

    h ← ρ h + (1-ρ) g²;  s = g √(d + ε) / √(h + ε);  d ← ρ d + (1-ρ) s²;  p ← p - η s,
    where the paper has η = 1.

    rho: ρ, the share of h and d that is kept, in [0, 1). eps: ε.

    Source: Zeiler, "ADADELTA: an adaptive learning rate method", 2012, algorithm 1.
    """

    state_names = ("h", "d")

    def __init__(
        self,
        lr: LearningRate = 1.0,
        *,
        rho: float = 0.95,
        eps: float = 1e-6,
        l2: float = 0.0,
        weight_decay: float = 0.0,
        decay_on: Iterable[str] | None = None,
        lr_scale: Mapping[str, float] | None = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ):
        super().__init__(
            lr, l2=l2, weight_decay=weight_decay, decay_on=decay_on, lr_scale=lr_scale,
            clip_norm=clip_norm, clip_value=clip_value,
        )  # fmt: skip
        self.rho = self._number("rho", rho, below=1)
        self.eps = self._number("eps", eps)

    def rule(self, p: Array, g: Array, lr: float, scratch: Array, h: Array, d: Array) -> None:
        move_towards(h, np.square(g, out=scratch), self.rho, scratch)
        s = g * np.sqrt((d + self.eps) / (h + self.eps))
        move_towards(d, np.square(s, out=scratch), self.rho, scratch)
        p -= np.multiply(s, lr, out=scratch)


class Adam(Optimizer):
    """Steps from running means of g and g², both corrected for their start at zero.

    m ← β1 m + (1-β1) g;  v ← β2 v + (1-β2) g²;  after t updates
    p ← p - η m̂ / (√v̂ + ε)  with  m̂ = m / (1-β1^t),  v̂ = v / (1-β2^t).

    The two corrections are drawn into η and ε, which gives the same step in fewer passes:
    with c = √(1-β2^t), m̂ / (√v̂ + ε) = c / (1-β1^t) · m / (√v + c ε).

    beta1, beta2: β1 and β2, the shares of m and v that are kept, in [0, 1). eps: ε.

    Source: Kingma, Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.
    """

    state_names: tuple[str, ...] = ("m", "v")

    def __init__(
        self,
        lr: LearningRate = 0.001,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        l2: float = 0.0,
        weight_decay: float = 0.0,
        decay_on: Iterable[str] | None = None,
        lr_scale: Mapping[str, float] | None = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ):
        super().__init__(
            lr, l2=l2, weight_decay=weight_decay, decay_on=decay_on, lr_scale=lr_scale,
            clip_norm=clip_norm, clip_value=clip_value,
        )  # fmt: skip
        self.beta1 = self._number("beta1", beta1, below=1)
        self.beta2 = self._number("beta2", beta2, below=1)
        self.eps = self._number("eps", eps)

    def rule(self, p: Array, g: Array, lr: float, scratch: Array, m: Array, v: Array) -> None:
        move_towards(m, g, self.beta1, scratch)
        move_towards(v, np.square(g, out=scratch), self.beta2, scratch)
        c = (1 - self.beta2**self.steps) ** 0.5
        p -= scaled(m, v, lr * c / (1 - self.beta1**self.steps), self.eps * c, scratch)


class AdamW(Adam):
    """Adam with decoupled weight decay: p ← p - η λ p besides Adam's step, λ = 0.01.

    λ applies to weights, not to biases (see `decay_on`); PyTorch decays every parameter.

    Source: Loshchilov, Hutter, "Decoupled weight decay regularization", ICLR 2019,
    algorithm 2.
    """

    def __init__(
        self,
        lr: LearningRate = 0.001,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        l2: float = 0.0,
        weight_decay: float = 0.01,
        decay_on: Iterable[str] | None = None,
        lr_scale: Mapping[str, float] | None = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ):
        super().__init__(
            lr, beta1=beta1, beta2=beta2, eps=eps, l2=l2, weight_decay=weight_decay,
            decay_on=decay_on, lr_scale=lr_scale, clip_norm=clip_norm, clip_value=clip_value,
        )  # fmt: skip


def move_towards(mean: Array, new: Array, rho: float, scratch: Array) -> None:
    """mean ← ρ mean + (1-ρ) new, in place; `new` may be the scratch array."""
    mean *= rho
    mean += np.multiply(new, 1 - rho, out=scratch)


def scaled(g: Array, h: Array, lr: float, eps: float, scratch: Array) -> Array:
    """η g / (√h + ε), in the scratch array."""
    np.sqrt(h, out=scratch)
    scratch += eps
    np.divide(g, scratch, out=scratch)
    scratch *= lr
    return scratch
