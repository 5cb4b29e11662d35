"""The table of samples: for every layer, how to make one and valid inputs for it.

Tests, the prover and the documentation walk it. A layer without a row fails a test, so adding a
layer is two edits: the class, and a row here.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad import layers as all_layers
from handgrad.arrays import Array
from handgrad.layer import Layer

N = -1  # in a shape: the size of the batch

Maker = Callable[[np.random.Generator, int], Array]


@dataclass(frozen=True)
class Sample:
    """A layer class, the arguments of its constructor, and a maker for each input."""

    cls: type[Layer]
    makers: tuple[Maker, ...]
    arguments: dict[str, Any]

    def make(self) -> Layer:
        """A new layer."""
        return self.cls(**copy.deepcopy(self.arguments))

    def inputs(self, rng: np.random.Generator, batch: int = 5) -> tuple[Array, ...]:
        """Valid inputs, float64 where they are real numbers."""
        return tuple(make(rng, batch) for make in self.makers)

    @property
    def has_batch(self) -> bool:
        """Whether the inputs have a batch axis, so that its size may vary."""
        one, two = (self.inputs(np.random.default_rng(0), n) for n in (1, 2))
        return any(a.shape != b.shape for a, b in zip(one, two))

    def __str__(self) -> str:
        shapes = [str(x.shape).replace(" ", "") for x in self.inputs(np.random.default_rng(0))]
        options = [f"{name}={value}" for name, value in self.arguments.items()]
        return f"{self.cls.__name__}({','.join(options)})-{'-'.join(shapes)}"


def row(name: str, *makers: Maker, **arguments: Any) -> Sample:
    """One row of the table."""
    return Sample(getattr(all_layers, name), makers, arguments)


def _sized(shape: tuple[int, ...], batch: int) -> tuple[int, ...]:
    return tuple(batch if n == N else n for n in shape)


def real(*shape: int, scale: float = 1.0) -> Maker:
    """Normal numbers."""
    return lambda rng, batch: scale * rng.standard_normal(_sized(shape, batch))


def positive(*shape: int) -> Maker:
    """Numbers from ½ to 2."""
    return lambda rng, batch: rng.uniform(0.5, 2, _sized(shape, batch))


def inside(*shape: int) -> Maker:
    """Numbers from −0.9 to 0.9."""
    return lambda rng, batch: rng.uniform(-0.9, 0.9, _sized(shape, batch))


def above_one(*shape: int) -> Maker:
    """Numbers from 1.2 to 3."""
    return lambda rng, batch: rng.uniform(1.2, 3, _sized(shape, batch))


def signs(*shape: int) -> Maker:
    """−1 and 1."""
    return lambda rng, batch: 2.0 * rng.integers(0, 2, _sized(shape, batch)) - 1


def labels(*shape: int, classes: int) -> Maker:
    """Class numbers."""
    return lambda rng, batch: rng.integers(0, classes, _sized(shape, batch))


def one_hot(*shape: int) -> Maker:
    """Rows with a single 1."""
    return lambda rng, batch: np.eye(shape[-1])[labels(*shape[:-1], classes=shape[-1])(rng, batch)]


def distributions(*shape: int) -> Maker:
    """Rows of probabilities that sum to 1."""
    return lambda rng, batch: rng.dirichlet(np.ones(shape[-1]), _sized(shape[:-1], batch))


def mask(*shape: int) -> Maker:
    """Booleans, True up to a length of at least one step."""

    def make(rng: np.random.Generator, batch: int) -> Array:
        n, steps = _sized(shape, batch)
        return all_layers.length_mask(rng.integers(1, steps + 1, n), steps)

    return make


SAMPLES: tuple[Sample, ...] = (
    # arithmetic
    row("Add", real(N, 3), real(N, 3)),
    row("Sub", real(N, 3), real(N, 3)),
    row("Mul", real(N, 3), real(N, 3)),
    row("Div", real(N, 3), positive(N, 3)),
    row("Neg", real(N, 3)),
    row("Pow", positive(N, 3), real(N, 3)),
    row("MatMul", real(N, 3), real(3, 4)),
    row("MatMul", real(N, 2, 3), real(N, 3, 4)),
    row("Exp", real(N, 3)),
    row("Log", positive(N, 3)),
    row("Sqrt", positive(N, 3)),
    row("Log1p", positive(N, 3)),
    row("Expm1", real(N, 3)),
    row("Erf", real(N, 3)),
    *(row(name, real(N, 3)) for name in ("Sin", "Cos", "Tan", "Arctan")),
    *(row(name, real(N, 3)) for name in ("Sinh", "Cosh", "Arcsinh")),
    *(row(name, inside(N, 3)) for name in ("Arcsin", "Arccos", "Arctanh")),
    row("Arccosh", above_one(N, 3)),
    row("Einsum", real(N, 3), real(3, 4), subscripts="ik,kj->ij"),
    row("Einsum", real(N, 3), real(3), real(N), subscripts="ij,j,i->i"),
    row("Einsum", real(3, 4, 3), subscripts="iji->i"),
    row("Einsum", real(N, 2, 3), real(3, 3), subscripts="...i,ii->..."),
    row("Einsum", real(3), real(4), subscripts="i,j->i"),
    # choose
    row("Abs", real(N, 3)),
    row("Maximum", real(N, 3), real(N, 3)),
    row("Minimum", real(N, 3), real(N, 3)),
    row("Where", labels(N, 3, classes=2), real(N, 3), real(N, 3)),
    row("Clip", real(N, 3), low=-0.5, high=0.7),
    row("Clip", real(N, 3), low=None, high=0.1),
    # shape
    row("Broadcast", real(3, 1), shape=(2, 3, 4)),
    row("Broadcast", real(3), shape=(2, 3)),
    row("Reshape", real(N, 2, 3), shape=(-1, 3)),
    row("Flatten", real(N, 2, 3)),
    row("Transpose", real(N, 2, 3)),
    row("Transpose", real(N, 2, 3), axes=(1, 2, 0)),
    row("Concat", real(N, 2), real(N, 3)),
    row("Concat", real(N, 2), real(3, 2), real(N, 2), axis=0),
    row("Index", real(4, 3), key=1),
    row("Index", real(N, 3), key=(slice(None), [0, 2, 0])),
    row("Stack", real(N, 3), real(N, 3)),
    row("Stack", real(N, 3), real(N, 3), real(N, 3), axis=-1),
    row("Split", real(N, 6), parts=3),
    row("Split", real(N, 3, 4), parts=(1, 1, 3), axis=1),
    row("Pad", real(N, 3), width=1),
    row("Pad", real(N, 3), width=((0, 0), (2, 1)), value=1.5),
    row("Pad", real(2, 4), width=2, mode="edge"),
    row("Pad", real(3, 4), width=2, mode="reflect"),
    row("Pad", real(2, 4), width=((1, 3), (2, 0)), mode="wrap"),
    row("Tile", real(N, 3), times=2),
    row("Tile", real(N, 3), times=(2, 1, 3)),
    row("Flip", real(N, 3)),
    row("Flip", real(N, 3, 2), axis=(0, -1)),
    row("Gather", real(N, 4), labels(N, 6, classes=4)),
    row("Gather", real(4, 3), labels(2, 3, classes=4), axis=0),
    row("ScatterAdd", real(N, 6), labels(N, 6, classes=4), length=4),
    row("ScatterAdd", real(5, 3), labels(5, 3, classes=4), length=4, axis=0),
    # reduction
    row("Sum", real(N, 3)),
    row("Sum", real(N, 3, 4), axis=1),
    row("Sum", real(N, 3, 4), axis=(0, -1), keepdims=True),
    row("Mean", real(N, 3)),
    row("Mean", real(N, 3, 4), axis=-1, keepdims=True),
    row("Mean", real(N, 3, 4), axis=(1, 2)),
    row("Max", real(N, 3)),
    row("Max", real(N, 3, 4), axis=1),
    row("Max", real(N, 3, 4), axis=(-1, 0), keepdims=True),
    row("CumSum", real(N, 3)),
    row("CumSum", real(N, 3, 4), axis=1),
    row("Prod", real(N, 3)),
    row("Prod", real(N, 3, 4), axis=(0, 2), keepdims=True),
    row("Var", real(N, 3)),
    row("Var", real(N, 3, 4), axis=(1, -1), ddof=1),
    row("Std", real(N, 4), axis=1, keepdims=True),
    row("Std", real(N, 4), axis=-1, ddof=1),
    row("LogSumExp", real(N, 3)),
    row("LogSumExp", real(N, 3, 4), axis=1, keepdims=True),
    row("Norm", real(N, 3)),
    row("Norm", real(N, 3), p=1, axis=-1),
    row("Norm", real(N, 3, 4), p=3, axis=(1, 2), keepdims=True),
    # standardize
    row("Standardize", real(N, 3), mean=(1.0, -2.0, 0.5), scale=(2.0, 0.5, 3.0)),
    # activation
    row("Step", real(N, 3)),
    row("Sigmoid", real(N, 3)),
    row("Tanh", real(N, 3)),
    row("ReLU", real(N, 3)),
    row("LeakyReLU", real(N, 3)),
    row("LeakyReLU", real(N, 3), slope=0.3),
    row("ELU", real(N, 3)),
    row("ELU", real(N, 3), alpha=0.5),
    row("SELU", real(N, 3)),
    row("Softplus", real(N, 3)),
    row("GELU", real(N, 3)),
    row("GELU", real(N, 3), approximate="tanh"),
    row("SiLU", real(N, 3)),
    row("ReLU6", real(N, 3, scale=5)),
    row("PReLU", real(N, 3)),
    row("PReLU", real(N, 3, 2), per_channel=True, init=0.1),
    row("HardSigmoid", real(N, 3, scale=3)),
    row("HardSwish", real(N, 3, scale=3)),
    row("CELU", real(N, 3)),
    row("CELU", real(N, 3), alpha=0.5),
    row("Softsign", real(N, 3)),
    row("Mish", real(N, 3)),
    row("GLU", real(N, 6)),
    row("GLU", real(N, 4, 3), axis=1),
    row("Softmax", real(N, 4)),
    row("Softmax", real(N, 4, 2), axis=1),
    row("LogSoftmax", real(N, 4)),
    row("LogSoftmax", real(N, 4, 2), axis=1),
    # affine
    row("Affine", real(N, 3), outputs=2, seed=1),
    row("Affine", real(N, 2, 3), outputs=4, inputs=3, seed=1),
    row("Affine", real(N, 3), outputs=2, bias=False, init=0.5, seed=1),
    # convolution
    row("Convolution", real(N, 2, 5, 4), filters=3, kernel=3, seed=1),
    row("Convolution", real(N, 4, 6, 7), filters=2, kernel=(2, 3), stride=(2, 3), pad=((1, 0), 2),
        dilation=(2, 1), groups=2, bias=False, init=0.5, seed=1),
    row("Convolution", real(N, 2, 6), filters=3, kernel=(3,), pad="same", inputs=2, seed=1),
    row("TransposedConvolution", real(N, 2, 3, 2), filters=3, kernel=3, seed=1),
    row("TransposedConvolution", real(N, 2, 3, 2), filters=4, kernel=3, stride=2, pad=1,
        output_pad=1, groups=2, seed=1),
    row("TransposedConvolution", real(N, 2, 5), filters=3, kernel=(4,), stride=3, pad="same",
        bias=False, init=0.5, seed=1),
    # pooling
    row("MaxPooling", real(N, 2, 4, 5), kernel=2),
    row("MaxPooling", real(N, 2, 6), kernel=(3,), stride=2, pad=1, ceil_mode=True),
    row("AveragePooling", real(N, 2, 4, 5), kernel=2),
    row("AveragePooling", real(N, 2, 5, 4), kernel=(3, 2), stride=2, pad=1, ceil_mode=True,
        count_padding=False),
    row("GlobalMaxPooling", real(N, 2, 3, 4)),
    row("GlobalAveragePooling", real(N, 2, 3, 4)),
    # normalization
    row("BatchNorm", real(N, 3)),
    row("BatchNorm", real(N, 3, 4, 2), momentum=0.5, eps=1e-3),
    row("LayerNorm", real(N, 4)),
    row("LayerNorm", real(N, 2, 3, 2), axis=(1, 3), eps=1e-3),
    row("RMSNorm", real(N, 4)),
    row("RMSNorm", real(N, 3, 2), axis=1, eps=1e-3),
    row("GroupNorm", real(N, 4, 3, 2), groups=2),
    row("GroupNorm", real(N, 6), groups=2, eps=1e-3),
    row("InstanceNorm", real(N, 3, 4)),
    row("InstanceNorm", real(N, 2, 3, 2), eps=1e-3),
    # dropout
    row("Dropout", real(N, 8), seed=1),
    row("Dropout", real(N, 8), ratio=0.2, seed=1),
    row("Dropout", real(N, 8), ratio=0.2, scaled=True, seed=1),
    row("SpatialDropout", real(N, 4, 3, 2), seed=1),
    # recurrent
    row("RNNCell", real(N, 3), real(N, 2), hidden=2, seed=1),
    row("LSTMCell", real(N, 3), real(N, 2), real(N, 2), hidden=2, seed=1),
    row("GRUCell", real(N, 3), real(N, 2), hidden=2, seed=1),
    row("GRUCell", real(N, 3), real(N, 2), hidden=2, reset="before", seed=1),
    row("RNN", real(N, 4, 3), hidden=2, seed=1),
    row("RNN", real(N, 4, 3), mask(N, 4), real(N, 2), hidden=2, inputs=3, seed=1),
    row("LSTM", real(N, 4, 3), hidden=2, seed=1),
    row("LSTM", real(N, 1, 3), hidden=2, init=0.5, seed=1),
    row("LSTM", real(N, 4, 3), mask(N, 4), real(N, 2), real(N, 2), hidden=2, seed=1),
    row("LSTM", real(N, 4, 3), hidden=6, recurrent_dropout=0.3, seed=1),
    row("GRU", real(N, 4, 3), hidden=2, seed=1),
    row("GRU", real(N, 4, 3), mask(N, 4), hidden=2, seed=1),
    row("GRU", real(N, 4, 3), mask(N, 4), real(N, 2), hidden=2, reset="before", seed=1),
    row("Stacked", real(N, 4, 3), mask(N, 4),
        layers=(all_layers.LSTM(2, seed=1), all_layers.RNN(3, seed=2))),
    row("Bidirectional", real(N, 4, 3), mask(N, 4), ahead=all_layers.GRU(2, seed=1),
        back=all_layers.RNN(3, seed=2)),
    row("VariationalDropout", real(N, 4, 8), seed=1),
    row("VariationalDropout", real(N, 4, 8), ratio=0.2, seed=1),
    # embedding
    row("Embedding", labels(N, classes=6), vocabulary=6, dimension=3, seed=1),
    row("Embedding", labels(N, 4, classes=6), vocabulary=6, dimension=2, init=0.5, seed=1),
    row("EmbeddingDot", real(N, 3), labels(N, classes=6), vocabulary=6, init=1.0, seed=1),
    row("EmbeddingDot", real(N, 3), labels(N, 4, classes=6), vocabulary=6, init=1.0, seed=1),
    # attention
    row("DotProductAttention", real(N, 4, 3), real(N, 5, 3), real(N, 5, 2)),
    row("DotProductAttention", real(N, 4, 3), real(N, 5, 3), real(N, 5, 2), mask(N, 5),
        scale=False),
    row("DotProductAttention", real(N, 2, 4, 3), real(N, 2, 4, 3), real(N, 2, 4, 2), mask(N, 4),
        causal=True),
    row("AdditiveAttention", real(N, 4, 3), real(N, 5, 2), real(N, 5, 2), hidden=3, seed=1),
    row("AdditiveAttention", real(N, 4, 3), real(N, 5, 2), real(N, 5, 2), mask(N, 5), hidden=3,
        seed=1),
    row("MultiHeadAttention", real(N, 4, 6), heads=2, seed=1),
    row("MultiHeadAttention", real(N, 4, 6), heads=3, causal=True, seed=1),
    row("MultiHeadAttention", real(N, 4, 6), real(N, 5, 3), heads=2, seed=1),
    row("MultiHeadAttention", real(N, 4, 3), real(N, 5, 2), real(N, 5, 3), mask(N, 5), heads=2,
        dimension=4, seed=1),
    row("SinePosition", real(N, 4, 3)),
    row("LearnedPosition", real(N, 4, 3), length=6, init=1.0, seed=1),
    # loss
    row("SoftmaxCrossEntropy", real(N, 4), labels(N, classes=4)),
    row("SoftmaxCrossEntropy", real(N, 3, 4), labels(N, 3, classes=4)),
    row("SoftmaxCrossEntropy", real(N, 4), one_hot(N, 4)),
    row("SoftmaxCrossEntropy", real(N, 4), distributions(N, 4)),
    row("SoftmaxCrossEntropy", real(N, 4), labels(N, classes=4), positive(N)),
    row("SoftmaxCrossEntropy", real(N, 3, 4), distributions(N, 3, 4), positive(N)),
    row("SoftmaxCrossEntropy", real(N, 4), labels(N, classes=4), class_weights=(1, 2, 0.5, 3)),
    row("SoftmaxCrossEntropy", real(N, 4), labels(N, classes=4), label_smoothing=0.1),
    row("SoftmaxCrossEntropy", real(N, 6, 4), labels(N, 6, classes=4), positive(N),
        class_weights=(1, 2, 0.5, 3), label_smoothing=0.1, ignore_index=2),
    row("SigmoidCrossEntropy", real(N, 3), one_hot(N, 3)),
    row("SigmoidCrossEntropy", real(N, 3), distributions(N, 3), positive(N)),
    row("MeanSquaredError", real(N, 3), real(N, 3)),
    row("MeanSquaredError", real(N, 3, 2), real(N, 3, 2), positive(N)),
    row("SumSquaredError", real(N, 3), real(N, 3)),
    row("SumSquaredError", real(N, 3), real(N, 3), positive(N)),
    row("MeanAbsoluteError", real(N, 3), real(N, 3)),
    row("MeanAbsoluteError", real(N, 3), real(N, 3), positive(N)),
    row("Huber", real(N, 3), real(N, 3)),
    row("Huber", real(N, 3), real(N, 3, scale=2), positive(N), delta=0.5),
    row("NegativeLogLikelihood", real(N, 4), labels(N, classes=4)),
    row("NegativeLogLikelihood", real(N, 3, 4), labels(N, 3, classes=4), positive(N),
        class_weights=(1, 2, 0.5, 3)),
    row("NegativeLogLikelihood", real(N, 4), distributions(N, 4)),
    row("KLDivergence", real(N, 4), distributions(N, 4)),
    row("KLDivergence", real(N, 3, 4), distributions(N, 3, 4), positive(N)),
    row("BinaryCrossEntropy", distributions(N, 3), one_hot(N, 3)),
    row("BinaryCrossEntropy", distributions(N, 3), distributions(N, 3), positive(N)),
    row("Hinge", real(N, 3), signs(N, 3)),
    row("Hinge", real(N), signs(N), positive(N)),
    row("CosineSimilarity", real(N, 3), real(N, 3)),
    row("CosineSimilarity", real(N, 3, 2), real(N, 3, 2), axis=1),
    row("CosineEmbedding", real(N, 3), real(N, 3), signs(N)),
    row("CosineEmbedding", real(N, 3), real(N, 3), signs(N), positive(N), margin=0.2),
    row("NegativeSampling", real(N, 3), labels(N, classes=5), counts=(5, 2, 1, 0, 4), init=1.0,
        seed=1),
    row("GaussianKL", real(N, 3), real(N, 3)),
    row("GaussianKL", real(N, 3), real(N, 3), positive(N)),
)  # fmt: skip

# Layers whose outputs are whole numbers, or made of them: no gradient, so no proof.
WITHOUT_GRADIENT: tuple[Sample, ...] = (
    row("OneHot", labels(N, classes=4), classes=4),
    row("ArgMax", real(N, 3)),
    row("TopK", real(N, 5), k=2),
)
