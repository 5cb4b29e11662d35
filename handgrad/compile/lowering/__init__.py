"""Lowerings: how each layer becomes rows of a program, forward with backward below it."""

from handgrad.compile.lowering import (
    activation,
    affine,
    arithmetic,
    attention,
    convolution,
    dropout,
    embedding,
    loss,
    matmul,
    normalization,
    pooling,
    position,
    recurrent,
    reduction,
    shape,
    softmax,
)

__all__ = [
    "activation",
    "affine",
    "arithmetic",
    "attention",
    "convolution",
    "dropout",
    "embedding",
    "loss",
    "matmul",
    "normalization",
    "pooling",
    "position",
    "recurrent",
    "reduction",
    "shape",
    "softmax",
]
