"""Every layer: a class with forward, and its backward right below."""

from handgrad.layers.activation import (
    ELU,
    GELU,
    SELU,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Step,
    Tanh,
)
from handgrad.layers.affine import Affine
from handgrad.layers.arithmetic import Add, Div, Exp, Log, MatMul, Mul, Neg, Pow, Sqrt, Sub
from handgrad.layers.columns import col2im, im2col
from handgrad.layers.convolution import Convolution, TransposedConvolution
from handgrad.layers.cross_entropy import SoftmaxCrossEntropy, loss_for
from handgrad.layers.dropout import Dropout
from handgrad.layers.loss import (
    Huber,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    SigmoidCrossEntropy,
    SumSquaredError,
)
from handgrad.layers.pooling import (
    AveragePooling,
    GlobalAveragePooling,
    GlobalMaxPooling,
    MaxPooling,
)
from handgrad.layers.reduction import Max, Mean, Sum
from handgrad.layers.shape import Broadcast, Concat, Flatten, Index, Reshape, Transpose
from handgrad.layers.softmax import LogSoftmax, Softmax
from handgrad.layers.standardize import Standardize

__all__ = [
    "ELU", "GELU", "SELU", "Add", "Affine", "AveragePooling", "Broadcast", "Concat", "Convolution",
    "Div", "Dropout", "Exp", "Flatten", "GlobalAveragePooling", "GlobalMaxPooling", "Huber",
    "Index", "LeakyReLU", "Log", "LogSoftmax", "Loss", "MatMul", "Max", "MaxPooling", "Mean",
    "MeanAbsoluteError", "MeanSquaredError", "Mul", "Neg", "Pow", "ReLU", "Reshape", "SiLU",
    "Sigmoid", "SigmoidCrossEntropy", "Softmax", "SoftmaxCrossEntropy", "Softplus", "Sqrt",
    "Standardize", "Step", "Sub", "Sum", "SumSquaredError", "Tanh", "Transpose",
    "TransposedConvolution", "col2im", "im2col", "loss_for",
]  # fmt: skip
