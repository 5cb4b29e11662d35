"""Every layer: a class with forward, and its backward right below.

activation/    sigmoidal, rectifiers, gated, softmax
elementwise/   arithmetic, exponential, trigonometric, hyperbolic, piecewise, error function
shape/         reshape, concat, repeat, indexing, resize
reduction/     sums, maximum, statistics
convolution/   the layers, their windows, im2col        recurrent/   cells, and over time
operators.py, numpy_functions.py   what operators and NumPy's functions do on tensors
checks.py, init.py                 checks of arguments; initial weights
samples/                           one example of every layer, for the tests
"""

from handgrad.layers import (
    activation,
    convolution,
    elementwise,
    loss,
    recurrent,
    reduction,
    shape,
)
from handgrad.layers.activation import *  # noqa: F403
from handgrad.layers.affine import Affine
from handgrad.layers.attention import AdditiveAttention, DotProductAttention
from handgrad.layers.column_embedding import ColumnEmbedding
from handgrad.layers.convolution import *  # noqa: F403
from handgrad.layers.distribution import (
    Categorical,
    CategoricalEntropy,
    CategoricalKL,
    CategoricalLogProb,
    Normal,
    NormalEntropy,
    NormalKL,
    NormalLogProb,
)
from handgrad.layers.dropout import Dropout, SpatialDropout
from handgrad.layers.einsum import Einsum
from handgrad.layers.elementwise import *  # noqa: F403
from handgrad.layers.embedding import Embedding, EmbeddingDot
from handgrad.layers.loss import *  # noqa: F403
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
from handgrad.layers.recurrent import *  # noqa: F403
from handgrad.layers.reduction import *  # noqa: F403
from handgrad.layers.shape import *  # noqa: F403
from handgrad.layers.similarity import CosineSimilarity
from handgrad.layers.spectral_norm import SpectralNorm
from handgrad.layers.standardize import Standardize
from handgrad.naming import names_of

enter_rules()

__all__ = [
    "AdditiveAttention", "Affine", "AveragePooling", "BatchNorm", "Categorical",
    "CategoricalEntropy", "CategoricalKL", "CategoricalLogProb", "ColumnEmbedding",
    "CosineSimilarity",
    "DotProductAttention", "Dropout", "Einsum", "Embedding", "EmbeddingDot",
    "GlobalAveragePooling", "GlobalMaxPooling", "GroupNorm", "InstanceNorm", "LayerNorm",
    "LearnedPosition", "MatMul", "MaxPooling", "MultiHeadAttention", "Normal", "NormalEntropy",
    "NormalKL", "NormalLogProb", "RMSNorm", "SinePosition", "SpatialDropout", "SpectralNorm",
    "Standardize",
    *activation.__all__, *convolution.__all__, *elementwise.__all__, *loss.__all__,
    *recurrent.__all__, *reduction.__all__, *shape.__all__,
]  # fmt: skip

__getattr__, __dir__ = names_of(__name__, __all__)
