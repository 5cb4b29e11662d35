"""Recipe: the optimizer, batch size and epochs that an estimator trains with."""

from __future__ import annotations

import copy
import math
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import Array
from handgrad.optim import SGD, Adam, Momentum, Nesterov, Optimizer, make_optimizer
from handgrad.sklearn.options import Given
from handgrad.warn import warn_user

# Of a schedule chosen from the data; measured by benchmarks/estimators.py.
_UPDATES, _LEAST_EPOCHS, _MOST_EPOCHS = 1000, 20, 100
_RATE, _DECAY = 0.007, 0.5
_FAST, _LIGHT = 0.014, 0.25  # the same where a first training has found how long to train
_TRIED = 500, 50_000  # samples for which there is such a one: fewer tell too little
_TRIAL, _LONGEST = 2000, 200  # its updates and epochs, at most
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
    model: Given, samples: int, weight: float, factor: float, seen: int = 0,
    incremental: bool = False, length: int = 0,
) -> Recipe:  # fmt: skip
    """What `model` asks for, with so many samples of a mean weight; and seen before.

    What is chosen from the data: Adam with decoupled decay, whose memory of 1 / (η λ) updates is
    at least 4 epochs; batches of 32 to 256; a cosine over `length` epochs, or else over 1,000
    updates, in 20 to 100 epochs.
    Source: Loshchilov, Hutter, "Decoupled weight decay regularization", ICLR 2019; Wang, Aitchison,
    "How to set AdamW's weight decay as you scale model and dataset size", 2024.
    factor: what scikit-learn's loss is, in units of the loss that is used: it scales the learning
    rate of plain descent, and the penalty.
    """
    chosen = _is_chosen(model) and not incremental  # which may go on for any time
    batch = _batch(model, samples, chosen)
    updates = -(-samples // batch)
    wanted = model.max_iter
    if chosen:
        wanted = length or min(max(_LEAST_EPOCHS, -(-_UPDATES // updates)), _MOST_EPOCHS)
    epochs = min(model.max_iter, wanted)
    rate: Any = 0.001 if model.learning_rate_init == "auto" else model.learning_rate_init
    if chosen:
        rate = Cosine(_FAST if length else _RATE, epochs * updates)
    elif model.learning_rate == "invscaling" and model.solver == "sgd":
        rate = InverseScaling(rate, model.power_t, updates, samples, seen)
    rate = rate if model.schedule is None else model.schedule
    decay = _decay(model, updates, bool(length)) if chosen else 0.0
    decay = decay if model.weight_decay == "auto" else model.weight_decay
    l2 = model.alpha / (batch * weight * factor)
    return Recipe(_optimizer(model, rate, l2, decay, factor), batch, epochs, wanted, chosen)


def trial(model: Given, samples: int, weight: float, factor: float) -> Recipe | None:
    """The same at a constant rate, to find the length; None where it is not to be found."""
    if not _is_chosen(model) or not _TRIED[0] <= samples <= _TRIED[1]:
        return None
    batch = _batch(model, samples, True)
    updates = -(-samples // batch)
    epochs = min(max(_LEAST_EPOCHS, _TRIAL // updates), _LONGEST, model.max_iter)
    decay = _decay(model, updates, True) if model.weight_decay == "auto" else model.weight_decay
    l2 = model.alpha / (batch * weight * factor)
    return Recipe(_optimizer(model, _FAST, l2, decay, factor), batch, epochs, epochs, True)


def _is_chosen(model: Given) -> bool:
    """Whether rate and length are to follow from the data."""
    plain = model.optimizer is None and model.schedule is None
    return plain and model.solver == "adam" and model.learning_rate_init == "auto"


def _batch(model: Given, samples: int, chosen: bool) -> int:
    if model.batch_size == "auto":
        batch = min(max(32, 1 << (samples // 75).bit_length() >> 1), 256) if chosen else 200
        return min(batch, samples)
    if model.batch_size > samples:
        warn_user(
            f"batch_size: {model.batch_size} is more than the {samples} samples, and clipped to "
            "that"
        )
    return min(int(model.batch_size), samples)


def _decay(model: Given, updates: int, found: bool) -> float:
    rate, most = (_FAST, _LIGHT) if found else (_RATE, _DECAY)
    return min(most, 1 / (rate * _MEMORY * updates))


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
