"""The books' update rules, for parameters in a dict (first book) or in a list (second)."""

from typing import Any

import numpy as np

from handgrad.arrays import Array

Parameters = dict[Any, Array] | list[Array]

LEAST = 1e-7  # what the books add to a denominator


def keys_of(params: Parameters) -> Any:
    """The names of parameters in a dict, or their indices in a list."""
    return params.keys() if isinstance(params, dict) else range(len(params))


class Optimizer:
    """Base: adds `step` to every parameter, in place. State starts at zero at the first use."""

    state: tuple[str, ...] = ()
    v: Any  # what the rules remember of each parameter
    h: Any
    m: Any

    def __init__(self, lr: float = 0.01):
        self.lr = lr
        for name in self.state:
            setattr(self, name, None)

    def step(self, key: Any, g: Array) -> Array:
        """What is added to the parameter under this key, whose gradient is g."""
        raise NotImplementedError(f"{type(self).__name__} has no step")

    def update(self, params: Any, grads: Any) -> None:
        """Change every parameter by the rule."""
        for name in self.state:
            if getattr(self, name) is None:
                setattr(self, name, {key: np.zeros_like(params[key]) for key in keys_of(params)})
        for key in keys_of(params):
            params[key] += self.step(key, grads[key])


class SGD(Optimizer):
    """Stochastic gradient descent: p ← p − η g."""

    def step(self, key: Any, g: Array) -> Array:
        return -self.lr * g


class Momentum(Optimizer):
    """v ← μ v − η g;  p ← p + v."""

    state = ("v",)

    def __init__(self, lr: float = 0.01, momentum: float = 0.9):
        super().__init__(lr)
        self.momentum = momentum

    def step(self, key: Any, g: Array) -> Array:
        self.v[key] = self.momentum * self.v[key] - self.lr * g
        return self.v[key]


class Nesterov(Momentum):
    """v ← μ v − η g;  p ← p + μ v − η g.

    Source: Bengio et al., "Advances in optimizing recurrent networks", 2012.
    """

    def step(self, key: Any, g: Array) -> Array:
        return self.momentum * super().step(key, g) - self.lr * g


class AdaGrad(Optimizer):
    """h ← h + g²;  p ← p − η g / (√h + 10⁻⁷)."""

    state = ("h",)

    def step(self, key: Any, g: Array) -> Array:
        self.h[key] += g * g
        return -self.lr * g / (np.sqrt(self.h[key]) + LEAST)


class RMSprop(Optimizer):
    """h ← ρ h + (1 − ρ) g²;  p ← p − η g / (√h + 10⁻⁷)."""

    state = ("h",)

    def __init__(self, lr: float = 0.01, decay_rate: float = 0.99):
        super().__init__(lr)
        self.decay_rate = decay_rate

    def step(self, key: Any, g: Array) -> Array:
        self.h[key] *= self.decay_rate
        self.h[key] += (1 - self.decay_rate) * g * g
        return -self.lr * g / (np.sqrt(self.h[key]) + LEAST)


class Adam(Optimizer):
    """m ← m + (1 − β₁)(g − m);  v ← v + (1 − β₂)(g² − v);  p ← p − ηₜ m / (√v + 10⁻⁷).

    ηₜ = η √(1 − β₂ᵗ) / (1 − β₁ᵗ). Source: Kingma & Ba, ICLR 2015.
    """

    state = ("m", "v")

    def __init__(self, lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999):
        super().__init__(lr)
        self.beta1, self.beta2 = beta1, beta2
        self.iter = 0

    def update(self, params: Parameters, grads: Any) -> None:
        self.iter += 1
        super().update(params, grads)

    def step(self, key: Any, g: Array) -> Array:
        lr = self.lr * (1 - self.beta2**self.iter) ** 0.5 / (1 - self.beta1**self.iter)
        self.m[key] += (1 - self.beta1) * (g - self.m[key])
        self.v[key] += (1 - self.beta2) * (g**2 - self.v[key])
        return -lr * self.m[key] / (np.sqrt(self.v[key]) + LEAST)
