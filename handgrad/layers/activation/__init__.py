"""Activations, in families: shaped like a step, rectifiers, gated, softmax."""

from handgrad.layers.activation.gated import GELU, GLU, HardSwish, Mish, SiLU
from handgrad.layers.activation.rectifier import (
    CELU,
    ELU,
    SELU,
    LeakyReLU,
    PReLU,
    ReLU,
    ReLU6,
    Softplus,
    softplus,
)
from handgrad.layers.activation.sigmoidal import (
    HardSigmoid,
    Sigmoid,
    Softsign,
    Step,
    Tanh,
    sigmoid,
)
from handgrad.layers.activation.softmax import LogSoftmax, Softmax

__all__ = [
    "CELU", "ELU", "GELU", "GLU", "SELU", "HardSigmoid", "HardSwish", "LeakyReLU", "LogSoftmax",
    "Mish", "PReLU", "ReLU", "ReLU6", "SiLU", "Sigmoid", "Softmax", "Softplus", "Softsign", "Step",
    "Tanh", "sigmoid", "softplus",
]  # fmt: skip
