"""Update rules by their names."""

from __future__ import annotations

from handgrad.optim.moments import AMSGrad, Lion, NAdam, RAdam
from handgrad.optim.optimizer import LearningRate, Optimizer
from handgrad.optim.rules import SGD, AdaDelta, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSProp

OPTIMIZERS: dict[str, type[Optimizer]] = {
    cls.__name__.lower(): cls
    for cls in (
        SGD, Momentum, Nesterov, AdaGrad, RMSProp, AdaDelta, Adam, AdamW, AMSGrad, NAdam, RAdam,
        Lion,
    )
}  # fmt: skip


def make_optimizer(name: str, lr: LearningRate | None = None) -> Optimizer:
    """The optimizer of that name ("adam"), with its own learning rate where lr is None."""
    if str(name).lower() not in OPTIMIZERS:
        raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}; got {name!r}")
    cls = OPTIMIZERS[name.lower()]
    return cls() if lr is None else cls(lr)
