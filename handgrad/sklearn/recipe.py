"""Recipe: the optimizer, batch size and epochs that an estimator trains with."""

from __future__ import annotations

import copy
import math
import warnings
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import Array
from handgrad.optim import SGD, Adam, Momentum, Nesterov, Optimizer, make_optimizer
from handgrad.sklearn.options import Given

# Of a schedule chosen from the data; measured by benchmarks/estimators.py.
_UPDATES, _LEAST_EPOCHS, _MOST_EPOCHS = 1000, 20, 100
_RATE, _DECAY = 0.007, 0.5
_MEMORY = 4  # epochs: weights are not to forget faster what they have learned


class Recipe(NamedTuple):
    """epochs: at most max_iter; wanted: what the schedule would make. chosen: from the data."""

    optimizer: Optimizer
    batch: int
    epochs: int
    wanted: int
    chosen: bool


class Cosine:
    """η (1 + cos(π t / T)) / 2 with a linear start over the first twentieth.

    Source: Loshchilov, Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.
    """

    def __init__(self, rate: float, steps: int):
        self.rate, self.steps = rate, steps

    def __call__(self, step: int) -> float:
        return float(self.many(np.array(step)))

    def many(self, steps: Array) -> Array:
        """The rates after so many steps."""
        start = np.minimum(1, (steps + 1) / (1 + self.steps / 20))
        share = np.minimum(steps / self.steps, 1)
        return np.asarray(self.rate * start * (1 + np.cos(math.pi * share)) / 2)


class InverseScaling:
    """η / (t + 1)^power, t being the samples seen up to the present epoch."""

    def __init__(self, rate: float, power: float, updates: int, samples: int, seen: int):
        self.rate, self.power, self.updates, self.samples = rate, power, updates, samples
        self.seen = seen

    def __call__(self, step: int) -> float:
        seen = self.seen + step // self.updates * self.samples
        return self.rate / float(seen + 1) ** self.power if seen else self.rate


def recipe(
    model: Given, samples: int, weight: float, factor: float, seen: int, incremental: bool = False
) -> Recipe:  # fmt: skip
    """What `model` asks for, with so many samples of a mean weight; and seen before.

    What is chosen from the data: Adam with decoupled decay, whose memory of 1 / (η λ) updates is
    at least 4 epochs; batches of 32 to 256; a cosine over 1,000 updates, in 20 to 100 epochs.
    Source: Loshchilov, Hutter, "Decoupled weight decay regularization", ICLR 2019; Wang, Aitchison,
    "How to set AdamW's weight decay as you scale model and dataset size", 2024.
    factor: what scikit-learn's loss is, in units of the loss that is used: it scales the learning
    rate of plain descent, and the penalty.
    """
    chosen = (
        model.solver == "adam"
        and model.learning_rate_init == "auto"
        and model.optimizer is None
        and model.schedule is None
        and not incremental  # which may go on for any time
    )
    batch, wanted, decay = model.batch_size, model.max_iter, model.weight_decay
    if batch == "auto":
        batch = min(max(32, 1 << (samples // 75).bit_length() >> 1), 256) if chosen else 200
    elif batch > samples:
        warnings.warn(
            f"batch_size: {batch} is more than the {samples} samples, and clipped to that",
            stacklevel=5,
        )
    batch = min(int(batch), samples)
    updates = -(-samples // batch)
    if chosen:
        wanted = min(max(_LEAST_EPOCHS, -(-_UPDATES // updates)), _MOST_EPOCHS)
    if decay == "auto":
        decay = min(_DECAY, 1 / (_RATE * _MEMORY * updates)) if chosen else 0.0
    epochs = min(model.max_iter, wanted)
    l2 = model.alpha / (batch * weight * factor)
    rate: Any = 0.001 if model.learning_rate_init == "auto" else model.learning_rate_init
    if chosen:
        rate = Cosine(_RATE, epochs * updates)
    elif model.learning_rate == "invscaling" and model.solver == "sgd":
        rate = InverseScaling(rate, model.power_t, updates, samples, seen)
    rate = rate if model.schedule is None else model.schedule
    return Recipe(_optimizer(model, rate, l2, decay, factor), batch, epochs, wanted, chosen)


def _optimizer(model: Given, rate: Any, l2: float, decay: float, factor: float) -> Optimizer:
    if isinstance(model.optimizer, str):
        named = make_optimizer(model.optimizer, rate)
        named.l2, named.weight_decay = l2, decay or named.weight_decay
        return named
    if model.optimizer is not None:
        own: Optimizer = copy.deepcopy(model.optimizer)
        return own() if isinstance(own, type) else own
    if model.solver == "adam":
        return Adam(
            rate, beta1=model.beta_1, beta2=model.beta_2, eps=model.epsilon, l2=l2,
            weight_decay=decay,
        )  # fmt: skip
    scaled = Scaled(rate, factor)
    if not model.momentum:
        return SGD(scaled, l2=l2, weight_decay=decay)
    kind = Nesterov if model.nesterovs_momentum else Momentum
    return kind(scaled, momentum=model.momentum, l2=l2, weight_decay=decay)


class Scaled:
    """A learning rate, or a schedule of it, times a factor."""

    def __init__(self, rate: Any, factor: float):
        self.rate, self.factor = rate, factor

    def __call__(self, step: int) -> float:
        return self.factor * float(self.rate(step) if callable(self.rate) else self.rate)
