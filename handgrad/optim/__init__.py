"""Optimizers: update rules over flat arrays, schedules of the learning rate, clipping."""

from typing import TYPE_CHECKING

from handgrad.naming import names_of
from handgrad.optim.clipping import clip_by_norm, clip_by_value, global_norm
from handgrad.optim.moments import AMSGrad, Lion, NAdam, RAdam
from handgrad.optim.names import make_optimizer
from handgrad.optim.optimizer import Optimizer
from handgrad.optim.rules import SGD, AdaDelta, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSProp
from handgrad.optim.schedules import (
    Constant,
    CosineDecay,
    ExponentialDecay,
    Plateau,
    Schedule,
    StepDecay,
    WarmUp,
)

if TYPE_CHECKING:
    from handgrad.optim.cycles import CosineRestarts, Cyclic, OneCycle
    from handgrad.optim.lbfgs import LBFGS
    from handgrad.optim.levenberg import LevenbergMarquardt

__all__ = [
    "LBFGS", "SGD", "AMSGrad", "AdaDelta", "AdaGrad", "Adam", "AdamW", "Constant", "CosineDecay",
    "CosineRestarts", "Cyclic", "ExponentialDecay", "LevenbergMarquardt", "Lion", "Momentum",
    "NAdam", "Nesterov", "OneCycle", "Optimizer", "Plateau", "RAdam", "RMSProp", "Schedule",
    "StepDecay", "WarmUp", "clip_by_norm", "clip_by_value", "global_norm", "make_optimizer",
]  # fmt: skip

# Seldom used, and imported when first asked for.
__getattr__, __dir__ = names_of(
    __name__,
    __all__,
    later={
        "handgrad.optim.cycles": ("CosineRestarts", "Cyclic", "OneCycle"),
        "handgrad.optim.lbfgs": ("LBFGS",),
        "handgrad.optim.levenberg": ("LevenbergMarquardt",),
    },
)
