"""More rules that keep a running mean m of the gradient: Adam's relatives, and Lion.

m ← β1 m + (1-β1) g and v ← β2 v + (1-β2) g² are Adam's, and so are the options.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from handgrad.arrays import Array
from handgrad.optim.optimizer import LearningRate, Optimizer
from handgrad.optim.rules import Adam, move_towards, scaled


class AMSGrad(Adam):
    """Adam that divides by the largest v so far, so that its steps never grow back.

    v̂ ← max(v̂, v);  p ← p - η m / (1-β1^t) / (√(v̂ / (1-β2^t)) + ε).

    The paper corrects neither m nor v; both are corrected here as in Adam, after the maximum,
    as in PyTorch.

    Source: Reddi, Kale, Kumar, "On the convergence of Adam and beyond", ICLR 2018, algorithm 2.
    """

    state_names = ("m", "v", "largest")

    def rule(
        self, p: Array, g: Array, lr: float, scratch: Array, m: Array, v: Array, *more: Array
    ) -> None:
        (largest,) = more
        move_towards(m, g, self.beta1, scratch)
        move_towards(v, np.square(g, out=scratch), self.beta2, scratch)
        np.maximum(largest, v, out=largest)
        c = (1 - self.beta2**self.steps) ** 0.5
        p -= scaled(m, largest, lr * c / (1 - self.beta1**self.steps), self.eps * c, scratch)


class NAdam(Adam):
    """Adam with Nesterov's look ahead: the mean enters as it will be in the next update.

    p ← p - η (a g + b m) / (√v̂ + ε)  with  v̂ = v / (1-β2^t),  a = (1-μₜ) / (1 - μ₁⋯μₜ),
    b = μₜ₊₁ / (1 - μ₁⋯μₜ₊₁)  and the schedule  μₜ = β1 (1 - ½ · 0.96^(t/250)).

    Source: Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016, algorithm 2
    and appendix A.
    """

    def shares(self, first: int, count: int = 1) -> tuple[Array, Array]:
        """a and b of the updates t = first, first + 1, …"""

        def share(t: Array) -> Array:
            mu: Array = self.beta1 * (1 - 0.5 * 0.96 ** (t / 250))
            return mu

        # The first μ are about β1 / 2, so that from t = 64 on 1 - μ₁⋯μₜ is 1 to the last bit.
        left = 1 - np.multiply.accumulate(share(np.arange(1, 65)))
        t = np.arange(first, first + count + 1)
        mu, left = share(t), left[np.minimum(t, 64) - 1]
        return (1 - mu[:-1]) / left[:-1], mu[1:] / left[1:]

    def rule(self, p: Array, g: Array, lr: float, scratch: Array, m: Array, v: Array) -> None:
        move_towards(m, g, self.beta1, scratch)
        move_towards(v, np.square(g, out=scratch), self.beta2, scratch)
        (a,), (b,) = (x.tolist() for x in self.shares(self.steps))
        c = (1 - self.beta2**self.steps) ** 0.5
        p -= scaled(m * b + g * a, v, lr * c, self.eps * c, scratch)


class RAdam(Adam):
    """Adam that divides by √v̂ only once v is the mean of enough gradients to be trusted.

    With ρ = 2 / (1-β2) - 1 and ρₜ = ρ - 2 t β2^t / (1-β2^t):  where ρₜ > 5,
    p ← p - η r m̂ √(1-β2^t) / (√v + ε),  r² = (ρₜ-4)(ρₜ-2) ρ / ((ρ-4)(ρ-2) ρₜ),
    and before that  p ← p - η m̂,  m̂ = m / (1-β1^t).

    The paper has ρₜ > 4 and no ε; 5 is the bound of its authors' code, as in PyTorch.

    Source: Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020,
    algorithm 2.
    """

    def rectification(self, t: int) -> float:
        """r √(1-β2^t) of update t, 0 as long as v is not trusted."""
        rho, left = 2 / (1 - self.beta2) - 1, 1 - self.beta2**t
        now = rho - 2 * t * self.beta2**t / left
        if now <= 5:
            return 0.0
        r2 = (now - 4) * (now - 2) * rho / ((rho - 4) * (rho - 2) * now)
        return float((r2 * left) ** 0.5)

    def rule(self, p: Array, g: Array, lr: float, scratch: Array, m: Array, v: Array) -> None:
        move_towards(m, g, self.beta1, scratch)
        move_towards(v, np.square(g, out=scratch), self.beta2, scratch)
        factor, left = self.rectification(self.steps), 1 - self.beta1**self.steps
        if factor:
            p -= scaled(m, v, lr * factor / left, self.eps, scratch)
        else:
            p -= np.multiply(m, lr / left, out=scratch)


class Lion(Optimizer):
    """Steps of one size, whose sign alone comes from gradient and mean.

    p ← p - η sign(β1 m + (1-β1) g);  m ← β2 m + (1-β2) g.

    Its η is a third to a tenth of Adam's, and its weight_decay as many times larger. sign(0) = 0.

    beta1, beta2: β1 and β2, in [0, 1).

    Source: Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023,
    algorithm 2.
    """

    state_names = ("m",)

    def __init__(
        self,
        lr: LearningRate = 0.0001,
        *,
        beta1: float = 0.9,
        beta2: float = 0.99,
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

    def rule(self, p: Array, g: Array, lr: float, scratch: Array, m: Array) -> None:
        np.multiply(m, self.beta1, out=scratch)
        scratch += g * (1 - self.beta1)
        p -= np.multiply(np.sign(scratch, out=scratch), lr, out=scratch)
        move_towards(m, g, self.beta2, scratch)
