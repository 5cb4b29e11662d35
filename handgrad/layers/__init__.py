"""Every layer: a class with forward, and its backward right below."""

from handgrad.layers.accumulate import CumSum, Prod
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
from handgrad.layers.attention import AdditiveAttention, DotProductAttention
from handgrad.layers.choose import Abs, Clip, Maximum, Minimum, Where
from handgrad.layers.columns import col2im, im2col
from handgrad.layers.convolution import Convolution, TransposedConvolution
from handgrad.layers.cross_entropy import SoftmaxCrossEntropy, loss_for
from handgrad.layers.dropout import Dropout, SpatialDropout
from handgrad.layers.einsum import Einsum
from handgrad.layers.embedding import Embedding, EmbeddingDot
from handgrad.layers.hyperbolic import Arccosh, Arcsinh, Arctanh, Cosh, Sinh
from handgrad.layers.join import Flip, Pad, Split, Stack, Tile
from handgrad.layers.likelihood import (
    BinaryCrossEntropy,
    GaussianKL,
    KLDivergence,
    NegativeLogLikelihood,
)
from handgrad.layers.loss import (
    Huber,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    SigmoidCrossEntropy,
    SumSquaredError,
)
from handgrad.layers.margin import CosineEmbedding, CosineSimilarity, Hinge
from handgrad.layers.multi_head import MultiHeadAttention
from handgrad.layers.negative_sampling import NegativeSampling, UnigramSampler
from handgrad.layers.normalization import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    RMSNorm,
)
from handgrad.layers.numpy_functions import enter_rules
from handgrad.layers.piecewise import HardSigmoid, HardSwish, PReLU, ReLU6
from handgrad.layers.pooling import (
    AveragePooling,
    GlobalAveragePooling,
    GlobalMaxPooling,
    MaxPooling,
)
from handgrad.layers.position import LearnedPosition, SinePosition
from handgrad.layers.recurrent import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    GRUCell,
    LSTMCell,
    RNNCell,
    Stacked,
    VariationalDropout,
    length_mask,
)
from handgrad.layers.reduction import Max, Mean, Sum
from handgrad.layers.select import ArgMax, Gather, OneHot, ScatterAdd, TopK
from handgrad.layers.shape import Broadcast, Concat, Flatten, Index, Reshape, Transpose
from handgrad.layers.smooth import CELU, GLU, Mish, Softsign
from handgrad.layers.softmax import LogSoftmax, Softmax
from handgrad.layers.special import Erf, Expm1, Log1p
from handgrad.layers.standardize import Standardize
from handgrad.layers.statistics import LogSumExp, Norm, Std, Var
from handgrad.layers.trigonometry import Arccos, Arcsin, Arctan, Cos, Sin, Tan

enter_rules()

__all__ = [
    "CELU", "ELU", "GELU", "GLU", "GRU", "LSTM", "RNN", "SELU", "Abs", "Add", "AdditiveAttention",
    "Affine", "Arccos", "Arccosh", "Arcsin", "Arcsinh", "Arctan", "Arctanh", "ArgMax",
    "AveragePooling", "BatchNorm", "Bidirectional", "BinaryCrossEntropy", "Broadcast", "Clip",
    "Concat", "Convolution", "Cos", "Cosh", "CosineEmbedding", "CosineSimilarity", "CumSum", "Div",
    "DotProductAttention", "Dropout", "Einsum", "Embedding", "EmbeddingDot", "Erf", "Exp", "Expm1",
    "Flatten", "Flip", "GRUCell", "Gather", "GaussianKL", "GlobalAveragePooling",
    "GlobalMaxPooling", "GroupNorm", "HardSigmoid", "HardSwish", "Hinge", "Huber", "Index",
    "InstanceNorm", "KLDivergence", "LSTMCell", "LayerNorm", "LeakyReLU", "LearnedPosition", "Log",
    "Log1p", "LogSoftmax", "LogSumExp", "Loss", "MatMul", "Max", "MaxPooling", "Maximum", "Mean",
    "MeanAbsoluteError", "MeanSquaredError", "Minimum", "Mish", "Mul", "MultiHeadAttention", "Neg",
    "NegativeLogLikelihood", "NegativeSampling", "Norm", "OneHot", "PReLU", "Pad", "Pow", "Prod",
    "RMSNorm", "RNNCell", "ReLU", "ReLU6", "Reshape", "ScatterAdd", "SiLU", "Sigmoid",
    "SigmoidCrossEntropy", "Sin", "SinePosition", "Sinh", "Softmax", "SoftmaxCrossEntropy",
    "Softplus", "Softsign", "SpatialDropout", "Split", "Sqrt", "Stack", "Stacked", "Standardize",
    "Std", "Step", "Sub", "Sum", "SumSquaredError", "Tan", "Tanh", "Tile", "TopK", "Transpose",
    "TransposedConvolution", "UnigramSampler", "Var", "VariationalDropout", "Where", "col2im",
    "im2col", "length_mask", "loss_for",
]  # fmt: skip
