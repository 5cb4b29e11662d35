"""Every layer: a class with forward, and its backward right below.

activation/    sigmoidal, rectifiers, gated, softmax
elementwise/   arithmetic, exponential, trigonometric, hyperbolic, piecewise, error function
shape/         reshape, concat, repeat, indexing
reduction/     sums, maximum, statistics
convolution/   the layers, their windows, im2col        recurrent/   cells, and over time
operators.py, numpy_functions.py   what operators and NumPy's functions do on tensors
checks.py, init.py                 checks of arguments; initial weights
samples/                           one example of every layer, for the tests
"""

from handgrad.layers.activation import (
    CELU,
    ELU,
    GELU,
    GLU,
    SELU,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Step,
    Tanh,
)
from handgrad.layers.affine import Affine
from handgrad.layers.attention import AdditiveAttention, DotProductAttention
from handgrad.layers.convolution import Convolution, TransposedConvolution, col2im, im2col
from handgrad.layers.dropout import Dropout, SpatialDropout
from handgrad.layers.einsum import Einsum
from handgrad.layers.elementwise import (
    Abs,
    Add,
    Arccos,
    Arccosh,
    Arcsin,
    Arcsinh,
    Arctan,
    Arctanh,
    Clip,
    Cos,
    Cosh,
    Div,
    Erf,
    Exp,
    Expm1,
    Log,
    Log1p,
    Maximum,
    Minimum,
    Mul,
    Neg,
    Pow,
    Sin,
    Sinh,
    Sqrt,
    Sub,
    Tan,
    Where,
)
from handgrad.layers.embedding import Embedding, EmbeddingDot
from handgrad.layers.loss import (
    BinaryCrossEntropy,
    CosineEmbedding,
    ElementwiseLoss,
    GaussianKL,
    Hinge,
    Huber,
    KLDivergence,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    NegativeLogLikelihood,
    NegativeSampling,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    SumSquaredError,
    UnigramSampler,
    check_scores,
    counted,
    loss_for,
    meant,
)
from handgrad.layers.matmul import MatMul
from handgrad.layers.multi_head_attention import MultiHeadAttention
from handgrad.layers.normalization import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    RMSNorm,
)
from handgrad.layers.numpy_functions import enter_rules
from handgrad.layers.pooling import (
    AveragePooling,
    GlobalAveragePooling,
    GlobalMaxPooling,
    MaxPooling,
)
from handgrad.layers.positional_encoding import LearnedPosition, SinePosition
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
from handgrad.layers.reduction import CumSum, LogSumExp, Max, Mean, Norm, Prod, Std, Sum, Var
from handgrad.layers.shape import (
    ArgMax,
    Broadcast,
    Concat,
    Flatten,
    Flip,
    Gather,
    Index,
    OneHot,
    Pad,
    Reshape,
    ScatterAdd,
    Split,
    Stack,
    Tile,
    TopK,
    Transpose,
)
from handgrad.layers.similarity import CosineSimilarity
from handgrad.layers.standardize import Standardize
from handgrad.naming import names_of

enter_rules()

__all__ = [
    "CELU", "ELU", "GELU", "GLU", "GRU", "LSTM", "RNN", "SELU", "Abs", "Add", "AdditiveAttention",
    "Affine", "Arccos", "Arccosh", "Arcsin", "Arcsinh", "Arctan", "Arctanh", "ArgMax",
    "AveragePooling", "BatchNorm", "Bidirectional", "BinaryCrossEntropy", "Broadcast", "Clip",
    "Concat", "Convolution", "Cos", "Cosh", "CosineEmbedding", "CosineSimilarity", "CumSum", "Div",
    "DotProductAttention", "Dropout", "Einsum", "ElementwiseLoss", "Embedding", "EmbeddingDot",
    "Erf", "Exp", "Expm1", "Flatten", "Flip", "GRUCell", "Gather", "GaussianKL",
    "GlobalAveragePooling", "GlobalMaxPooling", "GroupNorm", "HardSigmoid", "HardSwish", "Hinge",
    "Huber", "Index", "InstanceNorm", "KLDivergence", "LSTMCell", "LayerNorm", "LeakyReLU",
    "LearnedPosition", "Log", "Log1p", "LogSoftmax", "LogSumExp", "Loss", "MatMul", "Max",
    "MaxPooling", "Maximum", "Mean", "MeanAbsoluteError", "MeanSquaredError", "Minimum", "Mish",
    "Mul", "MultiHeadAttention", "Neg", "NegativeLogLikelihood", "NegativeSampling", "Norm",
    "OneHot", "PReLU", "Pad", "Pow", "Prod", "RMSNorm", "RNNCell", "ReLU", "ReLU6", "Reshape",
    "ScatterAdd", "SiLU", "Sigmoid", "SigmoidCrossEntropy", "Sin", "SinePosition", "Sinh",
    "Softmax", "SoftmaxCrossEntropy", "Softplus", "Softsign", "SpatialDropout", "Split", "Sqrt",
    "Stack", "Stacked", "Standardize", "Std", "Step", "Sub", "Sum", "SumSquaredError", "Tan",
    "Tanh", "Tile", "TopK", "Transpose", "TransposedConvolution", "UnigramSampler", "Var",
    "VariationalDropout", "Where", "check_scores", "col2im", "counted", "im2col", "length_mask",
    "loss_for", "meant",
]  # fmt: skip

__getattr__, __dir__ = names_of(__name__, __all__)
