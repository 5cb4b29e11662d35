"""Compile: a network as one native program. trace → plan → spec → program."""

from handgrad.compile import lowering
from handgrad.compile.binary import isa, usable_threads, why_not
from handgrad.compile.program import Prediction, Training, compile_prediction, compile_training
from handgrad.compile.values import NotNative

__all__ = [
    "NotNative",
    "Prediction",
    "Training",
    "compile_prediction",
    "compile_training",
    "isa",
    "lowering",
    "usable_threads",
    "why_not",
]
