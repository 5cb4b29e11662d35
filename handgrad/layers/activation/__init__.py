"""Activations, in families: shaped like a step, rectifiers, gated, softmax."""

from handgrad.layers.activation.gated import GEGLU, GELU, GLU, HardSwish, Mish, SiLU, SwiGLU
from handgrad.layers.activation.rectifier import (
    CELU,
    ELU,
    SELU,
    LeakyReLU,
    PReLU,
    ReLU,
    ReLU6,
    Softplus,
)
from handgrad.layers.activation.rectifier import softplus as softplus
from handgrad.layers.activation.sigmoidal import (
    HardSigmoid,
    Sigmoid,
    Softsign,
    Step,
    Tanh,
)
from handgrad.layers.activation.sigmoidal import sigmoid as sigmoid
from handgrad.layers.activation.softmax import LogSoftmax, Softmax, Sparsemax

__all__ = [
    "CELU", "ELU", "GEGLU", "GELU", "GLU", "SELU", "HardSigmoid", "HardSwish", "LeakyReLU",
    "LogSoftmax", "Mish", "PReLU", "ReLU", "ReLU6", "SiLU", "Sigmoid", "Softmax", "Softplus",
    "Softsign", "Sparsemax", "Step", "SwiGLU", "Tanh",
]  # fmt: skip
