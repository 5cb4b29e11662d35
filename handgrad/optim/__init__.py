"""Optimizers: update rules over flat arrays, schedules of the learning rate, clipping."""

from handgrad.naming import names_of
from handgrad.optim.clipping import clip_by_norm, clip_by_value, global_norm
from handgrad.optim.optimizer import Optimizer
from handgrad.optim.rules import (
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    AdamW,
    Momentum,
    Nesterov,
    RMSProp,
    make_optimizer,
)
from handgrad.optim.schedules import (
    Constant,
    CosineDecay,
    ExponentialDecay,
    Plateau,
    Schedule,
    StepDecay,
    WarmUp,
)

__all__ = [
    "SGD",
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Constant",
    "CosineDecay",
    "ExponentialDecay",
    "Momentum",
    "Nesterov",
    "Optimizer",
    "Plateau",
    "RMSProp",
    "Schedule",
    "StepDecay",
    "WarmUp",
    "clip_by_norm",
    "clip_by_value",
    "global_norm",
    "make_optimizer",
]

__getattr__, __dir__ = names_of(__name__, __all__)
