"""Neural networks whose every gradient can be read, proved and run."""

from typing import TYPE_CHECKING

from handgrad import engines, layers, optim, pictures
from handgrad.arrays import ShapeError
from handgrad.derivative import grad, gradient_penalty, hessian, hvp
from handgrad.layer import Layer, Parameter
from handgrad.layers import *  # noqa: F403
from handgrad.naming import names_of
from handgrad.network import Network, Parallel, Residual, Sequential, lsuv
from handgrad.optim import (
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    AdamW,
    AMSGrad,
    Lion,
    Momentum,
    NAdam,
    Nesterov,
    RAdam,
    RMSProp,
)
from handgrad.tensor import Tensor, no_grad

if TYPE_CHECKING:
    from handgrad import attribution as attribution
    from handgrad import book as book
    from handgrad import compile as compile
    from handgrad import explain as explain
    from handgrad import interop as interop
    from handgrad import onnx as onnx
    from handgrad import plots as plots
    from handgrad import prove as prove
    from handgrad import report as report
    from handgrad import searching as searching
    from handgrad import sklearn as sklearn
    from handgrad import stream as stream
    from handgrad import train as train
    from handgrad.differences.numeric import numerical_gradient
    from handgrad.explain import draw
    from handgrad.findings.report import Report
    from handgrad.interop.c import export_c
    from handgrad.optim import LBFGS, LevenbergMarquardt
    from handgrad.optimcheck import check_optimizer
    from handgrad.prove.check import check
    from handgrad.searching import lr_range, search
    from handgrad.stream import online
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
    from handgrad.train import datasets as datasets
    from handgrad.train import metrics as metrics

__version__ = "0.1.0"

__all__ = [
    "LBFGS", "SGD", "AMSGrad", "AdaDelta", "AdaGrad", "Adam", "AdamW", "DivergenceError",
    "EarlyStopping", "History", "Layer", "LevenbergMarquardt", "Lion", "Momentum", "NAdam",
    "Nesterov", "Network", "Parallel", "Parameter", "RAdam", "RMSProp", "Report", "Residual",
    "SaveModel", "Sequential", "ShapeError", "Tensor", "Trainer", "accuracy", "check",
    "check_optimizer", "draw", "export_c", "fit", "grad", "gradient_penalty", "hessian", "hvp",
    "load", "lr_range", "lsuv", "no_grad", "numerical_gradient", "online", "optim", "save",
    "search",
    *layers.__all__,
]  # fmt: skip


engines.enter("native", "handgrad.compile.predict")
pictures.enter("handgrad.explain.draw")


# Rooms that are imported when first used: a program in service may need neither.
__getattr__, __dir__ = names_of(
    __name__,
    __all__,
    later={
        "handgrad.interop.c": ("export_c",),
        "handgrad.prove": ("Report", "check", "numerical_gradient"),
        "handgrad.explain": ("draw",),
        "handgrad.optim": ("LBFGS", "LevenbergMarquardt"),
        "handgrad.optimcheck": ("check_optimizer",),
        "handgrad.searching": ("lr_range", "search"),
        "handgrad.stream": ("online",),
        "handgrad.train": (
            "DivergenceError", "EarlyStopping", "History", "SaveModel", "Trainer", "accuracy",
            "fit", "load", "save",
        ),
    },
    modules={
        "book": "handgrad.book", "compile": "handgrad.compile", "explain": "handgrad.explain",
        "interop": "handgrad.interop", "layers": "handgrad.layers",
        "onnx": "handgrad.onnx", "optim": "handgrad.optim",
        "attribution": "handgrad.attribution", "plots": "handgrad.plots",
        "report": "handgrad.report",
        "prove": "handgrad.prove", "searching": "handgrad.searching", "sklearn": "handgrad.sklearn",
        "stream": "handgrad.stream", "train": "handgrad.train",
        "datasets": "handgrad.train.datasets", "metrics": "handgrad.train.metrics",
    },
)  # fmt: skip
