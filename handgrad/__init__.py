"""Neural networks whose every gradient can be read, proved and run."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from handgrad import engines, layers, optim
from handgrad.arrays import ShapeError
from handgrad.derivative import grad, hessian, hvp
from handgrad.layer import Layer, Parameter
from handgrad.layers import *  # noqa: F403
from handgrad.network import Network, Parallel, Residual, Sequential
from handgrad.optim import (
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    AdamW,
    Momentum,
    Nesterov,
    RMSProp,
)
from handgrad.tensor import Tensor, no_grad

if TYPE_CHECKING:
    from handgrad.prove import Report, check, numerical_gradient
    from handgrad.train import (
        DivergenceError,
        EarlyStopping,
        History,
        SaveModel,
        Trainer,
        accuracy,
        fit,
        load,
        save,
    )

__version__ = "0.1.0"

__all__ = [
    "SGD", "AdaDelta", "AdaGrad", "Adam", "AdamW", "DivergenceError", "EarlyStopping", "History",
    "Layer", "Momentum", "Nesterov", "Network", "Parallel", "Parameter", "RMSProp", "Report",
    "Residual", "SaveModel", "Sequential", "ShapeError", "Tensor", "Trainer", "accuracy", "check",
    "fit", "grad", "hessian", "hvp", "load", "no_grad", "numerical_gradient", "optim", "save",
    *layers.__all__,
]  # fmt: skip


# Rooms whose names are imported when first used: a program in service may need neither.
_LATER = {
    "handgrad.prove": ("Report", "check", "numerical_gradient"),
    "handgrad.train": (
        "DivergenceError", "EarlyStopping", "History", "SaveModel", "Trainer", "accuracy", "fit",
        "load", "save",
    ),
}  # fmt: skip


engines.enter("native", "handgrad.compile.predict")


def __getattr__(name: str) -> Any:
    for room, names in _LATER.items():
        if room == f"handgrad.{name}":
            return import_module(room)
        if name in names:
            return getattr(import_module(room), name)
    raise AttributeError(f"module 'handgrad' has no attribute {name!r}")
