"""Lowerings: how each layer becomes rows of a program, forward with backward below it."""

from handgrad.compile.lowering import (
    activation,
    affine,
    attention,
    convolution,
    dropout,
    embedding,
    loss,
    matrices,
    normalization,
    pooling,
    position,
    recurrent,
    shape,
    softmax,
)

__all__ = [
    "activation",
    "affine",
    "attention",
    "convolution",
    "dropout",
    "embedding",
    "loss",
    "matrices",
    "normalization",
    "pooling",
    "position",
    "recurrent",
    "shape",
    "softmax",
]
