"""Lowerings: how each layer becomes rows of a program, forward with backward below it."""

from handgrad.compile.lowering import (
    activation,
    affine,
    convolution,
    dropout,
    embedding,
    loss,
    normalization,
    pooling,
    recurrent,
    shape,
)

__all__ = [
    "activation",
    "affine",
    "convolution",
    "dropout",
    "embedding",
    "loss",
    "normalization",
    "pooling",
    "recurrent",
    "shape",
]
